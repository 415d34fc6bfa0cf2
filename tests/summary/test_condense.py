"""How long results are divided and put together, and how a model's pieces are told: pure parts of the summary."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage

from fanwise.nodes.summary.condense import Condenser, fair_share, packed, split
from fanwise.nodes.summary.material import Part
from fanwise.nodes.summary.told import Told

PARTS = st.lists(
    st.builds(Part, st.tuples(st.text("abc", min_size=1, max_size=5)), st.text("word \n", max_size=3_000)), max_size=8
)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), st.integers(0, 50_000))
def test_a_fair_share_fits_and_leaves_the_short_ones_alone(sizes: list[int], room: int) -> None:
    """Nobody has to come down further than needed."""
    share = fair_share(sizes, room)
    assert sum(min(size, share) for size in sizes) <= max(room, 0) or sum(sizes) <= room
    if sum(sizes) <= room:
        assert share == max(sizes)
    else:
        assert sum(min(size, share + 1) for size in sizes) > room - len(sizes)


@given(st.text("word \n", max_size=20_000), st.integers(50, 2_000))
def test_a_split_result_loses_nothing(text: str, room: int) -> None:
    """Its pieces put together are the result, and each fits."""
    pieces = split(Part(("a",), text), room)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.tokens <= max(room, 120) + 5 for piece in pieces)
    assert {piece.ids for piece in pieces} == {("a",)}


@given(PARTS, st.integers(1, 1_000))
def test_packed_groups_hold_all_parts_in_order(parts: list[Part], room: int) -> None:
    """Each group fits, or is one part."""
    groups = packed(parts, room)
    assert [part for group in groups for part in group] == parts
    assert all(len(group) == 1 or sum(part.tokens for part in group) <= room for group in groups)


@given(PARTS, st.integers(200, 3_000), st.sampled_from(["", "short [a]", "word " * 4_000]))
def test_condensing_always_comes_to_an_end(parts: list[Part], room: int, answer: str) -> None:
    """Whatever a model answers: all fits in the end, and every task is in one part."""

    async def ask(messages: list[BaseMessage]) -> str:
        return answer

    fitting = asyncio.run(Condenser(ask, "", 2_000).fit(parts, room))
    assert [name for part in fitting for name in part.ids] == [name for part in parts for name in part.ids]
    assert sum(part.tokens for part in fitting) <= room * 1.2 + 100


@given(st.lists(st.text(st.sampled_from("ab \n\t<think/>") | st.characters(codec="utf-8"), max_size=6), max_size=30))
def test_what_is_told_is_the_text(pieces: list[str]) -> None:
    """However it is cut into pieces: no white space around it, and no control character in it."""
    heard: list[str] = []
    told = Told(heard.append)
    for piece in pieces:
        told.more(piece)
    told.end()
    assert "".join(heard) == told.text == told.text.strip()
    assert not any(char < " " and char not in "\n\t" for char in told.text)
    whole = Told(lambda text: None)
    whole.more("".join(pieces))
    whole.end()
    assert whole.text == told.text
