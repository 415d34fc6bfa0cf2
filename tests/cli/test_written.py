"""How a summary looks while a model writes it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fanwise.cli.lines import Lines
from fanwise.cli.live import LiveDisplay
from fanwise.cli.progress import Progress

TEXT = (
    "The release is not ready: its documents failed [docs].\n\n"
    "- the wheel shop-1.4.whl was built in 0.4 s and holds all of it [build]\n" + "Some more of it [build].\n" * 30
)


def shown(progress: Progress, now: float, width: int = 40, height: int = 12) -> list[str]:
    """The rows of the live display."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    display = LiveDisplay(progress, console)
    with console.capture() as capture:
        console.print(display.picture(now))
    return capture.get().splitlines()


def ended() -> Progress:
    """A run whose tasks have all ended, one second ago."""
    progress = Progress()
    progress.take({"type": "run_started", "total": 1}, 0.0)
    progress.take({"type": "task_finished", "task_id": "build", "status": "succeeded", "total": 1}, 9.0)
    return progress


def test_a_summary_that_takes_long_is_announced() -> None:
    """After half a second without a text; a summary without a model is there before."""
    progress = ended()
    assert not any("writing" in row for row in shown(progress, 9.2))
    assert any("writing the summary" in row for row in shown(progress, 10.0))


@pytest.mark.parametrize(("width", "height"), [(100, 24), (40, 12), (20, 5)])
def test_it_appears_as_it_is_written(width: int, height: int) -> None:
    """Its last lines, broken between words, never more than the terminal has; what stands does not jump."""
    progress = ended()
    for at in range(0, len(TEXT), 7):
        progress.take({"type": "summary_text", "text": TEXT[at : at + 7]}, 10.0)
        rows = shown(progress, 10.0, width, height)
        assert len(rows) < height
        assert all(len(row) <= width for row in rows)
        assert not any("writing the summary" in row for row in rows)
    assert "Some more of it [build].".endswith(rows[-1])


def test_what_was_taken_back_is_shown_no_more() -> None:
    """The text begins anew."""
    progress = ended()
    progress.take({"type": "summary_text", "text": "The rel"}, 10.0)
    progress.take({"type": "summary_restarted", "why": "it broke off"}, 10.0)
    progress.take({"type": "summary_text", "text": "All is well."}, 10.0)
    rows = shown(progress, 10.0)
    assert rows[-1] == "All is well."
    assert not any("The rel" in row for row in rows)


def test_a_terminal_obeys_nothing_of_it() -> None:
    """Whatever an event holds."""
    progress = ended()
    progress.take({"type": "summary_text", "text": "red \x1b[31m\x1b]0;title\x07[bold]text[/bold]\u202e"}, 10.0)
    assert shown(progress, 10.0)[-1] == "red [bold]text[/bold]"


def test_without_a_terminal_only_the_whole_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """Lines for logs and pipes tell nothing of the pieces."""
    lines = Lines(Progress(), verbose=True)
    lines.on_event({"type": "summary_text", "text": "The rel"})
    lines.on_event({"type": "summary_restarted", "why": "it broke off"})
    assert capfd.readouterr() == ("", "")
