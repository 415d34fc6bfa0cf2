"""What `fanwise serve` refuses before it starts: in one line that says what to do, with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
import warm
from agent_servers import environment

from .conftest import FANWISE


@pytest.mark.parametrize(
    ("options", "env", "told"),
    [
        (["--auth"], {}, "--new-key"),
        (["--auth"], {"FANWISE_API_KEYS": "/nope"}, "FANWISE_API_KEYS: the file of keys can't be read"),
        (["--auth"], {"FANWISE_API_KEYS": "/dev/null"}, "there is no key in /dev/null"),
        (["--auth"], {"FANWISE_JWT_SECRET": "short"}, "FANWISE_JWT_SECRET: it has to have 32 characters at least"),
        (["--events", "/nope"], {}, "--events /nope: there is no such file or folder"),
        (["--specialists", "nofile.yaml"], {}, "nofile.yaml: 1 problem\n  - no such file"),
        (["--model", "openai:gpt-4.1"], {}, "it has no key: set OPENAI_API_KEY"),
        (["--data", "/dev/null/x"], {}, "--data /dev/null/x: it can't be written to"),
    ],
)
def test_refused_at_once(tmp_path: Path, options: list[str], env: dict[str, str], told: str) -> None:
    """A server that could serve nobody, or nothing, does not start."""
    pytest.importorskip("langgraph_api")
    done = warm.run(
        [*FANWISE, "serve", "--port", "0", *options],
        cwd=tmp_path,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and told in done.stderr, done
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr, done.stderr


def test_states_of_something_else_are_refused(tmp_path: Path) -> None:
    """A file in the place of the states that is none is named, and left as it is."""
    pytest.importorskip("langgraph_api")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "threads.db").write_text("no database " * 100)
    command = [*FANWISE, "serve", "--port", "0", "--data", "data"]
    done = warm.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "threads.db" in done.stderr and "--data" in done.stderr, done
