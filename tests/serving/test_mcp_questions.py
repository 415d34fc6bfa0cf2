"""What a run asks: put to the user where the client can, else told, and answered with resume_run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from langgraph.types import interrupt
from mcp_serving import Person, Told, call, over_http, plan, refusal, served, until

from fanwise.graph import specialist

REVIEWED = plan(
    {"id": "draft", "input": {"output": "hello"}, "review": "after"},
    {"id": "send", "depends_on": ["draft"], "review": "before"},
)


@specialist("asks")
async def asks(task: Any) -> Any:
    """Ask twice."""
    first = interrupt({"question": "Which host?"})
    return [first, interrupt({"question": f"And beside {first}?"})]


def test_the_user_approves(tmp_path: Path) -> None:
    """Each review is a form; the call returns when all is done."""
    person = Person({"decision": "approve"}, {"decision": "approve", "message": "fine"})

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url, person) as session:
            told = Told()
            made = await call(session, "run_plan", told, plan=REVIEWED)
            assert (made["status"], made["questions"]) == ("succeeded", [])
            assert told.whole == [0, 1, 2]

    asyncio.run(main())
    first, second = person.asked
    assert "draft" in first.message and "hello" in first.message
    assert "send" in second.message
    form: Any = first.requestedSchema  # type: ignore[union-attr]
    assert set(form["properties"]["decision"]["enum"]) == {"approve", "edit", "reject", "respond"}


def test_the_user_edits_comments_and_rejects(tmp_path: Path) -> None:
    """A wrong edit is refused and asked again; a comment is worth another attempt; what is rejected does not run."""
    person = Person(
        {"decision": "burn"},
        {"decision": "respond", "message": "shorter"},
        {"decision": "edit", "edited": '"hi"'},
        {"decision": "reject", "message": "not today"},
    )

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url, person) as session:
            made = await call(session, "run_plan", plan=REVIEWED)
            by_id = {task["task_id"]: task for task in made["tasks"]}
            assert by_id["draft"]["output"] == "hi"
            assert by_id["send"]["status"] == "cancelled"
            assert "not today" in by_id["send"]["error"]

    asyncio.run(main())
    assert "was refused" in person.asked[1].message
    assert "was refused" not in person.asked[2].message


def test_the_user_looks_at_the_plan(tmp_path: Path) -> None:
    """`review_plan` asks before anything runs."""

    async def main(reply: str) -> dict[str, Any]:
        async with served(tmp_path) as server, over_http(server.url, Person({"decision": reply})) as session:
            return await call(session, "run_plan", plan=plan({"id": "a"}), review_plan=True)

    assert asyncio.run(main("approve"))["status"] == "succeeded"
    assert asyncio.run(main("reject"))["status"] == "cancelled"


def test_the_user_edits_the_plan(tmp_path: Path) -> None:
    """A plan with a problem is refused with it, and asked again."""
    wrong, right = plan({"id": "a", "specialist": "wiat"}), plan({"id": "b"}, {"id": "c"})
    person = Person(*({"decision": "edit", "edited": json.dumps(given)} for given in (wrong, {"plan": wrong}, right)))

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url, person) as session:
            made = await call(session, "run_plan", plan=plan({"id": "a"}), review_plan=True)
            assert [task["task_id"] for task in made["tasks"]] == ["b", "c"]

    asyncio.run(main())
    assert all("did you mean 'wait'?" in asked.message for asked in person.asked[1:])


def test_a_specialist_asks_the_user_twice(tmp_path: Path) -> None:
    """Its questions are texts; JSON is read as such."""
    person = Person({"answer": "web-03"}, {"answer": '["db-01"]'})

    async def main() -> None:
        async with served(tmp_path, [asks]) as server, over_http(server.url, person) as session:
            made = await call(session, "run_plan", plan={"tasks": [{"id": "a", "specialist": "asks"}]})
            assert made["tasks"][0]["output"] == ["web-03", ["db-01"]]

    asyncio.run(main())
    assert [("Which host?" in asked.message, "And beside web-03?" in asked.message) for asked in person.asked] == [
        (True, False),
        (False, True),
    ]


def test_a_question_that_is_left_pauses_the_run(tmp_path: Path) -> None:
    """A user who declines is not asked again; the run goes on later, and asks then."""

    async def main() -> None:
        async with served(tmp_path) as server:
            person = Person("decline")
            async with over_http(server.url, person) as session:
                made = await call(session, "run_plan", plan=REVIEWED, thread_id="left")
                assert (made["status"], len(person.asked)) == ("paused", 1)
            async with over_http(server.url, Person({"decision": "approve"}, {"decision": "approve"})) as session:
                made = await call(session, "resume_run", thread_id="left")
                assert made["status"] == "succeeded"

    asyncio.run(main())


def test_without_a_form_the_result_tells_the_questions(tmp_path: Path) -> None:
    """A client that can't ask gets them, with how to answer; wrong answers are refused and nothing is lost."""

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url) as session:
            made = await call(session, "run_plan", plan=REVIEWED, thread_id="later")
            assert made["status"] == "paused"
            (question,) = made["questions"]
            assert (question["task_id"], question["kind"]) == ("draft", "after")
            assert set(question["allowed"]) == {"approve", "edit", "reject", "respond"}
            assert "hello" in question["question"]
            assert "resume_run" in made["next"] and '"draft"' in made["next"]
            for answers, words in (
                ({"draft": "burn"}, "none of the decisions"),
                ({"nobody": "approve"}, "no open question"),
                ({"draft": "approve", question["id"]: "approve"}, "answered twice"),
            ):
                assert words in await refusal(session, "resume_run", thread_id="later", answers=answers)
            made = await call(session, "resume_run", thread_id="later", answers={"draft": "approve"})
            assert (made["status"], made["questions"][0]["task_id"]) == ("paused", "send")
            rejected = {"type": "reject", "message": "no"}
            made = await call(session, "resume_run", thread_id="later", answers={made["questions"][0]["id"]: rejected})
            assert made["tasks"][1]["status"] == "cancelled"
            assert "nothing to answer" in await refusal(session, "resume_run", thread_id="later", answers={"a": 1})

    asyncio.run(main())


