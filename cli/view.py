"""What the live display shows of a run: all tasks where they fit, else how many there are of which kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from ..nodes.summary.text import clean, clean_lines
from .expected import Ended
from .output import wrapped_line
from .progress import Progress, Running, about, clock, cost_text, tokens_text
from .rows import Columns, Pen, Row, longest

SLOTS = 20
"""Rows for the tasks at work, where not all tasks are shown."""

KINDS = 6
"""Rows for specialists, where not all tasks are shown."""

LINGER_S = 2.0
"""Seconds for which an ended task keeps its row, unless another one needs it."""

WIDE = 100
"""Cells from which all facts stand on one row."""

REVIEWS = {"before": "may it run?", "after": "is its output right?", "tools": "may it call its tools?"}


@dataclass
class View:
    """Turns the state of a run into rows; remembers who stands where, so that no row jumps."""

    progress: Progress
    _slots: list[str | None] = field(default_factory=list)
    _ended: dict[str, float] = field(default_factory=dict)
    _two_rows: bool = False
    _sized: tuple[int, int] = (-1, -1)
    _ids: int = 0
    _titles: int = 0

    def rows(self, pen: Pen, height: int, now: float) -> list[Text]:
        """Return what is drawn at a moment: never more rows than there is height for."""
        progress, most = self.progress, max(1, height - 1)
        if not progress.total:
            return [pen.cut(Text(f"{pen.frame(now)} planning {clock(now - progress.started)}"))]
        head = self._head(pen, now)[:most]
        if progress.summary:
            gap = [Text("")] if most > len(head) + 2 else []
            return [*head, *gap, *self._summary(pen, max(1, most - len(head) - len(gap) - 1))]
        if progress.is_summarizing(now):
            head.append(pen.joined([("writing the summary", "dim")], f"{pen.frame(now)} "))
        self._measure()
        gap = [Text("")] if height >= 16 else []
        room = most - len(head) - len(gap)
        whole = self._whole(pen, now) if 0 < len(progress.tasks) <= room - 1 else None
        body = whole or self._folded(pen, max(0, room - 1), now)
        notes = self._notices(pen, max(0, room - len(body)), now, is_whole=whole is not None)
        return [*head, *(gap if body or notes else []), *body, *notes][:most]

    def _head(self, pen: Pen, now: float) -> list[Text]:
        progress = self.progress
        size = len(str(progress.total))
        first = [(f"{progress.done:>{size}}/{progress.total}", "bold"), (clock(now - progress.started), "")]
        left = progress.left_s(now)
        if progress.stops_at is not None:
            first.append((f"stopping, {clock(progress.stops_at - now)} left", "yellow"))
        elif left is not None and progress.done < progress.total:
            first.append((f"expected {about(left)} more" if pen.width >= 60 else f"{about(left)} more", "dim"))
        facts = self._facts(pen)
        width = 24 if pen.width >= WIDE else max(4, pen.width // 4)
        bar = pen.bar(progress.done, progress.total, width, "cyan" if not progress.failed else "yellow")
        row = Text.assemble(*bar, " ")
        row.append_text(pen.joined(first))
        needed = width + 1 + sum(cell_len(words) + 3 for words, _ in (*first, *facts))
        self._two_rows = self._two_rows or pen.width < WIDE or needed >= pen.width
        if facts and not self._two_rows:
            row = Text.assemble(*bar, " ")
            row.append_text(pen.joined([*first, *facts]))
        return [pen.cut(row), *([pen.joined(facts)] if facts and self._two_rows else [])]

    def _facts(self, pen: Pen) -> list[tuple[str, str]]:
        progress = self.progress
        facts = []
        if progress.failed:
            facts.append((f"{progress.failed} failed", "red"))
        if count := len(progress.waiting):
            whom = " for you" if pen.width >= 60 else ""
            facts.append((f"{count} wait{'s' * (count == 1)}{whom}", "yellow"))
        if progress.round > 1:
            facts.append((f"round {progress.round}", "dim"))
        if progress.tokens:
            facts.append((tokens_text(progress.tokens), "dim"))
        if progress.cost is not None:
            facts.append((cost_text(progress.cost, progress.currency), "dim"))
        return facts

    def _measure(self) -> None:
        """Measure ids and titles again where the plan has changed."""
        tasks = self.progress.tasks
        if self._sized != (size := (id(tasks), len(tasks))):
            self._sized = size
            self._ids, self._titles = longest(list(tasks)), longest([named.title for named in tasks.values()])

    # All tasks, each on a row of its own.

    def _whole(self, pen: Pen, now: float) -> list[Text]:
        tasks = self.progress.tasks
        phases = max(named.phase for named in tasks.values())
        gutter = len(str(phases)) + 1 if phases > 1 else 0
        columns = self._columns(pen, gutter)
        rows, phase = [], 0
        for task, named in tasks.items():
            shown = self._row(task, now, str(named.phase) if named.phase != phase and gutter else "")
            phase = named.phase
            rows.append(pen.row(shown, columns, now))
        return rows

    def _columns(self, pen: Pen, gutter: int = 0) -> Columns:
        names = self._ids or longest(list(self.progress.running))
        expects = any(self.progress.expected.of(task) for task in self.progress.tasks)
        return Columns.of(pen.width, names, self._titles, gutter=gutter, expects=expects)

    def _row(self, task: str, now: float, gutter: str = "") -> Row:
        progress = self.progress
        named = progress.tasks.get(task)
        title = named.title if named is not None else ""
        if (ended := progress.ended.get(task)) is not None:
            return _ended_row(task, ended, gutter, title)
        if (at_work := progress.running.get(task)) is not None:
            return self._at_work(task, at_work, now, gutter, title)
        usual = progress.expected.of(task)
        expected = about(usual) if usual else ""
        if task in progress.waiting:
            what = REVIEWS.get(progress.waiting[task], "it has a question")
            return Row("person", task, gutter, "", "", title, f"waits for you: {what}", "yellow")
        if task in progress.queued:
            return Row("queued", task, gutter, "", expected, title, "ready, waits for a slot")
        open_needs = [need for need in (named.depends_on if named else ()) if need not in progress.ended]
        note = f"after {open_needs[0]}" if open_needs else ""
        if len(open_needs) > 1:
            note = (
                f"after {open_needs[0]}, {open_needs[1]}" if len(open_needs) == 2 else f"{note} +{len(open_needs) - 1}"
            )
        return Row("pending", task, gutter, "", expected, title, note)

    def _at_work(self, task: str, at_work: Running, now: float, gutter: str, title: str) -> Row:
        if at_work.note:
            rest = at_work.until - now
            again = f"again {f'in {rest:.0f} s' if rest >= 0.5 else 'now'}: {clean(at_work.note, 300)}"
            return Row("again", task, gutter, "", "", title, again, "yellow")
        usual = self.progress.expected.of(task)
        worked = now - at_work.since
        note = f"attempt {at_work.attempt}" if at_work.attempt > 1 else ""
        expected = f"of {about(usual)}" if usual else ""
        return Row("running", task, gutter, _short_time(worked), expected, title, note, "yellow")

    # More tasks than there are rows.

    def _folded(self, pen: Pen, room: int, now: float) -> list[Text]:
        rows: list[Text] = []
        if self.progress.tasks and room >= 6:
            rows.append(pen.joined(self._states()))
            rows += self._kinds(pen, min(KINDS, (room - 2) // 3))
            rows.append(Text(""))
        for_failures = min(len(self.progress.failures), 1 if room < 12 else 3)
        return [*rows, *self._busy(pen, max(1, min(SLOTS, room - len(rows) - for_failures)), now)]

    def _states(self) -> list[tuple[str, str]]:
        progress = self.progress
        again = sum(bool(at_work.note) for at_work in progress.running.values())
        counts = {
            "running": len(progress.running) - again,
            "between attempts": again,
            "ready": len(progress.queued),
            "waiting for others": len(progress.tasks)
            - len(progress.finished)
            - len(progress.running)
            - len(progress.queued)
            - len(progress.waiting),
            "succeeded": progress.counts["succeeded"],
            "skipped": progress.counts["skipped"],
            "cancelled": progress.counts["cancelled"],
        }
        always = ("running", "succeeded")
        return [(f"{count} {word}", "dim") for word, count in counts.items() if count > 0 or word in always]

    def _kinds(self, pen: Pen, most: int) -> list[Text]:
        """Return how far each specialist is, those with the most tasks first."""
        progress = self.progress
        totals: dict[str, list[int]] = {}
        for task, named in progress.tasks.items():
            counted = totals.setdefault(named.specialist, [0, 0, 0, 0])
            counted[0] += 1
            counted[1] += task in progress.finished
            counted[2] += task in progress.running and not progress.running[task].note
            ended = progress.ended.get(task)
            counted[3] += ended is not None and ended.status in ("failed", "timed_out")
        kinds = sorted(totals.items(), key=lambda item: -item[1][0])
        shown = kinds if len(kinds) <= most else kinds[: max(1, most - 1)]
        name = min(max(8, pen.width // 3), longest([kind for kind, _ in shown]))
        size = len(str(shown[0][1][0]))
        width = max(4, min(24, pen.width - name - 2 * size - 18))
        rows = []
        for kind, (total, done, busy, failed) in shown:
            text = Text.assemble(
                "  ",
                (pen.padded(clean(kind, 120), name), ""),
                " ",
                *pen.bar(done, total, width),
                (f" {done:>{size}}/{total:<{size}}", "dim"),
            )
            for count, word, style in ((failed, "failed", "red"), (busy, "running", "dim")):
                if count and text.cell_len + len(f"  {count} {word}") < pen.width:
                    text.append(f"  {count} {word}", style=style)
            rows.append(pen.cut(text))
        if rest := kinds[len(shown) :]:
            total, done = sum(counted[0] for _, counted in rest), sum(counted[1] for _, counted in rest)
            rows.append(pen.cut(Text(f"  and {len(rest)} more specialists, {done}/{total}", style="dim")))
        return rows

    def _busy(self, pen: Pen, room: int, now: float) -> list[Text]:
        """Return the tasks at work: each keeps its row until it ends, and some of those who just did."""
        progress = self.progress
        for at, task in enumerate(self._slots):
            if task is None or task in progress.running:
                self._ended.pop(task or "", None)
            elif now - self._ended.setdefault(task, now) > LINGER_S or task not in progress.ended:
                self._slots[at] = None
        placed = set(self._slots)
        for task in sorted((t for t in progress.running if t not in placed), key=lambda t: progress.running[t].since):
            place = next((i for i, there in enumerate(self._slots[:room]) if there not in progress.running), None)
            if place is not None:
                self._slots[place] = task
            elif len(self._slots) < room:
                self._slots.append(task)
            else:
                break
        self._slots = [task for task in self._slots if task is not None]
        self._ended = {task: since for task, since in self._ended.items() if task in self._slots}
        hidden = len(set(progress.running) - set(self._slots[:room]))
        if hidden and len(self._slots) >= room > 1:
            room -= 1
            hidden = len(set(progress.running) - set(self._slots[:room]))
        columns = self._columns(pen)
        rows = [pen.row(self._row(task, now), columns, now) for task in self._slots[:room] if task]
        if hidden:
            rows.append(pen.cut(Text(f"  {'…' if pen.fancy else '...'} and {hidden} more at work", style="dim")))
        return rows

    # What is worth knowing beside the tasks.

    def _notices(self, pen: Pen, room: int, now: float, *, is_whole: bool) -> list[Text]:
        progress, rows = self.progress, list[Text]()
        if progress.over_budget:
            rows += pen.notice("notice", f"{progress.over_budget}: what runs ends, nothing more starts", now, 2)
        for text in list(progress.pools.values())[-2:]:
            rows += pen.notice("notice", text, now)
        if progress.waiting and not is_whole:
            named = list(progress.waiting)
            more = f" and {len(named) - 3} more" if len(named) > 3 else ""
            rows += pen.notice("person", f"waits for you: {', '.join(named[:3])}{more}", now)
        rows += self._failures(pen, room - len(rows), now, is_whole=is_whole)
        return rows[: max(0, room)]

    def _failures(self, pen: Pen, room: int, now: float, *, is_whole: bool) -> list[Text]:
        """Return the last errors that are not shown whole among the tasks; the very last with most of its words."""
        failures = list(self.progress.failures)
        if is_whole:
            columns = self._columns(pen, 2)
            failures = [
                (task, error)
                for task, error in failures
                if error and not pen.fits(Row("failed", task, note=error), columns)
            ][-1:]
        rows: list[Text] = []
        for task, error in reversed(failures):
            most = min(3 if not rows else 1, room - len(rows))
            if most > 0:
                rows[:0] = pen.notice("failed", f"{task}: {error}" if error else task, now, most)
        return rows

    def _summary(self, pen: Pen, high: int) -> list[Text]:
        """Return the last lines of what is written so far; as the whole it stands on standard output in the end."""
        shown = clean_lines("\n".join(self.progress.summary.rstrip().split("\n")[-high:])).split("\n")
        lines = [piece for line in shown for piece in wrapped_line(line, pen.width - 1)]
        return [pen.cut(Text(line)) for line in lines[-high:]]


def _ended_row(task: str, ended: Ended, gutter: str, title: str) -> Row:
    note, style = ended.error, "dim"
    if ended.status == "succeeded":
        note = f"by its fallback: {note}" if note else ""
    elif ended.status in ("failed", "timed_out"):
        style = "red"
        note = note or ended.status.replace("_", " ")
    else:
        note = f"{ended.status}: {note}" if note else ended.status
    took = "" if ended.status in ("skipped", "cancelled") and not ended.seconds else _short_time(ended.seconds, 1)
    return Row(ended.status, task, gutter, took, "", title, note, style)


def _short_time(value: float, digits: int = 0) -> str:
    return clock(value) if value >= 59.95 else f"{max(0.0, value):.{digits}f} s"
