"""`course doctor`: what of this machine and the set-up is as it should be, and what to do about the rest.

Every check returns (verdict, what was seen, the way out). The verdict is "ok", "warn" (the course works, with
less) or "fail" (lessons will not run).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from types import ModuleType

from course_lib.paths import course_root

Finding = tuple[str, str, str]
SET_UP_AGAIN = "remove the folder {} and run `python3 start.py` again"


def load(name: str) -> ModuleType:
    """A Python file of the course that belongs to no package, as a module."""
    path = course_root() / name
    spec = importlib.util.spec_from_file_location(f"course_{path.stem}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stamps() -> Path:
    return Path(sys.prefix) / "course-setup"


def python_version() -> Finding:
    start = load("start.py")
    seen = f"Python {platform.python_version()} in {sys.prefix}"
    try:
        start.check_python(sys.version_info)
    except start.Problem as problem:
        return "fail", seen, str(problem)
    return "ok", seen, ""


def pins() -> dict[str, str]:
    """The lock as name -> version."""
    lines = (course_root() / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def packages() -> Finding:
    """All packages the course asks for are there; all that are pinned have the pinned version."""
    asked = (
        re.match(r"[\w.-]+", line)[0] for line in importlib.metadata.requires("transformer-variants") or []
    )
    optional = {re.match(r"[\w.-]+", line)[0] for line in extras()}
    installed = {normal(d.metadata["Name"]): d.version for d in importlib.metadata.distributions()}
    missing = sorted(name for name in asked if name not in optional and normal(name) not in installed)
    if missing:
        return "fail", f"missing: {', '.join(missing)}", SET_UP_AGAIN.format(stamps())
    # A build tag such as +cpu is the same release.
    other = {
        name: installed[normal(name)]
        for name, version in pins().items()
        if normal(name) in installed and installed[normal(name)].split("+")[0] != version
    }
    if other:
        seen = "other than pinned: " + ", ".join(f"{name} {version}" for name, version in other.items())
        return "warn", seen, SET_UP_AGAIN.format(stamps())
    return "ok", f"{sum(normal(name) in installed for name in pins())} packages as pinned", ""


def extras() -> list[str]:
    return [line for line in importlib.metadata.requires("transformer-variants") or [] if "extra ==" in line]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def models() -> Finding:
    import sysconfig

    start = load("start.py")
    wrong = start.wrong_models(Path(sysconfig.get_path("purelib")))
    if wrong:
        return "fail", f"missing or damaged: {', '.join(wrong)}", SET_UP_AGAIN.format(stamps())
    return "ok", f"{len(start.MODELS)} packaged models, SHA-256 as expected", ""


def kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return "fail", "no kernel named python3", SET_UP_AGAIN.format(stamps())
    # Jupyter runs a bare "python" with its own; a venv's python is a link, which must not be followed.
    if os.path.isabs(program) and Path(program).parent != Path(sys.executable).parent:
        return "fail", f"notebooks would run {program}", SET_UP_AGAIN.format(stamps())
    return "ok", "notebooks run this Python", ""


def holds(present: object, expected: object) -> bool:
    """Whether all that is expected stands in `present`, which may hold more."""
    if isinstance(present, dict) and isinstance(expected, dict):
        return all(holds(present.get(key), value) for key, value in expected.items())
    return present == expected


def jupyter() -> Finding:
    start = load("start.py")
    for name, expected in start.jupyter_settings(Path(sys.executable)).items():
        path = Path(sys.prefix) / name
        try:
            present = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            present = {}
        if not holds(present, {key: value for key, value in expected.items() if key != "argv"}):
            return "warn", f"{path} is not as the course set it", SET_UP_AGAIN.format(stamps())
    return "ok", "no news, no update checks, extensions read-only", ""


def trust() -> Finding:
    from nbformat import read
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    paths = sorted((course_root() / "notebooks").glob("*.ipynb"))
    unknown = [path.name for path in paths if not notary.check_signature(read(path, as_version=4))]
    if unknown:
        way_out = "open the course with `course lab`, which signs them, or run their cells"
        return "warn", f"views stay static in {len(unknown)} of {len(paths)} lessons", way_out
    return "ok", f"{len(paths)} lessons signed", ""


def hangul() -> Finding:
    import koreanize_matplotlib  # noqa: F401  (brings the font and picks it)
    from matplotlib import font_manager, rcParams

    path = font_manager.findfont(font_manager.FontProperties(family=rcParams["font.family"]))
    if font_manager.get_font(path).get_char_index(ord("가")):
        return "ok", f"{Path(path).stem} draws 한글", ""
    return (
        "warn",
        f"{Path(path).stem} has no 한글: labels show boxes",
        "install a Korean font, such as Nanum Gothic",
    )


def accelerator() -> Finding:
    import torch

    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(0)
        return "ok", f"CUDA: {device.name}, {device.total_memory / 2**30:.0f} GiB", ""
    if torch.backends.mps.is_available():
        return "ok", "MPS: the GPU of this Mac", ""
    seen = f"CPU, {torch.get_num_threads()} threads: "
    if not shutil.which("nvidia-smi"):
        return "ok", seen + "no NVIDIA GPU was found; every lesson runs without one", ""
    if torch.version.cuda is None:
        return (
            "warn",
            seen + "there is an NVIDIA GPU, but this PyTorch was built without CUDA",
            "install a CUDA build",
        )
    return (
        "warn",
        seen + f"PyTorch for CUDA {torch.version.cuda} cannot use the GPU",
        "update the NVIDIA driver",
    )


def disk() -> Finding:
    free = shutil.disk_usage(course_root()).free / 1e9
    seen = f"{free:.1f} GB free"
    return (
        ("ok", seen, "") if free > 1 else ("warn", seen, "free at least 1 GB for checkpoints and notebooks")
    )


def folder() -> Finding:
    root = course_root()
    try:
        with tempfile.TemporaryFile(dir=root):
            return "ok", str(root), ""
    except OSError:
        return "fail", f"{root} cannot be written", "copy the course to a folder of yours"


def chromium() -> Finding:
    if importlib.util.find_spec("playwright") is None:
        return "ok", "not needed to learn; `python3 start.py test` brings what the tests need", ""
    found = load("tests/browser/lab.py").find_chromium()
    if found:
        return "ok", found, ""
    return "warn", "no Chromium: the browser tests are left out", "install Chromium, Chrome or Edge"


CHECKS = {
    "Python": python_version,
    "Packages": packages,
    "Pretrained models": models,
    "Kernel": kernel,
    "JupyterLab": jupyter,
    "Trusted lessons": trust,
    "Hangul": hangul,
    "Accelerator": accelerator,
    "Disk": disk,
    "Course folder": folder,
    "Chromium (tests)": chromium,
}


def examine() -> int:
    """Print one line a check, with the way out below it; return 1 when a check failed."""
    failed = 0
    width = max(map(len, CHECKS))
    for name, check in CHECKS.items():
        try:
            verdict, seen, way_out = check()
        except Exception as error:  # a doctor does not fall ill
            verdict, seen = "fail", f"{type(error).__name__}: {error}"
            way_out = SET_UP_AGAIN.format(stamps())
        failed += verdict == "fail"
        print(f"{verdict:<5} {name:<{width}}  {seen}", flush=True)
        if way_out:
            print(textwrap.indent(textwrap.fill(f"-> {way_out}", 96), " " * (width + 8)))
    print(f"\n{failed} to mend" if failed else "\nReady.")
    return 1 if failed else 0
