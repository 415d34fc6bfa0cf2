"""Running pytest in a workspace, and reading what it found from its JUnit report."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...schema.errors import FanwiseError
from ...schema.words import install
from ..untrusted import shortened
from .processes import Outcome, run_program
from .workspace import Workspace

TIMEOUT_S = 300.0
"""Seconds that the tests may take."""

FAILURES = 20
"""Failed tests that are told of."""

FAILURE_CHARS = 2_000
"""Characters of each that are told."""

REPORT_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that failed, or an error outside of one."""

    test: str
    """Such as `tests.test_cart::test_total`."""
    message: str
    """The error, and the lines that led to it."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What came of a run of tests."""

    passed: int
    failed: int
    """Tests that failed, and errors outside of tests."""
    skipped: int
    failures: tuple[Failure, ...]
    """The first of them."""
    exit_code: int | None
    """pytest's own; `None` where the time was over."""
    output: str
    """What pytest printed, its beginning and end."""

    @property
    def ok(self) -> bool:
        """Whether there were tests, and none failed."""
        return self.exit_code == 0

    def told(self, timeout_s: float) -> str:
        """Return in a line how it ended."""
        if self.exit_code is None:
            return f"the tests did not end within {timeout_s:g} s"
        if self.exit_code == 5:
            return "there are no tests"
        if self.failed:
            return f"{self.failed} failed, {self.passed} passed: {self.failures[0].test if self.failures else ''}"
        return f"{self.passed} passed" if self.ok else f"pytest could not run (exit code {self.exit_code})"


def need_pytest() -> None:
    """Refuse to go on without pytest.

    Raises:
        FanwiseError: it is not installed.
    """
    if lacks := lacks_pytest():
        raise FanwiseError(lacks)


def lacks_pytest() -> str:
    """Return what is missing to run tests, or nothing."""
    if importlib.util.find_spec("pytest") is not None:
        return ""
    return f"pytest is not installed; tests need it: {install('coding')}"


async def run_pytest(workspace: Workspace, paths: Sequence[str] = (), timeout_s: float = TIMEOUT_S) -> Suite:
    """Run tests with this Python's pytest, as the workspace configures it.

    Args:
        workspace: the folder that the tests run in.
        paths: files, folders, or tests (`tests/test_cart.py::test_total`); what pytest finds by itself if not given.
        timeout_s: seconds that they may take, all together.

    Raises:
        BorderError: a path leads out of the workspace.
        FanwiseError: pytest is not installed.
    """
    need_pytest()
    targets = [_target(workspace, path) for path in paths]
    with tempfile.TemporaryDirectory(prefix="fanwise-tests-") as folder:
        report = Path(folder, "report.xml")
        options = ["-q", "--tb=short", "--color=no", "-p", "no:cacheprovider", f"--junitxml={report}"]
        words = [sys.executable, "-m", "pytest", *options, "--", *targets]
        outcome = await run_program(words, workspace.root, timeout_s)
        return _read(report, outcome)


def _target(workspace: Workspace, path: str) -> str:
    file, mark, test = path.partition("::")
    return f"{workspace.locate(file)}{mark}{test}"


def _read(report: Path, outcome: Outcome) -> Suite:
    cases = _cases(report)
    failures = [failure for case in cases if (failure := _failure(case)) is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return Suite(
        passed=len(cases) - len(failures) - skipped,
        failed=len(failures),
        skipped=skipped,
        failures=tuple(failures[:FAILURES]),
        exit_code=outcome.exit_code,
        output=outcome.output,
    )


def _cases(report: Path) -> list[ET.Element]:
    """Return the report's test cases; none where the tests came to no report."""
    try:
        if report.stat().st_size > REPORT_BYTES:
            return []
        return list(ET.parse(report).getroot().iter("testcase"))
    except (OSError, ET.ParseError):
        return []


def _failure(case: ET.Element) -> Failure | None:
    for kind in ("failure", "error"):
        if (found := case.find(kind)) is not None:
            names = [name for name in (case.get("classname"), case.get("name")) if name]
            text = found.text or found.get("message") or ""
            return Failure("::".join(names), shortened(text.strip(), FAILURE_CHARS))
    return None
