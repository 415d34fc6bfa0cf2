"""The SQLite checkpointer that commits together what is saved at the same time."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fanwise.graph.checkpoints import open_checkpointer
from fanwise.state import RunError

CONFIG: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c"}}


def test_a_save_that_returned_is_in_the_file(tmp_path: Path) -> None:
    """Another connection sees each task's writes as soon as its save is over; none is lost among many at once."""
    path = tmp_path / "runs.db"

    async def scenario() -> int:
        async with open_checkpointer(str(path)) as saver:

            async def save(number: int) -> None:
                await saver.aput_writes(CONFIG, [("results", {"n": number})], f"task-{number}")
                with sqlite3.connect(path) as other:
                    found = other.execute("SELECT 1 FROM writes WHERE task_id = ?", (f"task-{number}",)).fetchone()
                assert found is not None

            await asyncio.gather(*(save(number) for number in range(100)))
        with sqlite3.connect(path) as other:
            return int(other.execute("SELECT count(*) FROM writes").fetchone()[0])

    assert asyncio.run(scenario()) == 100


def test_it_keeps_what_langgraphs_own_keeps(tmp_path: Path) -> None:
    """The same saves, read back by LangGraph's saver, from a file of either: only the first write of a task counts."""

    async def saved_by(kind: Any) -> Any:
        path = str(tmp_path / f"{kind.__name__}.db")
        checkpoint = empty_checkpoint()
        config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        async with kind(path) as saver:
            stored = await saver.aput(config, {**checkpoint, "id": "c"}, {"step": 0}, {})
            await saver.aput_writes(stored, [("results", {"a": 1}), ("warnings", ["w"])], "task")
            await saver.aput_writes(stored, [("results", {"a": 2})], "task")
            await saver.aput_writes(stored, [("__error__", "first")], "other")
            await saver.aput_writes(stored, [("__error__", "second")], "other")
        async with AsyncSqliteSaver.from_conn_string(path) as reader:
            found = await reader.aget_tuple(config)
            assert found is not None
            return sorted(found.pending_writes or [])

    first, second = asyncio.run(saved_by(open_checkpointer)), asyncio.run(saved_by(AsyncSqliteSaver.from_conn_string))
    assert first == second
    assert ("task", "results", {"a": 1}) in first and ("other", "__error__", "second") in first


def test_what_can_not_be_saved_raises_and_the_rest_is_saved(tmp_path: Path) -> None:
    """A failing transaction reaches everybody whose writes were in it; later saves go on."""

    async def scenario() -> None:
        async with open_checkpointer(str(tmp_path / "runs.db")) as saver:
            bad: Any = {"configurable": {**CONFIG["configurable"], "thread_id": "t"}}
            with pytest.raises(sqlite3.Error):
                await saver.aput_writes(bad, [("results", 1)], {"no": "text"})  # type: ignore[arg-type]
            await saver.aput_writes(CONFIG, [("results", 1)], "task")

    asyncio.run(scenario())
    with sqlite3.connect(tmp_path / "runs.db") as other:
        assert other.execute("SELECT task_id FROM writes").fetchall() == [("task",)]


def test_what_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    """A file of another kind is named, and left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("no database, " * 100)

    async def scenario(db: str) -> None:
        async with open_checkpointer(db):
            pass

    with pytest.raises(RunError, match=r"notes\.txt"):
        asyncio.run(scenario(str(path)))
    assert path.read_text().startswith("no database")
    with pytest.raises(RunError, match="SQLite"):
        asyncio.run(scenario("mysql://here/there"))
