"""Unit 10: a bug hunt in T5's training loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task
from course_lib.grading.unit03_probe import number

Model = Callable[[Tensor, Tensor], Tensor]


def small_model(generator: Generator, V: int) -> Model:
    """read (B, S), decoder_ids (B, T) -> logits (B, T, V); row t depends on decoder_ids[:, : t + 1] only."""
    readers, writers = normal(generator, V, V), normal(generator, V, V)

    def model(read: Tensor, decoder_ids: Tensor) -> Tensor:
        step = 1 + torch.arange(decoder_ids.shape[1])[:, None]
        so_far = writers[decoder_ids].cumsum(1) / step**0.5
        return so_far + readers[read].mean(1, keepdim=True)

    return model


def parrot(V: int) -> Model:
    """Says once more what the decoder has just read."""
    return lambda read, decoder_ids: 9.0 * F.one_hot(decoder_ids, V)


def batch(padded: bool, copies: bool = False) -> Callable[[Generator], tuple]:
    """model, read (B, S), write (B, T), pad_id, end_id; each target ends with end_id and then padding."""

    def make(generator: Generator) -> tuple:
        B, S, T = sizes(generator, 3, 3, 5)[0], *sizes(generator, 2, 6, 9)
        V = whole(generator, 20, 25)
        pad_id, end_id, *words = torch.randperm(V, generator=generator).tolist()
        rows = []
        for row in range(B):
            n_words = T - 1 - (2 * row if padded else 0)
            order = torch.randperm(len(words), generator=generator)[: max(n_words, 1)]
            told = [words[i] for i in order] + [end_id]
            rows.append(told + [pad_id] * (T - len(told)))
        read = torch.tensor(words)[torch.randint(len(words), (B, S), generator=generator)]
        model = parrot(V) if copies else small_model(generator, V)
        return model, read, torch.tensor(rows), pad_id, end_id

    return make


def each_token(losses: Tensor, counted: Tensor) -> Tensor:
    return losses[counted].mean()


def each_row(losses: Tensor, counted: Tensor) -> Tensor:
    return ((losses * counted).sum(1) / counted.sum(1)).mean()


def loss_like(
    begins: str = "pad",
    shifted: bool = True,
    scored: str = "text",
    total: Callable[[Tensor, Tensor], Tensor] = each_token,
    lost: str = "",
) -> Callable[..., Tensor]:
    """`begins`: the decoder's first token. `scored`: the places that count. `lost`: pairs a GPT would leave
    out, of the decoder's "inputs" or of the "logits"."""

    def loss(model: Model, read: Tensor, write: Tensor, pad_id: int, end_id: int) -> Tensor:
        first = torch.full_like(write[:, :1], {"pad": pad_id, "end": end_id}[begins])
        decoder_ids = torch.cat([first, write[:, :-1] if shifted else write[:, 1:]], dim=1)
        if lost == "inputs":
            decoder_ids, write = write[:, :-1], write[:, 1:]
        logits = model(read, decoder_ids)
        if lost == "logits":
            logits, write = logits[:, :-1], write[:, 1:]
        losses = -logits.log_softmax(-1).gather(-1, write[..., None]).squeeze(-1)
        counted = {
            "text": write != pad_id,
            "all": torch.ones_like(write, dtype=torch.bool),
            "words": (write != pad_id) & (write != end_id),
        }[scored]
        return total(losses, counted)

    return loss


LEFT = {
    "start": {"begins": "end"},
    "shift": {"shifted": False},
    "padding": {"scored": "all"},
}
WHY = {
    "start": "The decoder begins with another token than the one T5 begins with.",
    "shift": "Place t of the decoder's input holds the very token that place t has to predict.",
    "padding": "Padding behind the end is scored like words.",
}
TRY = {
    "start": "Print `decoder_ids[:, 0]`.",
    "shift": "Print `decoder_ids` above `write`: may the model see what stands below?",
    "padding": "Put five more columns of padding behind `write`: may the loss move?",
}


def with_bugs(*bugs: str) -> Callable[..., Tensor]:
    return loss_like(**{key: value for bug in bugs for key, value in LEFT[bug].items()})


def all_divide(losses: Tensor, counted: Tensor) -> Tensor:
    return (losses * counted).mean()


def added_up(losses: Tensor, counted: Tensor) -> Tensor:
    return losses[counted].sum()


