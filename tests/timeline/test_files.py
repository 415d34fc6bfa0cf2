"""What the files hold: page, image and trace; and that hostile text does no harm in any of them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples
from timeline_runs import attempt, made, result, sample, task

from fanwise.schema.errors import RunError
from fanwise.timeline.files import ending_of, rendered, write_whole
from fanwise.timeline.page import LIBRARY, asset, page
from fanwise.timeline.perfetto import SLOTS, TASKS, trace
from fanwise.timeline.svg import svg

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\u2028\u2029]]>&lt;\x00\ud800{data}"


class Tags(HTMLParser):
    """The tags of a page, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_data = ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False


def hostile(text: str) -> Any:
    """A run with a text wherever one can stand."""
    return made(
        [task(text or "t", title=text, description=text, input={text: text})],
        [result(text or "t", 0, 1, status="failed", error=text, output={"text": text})],
        [attempt(text or "t", 1, 0, 1, "failed", error=text)],
        summary=text,
        request=text,
    )


PLAIN = Tags(page(hostile("plain"))).tags


@settings(max_examples=examples(30, 200), deadline=None)
@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=60) | st.just(HOSTILE))
def test_any_text_comes_back_from_the_page_and_never_makes_a_tag(text: str) -> None:
    """Ids, titles, inputs, outputs, errors, the summary."""
    found = Tags(page(hostile(text)))
    assert found.tags == PLAIN
    data = json.loads(found.data)
    (row,) = data["rows"]
    assert (data["summary"], data["request"], row["id"], row.get("error")) == (text, text, text or "t", text or "")
    assert json.loads(row["output"]["text"]) == {"text": text}


@settings(max_examples=examples(30, 200), deadline=None)
@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=60) | st.just(HOSTILE))
def test_any_text_leaves_the_image_well_formed(text: str) -> None:
    """What XML forbids is replaced; nothing but the image's own elements is in it."""
    root = ElementTree.fromstring(svg(hostile(text)))
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "title", "desc", "defs", "pattern", "rect", "text", "line", "path", "g"}


def test_the_page_needs_nothing_from_outside() -> None:
    """No address is in its markup, and its policy lets nothing in but its own code."""
    text = page(sample())
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
    assert not re.search(r"(src|href)=\"(?!#|data:,)", markup)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None and "default-src 'none'" in policy[1] and "unsafe" not in policy[1]
    assert "connect-src 'none'" in policy[1]


def test_the_page_is_small_and_names_its_library() -> None:
    """The library stands in it unchanged, with its licence."""
    text = page(sample())
    assert len(text) < 600_000
    assert asset("d3.min.js") in text and LIBRARY in text and "Permission to use, copy, modify" in text
    assert asset("d3.min.js").startswith("// https://d3js.org v7.9.2 ")


def test_the_image_shows_rows_graph_and_path() -> None:
    """One row for each task, one box for each, and a line for each dependency."""
    run = sample()
    root = ElementTree.fromstring(svg(run))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}g")) == len(run.rows) == 12
    texts = [element.text for element in root.iter(f"{space}text")]
    assert texts[:2] == ["plan", "failed"]
    assert {"at work", "no process at work"} <= set(texts)
    assert "load · Load the page" in texts and "Task graph" in texts
    edges = sum(len(row.depends_on) for row in run.rows)
    links = len([path for path in root.iter(f"{space}path")])
    assert links == edges + len(run.critical) - 1
    described = root.find(f"{space}desc")
    assert described is not None and "10 succeeded, 1 skipped, 1 failed" in (described.text or "")


def test_a_plan_without_tasks_draws_in_every_kind() -> None:
    """A page, an image and a trace that say so."""
    run = made([], [])
    assert "The plan has no tasks." in svg(run)
    assert json.loads(Tags(page(run)).data)["rows"] == []
    assert [e for e in trace(run)["traceEvents"] if e["ph"] != "M"] == []


def test_the_trace_has_slots_tasks_flows_and_counters() -> None:
    """In the trace event format: complete events in microseconds, arrows in pairs, counts that end at zero."""
    run = sample()
    events = trace(run)["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    assert {e["pid"] for e in slices} == {SLOTS, TASKS}
    assert all(isinstance(e["ts"], int) and isinstance(e["dur"], int) and e["dur"] >= 0 for e in slices)
    names = {e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert {row.id for row in run.rows} <= names and f"slot {run.slots}" in names
    starts, ends = ([e for e in events if e["ph"] == phase] for phase in "sf")
    assert {e["id"] for e in starts} == {e["id"] for e in ends} and len(starts) == len(ends) > 5
    before = {e["id"]: e["ts"] for e in starts}
    assert all(before[e["id"]] <= e["ts"] for e in ends)
    counts = [e["args"] for e in events if e["ph"] == "C"]
    assert counts[-1] == {"at work": 0, "queued": 0}
    first = next(e for e in slices if e["pid"] == SLOTS and e["name"] == "load")
    assert first["args"]["usage"] == {"input_tokens": 900, "output_tokens": 100, "cost": 0.02}


def test_an_image_of_dots() -> None:
    """PNG, with the extra."""
    pytest.importorskip("resvg_py", reason="the extra `timeline` is not installed")
    assert rendered(sample(), ".png")[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(RunError, match=r"pip install 'fanwise\[timeline\]'"):
        rendered(sample(), ".png")


def test_an_unknown_ending_is_refused() -> None:
    """With those that there are, and the nearest."""
    assert ending_of(Path("a/RUN.HTML")) == ".html"
    assert ending_of(Path("run.perfetto.json")) == ".perfetto.json"
    with pytest.raises(RunError, match=r"end it with \.html, \.svg, \.png or \.perfetto\.json; did you mean 'x\.perf"):
        ending_of(Path("x.json"))


def test_what_cant_be_written_says_so(tmp_path: Path) -> None:
    """And nothing half is left."""
    with pytest.raises(RunError, match=r"can't be written to .*No such file or directory"):
        write_whole(tmp_path / "none" / "run.html", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match="can't be written"):
        write_whole(tmp_path / "folder", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
