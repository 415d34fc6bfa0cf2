"""How far missing data reaches: which hosts and sources, how many events, since when, and what is still healthy.

This check depends on others and adds up their findings.
"""

from __future__ import annotations

from ....schema.results import CheckReport, Finding, Severity
from .context import Context, check
from .dependencies import MISSING, fields_of, found_before, of_kind
from .wording import iso, lasting, listed, seconds, when

_ORDER: tuple[Severity, ...] = ("low", "medium", "high", "critical")


@check(
    "scope", description="Adds up what is missing: hosts, sources, estimated events, since when, and what is healthy"
)
def scope(context: Context) -> CheckReport:
    """Report the extent of what is missing."""
    findings, lacking = found_before(context)
    missing = of_kind(findings, MISSING)
    hosts = sorted({fields["host"] for f in missing if (fields := fields_of(context, f)) and "host" in fields})
    touched = {host for finding in findings for host in _hosts(context, finding)}
    healthy = [host for host in context.info.hosts if host not in touched]
    stats = {
        "affected": sorted({f.subject for f in missing if f.subject}),
        "healthy_hosts": healthy[:50],
        "without_report": lacking,
    }
    if not missing:
        return context.report([], estimated_missing=0, answer=_nothing(context, lacking), **stats)
    return context.report([_finding(context, missing, hosts, healthy)], **stats)


def _nothing(context: Context, lacking: list[str]) -> str:
    """Answer that nothing is missing, as far as that can be told."""
    info = context.info
    if lacking:
        return f"No missing events were found, but {listed(lacking)} gave no report, so some may be."
    text = "No missing events were found: as far as can be told, nothing went silent or dropped"
    pauses = context.store.gaps((), min_s=1, where=context.where, limit=1)
    longest = (
        f" The longest pause is {lasting(pauses[0]['gap_s'])} from {when(seconds(pauses[0]['start']))}."
        if pauses
        else ""
    )
    if max(len(info.hosts), len(info.sources), len(info.sourcetypes)) > 1:
        return f"{text}.{longest}"
    return (
        f"{text} before the log ends at {when(context.now)}; a log of one source cannot tell what came after.{longest}"
    )


def _finding(context: Context, missing: list[Finding], hosts: list[str], healthy: list[str]) -> Finding:
    estimate = sum(_estimate(finding) for finding in missing)
    starts = [seconds(finding.start) for finding in missing if finding.start]
    since = min(starts) if starts else None
    total = len(context.info.hosts)
    subjects = sorted({finding.subject for finding in missing if finding.subject})
    began = f", the first since {when(since)}" if since is not None else ""
    where = f" of {listed(subjects)}" if subjects else ""
    return Finding(
        kind="scope",
        title=f"About {estimate:,} events{where} are missing or cannot be searched by time{began}",
        severity=max((finding.severity for finding in missing), key=_ORDER.index),
        detail=f"The data of {listed(healthy)} seems complete." if healthy else "",
        numbers={
            "estimated_missing": estimate,
            "hosts_affected": len(hosts),
            "hosts": total,
            "healthy": len(healthy),
            "since": None if since is None else iso(since),
        },
        start=None if since is None else iso(since),
        end=iso(context.now),
        confidence=0.7,
        impact=f"Reports and alerts over {listed(subjects) or 'this log'} are incomplete{began}.",
    )


def _hosts(context: Context, finding: Finding) -> list[str]:
    """Return the hosts that a finding touches."""
    fields = fields_of(context, finding)
    if "host" in fields or not fields:
        return [fields["host"]] if fields else []
    return [row["host"] for row in context.store.counts(["host"], where=context.having(**fields)) if row["host"]]


def _estimate(finding: Finding) -> int:
    value = finding.numbers.get("estimated_missing", finding.numbers.get("unparsed", 0))
    return int(value) if isinstance(value, int | float) else 0
