"""The set-up: what is promised before a learner sees a lesson. All of it runs with no network."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def load(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start():
    return load("start.py")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def direct() -> list[Requirement]:
    lists = [project()["dependencies"], *project()["optional-dependencies"].values()]
    return [Requirement(line) for one in lists for line in one]


def lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return {
        canonicalize_name(n): v for n, v in (line.split("==") for line in lines if line[:1] not in ("", "#"))
    }


def conda_lines() -> list[str]:
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    return [line.strip()[2:] for line in lines if line.strip().startswith("- ")]


# ---- one list of packages, told three times ----


def test_the_lock_pins_every_direct_dependency_within_its_range():
    for requirement in direct():
        version = lock().get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in requirements.lock"
        assert requirement.specifier.contains(version), f"{requirement} but {version} in requirements.lock"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    "system", [("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt")]
)
def test_the_lock_pins_every_transitive_dependency(python, system):
    """Markers are judged for that system. What a parent pins with == (torch its CUDA parts) is pinned."""
    environment = default_environment() | dict(python_version=python, python_full_version=f"{python}.0")
    environment |= dict(zip(("sys_platform", "platform_system", "os_name"), system, strict=True))
    pinned, seen, todo = set(lock()), set(), direct()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if any(one.operator == "==" for one in requirement.specifier):
            pinned.add(name)
        if (name, *sorted(requirement.extras)) in seen:
            continue
        seen.add((name, *sorted(requirement.extras)))
        try:
            further = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # a package of another system
        for one in map(Requirement, further):
            extras = ("", *requirement.extras)
            if one.marker is None or any(one.marker.evaluate(environment | {"extra": e}) for e in extras):
                todo.append(one)
    assert len(seen) > 100
    assert not {name for name, *_ in seen} - pinned


def test_environment_yml_names_every_direct_dependency_with_its_pin():
    named = dict(line.split("==") for line in conda_lines() if "==" in line)
    assert {canonicalize_name(n): v for n, v in named.items()} == {
        canonicalize_name(r.name): lock()[canonicalize_name(r.name)] for r in direct()
    }
    assert conda_lines()[-1] == "--editable ."
    assert "--constraint requirements.lock" in conda_lines()


def test_pyproject_start_and_environment_agree_on_python(start):
    supported = SpecifierSet(project()["requires-python"])
    oldest, newest = start.OLDEST, (start.TOO_NEW[0], start.TOO_NEW[1] - 1)
    below = (oldest[0], oldest[1] - 1)
    versions = [f"{major}.{minor}.1" for major, minor in (below, oldest, newest, start.TOO_NEW)]
    assert [supported.contains(version) for version in versions] == [False, True, True, False]
    conda = next(line.split("=")[1] for line in conda_lines() if line.startswith("python="))
    assert supported.contains(f"{conda}.1")


# ---- what must not stand in any file ----


def tracked() -> dict[str, str]:
    """Every tracked text file."""
    answer = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    if answer.returncode:
        pytest.skip("not a git clone")
    texts = {}
    for name in filter(None, answer.stdout.split("\0")):
        try:
            texts[name] = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture; a file that is being removed
    return texts


def found(pattern: str) -> list[str]:
    return [
        f"{name}: {match[0]}"
        for name, text in tracked().items()
        if (match := re.search(pattern, text)) is not None
    ]


def test_no_tracked_file_holds_the_address_of_a_registry():
    hosts = ["pypi.", "pythonhosted.", "anaconda.", "npmjs.", "unpkg.", "jsdelivr.", "debian.", "ubuntu."]
    assert len(tracked()) > 10
    assert not found("|".join(re.escape(host) + r"(org|com|net)\b" for host in hosts))


def test_no_tracked_file_holds_a_path_of_one_machine():
    # Not after a letter or a dot: that is an address or a relative path.
    assert not found(r"(?<![\w.~/-])/(root|work|opt|home/\w+|Users/\w+)/\w|[A-Z]:\\+Users\\")


# ---- start.py: the sentences ----


def run_start(start, capsys, *arguments) -> tuple[int, str]:
    """The exit code and what the learner reads on stderr."""
    code = start.main(list(arguments))
    return code, capsys.readouterr().err


def is_one_sentence(text: str) -> bool:
    return text.count("\n") == 1 and text.endswith(".\n") and "Traceback" not in text


@pytest.fixture
def course(start, tmp_path, monkeypatch):
    """A course without an environment, in a folder with a blank and Hangul; pip and venv are quick fakes.

    `course.calls` records what they were asked; `course.packages` is the site-packages.
    """
    root = tmp_path / "변형 학습"
    root.mkdir()
    for name in ("pyproject.toml", "requirements.lock"):
        (root / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    packages = root / "packages"
    packages.mkdir()
    made = types.SimpleNamespace(root=root, calls=[], packages=packages, weights=b"weights")

    def pip(python, stamps, *arguments):
        made.calls.append(arguments[0])
        file = packages / "model.bin"
        if "some-model==1" in arguments:
            file.write_bytes(made.weights)
        if arguments[0] == "uninstall":
            file.unlink()

    def run(command, **options):
        assert command[1:3] == ["-m", "venv"]
        made.calls.append("venv")
        python = start.venv_python(Path(command[3]))
        python.parent.mkdir(parents=True)
        python.write_text("", encoding="utf-8")
        return types.SimpleNamespace(returncode=0, stdout=b"")

    def probe(python):
        return {"version": [3, 11], "packages": str(packages)} if python.is_file() else {}

    sum_of_weights = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setattr(start, "ROOT", root)
    monkeypatch.setattr(start, "MODELS", {"some-model==1": ("model.bin", sum_of_weights)})
    monkeypatch.setattr(start, "pip", pip)
    monkeypatch.setattr(start, "probe", probe)
    monkeypatch.setattr(start.subprocess, "run", run)
    monkeypatch.setattr(start, "hand_over", lambda python, *arguments: made.calls.append(arguments) or 0)
    return made


LAB = ("-m", "course_lib.cli", "lab")


def test_start_py_is_in_the_grammar_of_python_3_6():
    ast.parse((ROOT / "start.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (3, 15, 0), (2, 7, 18)])
def test_a_wrong_python_is_told_before_anything_else(version):
    code = f"import sys, runpy; sys.version_info = {version}; sys.argv = ['start.py', '--no-such-option'];"
    code += f"runpy.run_path({str(ROOT / 'start.py')!r}, run_name='__main__')"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert answer.returncode == 1
    assert is_one_sentence(answer.stderr)
    assert answer.stderr.startswith(
        f"This is Python {version[0]}.{version[1]}; the course needs 3.11 to 3.14: "
    )


def test_a_python_that_fits_is_named_when_the_wrong_one_is_used(start, monkeypatch):
    monkeypatch.setattr(start.shutil, "which", lambda name: name if name == "python3.12" else None)
    with pytest.raises(start.Problem, match=r"run `python3\.12 start\.py`"):
        start.check_python((3, 9, 6))


def test_debian_without_venv_is_told_what_to_install(start, course, capsys, monkeypatch):
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    code, text = run_start(start, capsys)
    assert code == 1 and is_one_sentence(text)
    assert f"sudo apt install python3.{sys.version_info[1]}-venv" in text
    assert course.calls == []


def test_too_little_disk_is_told_with_the_number(start, course, capsys, monkeypatch):
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1.25e9))
    code, text = run_start(start, capsys)
    assert code == 1 and is_one_sentence(text)
    assert "1.2 GB free" in text and "about 4 GB" in text
    assert course.calls == []


def test_a_read_only_folder_is_told(start, course, capsys, monkeypatch):
    def refuse(**options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(start.tempfile, "TemporaryFile", refuse)
    code, text = run_start(start, capsys)
    assert code == 1 and is_one_sentence(text)
    assert str(course.root) in text and "cannot be written" in text


@pytest.fixture
def dead_network(monkeypatch):
    """pip asks an index on a closed port of this machine, and nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")


