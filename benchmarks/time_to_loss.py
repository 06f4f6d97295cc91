"""Wall time until a small character GPT reaches a validation loss: nanoGPT's CPU recipe against ours.

The model is the same: 4 layers, 4 heads, width 128, context 64, no dropout. So are the text, its split (the
last tenth is held out), and the validation: the whole held-out tenth in blocks of 64. The first recipe is
nanoGPT's README's for a CPU (batch 12, AdamW 1e-3, betas 0.9 and 0.99, 2,000 steps, cosine to a tenth after
100 steps of warm-up, clip 1.0), in a plain loop; the second is the Trainer's. Validation is not timed. A
recipe stops at the first check that is at or under the loss asked for.

    python benchmarks/time_to_loss.py TEXT [--loss 1.88] [--threads 2] [--seed 0]
        [--optimizer muon] [--learning-rate 0.012] [--batch 24] [--steps 360]
"""

import argparse
import math
import os
import platform
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data.batching import Blocks
from course_lib.models import GPT, GPTConfig
from course_lib.training import Trainer, seed_everything

CONTEXT = 64
CHECKS = 20  # a run


class Reached(Exception):
    """The loss asked for."""


class Run:
    """Counts the seconds of training and stops them for validation."""

    def __init__(self, held_out: Tensor, goal: float) -> None:
        n_blocks = (len(held_out) - 1) // CONTEXT
        self.inputs = held_out[: n_blocks * CONTEXT].view(n_blocks, CONTEXT)
        self.targets = held_out[1 : n_blocks * CONTEXT + 1].view(n_blocks, CONTEXT)
        self.goal, self.best, self.seconds, self.started = goal, math.inf, 0.0, time.perf_counter()

    @torch.no_grad()
    def check(self, model: GPT, step: int) -> float:
        """The loss on the whole held-out text; raises Reached where it is low enough."""
        self.seconds += time.perf_counter() - self.started
        model.eval()
        pieces = zip(self.inputs.split(64), self.targets.split(64), strict=True)
        loss = sum(float(cross_entropy(model, x, y, "sum")) for x, y in pieces) / self.targets.numel()
        model.train()
        self.best = min(self.best, loss)
        print(f"  step {step:5}  {self.seconds:6.1f} s  validation loss {loss:.3f}", flush=True)
        if loss <= self.goal:
            raise Reached
        self.started = time.perf_counter()
        return loss


def cross_entropy(model: GPT, inputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    return F.cross_entropy(model(inputs).logits.flatten(0, 1), targets.flatten(), reduction=reduction)


def nanogpt(model: GPT, text: Tensor, run: Run, steps: int = 2_000) -> None:
    """The recipe in plain PyTorch: crops at random, no Trainer."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    for step in range(steps):
        share = (step - 100) / (steps - 100)
        rate = 1e-3 * (step + 1) / 101 if step < 100 else 1e-4 + 9e-4 * 0.5 * (1 + math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(len(text) - CONTEXT, (12,))
        rows = text[starts[:, None] + torch.arange(CONTEXT + 1)]
        cross_entropy(model, rows[:, :-1], rows[:, 1:]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % max(1, steps // CHECKS) == 0:
            run.check(model, step + 1)


def ours(model: GPT, text: Tensor, run: Run, args: argparse.Namespace) -> None:
    """The Trainer: every token once an epoch, fewer and larger steps, Muon for the matrices of the blocks."""

    def loss(model: GPT, batch: dict[str, Tensor]) -> Tensor:
        return cross_entropy(model, batch["ids"][:, :-1], batch["ids"][:, 1:])

    def check(trainer: Trainer) -> None:
        if trainer.step % max(1, args.steps // CHECKS) == 0:
            run.check(model, trainer.step)

    batches = Blocks(text, CONTEXT + 1, args.batch, seed=args.seed)
    trainer = Trainer(
        model,
        loss,
        batches,
        optimizer=args.optimizer,
        learning_rate=args.learning_rate,
        warmup=args.steps // 20,
        floor=0.0,
        device="cpu",
        hooks=(check,),
    )
    trainer.fit(args.steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--loss", type=float, default=1.88)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--optimizer", default="muon")
    parser.add_argument("--learning-rate", type=float, default=0.012)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--steps", type=int, default=360)
    parser.add_argument("--nanogpt-steps", type=int, default=2_000, help="fewer only to try the script")
    parser.add_argument("--only", choices=["nanogpt", "ours"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{load}")
    print(f"Python {platform.python_version()}, torch {torch.__version__}")

    text = args.text.read_text(encoding="utf-8")
    letters = {letter: i for i, letter in enumerate(sorted(set(text)))}
    ids = torch.tensor([letters[letter] for letter in text])
    train, held_out = ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]
    config = GPTConfig(
        vocab_size=len(letters), d_model=128, n_layers=4, n_heads=4, max_positions=CONTEXT, dropout=0.0
    )
    seconds = {}
    for name in ("nanogpt", "ours") if args.only is None else (args.only,):
        seed_everything(args.seed)
        model = GPT(config).train()
        print(f"{name}, {sum(p.numel() for p in model.parameters()):,} parameters")
        run, end = Run(held_out, args.loss), "reached"
        try:
            if name == "nanogpt":
                nanogpt(model, train, run, args.nanogpt_steps)
            else:
                ours(model, train, run, args)
            end = f"not reached: best {run.best:.3f}; at least"
        except Reached:
            pass
        seconds[name] = run.seconds
        print(f"{name}: validation loss {args.loss} {end} after {run.seconds:.1f} s of training")
    if len(seconds) == 2:
        share = seconds["ours"] / seconds["nanogpt"]
        print(f"ours takes {share:.2f} of nanoGPT's time, and is {1 / share:.2f} times as fast")


if __name__ == "__main__":
    main()
