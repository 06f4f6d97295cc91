"""`course build`: exercises derived from solutions, and every notebook run afresh with tidy outputs.

For authors; it needs the extra packages of `pip install -e .[dev]`. An exercise is the solution after
nbgrader's own preprocessors, so nbgrader can use it as it is.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
import sys
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat import NotebookNode

from course_lib.data.python_docs import FIRST_READING
from course_lib.paths import course_root

STUB = "raise NotImplementedError()  # write your answer here"
SIZE_LIMIT = 1.5e6  # bytes a notebook may have
CELL_SECONDS = 600
FOLDERS = ("notebooks", "solutions")


def build(names: list[str] | None = None, check: bool = False) -> int:
    """Run lessons and solutions and derive exercises; return an exit code.

    Args:
        names: only these, for instance ["01_attention"]; all when not given.
        check: change nothing; print what is stale and return 1 if anything is.
    """
    root = course_root()
    paths = [
        path
        for folder in FOLDERS
        for path in sorted((root / folder).glob("[0-9]*.ipynb"))
        if not names or path.stem in {Path(name).stem for name in names}
    ]
    if not paths:
        print(f"No notebook is called {', '.join(names or [])}.", file=sys.stderr)
        return 1
    stale = failed = 0
    for path in paths:
        try:
            stale += _write(path, executed(path), check)
            if path.parent.name == "solutions":
                exercise = root / "exercises" / path.name
                if not check and is_edited(exercise):
                    print(f"  your answers are kept in {keep(exercise).name}")
                stale += _write(exercise, release(path), check)
        except BuildError as error:
            print(f"{path.parent.name}/{path.name}: {error}", file=sys.stderr)
            failed += 1
    if check and stale:
        print(f"{stale} stale: run `course build`", file=sys.stderr)
    return int(failed > 0 or (check and stale > 0))


class BuildError(Exception):
    """A notebook that cannot be shipped as it is."""


def _write(path: Path, notebook: NotebookNode, check: bool) -> bool:
    """Write the notebook if it differs; return whether it did."""
    text = as_text(notebook)
    size = len(text.encode("utf-8"))
    if size > SIZE_LIMIT:
        sizes = {cell.id: len(str(cell.get("outputs", ""))) for cell in notebook.cells}
        heaviest = max(sizes, key=sizes.get)
        raise BuildError(
            f"{size / 1e6:.2f} MB, of them {sizes[heaviest] / 1e6:.2f} in cell {heaviest!r}; a notebook may "
            f"have {SIZE_LIMIT / 1e6:.1f} MB: show fewer layers or tokens, or smaller pictures"
        )
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if before == text:
        print(f"{path.parent.name}/{path.name}: fresh")
        return False
    print(f"{path.parent.name}/{path.name}: {'stale' if check else 'written'}")
    if check:
        changes = list(difflib.unified_diff(before.splitlines(), text.splitlines(), lineterm="", n=0))
        print("\n".join(f"    {line[:160]}" for line in changes[2:14]))
    else:
        path.write_text(text, encoding="utf-8", newline="\n")
    return True


def as_text(notebook: NotebookNode) -> str:
    """The file's content, the same on every machine."""
    return nbformat.writes(notebook, version=4) + "\n"


# ---- exercises ----


def release(solution: Path) -> NotebookNode:
    """The exercise of a solution: answers cut out, checks locked, outputs cleared."""
    try:
        from nbgrader import preprocessors as nbgrader
        from traitlets.config import Config
    except ImportError:
        raise BuildError("nbgrader is not installed: pip install -e .[dev]") from None
    config = Config()
    config.ClearSolutions.code_stub = {"python": STUB}
    notebook, resources = nbformat.read(solution, as_version=4), {}
    for name in (
        "LockCells",
        "ClearSolutions",
        "ClearOutput",
        "CheckCellMetadata",
        "ComputeChecksums",
        "ClearHiddenTests",
        "ComputeChecksums",
    ):
        notebook, resources = getattr(nbgrader, name)(config=config).preprocess(notebook, resources)
    return tidy(notebook)


def is_edited(exercise: Path) -> bool:
    """Whether someone has written into this exercise: a solution cell differs from what was handed out."""
    if not exercise.is_file():
        return False
    try:
        cells = nbformat.read(exercise, as_version=4).cells
    except Exception:  # unreadable, so not ours any more: keep it
        return True
    return any(
        "checksum" in (meta := cell.metadata.get("nbgrader", {}))
        and meta.get("solution")
        and meta["checksum"] != checksum(cell)
        for cell in cells
    )


