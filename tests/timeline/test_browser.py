"""The page as people use it, in a headless Chromium: pointer, keys, filter, zoom, themes, and a run that goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from timeline_runs import attempt, event, made, result, sample, task

from fanwise.timeline.page import page
from fanwise.timeline.serving import Board, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Open = Callable[..., Any]
AXE = "axe-core@4.14.1"


def line(opened: Any, name: str) -> Any:
    """A task's name in the chart."""
    return opened.locator(f'[role=treeitem][data-id="{name}"] > span')


def shows(opened: Any, where: str, text: str) -> None:
    """Wait until a text stands somewhere."""
    opened.locator(where, has_text=text).wait_for(state="attached")


def window(opened: Any) -> list[str]:
    """The names that are in the chart, from top to bottom, once it is drawn."""
    opened.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
    found: list[str] = opened.eval_on_selector_all(
        "[role=treeitem]", "nodes => nodes.map(n => n.querySelector('bdi')?.textContent)"
    )
    return found


def test_a_click_opens_what_a_task_was_given_and_gave(opened: Open) -> None:
    """Error, course, dependencies; a dependency leads to its own details; Escape closes."""
    shown = opened(page(sample()))
    line(shown, "broken").click()
    details = shown.locator("#details")
    assert "ValueError: no rows in <b>page</b>" in details.inner_text()
    assert details.locator("b").count() == 0
    details.get_by_role("button", name="load").click()
    assert details.locator("h2").inner_text() == "load" and '"rows": 3' in details.inner_text()
    shown.keyboard.press("Escape")
    assert not details.is_visible()


def test_the_pointer_over_a_bar_tells_what_it_is(opened: Open) -> None:
    """Task, attempt, how long; and nothing stays when it leaves."""
    shown = opened(page(sample()))
    box = shown.locator("#lanes").bounding_box()
    shown.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 13)
    tip = shown.locator("#tip")
    tip.wait_for()
    assert "load: Load the page" in tip.inner_text() and "attempt 1: succeeded" in tip.inner_text()
    shown.mouse.move(5, 5)
    assert not tip.is_visible()


def test_all_is_there_by_keyboard(opened: Open) -> None:
    """From line to line, into a task and back to its line; views, zoom, groups."""
    shown = opened(page(sample()))
    shown.locator('[role=treeitem][tabindex="0"]').focus()
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("Enter")
    second = window(shown)[1]
    assert shown.locator("#details h2").inner_text() == second
    shown.keyboard.press("Escape")
    assert shown.evaluate("document.activeElement.dataset.line") == "1"
    shown.keyboard.press("End")
    assert shown.evaluate("document.activeElement.dataset.line") == "11"
    shown.keyboard.press("/")
    assert shown.evaluate("document.activeElement.id") == "search"
    shown.keyboard.type("letter")
    shown.keyboard.press("Enter")
    assert window(shown) == ["letter"]
    shown.keyboard.press("2")
    assert shown.locator("#tab-slots").get_attribute("aria-selected") == "true"
    shown.keyboard.press("Tab")
    shown.locator("#tab-graph").click()
    shown.locator("#graph").focus()
    shown.keyboard.press("ArrowRight")
    assert "specialist" not in shown.locator("#say").inner_text() and shown.locator("#say").inner_text() != ""


def test_filters_groups_and_the_critical_path(opened: Open) -> None:
    """By text, by status, by what is critical; groups fold."""
    shown = opened(page(sample()))
    shown.locator('[data-status="failed"]').click()
    assert "broken" not in window(shown) and shown.locator("#count").inner_text() == "11 of 12 tasks"
    shown.locator('[data-status="failed"]').click()
    shown.locator("#search").fill("nothing like it")
    assert shown.locator("#empty").inner_text() == "No task matches the filter."
    shown.locator("#search").fill("")
    shown.locator("#critical").click()
    assert window(shown) == ["load", "check", "pick"]
    shown.locator("#critical").click()
    shown.select_option("#group", "phase")
    shown.wait_for_selector(".group")
    assert "check" in window(shown), "the groups are drawn"
    shown.locator(".group > span").nth(1).click()
    shown.locator('.group[aria-expanded="false"]').wait_for(state="attached")
    assert "check" not in window(shown)


def test_zoom_and_back(opened: Open) -> None:
    """By button, wheel, key, and by dragging over the run."""
    shown = opened(page(sample()))

    def picture() -> str:
        shown.wait_for_timeout(60)
        found: str = shown.evaluate("document.getElementById('axis').toDataURL()")
        return found

    whole = picture()
    shown.locator("#in").click()
    assert picture() != whole
    shown.locator("#fit").click()
    assert picture() == whole
    box = shown.locator("#overview").bounding_box()
    shown.mouse.move(box["x"] + 100, box["y"] + 20)
    shown.mouse.down()
    shown.mouse.move(box["x"] + 300, box["y"] + 20)
    shown.mouse.up()
    assert picture() != whole
    shown.locator("#overview").dblclick()
    assert picture() == whole
    lanes = shown.locator("#lanes").bounding_box()
    shown.mouse.move(lanes["x"] + 200, lanes["y"] + 40)
    shown.keyboard.down("Control")
    shown.mouse.wheel(0, -300)
    shown.keyboard.up("Control")
    assert picture() != whole
    zoomed = picture()
    line(shown, "load").click()
    assert picture() != zoomed


