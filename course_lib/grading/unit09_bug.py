"""Unit 09: a bug hunt in a step of denoising."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_lib.grading.inputs import normal, sizes, whole
from course_lib.grading.task import Case, Misconception, Part, Task

V = 20
Encode = Callable[[Tensor], Tensor]
Decode = Callable[[Tensor, Tensor, Tensor], Tensor]


def small_model(generator: Generator, D: int = 6) -> tuple[Encode, Decode]:
    """encode: ids (B, S) -> memory; decode: (ids (B, T), memory, is_real (B, S)) -> logits (B, T, V).

    The decoder sees what it has read so far, and what is real of the memory; with nothing real, nothing.
    """
    read, heard, said = normal(generator, V, D), normal(generator, V, D), normal(generator, D, V)

    def encode(ids: Tensor) -> Tensor:
        return heard[ids]

    def decode(ids: Tensor, memory: Tensor, is_real: Tensor) -> Tensor:
        x = read[ids].cumsum(dim=1) / torch.arange(1, ids.shape[1] + 1)[:, None]
        scores = (x @ memory.mT).masked_fill(~is_real[:, None, :], -torch.inf)
        return (x + scores.softmax(-1).nan_to_num() @ memory) @ said

    return encode, decode


def texts(source_padded: bool, target_padded: bool) -> Callable[[Generator], tuple]:
    """A small model; damaged (B, S) and whole (B, T), padded where it is said; the start and pad ids."""

    def make(generator: Generator) -> tuple:
        T, S = sizes(generator, 2, 6, 9)
        B, pad_id, start_id = whole(generator, 2, 4), whole(generator, 0, 2), whole(generator, 3, 5)
        damaged, whole_text = (torch.randint(6, V, (B, n), generator=generator) for n in (S, T))
        for i in range(1, B):  # the first row is the longest
            if source_padded:
                damaged[i, S - 1 - i % 3 :] = pad_id
            if target_padded:
                whole_text[i, T - 2 - i % 3 :] = pad_id
        return *small_model(generator), damaged, whole_text, start_id, pad_id

    return make


def moved(text: Tensor, start_id: int) -> Tensor:
    return torch.nn.functional.pad(text[:, :-1], (1, 0), value=start_id)


def mean_of_rows(nats: Tensor, real: Tensor) -> Tensor:
    return ((nats * real).sum(1) / real.sum(1)).mean()


def step_like(
    source: Callable[[Tensor, Tensor], Tensor] = lambda damaged, text: damaged,
    real: Callable[[Tensor, int], Tensor] = lambda ids, pad: ids != pad,
    of_target: bool = False,
    reads: Callable[[Tensor, int], Tensor] = moved,
    ahead: int = 0,
    average: Callable[[Tensor, Tensor], Tensor] = lambda nats, real: nats[real].mean(),
) -> Callable[..., Tensor]:
    """What the encoder reads, what is seen of it (or of the target), what the decoder reads; `ahead`: by how
    much labels move.
    """

    def step(
        encode: Encode, decode: Decode, damaged: Tensor, text: Tensor, start_id: int, pad_id: int
    ) -> Tensor:
        ids = source(damaged, text)
        logits = decode(reads(text, start_id), encode(ids), real(text if of_target else ids, pad_id))
        wanted = text[:, ahead:]
        log_p = logits[:, : wanted.shape[1]].log_softmax(-1)
        nats = -(log_p * torch.nn.functional.one_hot(wanted, log_p.shape[-1])).sum(-1)
        return average(nats, wanted != pad_id)

    return step


BUG = Task(
    (
        Part(
            "repaired",
            step_like(),
            ("the loss in nats a token, a tensor without axes ()",),
            (
                Case(
                    "right for texts of one length",
                    texts(source_padded=False, target_padded=False),
                    "From place t of what is read, the decoder predicts token t of the text.",
                    "Write below each other, for a text of four tokens: what is read, and what is predicted "
                    "from it.",
                    worth=2,
                ),
                Case(
                    "padding of the damaged texts is not looked at",
                    texts(source_padded=True, target_padded=False),
                    "`decode` looks at all of the memory that is_real allows.",
                    "Print is_real. Which number stands for padding in `damaged`?",
                ),
                Case(
                    "padding of the whole texts is not scored",
                    texts(source_padded=False, target_padded=True),
                    "Padding is no text: nobody has to predict it.",
                    "Add columns of padding to `whole`: does the loss move?",
                ),
                Case(
                    "right for texts of different lengths",
                    texts(source_padded=True, target_padded=True),
                    "The mean is over all tokens of all texts, so that each token counts the same.",
                    "Count the numbers that go into your mean, and the tokens that are no padding.",
                ),
            ),
            (
                Misconception(
                    "shifted-twice",
                    "The text is shifted twice",
                    step_like(ahead=1),
                    "What is read was moved to the right already. When the labels move to the left as well, "
                    "each place has to predict the token after the next.",
                    "Write what is read and what is predicted below each other.",
                ),
                Misconception(
                    "nothing-shifted",
                    "The decoder reads what it is to predict",
                    step_like(reads=lambda text, start: text),
                    "It learns to copy what it reads. The loss falls to zero, and nothing was learned.",
                    "Which token has the decoder read when it predicts the first?",
                ),
                Misconception(
                    "first-token-not-scored",
                    "The first token is never predicted",
                    step_like(reads=lambda text, start: text, ahead=1),
                    "That is how GPT is trained. BART's decoder begins with a start token, so that it learns "
                    "to write the first word, too.",
                    "Is start_id used anywhere?",
                ),
                Misconception(
                    "source-padding-seen",
                    "Padding of the source is looked at",
                    step_like(real=lambda ids, pad: ids >= 0),
                    "No id is -100: only labels are. So this mask allows everything.",
                    "Print is_real, and look for a False.",
                ),
                Misconception(
                    "mask-inverted",
                    "Only padding of the source is looked at",
                    step_like(real=lambda ids, pad: ids == pad),
                    "True is where there is a token to look at.",
                    "Print is_real for a row without padding.",
                ),
                Misconception(
                    "mask-of-the-target",
                    "is_real is made from the whole text",
                    step_like(of_target=True),
                    "It says what is real of the memory (B, S), and the memory was made from `damaged`. The "
                    "two texts differ in length.",
                    "Compare the shapes of is_real and of the memory.",
                ),
                Misconception(
                    "padding-scored",
                    "Padding is scored, too",
                    step_like(average=lambda nats, real: nats.mean()),
                    "Predicting padding is easy and teaches nothing; the more of it, the better the loss "
                    "looks.",
                    "Add columns of padding to `whole`: does the loss move?",
                ),
                Misconception(
                    "divided-by-all-places",
                    "Padding is not scored, but counted",
                    step_like(average=lambda nats, real: (nats * real).mean()),
                    "The sum is right; then it is divided by all places. Divide by those that were scored.",
                    "How many numbers go into the mean?",
                ),
                Misconception(
                    "mean-of-means",
                    "Each text counts the same, however long it is",
                    step_like(average=mean_of_rows),
                    "A token of a short text then weighs more than one of a long text.",
                    "How often do you take a mean?",
                ),
                Misconception(
                    "sum-for-mean",
                    "The sum is returned, not the mean",
                    step_like(average=lambda nats, real: nats[real].sum()),
                    "A longer batch would have a larger loss, and so a larger step.",
                    "Put the same texts into the batch twice: does the loss move?",
                ),
                Misconception(
                    "reads-the-original",
                    "The encoder reads the whole text",
                    step_like(source=lambda damaged, text: text),
                    "Then nothing is damaged, and everything can be copied.",
                    "Change `damaged`: does the loss move?",
                ),
            ),
        ),
    ),
    (
        "Three questions: what does True in is_real stand for, which token is predicted from place t, and "
        "over which places goes the mean?",
        "What is read has been shifted already, so logits and labels stay where they are. -100 occurs in "
        "neither text: padding is pad_id.",
        "`is_real = damaged != pad_id`; all of `logits` faces all of `whole`; and "
        "`nats[whole != pad_id].mean()`.",
    ),
)
