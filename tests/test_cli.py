"""The command `course`: quick, and every answer readable."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from course_lib import cli, doctor, lab, paths

ROOT = Path(__file__).resolve().parent.parent


def course(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "course_lib.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_help_answers_within_0_3_seconds():
    def seconds() -> float:
        started = time.perf_counter()
        assert course("--help").returncode == 0
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.3


def test_the_command_and_the_package_load_neither_torch_nor_jupyter():
    code = "import sys, course_lib, course_lib.cli as c; c.parser(); print(sorted(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = ("torch", "numpy", "matplotlib", "jupyterlab", "nbformat", "transformers")
    assert not [name for name in heavy if repr(name) in answer.stdout]


def test_help_names_every_subcommand():
    answer = course("--help").stdout
    for name in ("lab", "grade", "progress", "doctor", "reset", "carry", "site", "build"):
        assert f"\n    {name} " in answer


def test_an_unknown_subcommand_is_refused_with_the_choices():
    answer = course("grdae")
    assert answer.returncode == 2
    assert "'grade'" in answer.stderr and "Traceback" not in answer.stderr


def test_without_the_course_around_it_the_package_says_how_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "course_lib" / "paths.py"))
    with pytest.raises(FileNotFoundError, match=r"pip install -e \."):
        paths.course_root()


def test_a_missing_file_is_told_without_a_traceback(monkeypatch, capsys):
    def open_lab(*_, **__):
        raise FileNotFoundError("no start.py in X: install it")

    monkeypatch.setattr(lab, "open_lab", open_lab)
    assert cli.main(["lab"]) == 1
    assert capsys.readouterr().err == "no start.py in X: install it\n"


@pytest.mark.parametrize(
    ("arguments", "target", "expected"),
    [
        (["grade", "01", "--html", "f.html"], "grading.runner.grade", ((["01"],), {"html": "f.html"})),
        (["reset", "01"], "grading.runner.reset", (("01",), {})),
        (["carry", "old"], "grading.carry.carry", (("old",), {})),
        (["build", "--check"], "build.build", ((None,), {"check": True})),
        (["build", "01_attention"], "build.build", ((["01_attention"],), {"check": False})),
        (["lab", "--port", "8899", "--no-browser"], "lab.open_lab", ((8899,), {"browser": False})),
    ],
)
def test_a_subcommand_passes_its_options_on_and_returns_the_exit_code(
    monkeypatch, arguments, target, expected
):
    calls = []
    monkeypatch.setattr(f"course_lib.{target}", lambda *args, **options: calls.append((args, options)) or 3)
    assert cli.main(arguments) == 3
    assert calls == [expected]


# ---- course lab ----


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What JupyterLab would be started with; it is not."""
    calls = []
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("JUPYTER_TOKEN", raising=False)
    monkeypatch.setattr("jupyterlab.labapp.main", calls.append)
    monkeypatch.setattr(lab, "announce", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["course"])
    return calls