def test_no_network_is_told(start, tmp_path, dead_network):
    with pytest.raises(start.Problem) as caught:
        start.pip(Path(sys.executable), tmp_path, "install", "transformer-variants-that-is-nowhere")
    assert str(caught.value).startswith("No network: ") and is_one_sentence(f"{caught.value}\n")
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "disk is full",
        ),
        ("WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'", "No network"),
        ("error: externally-managed-environment", "belongs to the operating system"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'a'",
            "cannot be written",
        ),
        (
            "ERROR: No matching distribution found for torch==2.13.0",
            "No matching distribution found for torch==2.13.0",
        ),
    ],
)
def test_every_trouble_of_pip_becomes_one_sentence(start, said, told):
    sentence = start.explain_pip(f"Collecting torch\n{said}\n", Path("pip.log"))
    assert told in sentence and is_one_sentence(sentence + "\n")


def test_a_damaged_model_is_removed_and_told_and_fetched_anew(start, course, capsys):
    course.weights = b"damaged"
    code, text = run_start(start, capsys)
    assert code == 1 and is_one_sentence(text)
    assert "some-model==1" in text and "SHA-256" in text
    assert not (course.packages / "model.bin").exists()
    course.weights = b"weights"
    assert run_start(start, capsys)[0] == 0
    assert course.calls == ["venv", "install", "install", "uninstall", "install", LAB]


