"""The process that `chaos.py` kills: it works on a round's run until it is over, and answers what is asked.

It notes in a log what it does, by lines: `start TASK GROUP` and `end TASK GROUP` (the specialist), `backoff TASK`,
`paused TASK`, `answer QUESTION` (it is about to be given), `given QUESTION` (the run went on with it), `waits TASK`
(its question is left open), `stands` (a call of `execute` is over), `retry` (it is about to be asked for), `retried`,
`stopped TEXT` (a `RunError` ended the process), `over`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from chaos_round import FAILED, NO_ANSWER, People, chaos_specialist, note_to

from fanwise.graph import build_graph
from fanwise.graph.again import retry
from fanwise.graph.checkpoints import open_database
from fanwise.graph.compiled import Graph
from fanwise.graph.going_on import config_of
from fanwise.graph.run import execute, keep_answers, report
from fanwise.schema.results import PendingInterrupt
from fanwise.state import Report, RunError

THREAD = "chaos"

Note = Callable[[str], None]


def run_child(folder: str, number: int) -> None:
    """Run or go on with the round in a folder; `number` counts its processes."""
    place = Path(folder)
    note = note_to(os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    try:
        asyncio.run(Child(json.loads((place / "round.json").read_text("utf-8")), note, number).run())
    except RunError as error:
        note(f"stopped {' '.join(str(error).split())}")
        raise SystemExit(1) from None


class Child:
    """One process's work on a run."""

    def __init__(self, spec: Mapping[str, Any], note: Note, number: int) -> None:
        self.spec = spec
        self.note = note
        self.people = People(spec)
        self.rng = random.Random(f"child {spec['seed']} {number}")
        self.asker = self._in_person if spec["in_person"] else None
        self.mended = False

    async def run(self) -> None:
        """Work until the run and the retry of its failed tasks are over."""
        specialist = chaos_specialist(self.note, is_mended=lambda: self.mended)
        async with open_database(self.spec["db"]) as database, database.leases.hold(THREAD):
            graph = build_graph([specialist], checkpointer=database.saver, batch_size=self.spec["batch_size"])
            state = await graph.aget_state(config_of(THREAD))
            self.mended = bool(state.values.get("groups"))
            planned = bool(state.values or state.next)
            told = await report(graph, THREAD) if state.values.get("run_id") else None
            if told is None or told.status == "interrupted" or (told.interrupts and self.rng.random() < 0.3):
                self._tell_waiting(told.interrupts if told else ())
                told = await self._execute(graph, None if planned else {"plan": self.spec["plan"]}, {})
            told = await self._answered(graph, told)
            if not self.mended and any(result.status in FAILED for result in told.results.values()):
                await self._retried(graph)
        self.note("over")

    async def _retried(self, graph: Graph) -> None:
        self.note("retry")
        await retry(graph, THREAD)
        self.note("retried")
        self.mended = True
        await self._answered(graph, await self._execute(graph, None, {}))

    async def _answered(self, graph: Graph, told: Report) -> Report:
        """Answer some of what is asked, in any order, again and again, until nothing is."""
        while told.interrupts:
            await asyncio.sleep(self.rng.uniform(0, 0.03))
            asked = list(told.interrupts)
            now = self.rng.sample(asked, self.rng.randint(1, len(asked)))
            self._tell_waiting([question for question in asked if question not in now])
            told = await self._execute(graph, None, {q.id: await self._answer(graph, q) for q in now})
        if told.status in ("interrupted", "paused"):
            raise AssertionError(f"the run stopped with nothing to answer: {told.status}")
        return told

    async def _answer(self, graph: Graph, question: PendingInterrupt) -> Any:
        """Return the answer to a question; one that is no answer is tried first, and has to be refused."""
        answer = self.people.answer(question.value)
        if answer != NO_ANSWER:
            return answer
        try:
            await keep_answers(graph, THREAD, {question.id: answer})
        except RunError:
            return self.people.right_answer(question.value)
        raise AssertionError(f"a wrong answer to {question.id} was kept")

    def _tell_waiting(self, questions: Iterable[PendingInterrupt]) -> None:
        for question in questions:
            self.note(f"waits {question.task_id}")

    async def _execute(self, graph: Graph, given: Any, answers: Mapping[str, Any]) -> Report:
        for key in answers:
            self.note(f"answer {key}")
        left = set(answers)

        def given_all() -> None:
            while left:
                self.note(f"given {left.pop()}")

        def on_event(event: Mapping[str, Any]) -> None:
            given_all()
            if event["type"] in ("attempt_failed", "task_paused"):
                self.note(f"{'backoff' if event['type'] == 'attempt_failed' else 'paused'} {event['task_id']}")

        told = await execute(graph, given, THREAD, on_event=on_event, answers=answers, asker=self.asker)
        given_all()
        self.note("stands")
        return told

    async def _in_person(self, question: Any) -> Any:
        """Answer half of the questions at once, and let the others wait."""
        await asyncio.sleep(self.rng.uniform(0, 0.02))
        return self.people.answer(question) if self.rng.random() < 0.5 else None
