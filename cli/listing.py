"""`fanwise specialists`, `fanwise workflows` and `fanwise sample`."""

from __future__ import annotations

from typing import Any

import click

from .options import json_option, specialists_option, workflows_option


@click.command("specialists")
@json_option
@specialists_option
def specialists_command(as_json: bool, specialist_sources: tuple[str, ...]) -> int:
    """List the specialists that tasks can name."""
    from ..nodes.specialists import built_in
    from ..runs.user_code import load_code
    from .output import Column, print_json, put, results_only, table

    with results_only():
        own = {item.name: item for item in load_code(specialist_sources).specialists}
    known = {**built_in(), **own}
    rows = [
        {"name": name, "description": item.description, "built_in": name not in own} for name, item in known.items()
    ]
    if as_json:
        print_json(rows)
    else:
        put(table([Column("name"), Column("description")], [[str(r["name"]), str(r["description"])] for r in rows]))
    return 0


@click.command("workflows")
@json_option
@workflows_option
def workflows_command(as_json: bool, folders: tuple[str, ...]) -> int:
    """List the named workflows and their parameters."""
    from ..nodes.summary.text import clean_lines
    from ..plans.registry import load_workflows
    from .output import print_json, put

    own = load_workflows(*folders)
    shipped = load_workflows()
    rows = [_workflow(item, built_in=shipped.get(name) == item) for name, item in own.items()]
    if as_json:
        print_json(rows)
    else:
        put(clean_lines("\n\n".join(_workflow_text(row) for row in rows)))
    return 0


def _workflow(workflow: Any, *, built_in: bool) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "aliases": list(workflow.aliases),
        "title": workflow.title,
        "description": workflow.description,
        "params": {name: param.model_dump(mode="json") for name, param in workflow.params.items()},
        "tasks": len(workflow.tasks),
        "source": "built-in" if built_in else "own",
    }


def _workflow_text(row: dict[str, Any]) -> str:
    aliases = f" (or {', '.join(row['aliases'])})" if row["aliases"] else ""
    lines = [f"{row['name']}{aliases}: {row['title']}, {row['tasks']} task{'s' * (row['tasks'] != 1)}, {row['source']}"]
    if row["description"]:
        lines.append(f"  {row['description']}")
    for name, param in row["params"].items():
        need = "required" if param["required"] else f"default {param['default']!r}"
        lines.append(f"  --param {name}=...  {param['description']} ({'optional' if need == 'default None' else need})")
    return "\n".join(lines)


@click.command("sample")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@click.option("--seed", type=int, default=7, show_default=True, metavar="N", help="Another seed, another day.")
@json_option
def sample_command(folder: str, seed: int, as_json: bool) -> int:
    """Write a sample event log with known faults: a day of a small web shop."""
    import shlex
    from dataclasses import asdict

    from ..events.sample import write_sample
    from ..nodes.summary.text import clean_lines
    from ..schema.errors import EventsError
    from .output import print_json, put, say

    try:
        faults = write_sample(folder, seed)
    except OSError as error:
        raise EventsError(f"no sample can be written to {folder!r}: {error.strerror}; give another folder") from None
    if as_json:
        print_json({"folder": folder, "seed": seed, "faults": [asdict(fault) for fault in faults]})
        return 0
    put(clean_lines(f"a sample log with {len(faults)} faults is in {folder}"))
    say(f'next: fanwise ask "Why did web-03 go quiet?" --events {shlex.quote(folder)}')
    return 0
