"""What is said when a run has come to its end, or to a stop."""

from __future__ import annotations

from ..nodes.summary.text import clean_lines, seconds
from ..schema.results import Report
from ..schema.words import counted
from .exits import INTERRUPTED, PAUSED, exit_code
from .job import Job
from .output import line_width, print_json, put, say, wrapped


def finish(report: Report, job: Job) -> int:
    """Print the result, and the notes about it; return the exit code."""
    if job.events is not None:
        job.events.on_event({"type": "report", "report": report.model_dump(mode="json")})
    elif job.json:
        print_json(report.model_dump(mode="json"))
    else:
        put(wrapped(clean_lines(report.summary.text)))
        if report.interrupts:
            put("\n" + open_questions(report, job))
    if not job.quiet:
        for line in notes(report, job):
            say(clean_lines(line))
    return exit_code(report.status)


def notes(report: Report, job: Job) -> list[str]:
    """Return what stands on standard error below the result."""
    lines = ["", *_warnings(report, job)]
    lines += [counts(report), *used(report)]
    if job.is_forgotten:
        return [*lines, *_forgotten(report)]
    lines += what_next(report, job)
    lines.append(f"thread {report.thread_id} · {job.command('show')}")
    return lines


def _forgotten(report: Report) -> list[str]:
    """Return what is to be said of a run that was stopped before its end and is not kept."""
    if exit_code(report.status) not in (INTERRUPTED, PAUSED):
        return []
    if report.interrupts:
        return ["it was kept in memory only, so it can't be answered any more: give a --db, or -i to be asked at once"]
    return ["it was kept in memory only, so it can't be gone on with: give a --db"]


def what_next(report: Report, job: Job) -> list[str]:
    """Return the commands that go on with a run; none where there is nothing to be done, or it is at work."""
    if report.status == "running":
        return []
    told = [f"{name} is answered; the answer is used when the run goes on" for name in _answered(report)]
    if report.interrupts:
        return told + how_to_answer(report, job)
    if exit_code(report.status) == INTERRUPTED:
        return [*told, f"to go on: {job.command('resume')}"]
    ended = (result for result in report.results.values() if not result.by_choice)
    if report.status != "cancelled" and any(result.status in ("failed", "timed_out", "cancelled") for result in ended):
        return [f"to run what failed once more: {job.command('retry')}"]
    return []


def _answered(report: Report) -> list[str]:
    """Return what asked the questions whose answers are kept, each once."""
    from ..runs.question_text import about_whom
    from ..runs.questions import all_asked

    return list(dict.fromkeys(about_whom(asked) for asked in all_asked(report.answered)))


def open_questions(report: Report, job: Job) -> str:
    """Return what the run asks."""
    from ..runs.question_text import questions_text
    from ..runs.questions import all_asked

    return questions_text(all_asked(report.interrupts), line_width(), f"{job.command('show')} --question")


def how_to_answer(report: Report, job: Job) -> list[str]:
    """Return the command lines that answer what the run asks, and go on."""
    from ..runs.questions import all_asked

    asked = all_asked(report.interrupts)[0]
    example = f"{asked.short}=approve" if asked.approval() is not None else f"{asked.short}=ANSWER"
    return [
        f"to decide here: {job.command('review')}",
        f"or by command:  {job.command('resume')} --answer {example}",
    ]


def counts(report: Report) -> str:
    """Return counts and times in one line."""
    metrics = report.metrics
    if not metrics.tasks:
        return f"{report.status}: there was nothing to be done"
    parts = [f"{report.status}: {metrics.succeeded} of {counted(metrics.tasks, 'task')} succeeded"]
    for count, word in (
        (metrics.failed, "failed"),
        (metrics.timed_out, "timed out"),
        (metrics.skipped, "skipped"),
        (metrics.cancelled, "cancelled"),
    ):
        if count:
            parts.append(f"{count} {word}")
    if report.left_out:
        parts.append(f"{counted(report.left_out, 'planned task')} left out of the plan")
    text = ", ".join(parts)
    if metrics.speedup is not None:
        text += f" · {seconds(metrics.makespan_s)}"
        if metrics.speedup is not None and metrics.speedup >= 1.05:
            text += f" instead of {seconds(metrics.sequential_s)} one by one"
    return text


def used(report: Report) -> list[str]:
    """Return, as a line, the tokens that models have used and what they cost; none where there is nothing."""
    usage = report.metrics.usage or {}
    parts = []
    if tokens := usage.get("total_tokens"):
        parts.append(f"{tokens:,} token{'s' * (tokens != 1)}")
    if "cost" in usage:
        parts.append(f"{usage['cost']:,.4f} {report.metrics.currency}".rstrip())
    return [", ".join(parts)] if parts else []


def _warnings(report: Report, job: Job, most: int = 6) -> list[str]:
    shown = report.warnings if job.verbose else report.warnings[:most]
    lines = [f"warning: {text}" for text in shown]
    if len(report.warnings) > len(shown):
        lines.append(f"warning: and {len(report.warnings) - len(shown)} more (--json has all of them)")
    return lines
