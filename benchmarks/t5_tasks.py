"""One model for seven tasks against a model of the same size for each: lesson 10's table.

    python benchmarks/t5_tasks.py               # about 20 minutes on one core; writes t5_tasks.json
    python benchmarks/t5_tasks.py --minutes 9   # stops after a whole run; the same line goes on

Both read as many examples of a task: the mixed model runs so many steps over all tasks, a single one its
task's share of them. The seed decides the first weights and the order.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from course_lib.recipes.t5_tasks import TASKS, answer_share, t5_tasks, task_pairs
from course_lib.training import Trainer

OUT = Path(__file__).with_suffix(".json")
SETTINGS = {"learning_rate": 0.005, "optimizer": "muon", "warmup": 30, "floor": 0.02, "device": "cpu"}
EXAM = 200
BUDGETS = {1_000: (0, 1, 2), 3_000: (0,)}  # steps over all tasks, and the seeds


def run(tasks: tuple[str, ...], seed: int, steps: int) -> dict[str, float]:
    """Train on these tasks and judge on the test split of each."""
    parts = t5_tasks(seed, torch.device("cpu"), tasks)
    share = sum(len(task_pairs(task, "train")) for task in tasks)
    steps = round(steps * share / sum(len(task_pairs(task, "train")) for task in TASKS))
    Trainer(parts.model, parts.loss_fn, parts.batches, **SETTINGS).fit(steps)
    parts.model.eval()
    return {
        task: round(answer_share(parts.model, parts.tokenizer, task_pairs(task, "test")[:EXAM]), 4)
        for task in tasks
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=600, help="stop after a whole run")
    end = time.monotonic() + 60 * options.parse_args().minutes
    torch.set_num_threads(1)
    start = {"exam": EXAM, "runs": []}
    found = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else start
    done = {(one["steps"], one["arm"], one["task"], one["seed"]) for one in found["runs"]}
    arms = [("all tasks", tuple(TASKS)), *(("one task", (task,)) for task in TASKS)]
    for steps, seed, (arm, tasks) in (
        (steps, seed, arm) for steps, seeds in BUDGETS.items() for seed in seeds for arm in arms
    ):
        if (steps, arm, tasks[0], seed) in done or time.monotonic() > end:
            continue
        for task, score in run(tasks, seed, steps).items():
            found["runs"].append({"steps": steps, "arm": arm, "task": task, "seed": seed, "score": score})
        OUT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(steps, arm, seed, found["runs"][-len(tasks) :], flush=True)


if __name__ == "__main__":
    main()
