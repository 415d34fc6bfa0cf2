"""`fanwise timeline` as a process, or called in this one."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import warm

from fanwise.cli.app import run_cli

COMMAND = (sys.executable, "-c", "from fanwise.cli import main; main()")
PLAN = {
    "name": "small",
    "tasks": [
        {"id": "a", "specialist": "wait", "input": {"seconds": 0.02, "output": "hush-hush"}},
        {"id": "b", "specialist": "wait", "depends_on": ["a"], "input": {"fail": "no"}},
    ],
}


@pytest.fixture
def called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls the command in a folder with one run."""

    def call(*args: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        with contextlib.chdir(tmp_path), pytest.raises(SystemExit) as ended:
            run_cli(args)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(args, int(ended.value.code or 0), said.out, said.err)

    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    assert call("run", "plan.json", "--thread", "th", "-q").returncode == 1
    return call


def test_a_file_of_each_kind(called: Any, tmp_path: Path) -> None:
    """The name's ending says which; its name is printed."""
    done = called("timeline", "th")
    assert (done.returncode, done.stdout, done.stderr) == (0, "th.html\n", "")
    assert "hush-hush" in (tmp_path / "th.html").read_text()
    assert called("timeline", "th", "-o", "x.svg", "--theme", "dark").returncode == 0
    assert ElementTree.parse(tmp_path / "x.svg").getroot().tag.endswith("svg")
    assert called("timeline", "th", "-o", "x.perfetto.json").returncode == 0
    assert json.loads((tmp_path / "x.perfetto.json").read_text())["otherData"]["status"] == "failed"


def test_without_data_for_others(called: Any, tmp_path: Path) -> None:
    """Nothing of what tasks were given or gave."""
    assert called("timeline", "th", "--no-data").returncode == 0
    assert "hush-hush" not in (tmp_path / "th.html").read_text()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing"], "error: there is no run 'nothing'; `fanwise runs` lists them\n"),
        (["th", "-o", "x.pdf"], "end it with .html, .svg, .png or .perfetto.json\n"),
        (["th", "-o", "none/x.html"], "can't be written to 'none/x.html': No such file or directory\n"),
        (["th", "--db", "none.db"], "error: no database of runs at none.db"),
        (["th", "--follow", "-o", "x.html"], "--follow serves the page and writes no file: leave -o out"),
        (["th", "--port", "80"], "--port goes with --follow"),
        (["th", "--open", "-o", "-"], "--open needs a file: give -o a name"),
    ],
)
def test_what_is_wrong_is_one_message(called: Any, args: list[str], message: str) -> None:
    """With code 2, and no trace of the inside."""
    done = called("timeline", *args)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr and not done.stdout


@pytest.mark.slow
def test_a_run_in_another_process_is_followed_until_ctrl_c(tmp_path: Path) -> None:
    """What works is at work on the page, and its end comes; then the command ends with 0."""
    tasks = [{"id": name, "specialist": "wait", "input": {"seconds": 3}} for name in "ab"]
    (tmp_path / "long.json").write_text(json.dumps({"tasks": [*tasks, {**tasks[0], "id": "c", "depends_on": ["a"]}]}))
    quiet = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = warm.Popen([*COMMAND, "run", "long.json", "--thread", "th", "-v"], **quiet)
    assert running.stderr is not None
    assert any("started" in line or " a" in line for line in running.stderr)
    following = warm.Popen([*COMMAND, "timeline", "th", "--follow"], **quiet)
    assert following.stdout is not None
    parts = urlsplit(following.stdout.readline().strip())
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("GET", f"{parts.path}events")
    answer = connection.getresponse()
    rows: dict[str, Any] = {}
    while {rows.get(name, {}).get("status") for name in "ab"} != {"succeeded"}:
        line = answer.readline()
        assert line, "the server let go before the end"
        if line.startswith(b"data: "):
            rows |= {row["id"]: row for row in json.loads(line[6:])["rows"]}
            begun = [rows[name] for name in "ab" if "segments" in rows[name]]
            statuses = [(row["status"], row["segments"][-1]["kind"]) for row in begun]
            assert set(statuses) <= {("running", "attempt"), ("succeeded", "attempt"), ("pending", "dependencies")}
    following.send_signal(signal.SIGINT)
    assert following.wait(20) == 0
    connection.close()
    os.kill(running.pid, signal.SIGTERM)
    running.communicate(timeout=60)
    following.communicate()