def test_other_tasks_go_on_while_the_user_thinks(tmp_path: Path) -> None:
    """The form is open while the rest works."""
    open_, done = asyncio.Event(), asyncio.Event()

    @specialist("other")
    async def other(task: Any) -> None:
        await open_.wait()
        done.set()

    async def think(context: Any, params: Any) -> Any:
        open_.set()
        await done.wait()
        return await Person({"decision": "approve"})(context, params)

    async def main() -> None:
        async with served(tmp_path, [other]) as server, over_http(server.url, think) as session:  # type: ignore[arg-type]
            tasks = [{"id": "a", "specialist": "wait", "review": "before"}, {"id": "b", "specialist": "other"}]
            async with asyncio.timeout(30):
                assert (await call(session, "run_plan", plan={"tasks": tasks}))["status"] == "succeeded"

    asyncio.run(main())


def test_a_call_that_is_cancelled_takes_its_question_back(tmp_path: Path) -> None:
    """The user never answers, the client gives up; whoever resumes the run is asked anew."""
    asked = asyncio.Event()

    async def never(context: Any, params: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    async def main() -> None:
        async with served(tmp_path) as server:
            async with over_http(server.url, never) as session:  # type: ignore[arg-type]
                calling = asyncio.create_task(session.call_tool("run_plan", {"plan": REVIEWED, "thread_id": "open"}))
                await asyncio.wait_for(asked.wait(), 30)
                calling.cancel()
            await until(lambda: not server.runs._working)
            async with over_http(server.url) as session:
                found = await call(session, "get_run", thread_id="open")
                assert found["status"] == "interrupted"
                made = await call(session, "resume_run", thread_id="open")
                assert (made["status"], made["questions"][0]["task_id"]) == ("paused", "draft")

    asyncio.run(main())
