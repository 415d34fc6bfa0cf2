"""How far are schedules from the best there is? Longest remaining path first, beside first come first served.

Random graphs of few tasks on few slots. The optimum is found by exhaustive search (branch and bound); the others are
the scheduler itself on a virtual clock, with its ranks, and without.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Mapping, Sequence

from common import options, table

from fanwise.graph.schedule import Limits, Schedule
from fanwise.schema.dag import upward_ranks

Needs = Mapping[str, Sequence[str]]
Times = Mapping[str, int]


def random_graph(rng: random.Random, count: int) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return a graph and its whole-numbered durations, a few of them long."""
    needs = {
        f"t{index}": [f"t{other}" for other in rng.sample(range(index), min(index, rng.choice([0, 1, 1, 2])))]
        for index in range(count)
    }
    return needs, {task: min(int(rng.paretovariate(1.0)) + 1, 20) for task in needs}


def scheduled(needs: Needs, times: Times, slots: int, ranks: Mapping[str, float]) -> int:
    """Return the makespan of the scheduler's own decisions."""
    schedule, now, ending = Schedule(Limits(slots)), 0, list[tuple[int, str]]()
    for order, task in enumerate(needs):
        schedule.add(task, needs[task], rank=ranks.get(task, 0.0), order=order)
    while True:
        ending += [(now + times[task], task) for task in schedule.decide(float(now)).start]
        if not ending:
            return now
        ending.sort()
        now = ending[0][0]
        while ending and ending[0][0] == now:
            schedule.settle(ending.pop(0)[1], "succeeded")


class Search:
    """The shortest makespan there is, by trying every choice that can matter."""

    def __init__(self, needs: Needs, times: Times, slots: int, best: int) -> None:
        self.needs, self.times, self.slots, self.best = needs, times, slots, best
        self.ranks = upward_ranks(needs, {task: float(time) for task, time in times.items()})
        self.seen: dict[tuple[frozenset[str], tuple[tuple[str, int], ...]], int] = {}

    def shortest(self) -> int:
        """Return the makespan."""
        self._try(0, frozenset(), ())
        return self.best

    def _try(self, now: int, done: frozenset[str], running: tuple[tuple[str, int], ...]) -> None:
        """Go on from a moment at which something has ended; `running` holds tasks and their ends."""
        left = [task for task in self.needs if task not in done and all(task != name for name, _ in running)]
        if not left:
            self.best = min(self.best, max((end for _, end in running), default=now))
            return
        work = sum(self.times[task] for task in left) + sum(end - now for _, end in running)
        bound = now + max(-(-work // self.slots), int(max(self.ranks[task] for task in left)))
        key = (done, tuple(sorted((name, end - now) for name, end in running)))
        if bound >= self.best or self.seen.get(key, sys.maxsize) <= now:
            return
        self.seen[key] = now
        if len(running) < self.slots:
            ready = [task for task in left if all(need in done for need in self.needs[task])]
            for task in sorted(ready, key=lambda task: -self.ranks[task]):
                self._try(now, done, (*running, (task, now + self.times[task])))
        if running:  # start nothing more until something has ended: to wait can be better
            end = min(end for _, end in running)
            ended = {name for name, moment in running if moment == end}
            self._try(end, done | ended, tuple(pair for pair in running if pair[1] != end))


def main() -> int:
    """Measure and print; return the exit code."""
    parser = options(__doc__)
    parser.add_argument("--graphs", type=int, help="how many for each number of slots (200; with --quick 30)")
    parser.add_argument("--tasks", type=int, default=10, help="in a graph (10)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    count = given.graphs or (30 if given.quick else 200)
    rows = []
    for slots in (2, 3):
        rng, ratios = random.Random(given.seed), dict[str, list[float]]({"ranks": [], "fifo": []})
        for _ in range(count):
            needs, times = random_graph(rng, given.tasks)
            ranks = upward_ranks(needs, {task: float(time) for task, time in times.items()})
            listed, fifo = (scheduled(needs, times, slots, order) for order in (ranks, {}))
            best = Search(needs, times, slots, min(listed, fifo)).shortest()
            ratios["ranks"].append(listed / best)
            ratios["fifo"].append(fifo / best)
        for name, found in ratios.items():
            optimal = sum(ratio == 1.0 for ratio in found) / count
            rows.append([f"{slots} slots, {name}", statistics.mean(found), max(found), optimal])
    table(["schedule", "mean / optimum", "worst", "share optimal"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
