"""The run as a still image: figures, the Gantt chart by task, and the task graph, in SVG for reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from .axis import Axis
from .model import Row, Segment, Timeline
from .shapes import DARK, FONT, LIGHT, curve, label, line, rect, written
from .words import NOTHING, TIMES, duration, fitted, tick, usage

WIDTH = 1280.0
MARGIN = 24.0
NAMES = 230.0
"""Width of the tasks' names."""

LEGEND = (
    ("queued", "queued"),
    ("succeeded", "worked"),
    ("running", "at work"),
    ("failed", "failed"),
    ("timed_out", "timed out"),
    ("cancelled", "cancelled"),
    ("backoff", "backoff"),
    ("paused", "waits for a person"),
    ("stopped", "no process at work"),
    ("critical", "critical path"),
)


def svg(timeline: Timeline, *, theme: Literal["light", "dark"] = "light") -> str:
    """Return a run as an SVG image."""
    return _Picture(timeline, DARK if theme == "dark" else LIGHT).drawn()


class _Picture:
    """One image, drawn from top to bottom."""

    def __init__(self, timeline: Timeline, ink: Mapping[str, str]) -> None:
        self.timeline = timeline
        self.ink = ink
        self.parts: list[str] = []
        self.y = MARGIN
        self.row = 22.0 if len(timeline.rows) <= 60 else 16.0 if len(timeline.rows) <= 250 else 11.0
        self.axis = Axis(timeline, MARGIN + NAMES, WIDTH - 2 * MARGIN - NAMES)

    def drawn(self) -> str:
        """Return the whole image."""
        self._head()
        self._legend()
        self._chart()
        self._slots()
        self._graph()
        height = self.y + MARGIN
        name = f"{self.timeline.name}: {self.timeline.status}"
        patterns = "".join(
            f'<pattern id="{kind}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            f'<rect width="6" height="6" fill="{self.ink["soft"]}"/>'
            f'<rect width="{wide}" height="6" fill="{self.ink[kind]}"/></pattern>'
            for kind, wide in (("queued", 2), ("paused", 3))
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}" '
            f'height="{height:g}" font-family="{FONT}" role="img" aria-labelledby="title desc">\n'
            f'<title id="title">{written(name)}</title>\n<desc id="desc">{written(_told(self.timeline))}</desc>\n'
            f'<defs>{patterns}</defs>\n<rect width="100%" height="100%" fill="{self.ink["bg"]}"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )

    def _head(self) -> None:
        run, known = self.timeline, self.timeline.figures
        self._say(MARGIN, self.y + 16, fitted(run.name, 800, 20), 20, weight=600)
        self._say(WIDTH - MARGIN, self.y + 16, run.status, 15, run.status, weight=600, anchor="end")
        self.y += 36
        if run.request:
            self._say(MARGIN, self.y, fitted(run.request, WIDTH - 2 * MARGIN, 12), 12, "quiet")
            self.y += 20
        slots = f"{run.slots} of {run.max_parallel}" if run.max_parallel else str(run.slots)
        figures = [
            ("tasks", str(len(run.rows))),
            ("time at work" if known.was_left else "time", duration(known.at_work_s or run.length_s)),
            ("work", duration(known.work_s)),
            ("speedup", f"{known.speedup:.1f}{TIMES}" if known.speedup else NOTHING),
            ("critical path", duration(known.critical_path_s)),
            ("slots used", slots),
            *usage(run.metrics.get("usage")),
            ("started", (run.started_at or NOTHING)[:19].replace("T", " ")),
        ]
        x = MARGIN
        for name, value in figures:
            self._say(x, self.y + 8, name, 11, "quiet")
            self._say(x, self.y + 24, value, 13, weight=600)
            x += max(len(name) * 6.4, len(value) * 8.6) + 28
        self.y += 44

    def _legend(self) -> None:
        x = MARGIN
        for kind, text in LEGEND:
            self.parts.append(self._sample(kind, x, self.y))
            self._say(x + 30, self.y + 9, text, 11, "quiet")
            x += 46 + len(text) * 6.6
        self.y += 30

    def _sample(self, kind: str, x: float, y: float) -> str:
        if kind == "backoff":
            return line(x, y + 5, x + 24, y + 5, self.ink["timed_out"], 1.5, "2 3")
        if kind == "stopped":
            return line(x, y + 5, x + 24, y + 5, self.ink["wait"], 1.5, "6 5")
        is_path = kind == "critical"
        fill = f"url(#{kind})" if kind in ("queued", "paused") else self.ink["succeeded" if is_path else kind]
        around = self.ink["critical"] if is_path else None
        return rect(x, y, 24, 10, fill, round_by=2, stroke=around, stroke_width=2)

    def _chart(self) -> None:
        rows = sorted(self.timeline.rows, key=_begin)
        left, top, high = MARGIN + NAMES, self.y + 18, len(rows) * self.row
        for moment, x in self.axis.marks(90):
            self.parts.append(line(x, top - 4, x, top + high, self.ink["soft"], 1))
            if x + 6 * len(tick(moment)) < self._free_until(x):
                self._say(x + 3, top - 7, tick(moment), 10, "quiet")
        for part in self.axis.parts:
            if part.is_idle:
                self.parts.append(rect(part.x, top - 4, part.width, high + 4, self.ink["panel"]))
                self._say(
                    part.x + part.width / 2, top - 7, duration(part.end - part.start), 10, "paused", anchor="middle"
                )
        self.y = top
        if not rows:
            self._say(left, top + 14, "The plan has no tasks.", 12, "quiet")
            self.y += 20
        places = {row.id: top + (index + 0.5) * self.row for index, row in enumerate(rows)}
        for row in rows:
            self.parts.extend(self._drawn_row(row))
            self.y += self.row
        self._path(places)
        self.y += 28

    def _free_until(self, x: float) -> float:
        """Return how far a text may reach that begins at a place: to the length of a folded stretch, or the edge."""
        for part in self.axis.parts:
            if part.is_idle and part.x >= x:
                return part.x + part.width / 2 - 3.5 * len(duration(part.end - part.start))
        return WIDTH - MARGIN

    def _drawn_row(self, row: Row) -> Iterator[str]:
        size = min(11.5, self.row - 2.5)
        mark = self.ink.get(row.status, self.ink["pending"])
        name = fitted(f"{row.id} · {row.title}" if row.title else row.id, NAMES - 26, size)
        told = f"{row.id}: {row.status}, {row.attempts} attempts, {duration(row.duration_s)}"
        yield f"<g><title>{written(told)}</title>"
        yield rect(MARGIN, self.y + self.row / 2 - 4, 8, 8, mark, round_by=2)
        base, weight = self.y + self.row / 2 + size * 0.36, 600 if row.critical else 400
        yield label(MARGIN + 14, base, name, size, self.ink["ink"], weight=weight)
        for segment in row.segments:
            yield from self._drawn(segment, row)
        yield "</g>"

    def _drawn(self, segment: Segment, row: Row) -> Iterator[str]:
        x = self.axis.place(segment.start)
        width = max(self.axis.place(segment.end) - x, 0.0)
        pad = self.row * 0.18
        y, high, middle = self.y + pad, self.row - 2 * pad, self.y + self.row / 2
        if segment.kind == "attempt":
            fill = self.ink.get(segment.status or "", self.ink["pending"])
            around = self.ink["critical"] if row.critical else None
            yield rect(x, y, max(width, 1.5), high, fill, round_by=2, stroke=around, stroke_width=2)
            text = fitted(duration(segment.end - segment.start), width - 8, 10)
            if text and "…" not in text and self.row >= 16:
                yield label(x + 5, middle + 3.6, text, 10, self.ink["on"])
        elif segment.kind in ("queued", "paused"):
            yield rect(x, y + 1, max(width, 1), high - 2, f"url(#{segment.kind})")
        else:
            dashes = {"backoff": "2 3", "stopped": "6 5"}.get(segment.kind)
            stroke = self.ink["timed_out" if segment.kind == "backoff" else "wait"]
            yield line(x, middle, x + width, middle, stroke, 1.2, dashes)

    def _path(self, places: Mapping[str, float]) -> None:
        """Draw the critical path from bar to bar."""
        ends = {row.id: row for row in self.timeline.rows}
        for one, other in zip(self.timeline.critical, self.timeline.critical[1:], strict=False):
            worked = [segment for segment in ends[one].segments if segment.kind == "attempt"]
            end = worked[-1].end if worked else ends[one].end
            start = next(
                (s.start for s in ends[other].segments if s.kind == "attempt" and s.start >= (end or 0.0) - 1e-3), None
            )
            start = next((at for at in (start, ends[other].start, ends[other].end) if at is not None), None)
            if end is not None and start is not None:
                x1, x2 = (self.axis.place(moment) for moment in (end, start))
                self.parts.append(curve(x1, places[one], x2, places[other], self.ink["critical"], 1.8, 16))

    def _slots(self) -> None:
        """Draw what each slot did."""
        slots = range(1, self.timeline.slots + 1)
        high, bar = 15.0, 11.0
        if slots:
            self._say(MARGIN, self.y, "Slots", 14, weight=600)
            self.y += 10
        for slot in slots:
            self._say(MARGIN, self.y + slot * high - 5, f"slot {slot}", 10.5)
        for row in self.timeline.rows:
            for segment in row.segments:
                if segment.slot is not None:
                    self.parts.append(self._worked(row, segment, self.y + segment.slot * high - bar - 2, bar))
        self.y += len(slots) * high + (28 if slots else 0)

    def _worked(self, row: Row, segment: Segment, y: float, high: float) -> str:
        x = self.axis.place(segment.start)
        width = max(self.axis.place(segment.end) - x - 0.6, 1.0)
        fill = self.ink.get(segment.status or "", self.ink["pending"])
        around = self.ink["critical"] if row.critical else None
        name = fitted(row.id, width - 6, 8.5)
        text = "" if "…" in name else label(x + 4, y + high - 2.6, name, 8.5, self.ink["on"])
        return rect(x, y, width, high, fill, round_by=1.5, stroke=around, stroke_width=1.5) + text

    def _graph(self) -> None:
        graph = self.timeline.graph
        if not graph.width:
            return
        self._say(MARGIN, self.y, "Task graph", 14, weight=600)
        self.y += 14
        scale = min((WIDTH - 2 * MARGIN) / graph.width, 1.0)
        boxes = {row.id: (MARGIN + row.x * scale, self.y + row.y * scale) for row in self.timeline.rows}
        wide, high = graph.box_width * scale, graph.box_height * scale
        path = set(zip(self.timeline.critical, self.timeline.critical[1:], strict=False))
        edges = [(need, row.id) for row in self.timeline.rows for need in row.depends_on if need in boxes]
        for need, task in sorted(edges, key=lambda edge: edge in path):
            (x1, y1), (x2, y2) = boxes[need], boxes[task]
            kind, width = ("critical", 2.2) if (need, task) in path else ("wait", 1.0)
            bend = max(10.0, (x2 - x1 - wide) / 2)
            self.parts.append(
                curve(x1 + wide, y1 + high / 2, x2, y2 + high / 2, self.ink[kind], width * max(scale, 0.4), bend)
            )
        for row in self.timeline.rows:
            self.parts.extend(self._box(row, *boxes[row.id], wide, high, scale))
        self.y += graph.height * scale

    def _box(self, row: Row, x: float, y: float, wide: float, high: float, scale: float) -> Iterator[str]:
        status = self.ink.get(row.status, self.ink["pending"])
        edge, thick = (self.ink["critical"], 2.4 * max(scale, 0.5)) if row.critical else (self.ink["line"], 1.0)
        named = scale > 0.5
        fill = self.ink["panel"] if named else status
        yield rect(x, y, wide, high, fill, round_by=4 * scale, stroke=edge, stroke_width=thick)
        if named:
            size, left = 11.5 * scale, x + 11 * scale
            name, about = (
                fitted(row.id, wide - 26 * scale, size),
                fitted(row.title or row.specialist, wide - 26 * scale, 9.5 * scale),
            )
            yield rect(x, y, 5 * scale, high, status)
            yield label(left, y + 14 * scale, name, size, self.ink["ink"])
            yield label(left, y + 27 * scale, about, 9.5 * scale, self.ink["quiet"])

    def _say(
        self, x: float, y: float, text: str, size: float, ink: str = "ink", *, weight: int = 400, anchor: str = "start"
    ) -> None:
        self.parts.append(label(x, y, text, size, self.ink.get(ink, self.ink["ink"]), weight=weight, anchor=anchor))


def _begin(row: Row) -> float:
    """Return when a task began, or came to nothing; what did neither stands last."""
    return next((moment for moment in (row.start, row.end) if moment is not None), float("inf"))


def _told(run: Timeline) -> str:
    """Return what the image shows, for those who can't see it."""
    counts: dict[str, int] = {}
    for row in run.rows:
        counts[row.status] = counts.get(row.status, 0) + 1
    statuses = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items()) or "none"
    path = f" Critical path: {' > '.join(run.critical[:20])}." if run.critical else ""
    return f"{len(run.rows)} tasks in {duration(run.length_s)}: {statuses}.{path}"