def test_the_sums_of_the_models_are_those_of_the_installed_ones(start):
    import sysconfig

    assert start.wrong_models(Path(sysconfig.get_path("purelib"))) == []
    assert len(start.MODELS) == 2


# ---- start.py: steps ----


def test_a_first_start_does_every_step_and_opens_the_course(start, course, capsys):
    assert start.main(["--no-browser", "--port", "8899"]) == 0
    assert course.calls == ["venv", "install", "install", (*LAB, "--no-browser", "--port", "8899")]


def test_a_second_start_does_no_work(start, course, capsys):
    def files():
        return {p: p.stat().st_mtime_ns for p in (course.root / ".venv").rglob("*")}

    start.main([])
    before = files()
    del course.calls[:]
    capsys.readouterr()
    assert start.main([]) == 0
    assert course.calls == [LAB]
    assert files() == before and capsys.readouterr().out == ""


def test_a_start_after_the_packages_changed_installs_them(start, course, capsys):
    start.main([])
    del course.calls[:]
    with (course.root / "requirements.lock").open("a", encoding="utf-8") as file:
        file.write("more==1\n")
    assert start.main([]) == 0
    assert course.calls == ["install", LAB]


def test_ctrl_c_is_clean_and_the_next_start_goes_on_where_it_stopped(start, course, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    whole, start.install_models = start.install_models, stop
    code, text = run_start(start, capsys)
    assert code == 130 and "goes on from here" in text and "Traceback" not in text
    assert course.calls == ["venv", "install"]
    start.install_models = whole
    assert start.main([]) == 0
    assert course.calls == ["venv", "install", "install", LAB]


def test_tests_add_their_packages_once(start, course, capsys):
    assert start.main([]) == 0
    del course.calls[:]
    assert start.main(["test", "--quick", "-k", "attention"]) == 0
    run_all = str(course.root / "tests" / "run_all.py")
    assert course.calls == ["install", (run_all, "--quick", "-k", "attention")]
    assert start.main(["test"]) == 0
    assert course.calls[2:] == [(run_all,)]


def test_an_unknown_option_is_refused_unless_it_is_for_pytest(start, course, capsys):
    with pytest.raises(SystemExit):
        start.main(["--no-browsr"])
    assert start.main(["test", "-x"]) == 0


def test_a_half_made_environment_is_made_anew(start, course, capsys):
    making = course.root / ".venv" / "course-setup" / "making"
    start.write_atomically(making, "")
    python = start.venv_python(course.root / ".venv")
    python.parent.mkdir()
    python.write_text("", encoding="utf-8")
    (course.root / ".venv" / "left over").write_text("", encoding="utf-8")
    assert start.main([]) == 0
    assert course.calls[0] == "venv"
    assert not making.exists() and not (course.root / ".venv" / "left over").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(start, course, capsys):
    start.main([])
    start.venv_python(course.root / ".venv").unlink()
    del course.calls[:]
    assert start.main([]) == 0
    assert course.calls == ["venv", "install", LAB]  # the weights of the fake lie outside .venv


def test_an_environment_that_works_is_kept_whoever_made_it(start, course, capsys):
    python = start.venv_python(course.root / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text("", encoding="utf-8")
    assert start.main([]) == 0
    assert "venv" not in course.calls


def test_here_uses_this_python_and_makes_no_venv(start, course, capsys, monkeypatch):
    (course.root / "conda").mkdir()
    monkeypatch.setattr(start.sys, "prefix", str(course.root / "conda"))
    assert start.main(["--here"]) == 0
    assert course.calls == ["install", "install", LAB]
    assert not (course.root / ".venv").exists()
    assert (course.root / "conda" / "course-setup" / "settings").is_file()


def test_a_package_whose_installation_was_cut_is_installed_again(start, tmp_path):
    whole, cut = tmp_path / "a-1.dist-info", tmp_path / "b-1.dist-info"
    for folder in (whole, cut):
        folder.mkdir()
        (folder / "METADATA").write_text("", encoding="utf-8")
    (whole / "INSTALLER").write_text("pip\n", encoding="utf-8")
    start.drop_half_installed(tmp_path)
    assert whole.exists() and not cut.exists()


def test_only_a_change_of_packages_installs_again(start, course):
    key = start.packages_key((3, 11))
    path = course.root / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'(?m)^version = ".*"', 'version = "9.9"', text), encoding="utf-8")
    assert start.packages_key((3, 11)) == key
    path.write_text(text.replace('"torch>=', '"torch-directml>='), encoding="utf-8")
    assert start.packages_key((3, 11)) != key
    path.write_text(text, encoding="utf-8")
    assert start.packages_key((3, 12)) != key
    with (course.root / "requirements.lock").open("a", encoding="utf-8") as file:
        file.write("more==1\n")
    assert start.packages_key((3, 11)) != key


