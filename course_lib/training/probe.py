"""What one batch tells of a training run that its curve cannot.

A loss curve says how well the labels are predicted, not whether they are the right ones. One batch does: the
gradient of the loss with respect to the logits is softmax minus label, so its most negative entry *is* the
label, whatever the loss function does inside. Set beside the ids that the model was given to read, it shows
how the two line up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from course_lib.training.pieces import cut, tensors_of
from course_lib.training.randomness import get_random_state, set_random_state

if TYPE_CHECKING:
    from course_lib.training.trainer import Trainer

ROWS = 32  # enough to see how labels lie; a forward pass of so few costs little
OFFSETS = (0, 1, -1, 2, -2, 3, -3)


@dataclass(frozen=True)
class Probe:
    """What was seen in one batch; None where it could not be seen.

    asked_for: {offset: share of the scored places whose label is the token that the model read so many places
        to the right}. A causal model is asked for offset 1.
    blanks: {offset: share of the scored places that have the commonest token there at that offset}. Where
        tokens are hidden, the blank, [MASK], is to be found at offset 0.
    looks_ahead: whether what comes later changes what the model says of earlier places.
    use_of_input: how far the loss rises, in nats, when each row's input is exchanged for another's.
    """

    asked_for: dict[int, float] | None = None
    blanks: dict[int, float] | None = None
    looks_ahead: bool | None = None
    use_of_input: float | None = None


def look_at_batch(trainer: Trainer) -> Probe:
    """Probe a trainer's model and loss on some rows of the batch it saw last. Nothing of the run is changed.

    It costs three forward passes of at most `ROWS` rows, and no backward pass through the model.
    """
    if trainer.batch is None:
        return Probe()
    model, was_training = trainer.model, trainer.model.training
    rows = range(min(ROWS, len(tensors_of(trainer.batch)[0])))
    piece = next(cut(trainer.batch, rows, 1, trainer.device))
    before = get_random_state(trainer.device)

    def loss_of(change: Callable[[Tensor], Tensor] | None = None) -> tuple[Tensor, _Call | None]:
        set_random_state(before, trainer.device)  # the same tokens are masked
        with _Listener(model, change) as listener:
            answer = trainer.loss_fn(model, piece)
        loss = answer[0] / max(float(answer[1]), 1) if isinstance(answer, tuple) else answer
        return loss, listener.calls[0] if len(listener.calls) == 1 else None

    model.eval()
    try:
        loss, call = loss_of()
        if call is None:
            return Probe()
        asked_for, blanks = _line_up(loss, call)
        with torch.no_grad():
            exchanged, _ = loss_of(lambda ids: ids.roll(1, 0))
            early = _late_column(call.ids)
            _, other = loss_of(lambda ids: torch.cat([ids[:, :early], ids.roll(1, 0)[:, early:]], 1))
        looks_ahead = None
        if call.hidden is not None and other.hidden is not None and early > 0:
            change = (call.hidden - other.hidden)[:, :early].abs().max()
            looks_ahead = bool(change > 1e-3 * call.hidden.abs().max())
        use = float(exchanged - loss.detach()) if len(rows) > 1 else None
        return Probe(asked_for, blanks, looks_ahead, use)
    finally:
        set_random_state(before, trainer.device)
        model.train(was_training)


@dataclass
class _Call:
    """One call of the model: ids (B, T) it read, logits (N, V) or (B, T, V), hidden (B, T, d) where known."""

    ids: Tensor
    logits: Tensor | None
    hidden: Tensor | None
    feeds_decoder: bool


class _Listener:
    """Notes what a model reads and says, and may change what it reads."""

    def __init__(self, model: nn.Module, change: Callable[[Tensor], Tensor] | None) -> None:
        self.model, self.change, self.calls = model, change, []
        self._read: Tensor | None = None

    def __enter__(self) -> _Listener:
        self._hooks = [
            self.model.register_forward_pre_hook(self._before, with_kwargs=True),
            self.model.register_forward_hook(self._after),
        ]
        return self

    def __exit__(self, *_: Any) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before(self, model: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        args, kwargs = list(args), dict(kwargs)
        home, key = next(
            ((kwargs, name) for name in ("decoder_ids", "ids", "input_ids") if _is_ids(kwargs.get(name))),
            (args, next((i for i, one in enumerate(args) if _is_ids(one)), None)),
        )
        self._read = None if key is None else home[key]
        if self.change and key is not None:
            home[key] = self.change(home[key])
        self._of_decoder = key != "decoder_ids" and hasattr(model, "shift_right")
        return tuple(args), kwargs

    def _after(self, model: nn.Module, args: tuple, output: Any) -> None:
        if self._read is None:
            return
        is_tensor = isinstance(output, Tensor)
        logits = output if is_tensor else getattr(output, "logits", None)
        hidden = getattr(output, "hidden", None)
        whole = logits is not None and logits.shape[:2] == self._read.shape
        hidden = logits if hidden is None and whole else hidden
        self.calls.append(_Call(self._read, logits, hidden, self._of_decoder))


def _late_column(ids: Tensor) -> int:
    """Where the last quarter of what differs from row to row begins; at the end there may be padding."""
    differs = (ids != ids.roll(1, 0)).float().mean(0)
    columns = (differs > 0.25).nonzero()[:, 0].tolist()
    return columns[-1 - len(columns) // 4] if columns else 0


def _is_ids(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 2 and value.dtype == torch.long


def _line_up(loss: Tensor, call: _Call) -> tuple[dict[int, float] | None, dict[int, float] | None]:
    """How the labels lie to the ids that were read: `asked_for` and `blanks`."""
    nothing = None, None
    ids, logits, hidden = call.ids, call.logits, call.hidden
    # an encoder-decoder makes its decoder's input itself; class numbers are no tokens
    if logits is None or hidden is None or call.feeds_decoder or logits.shape[-1] <= int(ids.max()):
        return nothing
    (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True, allow_unused=True)
    if gradient is None:
        return nothing
    if logits.shape[:-1] == ids.shape:
        places = (gradient != 0).any(-1).nonzero()
    else:
        (at_hidden,) = torch.autograd.grad(logits, hidden, gradient, retain_graph=True, allow_unused=True)
        if at_hidden is None or at_hidden.shape[:2] != ids.shape:
            return nothing
        places = (at_hidden != 0).any(-1).nonzero()  # in the order of the logits' rows
    gradient = gradient.flatten(0, -2)
    labels = gradient[(gradient != 0).any(-1)].argmin(-1)
    if len(labels) != len(places) or len(labels) < 8:
        return nothing
    asked_for, blanks = {}, {}
    for offset in OFFSETS:
        column = places[:, 1] + offset
        inside = (column >= 0) & (column < ids.shape[1])
        read = ids[places[inside, 0], column[inside]]
        if len(read):
            asked_for[offset] = float((read == labels[inside]).float().mean())
            blanks[offset] = float(read.bincount().max() / len(read))
    return asked_for, blanks
