"""Grading a class: how long `course class grade` takes for 100 ordinary submissions, and how much is torch.

Each submission is the solution with some tasks left as they were given, some with one mistake (a random
mutant) and the rest right. With --kill the run is killed in the middle and started again; the table must be,
byte for byte, the one of a run without a break.

    python benchmarks/class_grading.py [--students 100] [--unit 01] [--jobs 2] [--kill]
"""

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from difflib import unified_diff
from pathlib import Path
from statistics import median

from smollm2 import machine

from course_lib.grading.catalog import Unit, find_unit
from course_lib.grading.mutate import mutants
from course_lib.paths import course_root


def read(folder: str, unit: Unit) -> dict:
    return json.loads((course_root() / folder / f"{unit.name}.ipynb").read_text(encoding="utf-8"))


def answers(notebook: dict) -> dict[str, dict]:
    """Grade id -> cell, of the cells in which a learner writes."""
    found = {}
    for cell in notebook["cells"]:
        if (meta := cell["metadata"].get("nbgrader", {})).get("solution"):
            found[meta["grade_id"]] = cell
    return found


def write_class(folder: Path, unit: Unit, students: int) -> None:
    """One notebook a student; of a student's tasks more are right the better the student is."""
    folder.mkdir()
    rng = random.Random(0)
    empty = {name: "".join(cell["source"]) for name, cell in answers(read("exercises", unit)).items()}
    right = {name: "".join(cell["source"]) for name, cell in answers(read("solutions", unit)).items()}
    wrong = {name: [one.source for one in mutants(source)] for name, source in right.items()}
    for student in range(students):
        notebook, skill, done = read("solutions", unit), rng.random(), rng.randint(0, 2 * len(right))
        for position, (name, cell) in enumerate(answers(notebook).items()):
            if position >= done:
                cell["source"] = empty[name]
            elif rng.random() > skill and wrong[name]:
                cell["source"] = rng.choice(wrong[name])
        path = folder / f"student{student:03}_{unit.name}.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")


def start(work: Path, home: str, jobs: int) -> subprocess.Popen:
    """`course class grade` on the class, with its record of what is graded in `home`."""
    command = [
        sys.executable, "-m", "course_lib.cli", "class", "grade", str(work / "class"), "--jobs", str(jobs),
        "--csv", str(work / f"{home}.csv"), "--html", str(work / f"{home}-report"),
    ]  # fmt: skip
    environment = os.environ | {"COURSE_HOME": str(work / home)}
    return subprocess.Popen(
        command, cwd=course_root(), env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    )


def finish(process: subprocess.Popen) -> None:
    process.communicate()
    if process.returncode:
        raise SystemExit(f"course class grade ended with {process.returncode}")


def seconds_of(line: str) -> float:
    """What a process of its own takes for one line of Python, its start included; the median of five."""
    taken = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([sys.executable, "-P", "-c", line], check=True)
        taken.append(time.monotonic() - began)
    return median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--unit", default="01")
    parser.add_argument("--jobs", type=int, default=2, help="submissions at once")
    parser.add_argument("--kill", action="store_true", help="kill a second run in the middle and go on")
    options = parser.parse_args()
    unit = find_unit(options.unit)
    with tempfile.TemporaryDirectory(prefix="course-class-") as scratch:
        work = Path(scratch)
        write_class(work / "class", unit, options.students)
        print(f"{machine()}; {options.students} submissions of unit {unit.number}, {options.jobs} at once")
        began = time.monotonic()
        finish(start(work, "whole", options.jobs))
        taken = time.monotonic() - began
        each = taken * options.jobs / options.students
        print(f"in one go: {taken:.0f} s, that is {each:.2f} s of a process for each submission")
        for line in ("import torch", "from course_lib.grading import checking"):
            alone = seconds_of(line)
            print(f"  `{line}` alone takes {alone:.2f} s, {alone / each:.0%} of that")
        whole = (work / "whole.csv").read_bytes()
        rows = list(csv.DictReader(whole.decode("utf-8-sig").splitlines()))
        print(f"{len(rows)} rows: {dict(Counter(row['status'] for row in rows).most_common())}")
        if not options.kill:
            return
        process = start(work, "broken", options.jobs)
        for _ in range(options.students // 2):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = len(list((work / "broken" / "class").glob("*.json")))
        if (work / "broken.csv").exists():
            raise SystemExit("there is a table, though the run was killed")
        began = time.monotonic()
        finish(start(work, "broken", options.jobs))
        print(f"killed with {kept} graded; the rest took {time.monotonic() - began:.0f} s")
        other = (work / "broken.csv").read_bytes()
        if other != whole:
            both = (table.decode("utf-8-sig").splitlines() for table in (whole, other))
            raise SystemExit("its table is another one:\n" + "\n".join(unified_diff(*both, lineterm="", n=0)))
        print("its table is the same, byte for byte")


if __name__ == "__main__":
    main()
