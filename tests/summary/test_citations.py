"""Citations: which tasks a text names in brackets, and which statements name none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise.nodes.summary.citations import check_citations, marks

IDS = ("build", "lint", "load test", "a, b", "v1.2 [rc]", "a")

PRINTABLE = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="`\ue000\ue001"
)
NAMES = st.text(PRINTABLE, min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("The wheel is built [build].", ("build",)),
        ("Both passed [build, lint].", ("build", "lint")),
        ("Both passed [lint][build], and the third too [load test; lint].", ("lint", "build", "load test")),
        ("It is out [v1.2 [rc]].", ("v1.2 [rc]",)),
        ("An id may hold a comma [a, b].", ("a, b",)),
        ("Two ids, one with a comma [a, a, b].", ("a", "a, b")),
        ("Models put more around it [task build], [`lint`], ['a'].", ("build", "lint", "a")),
        ("Spaces do not count [load   test].", ("load test",)),
    ],
)
def test_ids_in_brackets_are_citations(text: str, cited: tuple[str, ...]) -> None:
    """One id or several, whatever an id holds."""
    found = check_citations(text, IDS)
    assert (found.cited, found.unknown, found.uncited) == (cited, (), ())
    assert found.warnings() == []


def test_an_id_that_is_exactly_there_goes_before_what_it_could_mean() -> None:
    """Where a task is called `task a`, `[task a]` is that one."""
    assert check_citations("It holds up well [task a].", ["a", "task a"]).cited == ("task a",)


def test_ids_that_do_not_exist_are_told() -> None:
    """A warning quotes them; what is known beside them counts."""
    found = check_citations("All three passed [build, deploy]. The rest is fine [nobody].", IDS)
    assert found.cited == ("build",)
    assert found.unknown == ("deploy", "nobody")
    assert found.uncited == ("The rest is fine [nobody].",)
    assert found.warnings() == [
        "the summary cites what is no task: [deploy], [nobody]",
        "1 of the summary's 2 statements cite no task: 'The rest is fine [nobody].'",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "See [the manual](https://example.org) for it.",
        "- [ ] open\n- [x] done",
        "It is `rows[0]`, or rows[0], of them.",
        "```\n[nobody] wrote this\n```",
        "A footnote[^1] or an image ![nobody](a.png).",
    ],
)
def test_other_brackets_are_no_citations(text: str) -> None:
    """Links, check boxes, code and indices."""
    assert check_citations(text.replace("[^1]", ""), IDS).unknown == ()


def test_statements_without_a_citation_are_counted_and_quoted() -> None:
    """Sentences, items and rows; a citation behind the full stop belongs to the sentence before."""
    text = """# What happened at length

Hello there, dear reader! Here is what was found:

The build went well. [build] It took 1.4 s, e.g. Because of the cache. The second one took longer.

- the linter found 3 faults [lint]
- nobody looked at the docs
  at all
1. **Load:** it held 300 requests a second [load test]

| task | result |
|---|---|
| lint | 3 faults [lint] |
| docs | were not looked at |

**In short**

```
this is code and states nothing.
```
Shall it run once more?
"""
    found = check_citations(text, IDS)
    assert found.uncited == (
        "It took 1.4 s, e.g. Because of the cache.",
        "The second one took longer.",
        "nobody looked at the docs at all",
        "| docs | were not looked at |",
    )
    assert found.statements == 8
    (warning,) = found.warnings()
    assert warning.startswith("4 of the summary's 8 statements cite no task: 'It took 1.4 s")
    assert warning.endswith("'nobody looked at the docs at all', and 1 more")


def test_full_stops_in_ids_end_no_sentence() -> None:
    """An id is one word, whatever it holds."""
    found = check_citations("It is done [No. 1. Ready] and well tested.", ["No. 1. Ready"])
    assert (found.statements, found.uncited) == (1, ())


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True), st.data())
def test_whatever_the_ids_are_a_mark_of_them_holds_no_unknown_one(ids: list[str], data: st.DataObject) -> None:
    """Brackets, commas and quotes inside of ids make no other ids."""
    chosen = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=4))
    found = check_citations(f"It was so [{', '.join(chosen)}].", ids)
    assert found.unknown == ()
    assert found.cited
    assert set(found.cited) <= set(ids)


@given(st.lists(st.text("abc-", min_size=1, max_size=8), min_size=1, max_size=8, unique=True), st.data())
def test_plain_ids_are_read_as_they_are_written(ids: list[str], data: st.DataObject) -> None:
    """In their order, each once."""
    chosen = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=4))
    found = check_citations(f"It was so [{', '.join(chosen)}].", ids)
    assert found.cited == tuple(dict.fromkeys(chosen))


@given(
    st.text(st.sampled_from("ab [],;.`*|-#\n!(:\ue000\ue001") | PRINTABLE, max_size=200), st.lists(NAMES, max_size=4)
)
def test_any_text_can_be_checked(text: str, ids: list[str]) -> None:
    """It never fails; cited ids are ids, unknown ones are none, and marks lie in the text one after another."""
    found = check_citations(text, ids)
    assert set(found.cited) <= set(ids)
    assert not {" ".join(name.split()) for name in ids} & set(found.unknown)
    assert len(found.uncited) <= found.statements
    at = 0
    for mark in marks(text, ids):
        assert at <= mark.start < mark.end <= len(text)
        at = mark.end


@pytest.mark.parametrize(
    "text", ["[," * 50_000, "[" * 100_000, "[x,]" * 20_000, "a. A" * 30_000, "*" * 100_000, "`" * 100_000]
)
def test_no_text_takes_long(text: str) -> None:
    """A hundred thousand characters of the worst kind."""
    begun = time.monotonic()
    check_citations(text, IDS)
    assert time.monotonic() - begun < 10
