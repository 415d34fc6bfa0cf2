"""What a dependent check takes from its dependencies: their findings, whatever became of each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from ....schema.results import CheckReport, Finding
from .context import Context

SILENT = ("host_silent", "sourcetype_silent", "source_silent")
"""Findings that say that something stopped."""

MISSING = (*SILENT, "gap", "volume_drop", "parse_failure")
"""Findings that say that events are missing."""


def found_before(context: Context) -> tuple[list[Finding], list[str]]:
    """Return the findings of all dependencies, each with its task's id, and the ids of those that gave no report."""
    findings: list[Finding] = []
    lacking: list[str] = []
    for task_id, result in context.results.items():
        report = _report(result)
        if report is None:
            lacking.append(task_id)
        else:
            findings += [finding.model_copy(update={"task_id": task_id}) for finding in report.findings]
    return findings, lacking


def _report(result: Any) -> CheckReport | None:
    output = result.get("output") if isinstance(result, Mapping) else getattr(result, "output", None)
    if isinstance(output, CheckReport):
        return output
    try:
        return CheckReport.model_validate(output)
    except ValidationError:
        return None


def of_kind(findings: Iterable[Finding], kinds: Iterable[str]) -> list[Finding]:
    """Return the findings of some kinds, in their order."""
    wanted = frozenset(kinds)
    return [finding for finding in findings if finding.kind in wanted]


def fields_of(context: Context, finding: Finding) -> dict[str, str]:
    """Return a finding's subject as a filter, as far as the store knows its names."""
    info = context.info
    known = (("host", info.hosts), ("sourcetype", info.sourcetypes), ("source", info.sources))
    fields: dict[str, str] = {}
    for name in (finding.subject or "").split(" / "):
        field = next((field for field, names in known if name in names and field not in fields), None)
        if field:
            fields[field] = name
    return fields
