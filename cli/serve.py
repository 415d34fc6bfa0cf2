"""`fanwise serve`: the graphs behind LangGraph's Agent Server, on this machine, with nothing sent elsewhere."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..runs.setup import EMBEDDINGS
from ..schema.errors import FanwiseError
from ..schema.words import install
from .options import setup_options, specialists_option, stack, workflows_option
from .serve_checks import check_access, check_events, check_setup, print_key, whole_path
from .serve_data import held_data

CONFIG = Path(__file__).parent.parent / "langgraph.json"
"""What the server serves; `langgraph dev` reads the same file."""

DATA = ".fanwise/server"
"""Where the server keeps its threads."""

LOCAL = ("127.0.0.1", "localhost", "::1")

NEEDED = f"fanwise serve needs more packages: {install('serve')}"

QUIET = {
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGSMITH_CONTROL_PLANE_API_KEY": "",
}
"""What keeps the server from asking or telling anyone outside."""

access_options = stack(
    click.option(
        "--auth", "auth", is_flag=True, help="Let in only who has a key (FANWISE_API_KEYS) or a signed token."
    ),
    click.option("--no-auth", "is_open", is_flag=True, help="Let in everyone, on an address that others reach too."),
    click.option(
        "--new-key", metavar="NAME", help="Print a new key for NAME and the line to add to FANWISE_API_KEYS; then end."
    ),
)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=2024, show_default=True, help="The port; 0 for any.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=10, show_default=True, help="Runs that are at work at the same time."
)
@click.option("--data", default=DATA, show_default=True, metavar="DIR", help="Where threads are kept.")
@click.option("--events", metavar="PATH", help="The event log that requests ask about.")
@setup_options
@specialists_option
@workflows_option
@access_options
def serve_command(host: str, port: int, jobs: int, data: str, new_key: str | None, **options: Any) -> int:
    """Serve the graphs for Studio, chat UIs and LangGraph's clients.

    States and outputs are in --data as soon as they are there, the lists of threads and runs every ten seconds: what is
    kept when the server is killed stands in docs/deploy.md.
    """
    if new_key is not None:
        return print_key(new_key)
    if host not in LOCAL and not options["auth"] and not options["is_open"]:
        how = "give --auth, or --no-auth if everyone who reaches that address may run tasks here"
        raise click.UsageError(f"--host {host}: others may reach this address; {how}")
    if options["auth"]:
        check_access(os.environ)
    check_events(options["events"])
    run_server = _server()
    environment = _environment(host, options)
    config = config_of(tuple(options["folders"]), auth=options["auth"])
    port = free_port(host, port)
    folder_of_data = Path(data).absolute()
    os.environ.update(environment)
    check_setup()
    with held_data(folder_of_data) as kept:
        os.chdir(folder_of_data)  # the server keeps its lists in the current folder
        run_server(
            host,
            port,
            graphs=config["graphs"],
            http=config["http"],
            auth=config.get("auth"),
            n_jobs_per_worker=jobs,
            timeout_graceful_shutdown=10,
            **kept,
        )
    return 0


def config_of(folders: tuple[str, ...] = (), *, auth: bool = False) -> dict[str, Any]:
    """Return the server's configuration: `langgraph.json`, with a graph for each workflow of one's own.

    Raises:
        PlanError: a folder or a workflow in it can't be read.
    """
    from ..plans.registry import load_workflows

    config: dict[str, Any] = json.loads(CONFIG.read_text())
    known, ours = load_workflows(*folders), load_workflows()
    for name in sorted(set(known) - set(ours)):
        about = known[name].description or known[name].title or f"The workflow {name}."
        config["graphs"].setdefault(name, {"path": f"fanwise.studio.app:{name}", "description": about})
    if auth:
        config["auth"] = {"path": "fanwise.studio.auth:auth", "disable_studio_auth": True}
    return config


def free_port(host: str, port: int) -> int:
    """Return a port that can be listened on: the one that is wanted, or any for 0.

    Raises:
        FanwiseError: it is taken. (The server itself would move to another one.)
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, port))
        except OSError as error:
            raise FanwiseError(f"--port {port}: it can't be listened on: {error.strerror}; give another one") from error
        return int(found.getsockname()[1])


def check_port(port: int) -> None:
    """End the process with a message where a port of this machine is taken."""
    try:
        free_port("127.0.0.1", port)
    except FanwiseError as error:
        raise SystemExit(str(error)) from None


def _environment(host: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables by which the server's process is told what it works with."""
    models = " ".join(name if role == "default" else f"{role}={name}" for role, name in options["models"])
    events = options["events"]
    given = {
        "FANWISE_MODEL": models,
        "FANWISE_EVENTS": whole_path(events),
        "FANWISE_WORKSPACE": options["workspace"],
        "FANWISE_NOTES": options["notes"],
        "FANWISE_MCP_CONFIG": options["mcp_config"],
        "FANWISE_PRICES": options["prices"],
        EMBEDDINGS: options["embeddings"],
        "FANWISE_ALLOW_COMMANDS": " ".join(options["commands"]),
        "FANWISE_NO_APPROVAL": "1" if options["no_approval"] else "",
        "FANWISE_SPECIALISTS": os.pathsep.join(map(_whole, options["specialist_sources"])),
        "FANWISE_WORKFLOWS": os.pathsep.join(map(os.path.abspath, options["folders"])),
        "FANWISE_HOSTS": " ".join(LOCAL) if host in LOCAL else "",
    }
    keys = os.environ.get("FANWISE_API_KEYS")
    kept = {"FANWISE_API_KEYS": os.path.abspath(keys)} if keys else {}
    own = {name: value for name, value in given.items() if value}
    return {**QUIET, **own, **kept}


def _whole(source: str) -> str:
    """Return a file's whole path, or a module's name as it is."""
    return os.path.abspath(source) if source.endswith((".py", ".yaml", ".yml")) else source


def _server() -> Any:
    try:
        from langgraph_api.cli import run_server
    except ImportError as error:
        raise FanwiseError(f"{NEEDED} ({error})") from error
    return run_server
