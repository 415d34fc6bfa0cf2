"""Permissions and indexes: whether data is there that the person who asks may not see. Few stores know."""

from __future__ import annotations

from ....schema.results import CheckReport
from .context import Context, check


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
        return context.report([], knows=asked, unknown=unknown)
    return context.not_applicable(
        "the events are read from files, which have no indexes and no permissions of their own", unknown=unknown
    )