def test_two_set_ups_wait_for_one_another(start, tmp_path):
    with start.lock(tmp_path / "lock"):
        second = (tmp_path / "lock").open("w")
        assert not start.try_lock(second)
    assert start.try_lock(second)
    second.close()


def test_settings_keep_what_else_stands_in_the_files(start, tmp_path):
    name = "share/jupyter/lab/settings/overrides.json"
    notification = "@jupyterlab/apputils-extension:notification"
    theirs = {"theme": {"dark": True}, notification: {"doNotDisturbMode": True, "fetchNews": "true"}}
    start.write_atomically(tmp_path / name, json.dumps(theirs))
    start.write_settings(tmp_path, start.jupyter_settings(Path("/venv/bin/python")))
    overrides = json.loads((tmp_path / name).read_text(encoding="utf-8"))
    assert overrides["theme"] == {"dark": True}
    assert overrides[notification].pop("doNotDisturbMode") is True
    assert overrides[notification] == {
        "fetchNews": "false",
        "checkForUpdates": False,
    }
    kernel = json.loads((tmp_path / "share/jupyter/kernels/python3/kernel.json").read_text(encoding="utf-8"))
    assert kernel["argv"][0] == str(Path("/venv/bin/python"))


def test_every_server_extension_of_nbgrader_is_switched_off(start):
    path = Path(sys.prefix) / "etc/jupyter/jupyter_server_config.d/nbgrader.json"
    if not path.is_file():
        pytest.skip("nbgrader is not installed")
    theirs = json.loads(path.read_text(encoding="utf-8"))["ServerApp"]["jpserver_extensions"]
    ours = start.jupyter_settings(Path("python"))["etc/jupyter/jupyter_server_config.d/zz-course.json"]
    assert ours["ServerApp"]["jpserver_extensions"] == dict.fromkeys(theirs, False)


# ---- tests/run_all.py ----


@pytest.fixture
def run_all(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return importlib.import_module("run_all")


def test_a_stage_without_tests_fails_the_run(run_all, capsys):
    assert run_all.summary([run_all.Result("unit", passed=3), run_all.Result("browser")]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 1 failed, 0 skipped"


def test_a_stage_that_is_left_out_for_a_reason_does_not(run_all, capsys):
    results = [
        run_all.Result("unit", passed=3, skipped=1),
        run_all.Result("browser", skip_reason="no Chromium"),
    ]
    assert run_all.summary(results) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 0 failed, 1 skipped"


@pytest.mark.parametrize(
    ("body", "expected"), [("assert 1", (1, 0)), ("assert 0", (0, 1)), ("import os; os._exit(3)", (0, 1))]
)
def test_what_pytest_found_is_counted_and_a_crash_is_a_failure(
    run_all, tmp_path, monkeypatch, body, expected
):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # a quick pytest
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n", encoding="utf-8")
    result = run_all.pytest("unit", [str(tmp_path), "-q", "-p", "no:cacheprovider", "-c", os.devnull], 1)
    assert (result.passed, result.failed) == expected


@pytest.mark.parametrize(("ci", "quick", "failed"), [("true", False, 1), ("true", True, 0), ("", False, 0)])
def test_a_missing_chromium_fails_the_full_run_on_ci_only(run_all, monkeypatch, ci, quick, failed):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(run_all, "find_chromium", lambda: None)
    monkeypatch.setattr(run_all, "install_chromium", lambda: None)
    assert run_all.browser(quick).failed == failed


def test_quick_runs_only_the_first_notebooks_and_those_at_work(run_all, monkeypatch, tmp_path):
    for name in (
        "notebooks/00_start_here",
        "notebooks/05_gpt",
        "notebooks/06_prompts",
        "solutions/01_attention",
    ):
        path = tmp_path / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    asked = []
    monkeypatch.setattr(run_all, "ROOT", tmp_path)
    monkeypatch.setattr(run_all, "at_work", lambda: {"notebooks/06_prompts.ipynb"})
    monkeypatch.setattr(run_all, "pytest", lambda name, arguments, threads: asked.append(arguments))
    run_all.notebooks(quick=True)
    run_all.notebooks(quick=False)
    ran = [[a for a in arguments if a.endswith(".ipynb")] for arguments in asked]
    assert ran[0] == [
        "notebooks/00_start_here.ipynb",
        "notebooks/06_prompts.ipynb",
        "solutions/01_attention.ipynb",
    ]
    assert len(ran[1]) == 4
