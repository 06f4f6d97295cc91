"""All tests, in stages: what `python3 start.py test` runs once the environment stands.

python tests/run_all.py                  everything: style, unit tests, notebooks, browser
python tests/run_all.py --quick          what fits in five minutes: no slow tests, only the lessons at work
python tests/run_all.py -k attention     arguments for pytest: only pytest, with these
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from browser.lab import find_chromium

ROOT = Path(__file__).resolve().parent.parent
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORKERS = min(CORES, 4)  # each loads torch and a kernel: about 1.5 GB
CELL_SECONDS = 300
QUICK_SECONDS = 300
NOTEBOOKS = ("notebooks", "solutions")
ALWAYS = ("notebooks/00_start_here.ipynb", "solutions/01_attention.ipynb")  # of the notebooks, in quick mode


@dataclass
class Result:
    """What one stage came to. A stage without tests has failed, unless `skip_reason` says why."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    skip_reason: str = ""


def environment(scratch: Path, threads: int) -> dict[str, str]:
    """Variables for the tests: no network, no settings or records of the person who runs them."""
    values = dict(os.environ, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", PYTHONUTF8="1")
    values["JUPYTER_PREFER_ENV_PATH"] = "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        values[name] = str(threads)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "COURSE_HOME"):
        values[name] = str(scratch / name.lower())
    return values


def style() -> Result:
    """Ruff's rules and layout, each counted as one test."""
    result, started = Result("style"), time.monotonic()
    for arguments in (["check", "."], ["format", "--check", "."]):
        code = subprocess.run([sys.executable, "-m", "ruff", *arguments], cwd=ROOT).returncode
        result.passed += code == 0
        result.failed += code != 0
    result.seconds = time.monotonic() - started
    return result


def counts(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests in pytest's JUnit report."""
    passed = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        wrong, left_out = int(suite.get("failures")) + int(suite.get("errors")), int(suite.get("skipped"))
        failed, skipped = failed + wrong, skipped + left_out
        passed += int(suite.get("tests")) - wrong - left_out
    return passed, failed, skipped


def pytest(name: str, arguments: list[str], threads: int) -> Result:
    """Run pytest on its own; its exit code counts beside its report (a crash writes none)."""
    result, started = Result(name), time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]
        code = subprocess.run(command, cwd=ROOT, env=environment(Path(scratch), threads)).returncode
        if report.is_file():
            result.passed, result.failed, result.skipped = counts(report)
    if code and not result.failed:
        result.failed = 1
    result.seconds = time.monotonic() - started
    return result


def parallel(dist: str) -> list[str]:
    return ["-n", str(WORKERS), "--dist", dist] if WORKERS > 1 else []


def unit(quick: bool) -> Result:
    marks = "not browser and not slow" if quick else "not browser"
    arguments = ["tests", "--ignore=tests/browser", "-q", "--durations=5", "-m", marks]
    if quick:
        found = (re.search(r"unit(\d\d)|^(?:exercises|solutions)/(\d\d)", name) for name in at_work())
        arguments.append("--units=" + ",".join(sorted({one[1] or one[2] for one in found if one})))
    # By what conftest.py puts together: tests of a file share its models.
    return pytest("unit", [*arguments, *parallel("loadgroup")], max(1, CORES // WORKERS))


def at_work() -> set[str]:
    """Files that differ from the last commit."""
    command = ["git", "status", "--porcelain", "-z", "--untracked-files=all"]
    try:
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    except OSError:
        return set()  # no git: a course that came as an archive
    return {entry[3:] for entry in answer.stdout.split("\0")}


def notebooks(quick: bool) -> Result:
    """Every cell of every lesson and solution runs; cells tagged nbval-check-output print what is stored."""
    names = sorted(
        path.relative_to(ROOT).as_posix() for folder in NOTEBOOKS for path in (ROOT / folder).glob("*.ipynb")
    )
    if quick:
        wanted = at_work().union(ALWAYS)
        names = [name for name in names if name in wanted]
    if not names:
        return Result("notebooks", skip_reason="there are none")
    nbval = ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={CELL_SECONDS}"]
    nbval += ["--nbval-sanitize-with", "tests/nbval_sanitize.cfg", f"--timeout={CELL_SECONDS + 60}"]
    return pytest(
        "notebooks", [*names, "-q", "--durations=5", *nbval, *parallel("loadfile")], max(1, CORES // WORKERS)
    )


def install_chromium() -> str | None:
    """Fetch Chromium through apt where that asks for no password; return where it is if it runs."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not shutil.which("apt-get") or not (root or shutil.which("sudo")):
        return None
    print("Installing Chromium for the browser tests", flush=True)
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        command = [
            *([] if root else ["sudo", "-n"]),
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            *arguments,
        ]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return find_chromium()


def browser(quick: bool) -> Result:
    chromium = find_chromium() or install_chromium()
    if not chromium:
        reason = "no Chromium, Chrome or Edge here: install one, or set CHROMIUM to its path"
        must = os.environ.get("CI") and not quick
        return Result("browser", failed=1) if must else Result("browser", skip_reason=reason)
    os.environ["CHROMIUM"] = chromium
    marks = ["-m", "not slow"] if quick else []
    arguments = ["tests/browser", "-q", "--durations=5", *marks]
    return pytest("browser", [*arguments, *parallel("loadfile")], max(1, CORES // WORKERS))


def summary(results: list[Result]) -> int:
    """Print what every stage came to and the sum; return the exit code."""
    print()
    for result in results:
        numbers = f"{result.passed:6} passed {result.failed:4} failed {result.skipped:4} skipped"
        print(f"{result.name:<10} {result.skip_reason or numbers}  {result.seconds:6.0f} s")
        if not (result.passed or result.failed or result.skip_reason):
            result.failed = 1
            print(f"{'':<10} no test ran, and that counts as a failure")
    passed, failed, skipped = (
        sum(getattr(r, key) for r in results) for key in ("passed", "failed", "skipped")
    )
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    quick = "--quick" in arguments
    rest = [argument for argument in arguments if argument != "--quick"]
    if rest:
        marks = ["-m", "not slow"] if quick else []
        return summary([pytest("pytest", [*marks, *rest], CORES)])
    results = []
    try:
        results.append(style())
        for stage in (unit, notebooks, browser):
            print(f"\n---- {stage.__name__}", flush=True)
            results.append(stage(quick))
    except KeyboardInterrupt:
        summary(results)
        return 130
    seconds = sum(result.seconds for result in results)
    if quick and seconds > QUICK_SECONDS:
        print(f"\nThe quick run took {seconds:.0f} s, {QUICK_SECONDS} s are the limit: mark slow tests slow.")
    return summary(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
