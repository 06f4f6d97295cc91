"""Checkpoints that survive: safetensors for tensors, JSON for the rest, every byte checksummed, no pickle.

A checkpoint is a folder, `step-00001000/`, with `tensors.safetensors`, `state.json` and `SHA256SUMS` (which
`sha256sum -c` understands). It is written beside its place and then renamed, so a kill in the middle leaves
the ones before it whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

TENSORS, STATE, SUMS = "tensors.safetensors", "state.json", "SHA256SUMS"
FULL = (
    "(os error 28)",
    "(os error 112)",
    "(os error 122)",
)  # how safetensors tells Linux's, Windows', a quota's


class DamagedCheckpoint(ValueError):
    """A checkpoint that is not, byte for byte, what was written. The message names the file and the fault."""


def save_checkpoint(
    folder: str | Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], keep: int = 2
) -> Path:
    """Write ``folder/step-XXXXXXXX``; of the checkpoints up to this step, drop all but the newest `keep`.

    Args:
        tensors: by name; they are written as contiguous CPU copies.
        state: anything JSON can hold.

    Returns:
        The new checkpoint's folder.

    Raises:
        OSError: the disk is full or read-only; what was there before is untouched.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}: at least 1 checkpoint must be kept")
    folder = Path(folder)
    place, scratch = folder / f"step-{step:08}", folder / f".step-{step:08}.{os.getpid()}.part"
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        # clone: safetensors refuses tensors that share memory, as tied weights do
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, scratch / TENSORS)
        _write(scratch / STATE, json.dumps({"step": step, "state": dict(state)}))
        _write(scratch / SUMS, "".join(_sum_line(scratch / name) for name in (TENSORS, STATE)))
        for path in (scratch / TENSORS, scratch / STATE, scratch / SUMS, scratch):
            _flush(path)
        old = folder / f"{place.name}.old"
        if place.exists():  # two renames: at every moment one of the two has a name that is looked for
            shutil.rmtree(old, ignore_errors=True)
            os.replace(place, old)
        os.replace(scratch, place)
        _flush(folder)
    except (OSError, SafetensorError) as error:
        code = errno.errorcode.get(getattr(error, "errno", None))
        full = code in ("ENOSPC", "EDQUOT") or str(error).endswith(FULL)
        why = "the disk is full: free some space" if full else f"{error}: choose a folder that can be written"
        raise OSError(
            f"the checkpoint of step {step} could not be written to {folder}; {why}. "
            "The checkpoints that were there are untouched"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    past = [p for p in list_checkpoints(folder) if p.name <= place.name]
    for left in (*past[:-keep], *folder.glob(".step-*.part")):
        shutil.rmtree(left, ignore_errors=True)
    return place


def list_checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first, whole or not."""
    found = [p for p in Path(folder).glob("step-*") if p.is_dir()]
    return sorted(found, key=lambda p: (p.stem, not p.suffix))  # step-1.old, if a kill left it, before step-1


def read_checkpoint(path: str | Path) -> tuple[int, dict[str, Tensor], dict[str, Any]]:
    """One checkpoint's step, tensors (on the CPU) and state, after checking every byte.

    Raises:
        FileNotFoundError: nothing is there.  DamagedCheckpoint: what is there is not what was written.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {path}: give a folder that holds {TENSORS} and {STATE}")
    if not path.is_dir():
        raise DamagedCheckpoint(
            f"{path} is a file; a checkpoint of the course is a folder with {TENSORS} and {STATE}. "
            "Pickles (.pt, .pth, .bin, .ckpt) can run code and are never opened"
        )
    for name in (TENSORS, STATE, SUMS):
        if not (path / name).is_file():
            raise DamagedCheckpoint(f"{path} lacks {name}: its writing was cut short; use the one before it")
    lines = [_sum_line(path / name) for name in (TENSORS, STATE)]
    written = (path / SUMS).read_bytes()
    if written != "".join(lines).encode():
        bad = next((n for n, line in zip((TENSORS, STATE), lines) if line.encode() not in written), SUMS)
        raise DamagedCheckpoint(f"{path / bad} is damaged (its SHA-256 differs); use the one before it")
    record = json.loads((path / STATE).read_text(encoding="utf-8"))
    return record["step"], load_file(path / TENSORS), record["state"]


def load_checkpoint(folder: str | Path) -> tuple[int, dict[str, Tensor], dict[str, Any]]:
    """The newest whole checkpoint in `folder`; a damaged one is named in print and the previous one used.

    Args:
        folder: of a run, or of one checkpoint.

    Returns:
        The step, the tensors by name (on the CPU) and the state, as given to `save_checkpoint`. The Trainer
        names a model's weights ``model.…``.

    Raises:
        FileNotFoundError: there is none.  DamagedCheckpoint: none of them is whole.
    """
    folder = Path(folder)
    if folder.is_file() or folder.name.startswith("step-"):
        return read_checkpoint(folder)
    candidates = list_checkpoints(folder)[::-1]
    if not candidates:
        raise FileNotFoundError(f"no checkpoint in {folder}: train first, or give the folder of a run")
    for path in candidates:
        try:
            return read_checkpoint(path)
        except DamagedCheckpoint as damage:
            print(damage)
    raise DamagedCheckpoint(f"none of the {len(candidates)} checkpoints in {folder} is whole: start anew")


def _sum_line(path: Path) -> str:
    """As the program sha256sum writes it."""
    with open(path, "rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _flush(path: Path) -> None:
    """Bring a file, or a folder's names, to the disk: a power cut must not leave a name without content."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
