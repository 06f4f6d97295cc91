"""The device is found, explained, and can be chosen; a seed repeats everything."""

import random

import numpy as np
import pytest
import torch

from course_lib.training import pick_device, seed_everything


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_the_fastest_device_is_taken(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    assert pick_device().type == expected


def test_the_choice_can_be_made_by_hand_and_is_explained(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("COURSE_DEVICE", "CPU")
    assert pick_device(verbose=True).type == "cpu"
    assert "chosen by COURSE_DEVICE" in capsys.readouterr().out


def test_a_device_that_is_not_here_is_named_with_those_that_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for wish in ("cuda", "tpu"):
        monkeypatch.setenv("COURSE_DEVICE", wish)
        with pytest.raises(ValueError, match=f"COURSE_DEVICE={wish}.*only cpu"):
            pick_device()


def test_one_seed_repeats_every_generator():
    def draw():
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    seed_everything(7)
    first = draw()
    seed_everything(7)
    assert draw() == first
    seed_everything(8)
    assert all(a != b for a, b in zip(draw(), first))
