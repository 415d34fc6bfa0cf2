"""What people do to a run through another process than the one that executes it: cancel it, answer it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from processes_work import long_plan, reviewed_plan

if TYPE_CHECKING:
    from processes_trial import Run, Trial

APPROVED = {"decisions": [{"type": "approve"}]}


async def cancelled_elsewhere(trial: Trial) -> str:
    """Cancel a run through another process, look that its tasks are told, and go on with it through that one."""
    run = await trial.give_plan(long_plan("cancelled"))
    keys = [("cancelled", "long0"), ("cancelled", "long1")]
    await trial.until("the long tasks to begin", lambda: all(key in trial.notes.executions for key in keys))
    await trial.saved(run, len(run.plan["tasks"]) - len(keys) - 1)
    executing = trial.notes.executing(run.name)
    elsewhere, began = trial.other(executing), time.time()
    await trial.client(elsewhere).runs.cancel(run.thread_id, run.run_id)
    await trial.until("the cancel to reach the tasks", lambda: not trial.notes.at_work())
    last = [trial.notes.executions[key][-1] for key in keys]
    if any(one.word != "cancelled" or one.pid != executing for one in last):
        trial.wrong.append(f"a cancel through another process: the tasks were not cancelled but {last}")
    await trial.until("the cancelled run's stream to end", lambda: not run.goes_on)
    begun = sum(map(len, trial.notes.executions.values()))
    await trial.go_on(run, elsewhere, checkpoint={"checkpoint_ns": ""})
    await trial.ended()
    trial.notes.read()
    if (more := sum(map(len, trial.notes.executions.values())) - begun) != len(keys) + 1:
        trial.wrong.append(f"after a cancel: {more} executions, should be those of {len(keys)} and of what follows")
    took = max(one.ended or 0 for one in last) - began
    return (
        f"cancelled through another process: its tasks were told after {took:.2f} s; what was saved was not done again"
    )


async def answered_elsewhere(trial: Trial) -> str:
    """Have a run ask, kill the process that asked, answer through another one, and kill the one that goes on.

    With two servers none is there for a while then.
    """
    run = await trial.give_plan(reviewed_plan("asks"))
    await trial.until("the run to ask", lambda: not run.goes_on)
    asker = trial.notes.executing(run.name)
    killing = asyncio.create_task(trial.kill(asker))
    await asyncio.sleep(0)  # it is dead by then, and is not back yet
    elsewhere = trial.other(asker)
    questions = await _questions(trial, run)
    if len(questions) != 1:
        trial.wrong.append(f"one question was asked, another process knows of {questions}")
        return ""
    await trial.go_on(run, elsewhere, command={"resume": {questions[0]: APPROVED}})
    await trial.until("the run to go on", lambda: ("asks", "a0") in trial.notes.executions)
    await trial.saved(run, len(run.plan["tasks"]) - 2)
    await asyncio.gather(killing, trial.kill(trial.notes.executing(run.name)))
    await trial.ended()
    counts = {key: len(known) for (name, key), known in trial.notes.read().executions.items() if name == run.name}
    if counts["asked"] != 1 or sum(counts.values()) != len(counts) + 1:
        trial.wrong.append(f"asked, answered and killed: only what was under way is to be done again, not {counts}")
    return "asked in one process, which was killed; answered through another one, which was killed as it went on: done"


async def _questions(trial: Trial, run: Run) -> list[str]:
    state = await trial.client(trial.other()).threads.get_state(run.thread_id)
    return [interrupt["id"] for task in state["tasks"] for interrupt in task["interrupts"]]
