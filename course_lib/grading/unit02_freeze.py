"""Unit 02: freeze a body, all of it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Generator, Tensor, nn

from course_lib.grading.inputs import sizes
from course_lib.grading.task import Case, Misconception, Part, Task, Unfit


class Tagger(nn.Module):
    """A body with norms and dropout, and a head with dropout."""

    def __init__(self, d_in: int, width: int, n_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(d_in, width),
            nn.LayerNorm(width),
            nn.Dropout(0.5),
            nn.Sequential(nn.Linear(width, width)),
        )
        self.body.append(nn.LayerNorm(width))
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(width, n_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def three_sizes(generator: Generator) -> tuple[int, int, int]:
    d_in, width, n_classes = sizes(generator, 3, 3, 9)
    return d_in, width, n_classes


def numbers(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad)


# ---- freeze ----


def frozen(answer: Callable, *given: int) -> nn.Module:
    model = Tagger(*given).train()
    back = answer(model)
    if back is not model:
        raise Unfit("wanted is the model itself, changed: return it")
    if not isinstance(model.body, nn.Module) or not isinstance(model.head, nn.Module):
        raise Unfit("model.body and model.head are no longer modules")
    return model


def body_trains(answer: Callable, *given: int) -> int:
    return numbers(frozen(answer, *given).body.parameters())


def head_trains(answer: Callable, *given: int) -> int:
    return numbers(frozen(answer, *given).head.parameters())


def dropouts(answer: Callable, *given: int) -> tuple[int, int]:
    """How many modules of the body, and of the head, are in training mode."""
    model = frozen(answer, *given)
    return tuple(sum(part.training for part in side.modules()) for side in (model.body, model.head))


def nothing_left(got: int, *_: int) -> str | None:
    return f"{got} numbers of the body can still be trained" if got else None


def all_there(got: int, d_in: int, width: int, n_classes: int) -> str | None:
    want = width * n_classes + n_classes
    return None if got == want else f"{got} of the {want} numbers of the head can be trained"


def body_rests(got: tuple[int, int], *_: int) -> str | None:
    return "the body is still in training mode: its dropout is on" if got[0] else None


def head_learns(got: tuple[int, int], *_: int) -> str | None:
    return None if got[1] == 3 else "the head was switched to evaluation mode: its dropout is off"


def freezing(
    which: Callable[[nn.Module], Iterable[Tensor]] = lambda model: model.body.parameters(),
    rest: Callable[[nn.Module], Any] = lambda model: model.body.eval(),
) -> Callable[[nn.Module], nn.Module]:
    def freeze(model: nn.Module) -> nn.Module:
        for parameter in which(model):
            parameter.requires_grad_(False)
        rest(model)
        return model

    return freeze


def of_linears(model: nn.Module) -> list[Tensor]:
    return [p for part in model.body.modules() if isinstance(part, nn.Linear) for p in part.parameters()]


FREEZE = Task(
    (
        Part(
            "freeze",
            freezing(),
            ("the model",),
            (
                Case(
                    "nothing in the body can be trained",
                    three_sizes,
                    "Norms and biases are parameters too, and `requires_grad` belongs to each parameter.",
                    "Print the names of the body's parameters that still have `requires_grad`.",
                    judge=nothing_left,
                    call=body_trains,
                    names=("trainable numbers of the body",),
                    worth=2,
                ),
                Case(
                    "all of the head can be trained",
                    three_sizes,
                    "The new head starts at random: it has to learn.",
                    "Print `[p.requires_grad for p in model.head.parameters()]`.",
                    judge=all_there,
                    call=head_trains,
                    names=("trainable numbers of the head",),
                ),
                Case(
                    "the body's dropout is off",
                    three_sizes,
                    "Dropout has no parameters; `requires_grad` says nothing to it. A mode switches it off.",
                    "Call `model.body(x)` twice on the same x: is the result the same?",
                    judge=body_rests,
                    call=dropouts,
                    names=("modules of the body in training mode", "and of the head"),
                ),
                Case(
                    "the head stays in training mode",
                    three_sizes,
                    "Only what is frozen is put to rest.",
                    "Print `model.head.training`.",
                    judge=head_learns,
                    call=dropouts,
                    names=("modules of the body in training mode", "and of the head"),
                ),
            ),
            (
                Misconception(
                    "norms-still-train",
                    "The layer norms still train",
                    freezing(of_linears),
                    "Only the linear maps are frozen. A LayerNorm has a factor and a shift that learn.",
                    "Print the names of the body's parameters that still have `requires_grad`.",
                ),
                Misconception(
                    "vectors-still-train",
                    "Biases and norms still train",
                    freezing(lambda model: [p for p in model.body.parameters() if p.dim() > 1]),
                    "Only matrices are frozen.",
                    "Print the shapes of the parameters that still have `requires_grad`.",
                ),
                Misconception(
                    "dropout-still-on",
                    "The dropout of the body is still on",
                    freezing(rest=lambda model: None),
                    "The weights stand still, yet each call gives other features.",
                    "Call `model.body(x)` twice on the same x.",
                ),
                Misconception(
                    "head-frozen-too",
                    "The head is frozen too",
                    freezing(lambda model: model.parameters()),
                    "Nothing is left that could learn.",
                    "Count the parameters with `requires_grad`.",
                ),
                Misconception(
                    "all-put-to-rest",
                    "The head is in evaluation mode too",
                    freezing(rest=lambda model: model.eval()),
                    "`model.eval()` reaches every module, the head's dropout included.",
                    "Print `model.head.training`.",
                ),
                Misconception(
                    "nothing-frozen",
                    "No parameter is frozen",
                    freezing(lambda model: ()),
                    "`eval()` changes modes only, and `model.body.requires_grad = False` just makes a new "
                    "attribute. The switch belongs to each parameter.",
                    "Print `[p.requires_grad for p in model.body.parameters()]`.",
                ),
                Misconception(
                    "nothing-done",
                    "The model is as it was",
                    freezing(lambda model: (), lambda model: None),
                    "Nothing is frozen and every module is in training mode. Was a copy changed, or an "
                    "attribute set on the module? `model.body.requires_grad = False` reaches no parameter.",
                    "Print `model.body.training`, and `requires_grad` of the body's parameters.",
                ),
                Misconception(
                    "head-frozen-body-free",
                    "The head is frozen and the body learns",
                    freezing(lambda model: model.head.parameters(), lambda model: model.head.eval()),
                    "Body and head are exchanged.",
                    "Print the names of the parameters that still have `requires_grad`.",
                ),
            ),
        ),
    ),
    (
        "What learns in a body? Everything that `named_parameters()` lists, not only the matrices.",
        "Each parameter has a switch, `requires_grad_`. Dropout listens to another one: the module's mode.",
        "Loop over `model.body.parameters()`, then put the body, and only the body, into evaluation mode.",
    ),
)
