"""A checkpoint is what was written, byte for byte, or refused; a killed run goes on as if nothing was."""

import ctypes
import errno
import multiprocessing
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import training_run

from course_lib.training import DamagedCheckpoint, checkpoint, load_checkpoint, save_checkpoint
from course_lib.training.checkpoint import list_checkpoints, read_checkpoint

FILES = ("tensors.safetensors", "state.json", "SHA256SUMS")


def write(folder, step, value=0.0):
    return save_checkpoint(folder, step, {"w": torch.full((3,), value)}, {"value": value})


def test_every_kind_of_tensor_and_state_comes_back(tmp_path):
    tied = torch.randn(4, 3)
    tensors = {
        "bf16": torch.randn(5, 2).bfloat16(),
        "half": torch.randn(3).half(),
        "double": torch.randn(2, dtype=torch.float64),
        "bool": torch.tensor([True, False]),
        "int": torch.arange(4),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "turned": torch.randn(3, 4).T,
        "one name": tied,
        "another": tied,
        "part": tied[1:],
    }
    state = {
        "text": "한글",
        "nan": float("inf"),
        "tenth": 0.1,
        "none": None,
        "list": [1, [2]],
        "numbers": {10: 1, 9: 2},
    }
    save_checkpoint(tmp_path, 7, tensors, state)
    step, found, told = load_checkpoint(tmp_path)
    assert step == 7
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert told == state | {"numbers": {"10": 1, "9": 2}}  # JSON's keys are strings


def test_the_newest_are_kept_and_what_killed_writers_left_is_swept(tmp_path):
    left = tmp_path / ".step-00000009.12345.part"
    left.mkdir()
    for step in (1, 2, 3, 10):
        write(tmp_path, step)
    assert sorted(os.listdir(tmp_path)) == ["step-00000003", "step-00000010"]
    with pytest.raises(ValueError, match="keep is 0"):
        save_checkpoint(tmp_path, 11, {}, {}, keep=0)


def test_a_later_checkpoint_is_not_deleted_by_an_earlier_step(tmp_path):
    write(tmp_path, 900)
    write(tmp_path, 1000)
    for step in (100, 101, 102):
        write(tmp_path, step)
    assert [p.name for p in list_checkpoints(tmp_path)] == [f"step-{s:08}" for s in (101, 102, 900, 1000)]


def test_the_same_step_can_be_written_again(tmp_path):
    write(tmp_path, 5, 1.0)
    write(tmp_path, 5, 2.0)
    assert load_checkpoint(tmp_path)[2] == {"value": 2.0}
    assert os.listdir(tmp_path) == ["step-00000005"]


def test_a_kill_just_after_the_same_step_was_written_again_leaves_the_new_one(tmp_path):
    write(tmp_path, 5, 1.0).rename(tmp_path / "step-00000005.old")
    write(tmp_path / "new", 5, 2.0).rename(tmp_path / "step-00000005")
    assert load_checkpoint(tmp_path)[2] == {"value": 2.0}


def test_a_kill_between_the_two_renames_of_the_same_step_loses_nothing(tmp_path, monkeypatch):
    write(tmp_path, 5, 1.0)
    renames = []

    def die_at_the_second(source, target, replace=os.replace):
        renames.append(target)
        if len(renames) == 2:
            raise SystemExit("killed")
        replace(source, target)

    monkeypatch.setattr(os, "replace", die_at_the_second)
    with pytest.raises(SystemExit):
        write(tmp_path, 5, 2.0)
    monkeypatch.undo()
    assert load_checkpoint(tmp_path)[2] == {"value": 1.0}
    write(tmp_path, 5, 3.0)
    assert load_checkpoint(tmp_path)[2] == {"value": 3.0}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("fault", ["truncated", "emptied", "missing", "longer"])
def test_a_file_cut_short_is_refused_by_name_and_the_one_before_is_used(tmp_path, capsys, name, fault):
    write(tmp_path, 1)
    path = write(tmp_path, 2) / name
    content = path.read_bytes()
    path.unlink()
    if fault != "missing":
        path.write_bytes({"truncated": content[:-20], "emptied": b"", "longer": content + b"x"}[fault])
    accused = name if name != "SHA256SUMS" or fault == "missing" else "00000002"
    with pytest.raises(DamagedCheckpoint, match=accused):
        read_checkpoint(path.parent)
    assert load_checkpoint(tmp_path)[0] == 1
    assert accused in capsys.readouterr().out


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_anywhere_is_refused(tmp_path, name):
    folder = write(tmp_path, 1)
    path = folder / name
    content = path.read_bytes()
    rng = random.Random(0)
    for _ in range(150):
        at = rng.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :])
        with pytest.raises(DamagedCheckpoint, match="damaged"):
            read_checkpoint(folder)
    path.write_bytes(content)
    assert read_checkpoint(folder)[0] == 1


