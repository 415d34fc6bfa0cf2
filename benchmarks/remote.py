"""A plan over three servers, one of them killed midway: does it finish, with nothing lost and little done twice?

Each server is a real one (`langgraph dev`) in a process of its own, which writes down what it begins and ends. Exit
code 1 where something was lost, or was begun twice that need not have been.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common import ROOT, options, saver

from fanwise.cli.serve import free_port
from fanwise.graph import build_graph, remote_specialist

SERVED = ROOT / "tests" / "remote" / "served"
SERVERS, JOBS = 3, 20
KILL_AT = 0.4
"""The part of the tasks that have ended when a server is killed."""


class Server:
    """One server, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(SERVED, folder, ignore=shutil.ignore_patterns("__pycache__"))
        port = free_port("127.0.0.1", 0)
        self.url, self.notes = f"http://127.0.0.1:{port}", folder / "notes"
        self.notes.touch()
        env = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "FANWISE_"))}
        env |= {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true", "LANGSMITH_TRACING": "false"}
        told = ["dev", "--no-browser", "--no-reload", "--port", str(port), "--n-jobs-per-worker", str(JOBS)]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("langgraph")), *told],
                cwd=folder,
                env={**env, "SERVED_NOTES": str(self.notes)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it answers."""
        for _ in range(900):
            try:
                urllib.request.urlopen(f"{self.url}/ok", timeout=2).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit(f"a server did not start: {(self.notes.parent / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, with all that it holds."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def noted(self, what: str) -> list[str]:
        """Return the tasks that it noted so."""
        lines = (line.split() for line in self.notes.read_text().splitlines())
        return [name for did, name in lines if did == what]


def plan_of(tasks: int, seconds: float) -> dict[str, Any]:
    """Return chains of five tasks each, side by side."""
    chains = tasks // 5
    own = [
        {
            "id": f"t{n}",
            "specialist": "worker",
            "input": {"name": f"t{n}", "seconds": seconds},
            "depends_on": [f"t{n - chains}"] if n >= chains else [],
        }
        for n in range(tasks)
    ]
    return {"name": "remote", "config": {"max_parallel": 45}, "tasks": own}


async def _run(plan: dict[str, Any], servers: list[Server]) -> tuple[dict[str, Any], Counter[str], float]:
    """Run the plan, kill a server midway, and return the state, the events by type, and the seconds."""
    worker = remote_specialist("worker", url=[server.url for server in servers], graph="worker", output="answer")
    seen: Counter[str] = Counter()
    async with saver("own") as checkpointer:
        graph = build_graph([worker], checkpointer=checkpointer)
        config: Any = {"configurable": {"thread_id": "remote"}}
        begun = time.perf_counter()
        async for event in graph.astream({"plan": plan}, config, stream_mode="custom"):
            seen[event["type"]] += 1
            if seen["task_finished"] == int(len(plan["tasks"]) * KILL_AT) and servers[1].process.poll() is None:
                await asyncio.to_thread(servers[1].kill)
        took = time.perf_counter() - begun
        return (await graph.aget_state(config)).values, seen, took


def _wrong(tasks: int, state: dict[str, Any], servers: list[Server]) -> list[str]:
    """Return what is not as it has to be."""
    results = state["results"]
    lost = [name for name in (f"t{n}" for n in range(tasks)) if results.get(name, {}).get("status") != "succeeded"]
    false = [name for name, result in results.items() if result["output"] != f"{name} is done"]
    live = Counter(name for server in (servers[0], servers[2]) for name in server.noted("began"))
    twice = [name for name, times in live.items() if times > 1]
    killed = set(servers[1].noted("began"))
    elsewhere = [name for name in live if name in killed and name in servers[1].noted("ended")]
    found = {"lost": lost, "with a wrong output": false, "begun twice at servers that lived": twice}
    print(f"ended at the killed server, and not fetched before it died: {len(elsewhere)}")
    wrong = [f"{len(names)} {what}: {names[:5]}" for what, names in found.items() if names]
    return wrong if killed else [*wrong, "the killed server had no work"]


def main() -> int:
    """Return the exit code."""
    quick: bool = options(__doc__).parse_args().quick
    tasks, seconds = (100, 0.1) if quick else (500, 0.2)
    with TemporaryDirectory(prefix="fanwise-bench-") as folder:
        servers: list[Server] = []
        try:
            servers += [Server(Path(folder) / str(n)) for n in range(SERVERS)]
            for server in servers:
                server.wait()
            state, seen, took = asyncio.run(_run(plan_of(tasks, seconds), servers))
            wrong = _wrong(tasks, state, servers)
        finally:
            for server in servers:
                server.kill()
        began = [server.noted("began") for server in servers]
    started = Counter(name for names in began for name in names)
    succeeded = sum(result["status"] == "succeeded" for result in state["results"].values())
    print(f"tasks: {tasks}, succeeded: {succeeded}, run: {state['status']}")
    print(f"begun on each server (the second was killed): {', '.join(str(len(names)) for names in began)}")
    print(f"moved: {seen['task_moved']}, begun twice: {sum(times > 1 for times in started.values())}")
    print(f"attempts: {sum(result['attempts'] for result in state['results'].values())}, seconds: {took:.1f}")
    for warning in state["warnings"]:
        print(f"warning: {warning}")
    for what in wrong:
        print(f"WRONG: {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
