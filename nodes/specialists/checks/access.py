"""Permissions and indexes: whether data is there that the person who asks may not see. Few stores know."""

from __future__ import annotations

from ....schema.results import CheckReport, Finding
from .context import Context, check
from .wording import clean


@check("access", description="Asks the store whether permissions or a missing index hide events, where it knows that")
def access(context: Context) -> CheckReport:
    """Report what the store says of permissions and indexes, and what of the subjects asked about it does not hold."""
    known = {
        "host": context.info.hosts,
        "source": context.info.sources,
        "sourcetype": context.info.sourcetypes,
    }
    unknown = {field: name for field, name in context.focus.items() if name not in known[field]}
    asked = sorted(context.info.knows & {"permissions", "indexes"})
    if asked:
        return context.report(map(_missing, context.info.missing_indexes), knows=asked, unknown=unknown)
    return context.not_applicable(
        "the events are lines of files, or of a tool's answer, which have no indexes and no permissions of their own"
        if context.info.files
        else "this store does not say whether permissions or a missing index hide events",
        unknown=unknown,
    )


def _missing(index: str) -> Finding:
    return Finding(
        kind="index_missing",
        title=f"Index {clean(index, 80)} is not there, or may not be searched by this user",
        severity="medium",
        subject=index,
        numbers={"index": index},
        confidence=0.9,
        impact=f"Events in {clean(index, 80)} are in no answer here.",
        recommendation=f"Check the name {clean(index, 80)}, and the indexes that the user's role may search.",
    )
