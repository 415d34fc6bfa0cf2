"""`fanwise mcp`: the tools for MCP clients."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    db_option,
    deadline_option,
    folder,
    grace_option,
    limit_options,
    max_parallel_option,
    setup_options,
    size_options,
    specialists_option,
    workflows_option,
)

if TYPE_CHECKING:
    from ..runs.user_code import OwnCode
    from ..serving.mcp_events import EventLogs
    from .job import Job

PORT = 8002


@click.command("mcp")
@click.option("--stdio", is_flag=True, help="Speak over standard input and output, as clients that start servers do.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, metavar="N", help="0 takes a free one."
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME[:PORT]",
    help="A further name by which clients reach the server; may be given again.",
)
@click.option("--token-env", metavar="NAME", help="The environment variable with the bearer token that clients send.")
@click.option("--no-token", is_flag=True, help="Serve other machines without a token.")
@click.option("--events", metavar="PATH", help="The event log that is asked about, as of fanwise ask.")
@click.option("--events-root", type=folder, metavar="DIR", help="Clients may name event logs below this folder.")
@click.option(
    "--max-runs", type=click.IntRange(min=1), default=32, show_default=True, metavar="N", help="Runs at the same time."
)
@click.option("-v", "--verbose", is_flag=True, help="Log every request on standard error.")
@db_option
@workflows_option
@max_parallel_option
@deadline_option
@grace_option
@limit_options
@setup_options
@specialists_option
@size_options
def mcp_command(**options: Any) -> int:
    """Serve Fanwise to MCP clients: over HTTP at http://127.0.0.1:8002/mcp, or with --stdio.

    Tools: dynamic_troubleshoot, run_plan, explain_plan, resume_run, get_run. Limits such as --deadline hold for every
    run.
    """
    import asyncio

    _check_installed()
    token = _token(options)
    job, logs = _prepared(options)
    if options["stdio"]:
        return _over_stdio(job, logs, options)
    return asyncio.run(_over_http(job, logs, token, options))


def _check_installed() -> None:
    from ..schema.errors import FanwiseError
    from ..tool_servers.sessions import NO_MCP, is_installed

    if not is_installed():
        raise FanwiseError(f"fanwise mcp: {NO_MCP}")


def _token(options: dict[str, Any]) -> str | None:
    """Return the token; refuse to serve the network without one."""
    from ..serving.mcp_http import is_loopback

    if options["stdio"]:
        return None
    name = options["token_env"]
    token = os.environ.get(name, "").strip() if name else ""
    if name and not token:
        raise click.UsageError(f"--token-env {name}: this environment variable is not set, or empty")
    if not token and not options["no_token"] and not is_loopback(options["host"]):
        raise click.UsageError(
            f"--host {options['host']} can be reached from other machines: give a token with --token-env NAME, or "
            "--no-token if something else keeps strangers out"
        )
    return token or None


def _prepared(options: dict[str, Any]) -> tuple[Job, EventLogs]:
    from ..serving.mcp_events import EventLogs
    from .job import Job

    events = options["events"]
    if events and "://" not in events:
        events = options["events"] = os.path.abspath(os.path.expanduser(events))
        if not os.path.exists(events):
            raise click.UsageError(f"--events {options['events']}: there is no such file or folder")
    root = options["events_root"]
    job = Job.of("mcp", {**options, "as_json": False})
    return job, EventLogs(events, Path(root) if root else None)


def _over_stdio(job: Job, logs: EventLogs, options: dict[str, Any]) -> int:
    import asyncio
    from contextlib import suppress

    from ..serving.mcp_stdio import own_streams, serve

    async def serving() -> None:
        async with _opened(job, own, logs, options) as offer:
            with suppress(asyncio.CancelledError):
                await serve(offer, streams, log_level=_level(options))

    with own_streams() as streams:
        own = job.setup.load_code()
        asyncio.run(serving())
    return 0


async def _over_http(job: Job, logs: EventLogs, token: str | None, options: dict[str, Any]) -> int:
    import asyncio
    from contextlib import suppress

    from ..serving import mcp_http
    from .output import say

    listening = mcp_http.bound(options["host"], options["port"])
    own = job.setup.load_code()
    async with _opened(job, own, logs, options) as offer:
        app = mcp_http.make_app(offer, options["host"], options["names"], token, log_level=_level(options))
        say(f"MCP server: {mcp_http.url_of(listening)} (Ctrl-C ends it)")
        with suppress(asyncio.CancelledError):
            await mcp_http.serve(app, listening, offer.runs, options["grace"], say)
    return 0


def _opened(job: Job, own: OwnCode, logs: EventLogs, options: dict[str, Any]) -> Any:
    from contextlib import asynccontextmanager

    from ..plans.registry import load_workflows
    from ..schema.checks import MAX_TASKS
    from ..serving.mcp_runs import opened
    from ..serving.mcp_server import MAX_BYTES, Offer

    max_tasks = options["max_tasks"] or MAX_TASKS

    @asynccontextmanager
    async def offered() -> Any:
        folders = options["folders"]
        async with opened(
            job.db,
            job.setup,
            job.context,
            own,
            logs,
            max_runs=options["max_runs"],
            workflows=folders,
            max_tasks=max_tasks,
        ) as runs:
            yield Offer(runs, load_workflows(*folders), max_tasks, options["max_bytes"] or MAX_BYTES)

    return offered()


def _level(options: dict[str, Any]) -> str:
    """Return what is logged; the SDK tells of every client that goes away as of an error."""
    import logging

    if options["verbose"]:
        return "INFO"
    for name in ("mcp", "sse_starlette", "uvicorn"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return "ERROR"