def test_a_port_that_is_taken_is_told_with_a_free_one(started, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert lab.open_lab(port, browser=False) == 1
    text = capsys.readouterr().err
    assert text.startswith(f"Port {port} of this machine is taken") and text.count("\n") == 1
    assert lab.is_free(int(text.rstrip(".`\n").split()[-1].rstrip("`.")))
    assert started == []


def test_without_a_port_the_next_free_one_is_taken(started, monkeypatch):
    monkeypatch.setattr(lab, "is_free", lambda port: port == 8890)
    assert lab.open_lab(browser=False) == 0
    assert "--ServerApp.port=8890" in started[0]


def test_lab_listens_on_this_machine_only_and_hides_its_token(started):
    assert lab.open_lab(free_port(), browser=False) == 0
    assert "--ServerApp.ip=127.0.0.1" in started[0]
    assert f"--ServerApp.root_dir={ROOT}" in started[0]
    token = os.environ.pop("JUPYTER_TOKEN")
    assert len(token) >= 40 and not any(token in argument for argument in started[0])


def test_lessons_are_trusted_and_what_the_learner_was_sent_is_not(monkeypatch, tmp_path):
    from nbformat.sign import NotebookNotary

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(lab, "course_root", lambda: tmp_path)
    monkeypatch.setattr(doctor, "course_root", lambda: tmp_path)
    shown = nbformat.v4.new_output("display_data", {"text/html": "<script>1</script>"})
    for name in ("notebooks/00_lesson.ipynb", "sent.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cell = nbformat.v4.new_code_cell(name, outputs=[shown])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / name)
    assert doctor.trust()[0] == "warn"
    lab.trust_lessons()
    assert doctor.trust()[0] == "ok"
    assert not NotebookNotary().check_signature(nbformat.read(tmp_path / "sent.ipynb", as_version=4))


def test_lab_opens_the_course_and_only_with_the_token(tmp_path):
    port = free_port()
    environment = dict(
        os.environ, JUPYTER_CONFIG_DIR=str(tmp_path / "config"), JUPYTER_DATA_DIR=str(tmp_path / "data")
    )
    environment.pop("JUPYTER_TOKEN", None)
    command = [sys.executable, "-m", "course_lib.cli", "lab", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        url = next(line.strip() for line in server.stdout if "token=" in line)
        assert url.startswith(f"http://127.0.0.1:{port}/lab")
        assert urllib.request.urlopen(url, timeout=30).status == 200
        listing = url.replace(url.split("?")[0], f"http://127.0.0.1:{port}/api/contents")
        assert "start.py" in urllib.request.urlopen(listing, timeout=30).read().decode()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(listing.split("?")[0], timeout=30)
    finally:
        server.send_signal(signal.SIGTERM) if os.name != "nt" else server.terminate()
        server.wait(30)
        server.stdout.close()


# ---- course doctor ----


def verdicts(monkeypatch, **checks) -> int:
    monkeypatch.setattr(doctor, "CHECKS", checks)
    return cli.main(["doctor"])


def test_doctor_names_each_finding_with_its_way_out(monkeypatch, capsys):
    code = verdicts(
        monkeypatch, Disk=lambda: ("ok", "9 GB free", ""), Hangul=lambda: ("warn", "boxes", "install a font")
    )
    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[0].split() == ["ok", "Disk", "9", "GB", "free"]
    assert lines[1].split() == ["warn", "Hangul", "boxes"]
    assert lines[2].strip() == "-> install a font"


def test_doctor_fails_where_something_is_broken(monkeypatch, capsys):
    assert verdicts(monkeypatch, Kernel=lambda: ("fail", "no kernel", "run start.py")) == 1


def test_doctor_survives_a_check_that_raises(monkeypatch, capsys):
    def broken():
        raise RuntimeError("torch is damaged")

    assert verdicts(monkeypatch, Accelerator=broken) == 1
    assert "fail  Accelerator  RuntimeError: torch is damaged" in capsys.readouterr().out


def test_doctor_finds_a_package_of_another_version_and_a_missing_one(monkeypatch):
    assert doctor.packages()[0] in ("ok", "warn")
    pins = doctor.pins()
    monkeypatch.setattr(doctor, "pins", lambda: pins | {"numpy": "0.1"})
    verdict, seen, way_out = doctor.packages()
    assert verdict == "warn" and "numpy" in seen and "start.py" in way_out
    monkeypatch.setattr(
        doctor.importlib.metadata, "requires", lambda name: ["torch>=2", "no-such-package>=1"]
    )
    verdict, seen, way_out = doctor.packages()
    assert verdict == "fail" and "no-such-package" in seen and "torch" not in seen


def test_doctor_finds_a_damaged_model(monkeypatch):
    start = doctor.load("start.py")
    monkeypatch.setattr(doctor, "load", lambda name: start)
    monkeypatch.setattr(start, "sha256", lambda path: "0" * 64)
    verdict, seen, _ = doctor.models()
    assert verdict == "fail" and all(name in seen for name in start.MODELS)


def test_doctor_finds_a_setting_of_jupyter_that_was_changed(monkeypatch, tmp_path):
    start = doctor.load("start.py")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    kernel = tmp_path / "share/jupyter/kernels/python3/kernel.json"
    start.write_atomically(
        kernel, '{"metadata": {"supported_encryption": ["curve"]}}'
    )  # as ipykernel ships it
    start.write_settings(tmp_path, start.jupyter_settings(Path(sys.executable)))
    assert doctor.jupyter()[0] == "ok"
    overrides = tmp_path / "share/jupyter/lab/settings/overrides.json"
    overrides.write_text(overrides.read_text(encoding="utf-8").replace(": false", ": true"), encoding="utf-8")
    verdict, seen, _ = doctor.jupyter()
    assert verdict == "warn" and str(overrides) in seen


def test_doctor_finds_a_kernel_of_another_environment(monkeypatch, tmp_path):
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setattr("jupyter_client.kernelspec.KernelSpecManager.ensure_native_kernel", False)
    for program, expected in (
        (str(tmp_path / "bin" / "python"), "fail"),
        (sys.executable, "ok"),
        ("python", "ok"),
    ):
        spec = json.dumps({"argv": [program], "display_name": "x", "language": "python"})
        (kernel / "kernel.json").write_text(spec, encoding="utf-8")
        assert doctor.kernel()[0] == expected


def test_doctor_finds_a_matplotlib_that_cannot_write_hangul():
    """In a process of its own: the font is global."""
    code = "import koreanize_matplotlib, matplotlib; matplotlib.rcParams['font.family'] = 'DejaVu Sans'\n"
    code += "from course_lib import doctor; print(doctor.hangul()[0])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert answer.stdout.strip() == "warn"
    assert doctor.hangul()[0] == "ok"


@pytest.mark.parametrize(
    ("smi", "cuda", "verdict", "why"),
    [
        (None, None, "ok", "no NVIDIA GPU"),
        ("smi", None, "warn", "without CUDA"),
        ("smi", "13.0", "warn", "driver"),
    ],
)
def test_doctor_says_why_there_is_no_accelerator(monkeypatch, smi, cuda, verdict, why):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(shutil, "which", lambda name: smi)
    found = doctor.accelerator()
    assert found[0] == verdict and why in " ".join(found)


def test_progress_of_an_unknown_unit_fails_with_those_there_are(capsys):
    assert cli.main(["progress", "99"]) == 1
    assert "01_attention" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise on Windows")
def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{shlex.quote(sys.executable)} -m course_lib.cli progress | head -n 1"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, encoding="utf-8")
    assert "Traceback" not in answer.stderr and answer.stdout.startswith("01")
