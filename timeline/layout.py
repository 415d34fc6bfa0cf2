"""Where the boxes of the task graph stand: phases from left to right, a wide phase in several columns. Pure, linear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..schema.dag import dependents, phases
from .model import Graph

BOX_WIDTH, BOX_HEIGHT = 168.0, 34.0
GAP_X, GAP_Y = 72.0, 14.0
"""Between phases, and between the boxes of one."""

INNER_GAP = 22.0
"""Between the columns of one phase."""

ASPECT = 1.7
"""Width by height that is aimed at."""

SWEEPS = 4


class Layout(NamedTuple):
    """The drawn graph."""

    places: Mapping[str, tuple[float, float]]
    """Where each task's box begins."""
    phase: Mapping[str, int]
    """Each task's phase, counted from 1."""
    graph: Graph


def layout(needs: Mapping[str, Sequence[str]]) -> Layout:
    """Place the tasks of a graph, so that most edges are short and few cross.

    Tasks of a phase are put in the order of the mean place of what they depend on, and of what depends on them
    (barycentres: Sugiyama, Tagawa, Toda, 1981).

    Args:
        needs: task id -> ids that it depends on.
    """
    levels = _ordered(phases(needs), needs)
    if not levels:
        return Layout({}, {}, Graph(width=0.0, height=0.0, box_width=BOX_WIDTH, box_height=BOX_HEIGHT))
    high = _rows([len(level) for level in levels])
    x, places, phase = 0.0, dict[str, tuple[float, float]](), dict[str, int]()
    for number, level in enumerate(levels, 1):
        columns = -(-len(level) // high)
        each = -(-len(level) // columns)
        for index, task in enumerate(level):
            column, row = divmod(index, each)
            in_column = min(each, len(level) - column * each)
            top = (high - in_column) / 2
            places[task] = (x + column * (BOX_WIDTH + INNER_GAP), (top + row) * (BOX_HEIGHT + GAP_Y))
            phase[task] = number
        x += columns * (BOX_WIDTH + INNER_GAP) - INNER_GAP + GAP_X
    width, height = x - GAP_X, high * (BOX_HEIGHT + GAP_Y) - GAP_Y
    return Layout(places, phase, Graph(width=width, height=height, box_width=BOX_WIDTH, box_height=BOX_HEIGHT))


def _ordered(levels: list[list[str]], needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    later = dependents(needs)
    levels = [list(level) for level in levels]
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = needs if down else later
        for level in levels[1:] if down else levels[-2::-1]:
            place = _places(levels)
            means = {task: _mean([place[n] for n in neighbours.get(task, ()) if n in place]) for task in level}
            level.sort(key=lambda task, means=means, place=place: _or(means[task], place[task]))  # type: ignore[misc]
    return levels


def _places(levels: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return where each task stands in its level, from 0 to 1."""
    return {task: (index + 0.5) / len(level) for level in levels for index, task in enumerate(level)}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _rows(sizes: Sequence[int]) -> int:
    """Return how many boxes stand above each other, at most, so that the whole is about as wide as a screen."""
    most = max(sizes, default=1)
    best, found = float("inf"), most
    rows = most
    while rows >= 1:
        columns = sum(-(-size // rows) for size in sizes)
        width = columns * (BOX_WIDTH + INNER_GAP) + len(sizes) * (GAP_X - INNER_GAP)
        ratio = width / (rows * (BOX_HEIGHT + GAP_Y))
        off = max(ratio / ASPECT, ASPECT / ratio)
        if off < best:
            best, found = off, rows
        rows = rows - max(1, rows // 20)
    return max(found, min(most, 6))