def checksum(cell: NotebookNode) -> str:
    """nbgrader's checksum of a cell: of its source, type, roles, id and points."""
    from hashlib import md5

    meta = cell.metadata.nbgrader
    locked = not meta.solution and (meta.grade or meta.locked)
    parts = [cell.source, cell.cell_type, str(meta.grade), str(meta.solution), str(locked), meta.grade_id]
    if meta.grade:
        parts.append(str(float(meta.points)))
    return md5("".join(parts).encode("utf-8"), usedforsecurity=False).hexdigest()


def keep(path: Path) -> Path:
    """Move a file to a dated name beside it that is not taken; return where it is now."""
    stem = f"{path.stem}-kept-{datetime.now():%Y-%m-%d-%H%M%S}"
    target, count = path.with_name(f"{stem}{path.suffix}"), 1
    while target.exists():
        count += 1
        target = path.with_name(f"{stem}-{count}{path.suffix}")
    path.rename(target)
    return target


# ---- outputs ----


def executed(path: Path) -> NotebookNode:
    """The notebook run from top to bottom in its own folder, its outputs tidied.

    Raises:
        BuildError: a cell failed.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    before, notebook = (nbformat.read(path, as_version=4) for _ in range(2))
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, resources=resources, extra_arguments=["--log-level=ERROR"]
    )
    try:
        # The author's own progress has no place in a lesson.
        with TemporaryDirectory(ignore_cleanup_errors=True) as home:
            client.execute(env=os.environ | {"COURSE_HOME": home})
    except CellExecutionError as error:
        raise BuildError(f"a cell failed\n{_plain(str(error))[-2000:]}") from None
    _keep_what_varies(before, notebook)
    return tidy(notebook)


def _keep_what_varies(before: NotebookNode, after: NotebookNode) -> None:
    """Times and chance differ from run to run: a cell tagged `varies` keeps its outputs with its code."""
    old = {cell.id: cell for cell in before.cells}
    for cell in after.cells:
        if "varies" in cell.metadata.get("tags", ()):
            kept, code = old[cell.id], sha256(cell.source.encode("utf-8")).hexdigest()[:12]
            if kept.metadata.get("outputs_of") == code:
                cell.outputs = kept.outputs
            cell.metadata["outputs_of"] = code


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Take out what differs from run to run or names this machine. Cell ids stay."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Transformer Variants", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        cell.metadata.pop("collapsed", None)
        if cell.cell_type != "code":
            continue
        cell.outputs = _joined([output for output in cell.outputs if not _is_noise(output)])
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
            if output.output_type in ("execute_result", "display_data"):
                # A picture's size on the page stays: without it, those for sharp screens show twice as large.
                output.metadata = {k: v for k, v in output.metadata.items() if k.startswith("image/")}
                output.data.pop("application/vnd.jupyter.widget-view+json", None)
            _clean_texts(output)
    return notebook


def _is_noise(output: NotebookNode) -> bool:
    """What says nothing to a reader: a widget without kernel ("model not found"), that a set is built."""
    data = output.get("data", {})
    if output.output_type == "stream" and output.name == "stderr":
        return output.text.strip() == FIRST_READING
    return "application/vnd.jupyter.widget-view+json" in data and set(data) <= {
        "application/vnd.jupyter.widget-view+json",
        "text/plain",
    }


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Pieces of one stream arrive as the scheduler likes; put them together."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _clean_texts(output: NotebookNode) -> None:
    if output.output_type == "stream":
        output.text = _plain(output.text)
    for kind, value in output.get("data", {}).items():
        if isinstance(value, str) and kind in ("text/plain", "text/html", "text/markdown", "image/svg+xml"):
            output.data[kind] = _plain(value)


def _plain(text: str) -> str:
    """Text without colours, memory addresses, this machine's name and folders."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r" at 0x[0-9a-fA-F]{4,}", "", text)
    text = re.sub(r"(/tmp|/var/folders/\S*?)/ipykernel_\d+/\d+\.py", "<cell>", text)
    for place, name in ((course_root(), "."), (Path(sys.prefix), ".venv"), (Path.home(), "~")):
        if len(str(place)) > 3:
            text = text.replace(str(place), name)
    host = socket.gethostname()
    if len(host) > 3 and host not in ("localhost", "linux"):
        text = re.sub(rf"\b{re.escape(host)}\b", "localhost", text)
    return text