def test_when_none_is_whole_the_error_says_so(tmp_path):
    for step in (1, 2):
        (write(tmp_path, step) / "state.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DamagedCheckpoint, match="none of the 2 checkpoints"):
        load_checkpoint(tmp_path)
    with pytest.raises(FileNotFoundError, match="train first"):
        load_checkpoint(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="step-00000077"):
        load_checkpoint(tmp_path / "step-00000077")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_a_pickle_is_refused_and_never_opened(tmp_path):
    went_off = tmp_path / "went-off"
    bomb = pickle.dumps(Bomb(went_off))
    for name in ("model.pt", "step-00000009"):
        (tmp_path / name).write_bytes(bomb)
        with pytest.raises(DamagedCheckpoint, match=f"{name} is a file.*never opened"):
            load_checkpoint(tmp_path / name)
    folder = write(tmp_path, 3)
    for name in FILES[:2]:
        (folder / name).write_bytes(bomb)
        with pytest.raises(DamagedCheckpoint):
            read_checkpoint(folder)
    # even with sums that fit
    sums = "".join(checkpoint._sum_line(folder / name) for name in FILES[:2])
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8", newline="\n")
    with pytest.raises(Exception):  # noqa: B017
        read_checkpoint(folder)
    assert not went_off.exists()
    pickle.loads(bomb)
    assert went_off.exists(), "the bomb itself is a dud"


@pytest.mark.parametrize("who", ["torch", "json"])
def test_a_full_disk_is_said_and_the_old_checkpoint_stays(tmp_path, monkeypatch, who):
    write(tmp_path, 1, 1.0)
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*args):
        raise full

    monkeypatch.setattr(checkpoint, {"torch": "save_file", "json": "_write"}[who], fail)
    with pytest.raises(OSError, match="step 2 could not be written.*disk is full"):
        write(tmp_path, 2)
    assert os.listdir(tmp_path) == ["step-00000001"]
    assert load_checkpoint(tmp_path)[2] == {"value": 1.0}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs, as only Linux does")
def test_a_disk_that_is_really_full_is_said_and_the_old_checkpoint_stays(tmp_path):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(tmp_path), b"tmpfs", 0, b"size=64k"):
        pytest.skip(f"mounting is not allowed here: {os.strerror(ctypes.get_errno())}")
    try:
        write(tmp_path, 1, 1.0)
        with pytest.raises(OSError, match="disk is full"):
            save_checkpoint(tmp_path, 2, {"w": torch.zeros(100_000)}, {})
        with pytest.raises(OSError, match="disk is full"):
            save_checkpoint(tmp_path, 2, {}, {"long": "x" * 100_000})
        assert load_checkpoint(tmp_path)[2] == {"value": 1.0}
        assert os.listdir(tmp_path) == ["step-00000001"]
    finally:
        libc.umount2(os.fsencode(tmp_path), 2)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="choose a folder that can be written"):
        write(tmp_path / "file", 1)


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_the_sums_are_those_of_sha256sum(tmp_path):
    folder = write(tmp_path, 1)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True
    )


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_killed_at_20_random_moments_a_run_ends_bit_for_bit_like_one_left_alone(tmp_path, optimizer):
    """Dropout, shuffled batches, a loss shaken by three generators; every step is saved: kills hit writes."""
    ways = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
    # else each start takes seconds
    context.set_forkserver_preload(["course_lib.training.trainer", "torch._dynamo"])
    safe = context.RawValue("i", 0)  # without a lock, which a killed process could hold for ever

    def start(folder):
        process = context.Process(target=training_run.train_and_die, args=(folder, optimizer, safe))
        process.start()
        return process

    def end(process):
        process.join(120)
        assert process.exitcode == 0

    alone, killed = str(tmp_path / "alone"), str(tmp_path / "killed")
    end(start(alone))
    rng, step, in_a_write = random.Random(optimizer), 0, 0
    for _ in range(20):
        safe.value, aim = -1, step + rng.randint(1, 5)
        process = start(killed)
        while safe.value < aim:
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()
        assert process.exitcode != 0, "it came to its end before it was killed: make the run longer"
        in_a_write += any(Path(killed).glob(".*.part"))
        step = load_checkpoint(killed)[0]
        assert step >= safe.value
    assert in_a_write, "no kill hit a write"
    end(start(killed))
    expected, found = load_checkpoint(alone), load_checkpoint(killed)
    assert found[0] == expected[0] == training_run.STEPS
    assert found[1].keys() == expected[1].keys()
    for name, tensor in expected[1].items():
        assert torch.equal(tensor, found[1][name]), name
    assert found[2] == expected[2]
