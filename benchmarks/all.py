"""Run all measurements, one after another, each in a process of its own. Exit code 1 where one failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common import options

SCRIPTS: dict[str, tuple[list[str], list[str]]] = {
    "gold": ([], []),
    "dags": ([], ["--quick"]),
    "slots": ([], ["--quick"]),
    "optima": ([], ["--quick"]),
    "race": ([], ["--quick"]),
    "faults": ([], ["--quick"]),
    "overhead": ([], ["--quick"]),
    "speedups": ([], ["--quick"]),
    "size": ([], ["--quick"]),
    "overlap": ([], ["--quick"]),
    "model_faults": ([], ["--quick"]),
    "tracing": ([], ["--quick"]),
    "remote": ([], ["--quick"]),
    "chaos": (["--rounds", "50"], ["--rounds", "3"]),
    "processes": ([], ["--quick"]),
    "serving": ([], ["20", "10"]),
    "mcp_checks": ([], ["--quick"]),
}
"""By name: the arguments of the full version and of the quick one."""


def main() -> int:
    """Return the exit code."""
    quick: bool = options(__doc__).parse_args().quick
    failed = []
    for name, arguments in SCRIPTS.items():
        print(f"\n== {name}", flush=True)
        script = Path(__file__).with_name(f"{name}.py")
        if subprocess.run([sys.executable, str(script), *arguments[quick]], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
