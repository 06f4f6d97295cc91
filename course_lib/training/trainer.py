"""One small Trainer for every lesson: it picks the machine's best and survives interruptions."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from course_lib.training import state as saved
from course_lib.training.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from course_lib.training.curves import Band
from course_lib.training.device import default_precision, model_flops_utilization, seed_everything
from course_lib.training.diagnosis import Diagnosis, diagnose
from course_lib.training.distributed import Workers, local_device
from course_lib.training.gradients import batch_gradient
from course_lib.training.interrupt import hold_signals
from course_lib.training.optimizers import make_optimizers
from course_lib.training.pieces import model_loss, tensors_of
from course_lib.training.probe import look_at_batch
from course_lib.training.randomness import get_random_state, set_random_state
from course_lib.training.schedule import warmup_cosine

LossFn = Callable[[nn.Module, Any], Tensor | tuple[Tensor, Tensor | int]]


class Trainer:
    """Fit a model to batches.

        trainer = Trainer(model, loss_fn, batches, learning_rate=1e-3, folder="runs/mine", save_every=100)
        trainer.resume()            # goes on from the newest checkpoint, where there is one
        trainer.fit(1_000)          # until step 1,000; after an interruption, the same line goes on
        trainer.curve               # one row a step: step, loss, learning_rate, gradient_norm, tokens

    Under ``torchrun`` the same script trains data parallel: every process must be given the same batches.

    Args:
        model: trained in place, on `device`.
        loss_fn: ``loss_fn(model, batch)`` gives the mean loss over the batch's rows; or, where rows do not
            count alike, the pair (summed loss, number of things scored), by which pieces are added up. None:
            the loss of ``model(**batch)``, as the models of `course_lib` give it.
        data: an iterator of batches (a tensor, tuple or dict of tensors, rows first). With ``state_dict`` and
            ``load_state_dict``, as `course_lib.data.batching` has them, resuming is exact.
        learning_rate: at the top of the schedule.  warmup: steps to get there.  floor: share left at the end.
        weight_decay, betas: of AdamW (Loshchilov & Hutter 2019); matrices and tables decay, vectors do not.
        optimizer: "adamw", or "muon" for the matrices inside the network and AdamW for the rest.
        clip: longest gradient allowed (Pascanu et al. 2013); None for no limit.
        micro_batches: pieces a batch is cut into; more pieces, less memory, the same gradient (with dropout:
            other masks of the same kind). Running out of memory doubles them.
        device: what `pick_device` finds when not given.
        precision: "bf16" or "fp32"; bf16 on GPUs that have it when not given.
        compile: whether to run ``torch.compile`` first; it pays on a GPU.
        evaluate: ``evaluate(model) -> dict`` of numbers, called every `eval_every` steps and at the end.
        folder, save_every: where and how often checkpoints are kept; also at the end and at an interruption.
        hooks: called with the trainer after each step; one with a method `stopped` is told when `fit` ends.
        seed: all random numbers start here, when given.

    Raises:
        ValueError, TypeError: an argument that cannot be; the message names it.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn | None,
        data: Iterator[Any],
        *,
        learning_rate: float = 1e-3,
        warmup: int = 0,
        floor: float = 0.1,
        weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.95),
        optimizer: str = "adamw",
        clip: float | None = 1.0,
        micro_batches: int = 1,
        device: torch.device | str | None = None,
        precision: str | None = None,
        compile: bool = False,
        evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
        eval_every: int | None = None,
        folder: str | Path | None = None,
        save_every: int | None = None,
        hooks: tuple[Callable[[Trainer], None], ...] = (),
        seed: int | None = None,
    ) -> None:
        if not hasattr(data, "__next__"):
            raise TypeError(
                f"data is a {type(data).__name__}: give an iterator, such as iter(data) or Batches"
            )
        for name, value in {
            "micro_batches": micro_batches,
            "eval_every": eval_every,
            "save_every": save_every,
        }.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}: it must be at least 1")
        for name, value in {"learning_rate": learning_rate, "clip": clip}.items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}: it must be above 0")
        for name, given, other, needed in (
            ("save_every", save_every, "folder", folder),
            ("eval_every", eval_every, "evaluate", evaluate),
        ):
            if given and not needed:
                raise ValueError(f"{name} is {given} but there is no {other}: give one")
        self.device = torch.device(device) if device else local_device()
        self.precision = precision or default_precision(self.device)
        if self.precision not in ("bf16", "fp32"):
            raise ValueError(f"precision {self.precision!r}: choose bf16 or fp32")
        if seed is not None:
            seed_everything(seed)
        self.workers = Workers(self.device)
        self.model, self.loss_fn, self.data = model.to(self.device), loss_fn or model_loss, data
        self.workers.same_everywhere([*model.parameters(), *model.buffers()])
        self.forward = torch.compile(model) if compile else model
        self.optimizer = optimizer
        self.optimizers = make_optimizers(model, optimizer, learning_rate, weight_decay, betas)
        self.learning_rate, self.warmup, self.floor = learning_rate, warmup, floor
        self.clip, self.micro_batches = clip, micro_batches
        self.evaluate, self.eval_every = evaluate, eval_every
        self.folder, self.save_every = Path(folder) if folder else None, save_every
        self.hooks = list(hooks)
        self.step, self.goal, self.tokens, self.length = 0, 0, 0, None
        self.curve: list[dict[str, float]] = []
        self.batch: Any = None  # the latest, for `diagnose`
        self._speeds: deque[tuple[int, float]] = deque(maxlen=100)  # tokens and seconds of the latest steps
        self._owns_folder = False

    # ---- the loop ----

    def fit(self, steps: int) -> Trainer:
        """Train until step `steps`, counted from the first step ever; go on from where the last call stopped.

        Ctrl-C, the stop button of a notebook, or SIGTERM ends it after the step at hand: the model is
        usable, a checkpoint is written where there is a folder, and the same call goes on.

        Raises:
            KeyboardInterrupt: it was stopped.  FloatingPointError: the loss is no number any more.
            FileExistsError: `folder` holds another run.  RuntimeError: the data ended.
        """
        if steps < 1:
            raise ValueError(f"fit({steps}): train for at least 1 step")
        self._check_folder()
        self.goal = steps
        if self.step >= steps and self.workers.is_first:
            print(f"Step {self.step} is reached already: fit({self.step + steps}) trains {steps} more.")
        bar = tqdm(
            total=steps, initial=self.step, file=sys.stdout, disable=None if self.workers.is_first else True
        )
        self.model.train()
        try:
            with bar, hold_signals() as received:
                stop = False
                while self.step < steps and not stop:
                    row = self._train_step(steps)
                    last = self.step == steps
                    if self.evaluate and (last or _due(self.eval_every, self.step)):
                        row |= self._evaluate()
                    self.curve.append(row)
                    bar.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
                    bar.update()
                    for hook in self.hooks:
                        hook(self)
                    stop = self.workers.any(bool(received))
                    if self.folder and (last or stop or _due(self.save_every, self.step)):
                        self.save()
        finally:
            self.model.eval()
            for hook in self.hooks:
                if hasattr(hook, "stopped"):
                    hook.stopped(self)
        if signal.SIGTERM in received:
            signal.raise_signal(signal.SIGTERM)
        if stop or received:
            raise KeyboardInterrupt(f"stopped after step {self.step} of {steps}; the same call goes on")
        return self

    def _train_step(self, steps: int) -> dict[str, float]:
        started = time.perf_counter()
        rate = self.learning_rate * warmup_cosine(self.step, steps, self.warmup, self.floor)
        for one in self.optimizers:
            for group in one.param_groups:
                group["lr"] = rate
        batch = self.batch = self._next_batch(steps)
        loss = batch_gradient(self, batch)
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        norm = float(nn.utils.clip_grad_norm_(parameters, self.clip or math.inf))
        if not math.isfinite(loss + norm):
            self.model.zero_grad(set_to_none=True)
            raise FloatingPointError(
                f"step {self.step + 1}: the loss is {loss} and the gradient's norm {norm}, at learning rate "
                f"{rate:.2g}. The weights are those of the step before. Try a smaller learning rate, a "
                "warm-up or clip=1.0, and look for a logarithm or a division of zero in the loss"
            )
        for one in self.optimizers:
            one.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        first = tensors_of(batch)[0]
        self.tokens += first.numel()
        self.length = first.shape[1] if first.dim() > 1 else None
        self._speeds.append((first.numel(), time.perf_counter() - started))
        return {
            "step": self.step,
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "tokens": self.tokens,
        }

    def _next_batch(self, steps: int) -> Any:
        try:
            return next(self.data)
        except StopIteration:
            raise RuntimeError(
                f"the data ended after step {self.step} of {steps}: give an iterator that starts over, "
                "such as course_lib.data.batching.Batches, or train fewer steps"
            ) from None

    def _evaluate(self) -> dict[str, float]:
        self.model.eval()
        before = get_random_state(self.device)  # what evaluation draws must not move the training
        try:
            with torch.no_grad():
                return {name: float(value) for name, value in self.evaluate(self.model).items()}
        finally:
            set_random_state(before, self.device)
            self.model.train()

    # ---- what it says of itself ----

    def __repr__(self) -> str:
        return f"Trainer after step {self.step}" + (
            f", loss {self.curve[-1]['loss']:.2f}" if self.curve else ""
        )

    @property
    def tokens_per_second(self) -> float:
        """Tokens read a second in the latest 100 steps, all processes together, evaluation not counted."""
        speeds = list(self._speeds)[1:] or list(self._speeds)  # the first step of all warms up
        return sum(n for n, _ in speeds) / sum(s for _, s in speeds) if speeds else 0.0

    @property
    def mfu(self) -> float | None:
        """Share of the GPUs' peak that the model's own arithmetic uses; None where the peak is not known."""
        speed = self.tokens_per_second / self.workers.size
        return model_flops_utilization(self.model, speed, self.length, self.device)

    def diagnose(self, band: Band | None = None) -> Diagnosis:
        """Say whether the curve is normal, and what to try if not; see `course_lib.training.diagnosis`.

        It looks at the curve and, in a few milliseconds, at the batch seen last: do labels lie where they
        should, does the input matter? Nothing of the run is changed.

        Args:
            band: where the curves of this recipe lie; without it, "too slow" cannot be told.

        Raises:
            ValueError: fewer than 20 steps were trained.
        """
        return diagnose(self.curve, band, look_at_batch(self))

    # ---- checkpoints ----

    def save(self, folder: str | Path | None = None) -> Path | None:
        """Write all that resuming needs to `folder`, or to its own; None where another process does."""
        folder = self._folder(folder)
        self._owns_folder |= folder == self.folder
        return save_checkpoint(folder, self.step, *saved.collect(self)) if self.workers.is_first else None

    def resume(self, folder: str | Path | None = None) -> bool:
        """Take up the newest whole checkpoint in `folder`, or in its own; False where there is none.

        Raises:
            DamagedCheckpoint: there are checkpoints and none is whole.
            ValueError: the checkpoint is of another model, another optimizer or other data.
        """
        folder = self._folder(folder)
        try:
            step, tensors, state = load_checkpoint(folder)
        except FileNotFoundError:
            return False
        saved.restore(self, folder, tensors, state)
        self.step = step
        self._owns_folder |= folder == self.folder
        return True

    def _folder(self, folder: str | Path | None) -> Path:
        if not folder and not self.folder:
            raise ValueError("no folder for checkpoints: give one here, or to the Trainer")
        return Path(folder or self.folder)

    def _check_folder(self) -> None:
        """Two runs in one folder would delete each other's checkpoints."""
        if self.folder and not self._owns_folder and (there := list_checkpoints(self.folder)):
            raise FileExistsError(
                f"{self.folder} holds {there[-1].name} of another run: call resume() to go on with it, "
                "or choose another folder"
            )


def _due(every: int | None, step: int) -> bool:
    return bool(every) and step % every == 0
