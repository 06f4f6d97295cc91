"""A small training run, for tests that start, kill and resume it in processes of their own.

python tests/training_run.py curve FILE      train, under torchrun or not, and write the curve to FILE
python tests/training_run.py stop FOLDER     train for long; print the step when stopped
"""

import json
import random
import signal
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.training import Trainer

STEPS = 300


class Tiny(nn.Module):
    """Embeds ids, two blocks with dropout, and the embedding again as the output: about 500 parameters."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(8)
        self.output = nn.Linear(8, 11)
        self.output.weight = self.embedding.weight

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = self.dropout(x + block(x))
        return self.output(self.norm(x))  # (B, T, 11)


class Shuffled:
    """Rows in an order drawn anew each epoch; says where it stands. The last batch of an epoch is smaller."""

    def __init__(self, rows: torch.Tensor, batch_size: int, seed: int = 0) -> None:
        self.rows, self.batch_size = rows, batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self.order, self.at = [], 0

    def __next__(self) -> torch.Tensor:
        if self.at >= len(self.order):
            self.order, self.at = torch.randperm(len(self.rows), generator=self.generator).tolist(), 0
        chosen = self.order[self.at : self.at + self.batch_size]
        self.at += self.batch_size
        return self.rows[chosen]

    def state_dict(self) -> dict:
        return {"order": self.order, "at": self.at, "generator": self.generator.get_state().tolist()}

    def load_state_dict(self, state: dict) -> None:
        self.order, self.at = state["order"], state["at"]
        self.generator.set_state(torch.tensor(state["generator"], dtype=torch.uint8))


def counting_rows(n: int = 23) -> torch.Tensor:
    """(n, 5): each token is the one before times 2, modulo 11; -1 stands where nothing is to be scored."""
    rows = torch.stack([torch.tensor([(i + 1) * 2**t % 11 for t in range(5)]) for i in range(n)])
    for i in range(n):
        rows[i, 2 + i % 4 :] = -1  # rows differ in how much of them is scored
    return rows


def summed_loss(model, rows):
    """Each known token predicts the next, with noise from Python's and NumPy's generators in the weights."""
    ids, labels = rows[:, :-1].clamp(min=0), rows[:, 1:]
    loss = F.cross_entropy(model(ids).transpose(1, 2), labels, ignore_index=-1, reduction="sum")
    return loss, (labels != -1).sum()


def noisy_loss(model, rows):
    """The same, shaken by Python's and NumPy's random numbers, as masking with either would."""
    loss, count = summed_loss(model, rows)
    return loss * (1 + 0.1 * random.random() + 0.1 * float(np.random.rand())), count


def make_trainer(folder=None, optimizer="adamw", dropout=0.2, loss_fn=noisy_loss, batch_size=6, **options):
    torch.set_num_threads(1)
    torch.manual_seed(3)
    model = Tiny(dropout)
    options = {"learning_rate": 3e-3, "warmup": 5, "seed": 5, "device": "cpu"} | options
    data = options.pop("data", None) or Shuffled(counting_rows(), batch_size)
    return Trainer(model, loss_fn, data, optimizer=optimizer, folder=folder, **options)


def train_and_die(folder: str, optimizer: str, safe) -> None:
    """Resume and train, saving after each step; `safe` is a step that is known to be on the disk."""

    def tell(trainer) -> None:
        safe.value = trainer.step - 1  # hooks are called before this step is saved

    trainer = make_trainer(folder, optimizer, save_every=1, hooks=(tell,))
    trainer.resume()
    trainer.fit(STEPS)


def main() -> None:
    task, place = sys.argv[1], Path(sys.argv[2])
    if task == "curve":
        # 22 rows in batches of 7: 7, 7, 7, 1: an odd share for two processes, and none for one of them
        data = Shuffled(counting_rows(22), 7)
        trainer = make_trainer(dropout=0.0, loss_fn=summed_loss, data=data, micro_batches=2).fit(25)
        if trainer.workers.is_first:
            place.write_text(json.dumps(trainer.curve), encoding="utf-8")
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    trainer = make_trainer(place, hooks=(lambda t: t.step == 3 and print("begun", flush=True),))
    try:
        trainer.fit(1_000_000)
    except KeyboardInterrupt as stop:
        print(trainer.step, stop, flush=True)


if __name__ == "__main__":
    main()