ANYWHERE = (  # the right loss, and wrong ones that are seen without any padding
    loss_like(),
    *(with_bugs(*bugs) for bugs in (("start",), ("shift",), ("start", "shift"))),
    loss_like(total=added_up),
    *(loss_like(**way) for way in ({"scored": "words"}, {"lost": "inputs"}, {"lost": "logits"})),
)
WITH_PADDING = (
    *(with_bugs("padding", *others) for others in ((), ("start",), ("shift",), ("start", "shift"))),
    *(loss_like(total=total) for total in (all_divide, each_row)),
)


def told_apart(padded: bool) -> Callable[[Generator], tuple]:
    """A batch on which no two of the losses are alike, not even by luck: a loss is one number only."""
    ways = ANYWHERE + WITH_PADDING if padded else ANYWHERE

    def make(generator: Generator) -> tuple:
        while True:
            given = batch(padded)(generator)
            losses = torch.stack([way(*given) for way in ways])
            if losses.sort().values.diff().min() > 1e-3:
                return given

    return make


def not_fooled(got: Tensor, *_: object) -> str | None:
    """A parrot's loss is about 9 a token."""
    return None if float(got) > 5 else f"the parrot's loss is {float(got):.2f}; it has learned nothing"


def left(*bugs: str) -> Misconception:
    title = {1: "One bug is left", 2: "Two bugs are left", 3: "All three bugs are still in"}[len(bugs)]
    why = " ".join(WHY[bug] for bug in bugs)
    return Misconception("bug-left-" + "-".join(bugs), title, with_bugs(*bugs), why, TRY[bugs[0]])


BUG = Task(
    (
        Part(
            "repaired",
            loss_like(),
            ("the loss, one number",),
            (
                Case(
                    "right where nothing is padded",
                    told_apart(padded=False),
                    "The decoder reads padding, then all but the last token of its target; place t predicts "
                    "token t.",
                    "Print `decoder_ids` above `write`, for one text of three tokens.",
                    worth=2,
                ),
                Case(
                    "a parrot is not taken for a good model",
                    batch(padded=False, copies=True),
                    "A model that only says again what it has just read has learned nothing; its loss has to "
                    "say so.",
                    "Print `decoder_ids` above `write`: may the model see what stands below?",
                    judge=not_fooled,
                    telling=False,
                ),
                Case(
                    "padding does not count, everything else does, alike",
                    told_apart(padded=True),
                    "The mean runs over the tokens that are really written, their end included.",
                    "Put five more columns of padding behind `write`: may the loss move?",
                    worth=2,
                ),
            ),
            (
                left("start"),
                left("shift"),
                left("padding"),
                left("start", "shift"),
                left("start", "padding"),
                left("shift", "padding"),
                left("start", "shift", "padding"),
                Misconception(
                    "padding-in-the-divisor",
                    "Padding is not scored, but it is counted",
                    loss_like(total=all_divide),
                    "Its losses are 0, and the mean still divides by all places: more padding, less loss.",
                    TRY["padding"],
                ),
                Misconception(
                    "mean-of-means",
                    "The mean of the texts' means",
                    loss_like(total=each_row),
                    "A token of a short text then weighs more than one of a long text.",
                    "Over how many tokens of the batch should the mean run?",
                ),
                Misconception(
                    "summed",
                    "The losses are added up",
                    loss_like(total=added_up),
                    "Then the loss grows with the batch, and so does the step.",
                    "Give the same batch twice, one below the other: may the loss move?",
                ),
                Misconception(
                    "end-not-scored",
                    "The end is not scored",
                    loss_like(scored="words"),
                    "A model that never learns to write the end never stops.",
                    "How many places of each text count in your mean?",
                ),
                Misconception(
                    "first-token-lost",
                    "What is written is cut as for a GPT: its first token is never predicted",
                    loss_like(lost="inputs"),
                    "The first sentinel has to be written, too; before it the decoder reads the start token.",
                    "Which place of the logits predicts the first sentinel?",
                ),
                Misconception(
                    "shifted-twice",
                    "It is shifted twice",
                    loss_like(lost="logits"),
                    "The input is shifted already, so row t predicts token t. Shifted once more, it is asked "
                    "for the one after.",
                    "Which place of the logits predicts the first sentinel?",
                ),
            ),
            call=number,
        ),
    ),
    (
        "Three lines, three questions: with which token does the decoder begin, what has it read before it "
        "predicts token t, and which places count?",
        "T5 begins with padding. Then come all tokens but the last one, so that place t holds token t - 1. "
        "Places of padding are left out of sum and mean.",
        "`torch.full_like(write[:, :1], pad_id)`, then `write[:, :-1]`; and `F.cross_entropy` has "
        "`ignore_index`.",
    ),
)
