"""Lines that could not be parsed: how many, in which files, and since when.

A line is unparsed if no timestamp could be read in it. If a file's events end while unparsed lines fill it, its source
type has stopped parsing: that is reported here, and not as a silent source.

Thresholds: `min_unparsed` (3 lines), `max_unparsed` (0.01 of a file's lines).
"""

from __future__ import annotations

from collections.abc import Iterable

from ....events.protocol import FileInfo
from ....schema.results import CheckReport, Finding, Severity
from .context import Context, check
from .series import DIMENSIONS, Key, Table
from .wording import EVIDENCE_LINES, clean, count, iso, period, seconds, share, when


@check("parsing", description="Finds files and source types whose lines could not be parsed, how many and since when")
def parsing(context: Context) -> CheckReport:
    """Report the files with unparsed lines."""
    files = context.info.files
    if not files:
        return context.not_applicable("this store does not say how its events were parsed")
    stats = {
        "files": len(files),
        "lines": sum(file.lines for file in files),
        "unparsed": sum(file.unparsed for file in files),
        "continued": sum(file.continued for file in files),
        "notes": [clean(f"{file.file}: {file.note}") for file in files if file.note][:20],
    }
    groups = _by_sourcetype(context, [file for file in files if _matters(context, file)])
    return context.report((_finding(context, name, group) for name, group in groups.items()), **stats)


def _matters(context: Context, file: FileInfo) -> bool:
    enough = file.unparsed >= context.number("min_unparsed", 3)
    return enough and file.unparsed > context.number("max_unparsed", 0.01) * file.lines


def _by_sourcetype(context: Context, files: Iterable[FileInfo]) -> dict[str, list[FileInfo]]:
    """Group files with the same fault: those of one source type, else each by itself."""
    types = {
        row["file"]: row["sourcetype"]
        for row in reversed(context.store.counts(["file", "sourcetype"], where=context.where))
        if row["sourcetype"]
    }
    groups: dict[str, list[FileInfo]] = {}
    for file in files:
        groups.setdefault(types.get(file.file, file.file), []).append(file)
    return groups


def _finding(context: Context, name: str, files: list[FileInfo]) -> Finding:
    unparsed, lines = sum(f.unparsed for f in files), sum(f.lines for f in files)
    since = _since(context, files)
    severity: Severity = "high" if unparsed >= 0.2 * lines or since is not None else "medium"
    if unparsed < 0.05 * lines and since is None:
        severity = "low"
    began = f"; none has parsed since {when(since)}" if since is not None else ""
    return Finding(
        kind="parse_failure",
        title=f"{name}: {count(unparsed, 'line')} of {lines:,} ({share(unparsed, lines)}) could not be parsed{began}",
        severity=severity,
        subject=name,
        detail=f"In {_files(files)}; no timestamp could be read in these lines.{_longest(files)}",
        numbers={
            "unparsed": unparsed,
            "lines": lines,
            "files": len(files),
            "since": None if since is None else iso(since),
        },
        start=None if since is None else iso(since),
        end=None if since is None else iso(context.now),
        evidence=tuple(clean(f"{f.file}: {text}") for f in files for text in f.unparsed_examples)[:EVIDENCE_LINES],
        confidence=0.95,
        impact=f"{count(unparsed, 'line')} are in no count, search or alert by time; {name} looks quieter than it is.",
        recommendation=f"Compare the lines with the format that {name} is read with: did an update change it?",
    )


def _files(files: list[FileInfo]) -> str:
    names = ", ".join(f"{file.file} (read as {file.format})" for file in files[:3])
    return names + (f" and {len(files) - 3} more" if len(files) > 3 else "")


def _since(context: Context, files: list[FileInfo]) -> float | None:
    """Return since when lines no longer parse, if that lasts to the end of the files and has lasted for a while."""
    starts = [seconds(f.unparsed_since) for f in files if f.unparsed_since and f.unparsed_until is None]
    if len(starts) < len(files):
        return None
    since = min(starts)
    return since if context.now - since > max(60, 0.02 * (context.now - context.first)) else None


def _longest(files: list[FileInfo]) -> str:
    """Tell from when to when the longest run of unparsed lines lasted, where it is over and was not short."""
    spans = [
        (seconds(f.unparsed_since), seconds(f.unparsed_until)) for f in files if f.unparsed_since and f.unparsed_until
    ]
    spans = [span for span in spans if span[1] - span[0] >= 60]
    return f" The longest run of them lies {period(*max(spans, key=lambda s: s[1] - s[0]))}." if spans else ""


def stopped_parsing(context: Context, table: Table) -> frozenset[Key]:
    """Return the leaves that look silent because their file's lines no longer parse."""
    broken = {file.file for file in context.info.files if _matters(context, file)}
    if not broken:
        return frozenset()
    keys: dict[Key, bool] = {}
    for row in context.store.counts([*DIMENSIONS, "file"], where=context.where):
        key = tuple(row[dimension] for dimension in DIMENSIONS)
        keys[key] = keys.get(key, True) and row["file"] in broken
    return frozenset(key for key, all_broken in keys.items() if all_broken)