def test_dark_where_the_reader_likes_it(opened: Open) -> None:
    """By the system's setting, and by the button."""
    shown = opened(page(sample()), color_scheme="dark")
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    shown.locator("#theme").click()
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_phone_shows_all_of_it(opened: Open) -> None:
    """Nothing is wider than the screen."""
    shown = opened(page(sample()), screen={"width": 390, "height": 844}, is_mobile=True)
    shown.set_viewport_size({"width": 390, "height": 844})
    line(shown, "load").click()
    assert shown.locator("#details").is_visible()
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390


def test_hostile_text_stays_text(opened: Open) -> None:
    """No tag, no script, no dialogue, no message on the console; very long lines wrap."""
    bad = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u202e\u2066\u2028" + "W" * 5000
    run = made([task(bad[:190], title=bad)], [result(bad[:190], 0, 1, output=bad, error=bad)], summary=bad, request=bad)
    shown = opened(page(run))
    shown.locator("#more-title").click()
    shown.locator("[role=treeitem] > span").click()
    for tab in ("slots", "graph", "table"):
        shown.locator(f"#tab-{tab}").click()
    assert shown.locator("img").count() == 0 and shown.locator("script").count() == 4
    assert shown.locator("#details pre").first.inner_text().startswith("<img src=x")
    assert shown.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("count", [0, 1000])
def test_no_task_and_a_thousand(opened: Open, count: int) -> None:
    """Only what is in sight is in the page's tree; drawing a frame is quick."""
    run = sample(count) if count else made([], [])
    shown = opened(page(run))
    if not count:
        assert shown.locator("#empty").inner_text() == "This run's plan has no tasks."
        return
    assert shown.locator("[role=treeitem]").count() < 60
    assert shown.locator("[role=treeitem]").first.get_attribute("aria-setsize") == "1000"
    shown.locator("#dense").click()
    shown.locator("#tab-graph").click()
    shown.wait_for_selector(".node")
    assert shown.locator(".node").count() == 1000
    shown.locator("#tab-table").click()
    assert shown.locator("#table tbody tr").count() == 1000


def test_a_run_that_goes_on_is_followed(opened: Open) -> None:
    """A task's end shows without a reload, and is told to those who listen."""
    tasks = [task("a"), task("b", "a")]
    events = [event("", "began", 0), event("a", "started", 0, attempt=1)]
    board = Board(made(tasks, [], [], events, status="running", now=1))
    with served(board) as address:
        shown = opened(address)
        shows(shown, "#live-text", "live")
        assert shown.locator("#status").inner_text() == "running"
        done = [result("a", 0, 2), result("b", 2, 3)]
        attempts = [attempt("a", 1, 0, 2), attempt("b", 1, 2, 1)]
        board.put(made(tasks, done[:1], attempts[:1], events, status="running", now=2))
        shows(shown, "#say", "1 of 2 tasks have ended")
        board.put(made(tasks, done, attempts, [*events, event("", "ended", 3)]))
        shows(shown, "#status", "succeeded")
        assert shown.locator('[role=treeitem]:has-text("succeeded")').count() == 2


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The accessibility checker, by npm."""
    folder = tmp_path_factory.mktemp("axe")
    if (npm := shutil.which("npm")) is None:
        pytest.skip("no npm here, which brings axe-core")
    packed = subprocess.run([npm, "pack", AXE, "--silent"], cwd=folder, capture_output=True, timeout=60, check=False)
    archive = next(folder.glob("axe-core-*.tgz"), None)
    if packed.returncode or archive is None:
        pytest.skip(f"npm does not bring {AXE}")
    with tarfile.open(archive) as files:
        member = files.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(opened: Open, axe: str, scheme: str) -> None:
    """In any view, with a task open, in both themes."""
    shown = opened(page(sample()), color_scheme=scheme, bypass_csp=True)
    line(shown, "broken").click()
    shown.evaluate(axe)
    for tab in ("tasks", "slots", "graph", "table"):
        shown.locator(f"#tab-{tab}").click()
        shown.wait_for_timeout(100)
        found = shown.evaluate("axe.run(document)")
        faults = [
            (one["id"], one["impact"], [n["html"][:200] for n in one["nodes"]][:3]) for one in found["violations"]
        ]
        assert faults == [], json.dumps(faults, indent=1)


def test_the_page_works_without_any_network(opened: Open, tmp_path: Path) -> None:
    """From a file, offline; it asks for nothing."""
    shown = opened(page(sample()), offline=True)
    assert shown.evaluate("performance.getEntriesByType('resource').length") == 0
