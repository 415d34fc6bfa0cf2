"""Does `explain` find the shortest possible time of 400 everyday plans whose answer is known?

`gold_makespan_s` in the data set is the exact shortest time with unlimited slots. Both the critical path and the time
that the scheduler takes on its virtual clock must be equal to it. Exit code 1 where one is not.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from common import options, shared_data

from fanwise.graph import explain


def plan_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return a case of the data set as a plan with unlimited slots."""
    tasks = [
        {
            "id": task["id"],
            "specialist": "wait",
            "description": task["description"],
            "estimated_s": task["duration_s"],
            "depends_on": task["depends_on"],
        }
        for task in case["tasks"]
    ]
    return {"name": case["title"][:200], "config": {"max_parallel": None}, "tasks": tasks}


def main() -> int:
    """Compare all plans; return the exit code."""
    options(__doc__).parse_args()
    cases = [json.loads(line) for line in shared_data("asynchow-400.jsonl").read_text("utf-8").splitlines()]
    paths = makespans = 0
    begun = time.perf_counter()
    for case in cases:
        found, gold = explain(plan_of(case)), case["gold_makespan_s"]
        paths += found.critical_path_s == gold
        makespans += found.expected_makespan_s == gold
        if {found.critical_path_s, found.expected_makespan_s} != {gold}:
            print(f"plan {case['id']}: gold {gold}, {found.critical_path_s=}, {found.expected_makespan_s=}")
    print(f"critical path equals the gold time:     {paths} of {len(cases)}")
    print(f"expected makespan equals the gold time: {makespans} of {len(cases)}")
    print(f"({time.perf_counter() - begun:.2f} s for all of them)")
    return 0 if paths == makespans == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
