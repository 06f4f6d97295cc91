"""The command `course`. Each subcommand imports what it needs when it runs: `course --help` is quick."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def lab(options: argparse.Namespace) -> int:
    from course_lib.lab import open_lab

    return open_lab(options.port, browser=not options.no_browser)


def grade(options: argparse.Namespace) -> int:
    from course_lib.grading.runner import grade

    return grade(options.units, html=options.html)


def progress(options: argparse.Namespace) -> int:
    from course_lib.grading.catalog import find_unit
    from course_lib.grading.progress import report

    try:
        if options.unit:
            find_unit(options.unit)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    print(report(options.unit))
    return 0


def doctor(options: argparse.Namespace) -> int:
    from course_lib.doctor import examine

    return examine()


def reset(options: argparse.Namespace) -> int:
    from course_lib.grading.runner import reset

    return reset(options.unit)


def carry(options: argparse.Namespace) -> int:
    from course_lib.grading.carry import carry

    return carry(options.source)


def build(options: argparse.Namespace) -> int:
    from course_lib.build import build

    return build(options.names or None, check=options.check)


def pretrain(options: argparse.Namespace) -> int:
    from course_lib import recipes

    if options.list or not options.name:
        print(recipes.list_recipes())
        return 0 if options.list else 2
    try:
        recipes.find_recipe(options.name)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    if options.band:
        path = Path(options.folder or ".") / f"{options.name}-band.json"
        print(f"Written to {recipes.make_band(options.name, steps=options.steps).save(path)}")
        return 0
    if options.nproc == 1:
        recipes.pretrain(options.name, seed=options.seed, steps=options.steps, folder=options.folder)
        return 0
    import subprocess

    rest = ["--seed", str(options.seed)]
    for name in ("steps", "folder"):
        if (value := getattr(options, name)) is not None:
            rest += [f"--{name}", str(value)]
    launch = ["torch.distributed.run", "--standalone", f"--nproc_per_node={options.nproc}"]
    command = [*launch, "-m", "course_lib.cli", "pretrain", options.name, *rest]
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode


def check_exercises(options: argparse.Namespace) -> int:
    import importlib.util
    import subprocess

    from course_lib.grading.catalog import EXERCISES, find_unit
    from course_lib.paths import course_root

    if importlib.util.find_spec("pytest") is None:
        print("The gates need the authors' packages: python start.py test sets them up.", file=sys.stderr)
        return 1
    try:
        units = [find_unit(name) for name in options.units]
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    wanted = [unit.name for unit in units] + [task for task, (unit, _) in EXERCISES.items() if unit in units]
    arguments = ["-k", " or ".join(wanted)] if wanted else []
    arguments += [] if options.mutants else ["-m", "not slow"]
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_exercises.py", *arguments]
    return subprocess.run(command, cwd=course_root(), check=False).returncode


def class_(options: argparse.Namespace) -> int:
    from course_lib.grading.classroom.run import grade_class

    pages = Path(options.html) if options.html else None
    table = Path(options.csv) if options.csv else None
    return grade_class(Path(options.folder), table, pages, options.unit, options.jobs or 0)


def site(options: argparse.Namespace) -> int:
    from course_lib.site import site

    return site(options.folder)


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not above 0")
    return value


def parser() -> argparse.ArgumentParser:
    """All subcommands and their options."""
    top = argparse.ArgumentParser(prog="course", description="Transformer Variants, an interactive course.")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(run, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(
            run.__name__.rstrip("_").replace("_", "-"), help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        one.set_defaults(run=run)
        return one

    one = command(lab, "open the lessons in JupyterLab")
    one.add_argument("--no-browser", action="store_true", help="print the address only")
    one.add_argument("--port", type=int, help="the port (8888, or the next that is free)")

    one = command(grade, "run exercises from top to bottom and print their points")
    one.add_argument("units", nargs="*", metavar="UNIT", help="for instance 01 (all that were begun)")
    one.add_argument("--html", metavar="FILE", help="write the feedback to this file, too")

    one = command(progress, "show the points reached so far")
    one.add_argument("unit", nargs="?", metavar="UNIT", help="only this unit, for instance 01")

    command(doctor, "look over this machine and the set-up, and say what to mend")

    one = command(reset, "put an exercise back to its start; the answers are kept in a copy beside it")
    one.add_argument("unit", metavar="UNIT", help="for instance 01")

    one = command(carry, "after an update: bring your answers into this release's exercises, by task")
    one.add_argument("source", nargs="?", metavar="FROM", help="the old course's folder, or a notebook")

    one = command(class_, "for teachers: grade a folder of submissions, each in a process of its own")
    one.add_argument("what", choices=["grade"], help="what to do")
    one.add_argument("folder", metavar="FOLDER", help="notebooks, or a folder a student")
    one.add_argument("--csv", metavar="FILE", help="write the grades here, a row a student and task")
    one.add_argument("--html", metavar="FOLDER", help="write the report here: the class, and each student")
    one.add_argument(
        "--unit", metavar="UNIT", help="take every notebook as this unit's (found out by itself)"
    )
    one.add_argument("--jobs", type=positive, metavar="N", help="submissions at once (one a core)")

    one = command(
        pretrain, "train one of the course's own models by its recipe; goes on after an interruption"
    )
    one.add_argument("name", nargs="?", metavar="NAME", help="for instance bert-town")
    one.add_argument("--list", action="store_true", help="show the recipes")
    one.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    one.add_argument("--steps", type=positive, help="fewer or more than the recipe has")
    one.add_argument(
        "--folder", help="where the model goes (.course/runs/NAME); what is there is kept, dated"
    )
    one.add_argument("--band", action="store_true", help="train five seeds; write their curves' band")
    one.add_argument("--nproc", type=positive, default=1, help="processes that train together (1)")

    one = command(check_exercises, "for authors: hold the exercises to their gates")
    one.add_argument("units", nargs="*", metavar="UNIT", help="only these, for instance 05 (all)")
    one.add_argument("--mutants", action="store_true", help="try every automatic mutant, not a sample")

    one = command(site, "for teachers: write all lessons as web pages, as they were last run")
    one.add_argument("folder", nargs="?", default="site", metavar="FOLDER", help="where they go (site)")

    one = command(build, "for authors: run the lessons afresh and derive the exercises from the solutions")
    one.add_argument("names", nargs="*", metavar="NAME", help="only these, for instance 01_attention (all)")
    one.add_argument("--check", action="store_true", help="change nothing; fail where something is stale")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # Hangul on a console without it
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
