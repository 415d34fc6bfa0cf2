"""The `fanwise` command. It is thin: everything that it does is a library call.

Nothing heavy is imported until a command needs it, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations


def main() -> None:
    """Run the command and end the process with its exit code."""
    from .app import run_cli

    run_cli()
