"""Every misconception of unit 02 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "a distance has no sign": r"^i - j  ->  j - i$",
    "the last axis of a matrix is axis 1": r"^-1  ->  1$",
    "a square has no sign": r"^guess - new_y  ->  new_y - guess$",
}

# ---- pairs: one position after the other ----


def told(inputs, labels):
    return torch.tensor(inputs), torch.tensor(labels)


def says_what_it_sees(ids):
    text = ids.tolist()
    return told(text[:-1], text[:-1])


def backwards(ids):
    text = ids.tolist()
    return told(text[1:], text[: len(text) - 1])


def next_but_one(ids):
    text = ids.tolist()
    ring = text + text
    return told(text[:-1], [ring[t + 2] for t in range(len(text) - 1)])


def around(ids):
    text = ids.tolist()
    return told(text, [*text[1:], text[0]])


def gap(ids, chosen, mask_id, hidden=True, scored=None, label=None):
    """Hide where `chosen` is `hidden`; say what is scored, and which label stands there."""
    inputs, labels = [], []
    for token, pick in zip(ids.tolist(), chosen.tolist(), strict=True):
        gone = pick is hidden
        inputs.append(mask_id if gone else token)
        labels.append((label or {}).get(gone, token) if scored or gone else (label or {}).get(gone, -100))
    return told(inputs, labels)


def pairs_where(wanted, swap=False):
    def neighbour_pairs(ids, window):
        T = len(ids)
        distance = torch.arange(T)[None, :] - torch.arange(T)[:, None]  # context minus centre
        centre, context = wanted(distance, window).nonzero(as_tuple=True)
        columns = (context, centre) if swap else (centre, context)
        return torch.stack([ids[column] for column in columns], dim=1)

    return neighbour_pairs


PAIRS = {
    "next_pair": {
        "copies-itself": says_what_it_sees,
        "predicts-the-past": backwards,
        "labels-shifted-twice": next_but_one,
        "wraps-around": around,
    },
    "hidden_pair": {
        "loss-on-unmasked": lambda ids, chosen, mask_id: gap(ids, chosen, mask_id, scored=True),
        "inverted-choice": lambda ids, chosen, mask_id: gap(ids, chosen, mask_id, hidden=False),
        "labels-after-masking": lambda ids, chosen, mask_id: gap(ids, chosen, mask_id, label={True: mask_id}),
        "label-zero": lambda ids, chosen, mask_id: gap(ids, chosen, mask_id, label={False: 0}),
    },
    "neighbour_pairs": {
        "only-the-right": pairs_where(lambda d, window: (d >= 1) & (d <= window)),
        "with-itself": pairs_where(lambda d, window: d.abs() <= window),
        "window-too-narrow": pairs_where(lambda d, window: (d != 0) & (d.abs() <= window - 1)),
        "centre-and-context-swapped": pairs_where(
            lambda d, window: (d != 0) & (d.abs() <= window), swap=True
        ),
    },
}

# ---- count: running totals over names ----


def tally(model, size=torch.numel, trained=lambda p: p.requires_grad, there=lambda p: True):
    """Running totals of what is trained, and of what is there."""
    some = everything = 0
    for _, p in model.named_parameters():
        some += size(p) if trained(p) else 0
        everything += size(p) if there(p) else 0
    return some, everything


def whole_state(model):
    everything = 0
    for entry in model.state_dict().values():
        everything += entry.numel()
    return tally(model)[0], everything


COUNT = {
    "count": {
        "frozen-counted": lambda model: tally(model, trained=lambda p: True),
        "tensors-counted": lambda model: tally(model, size=lambda p: 1),
        "frozen-forgotten": lambda model: tally(model, there=lambda p: p.requires_grad),
        "buffers-and-ties": whole_state,
        "counts-swapped": lambda model: tuple(reversed(tally(model))),
    }
}

# ---- freeze: by name, by type of layer, by the wrong switch ----


def without_norms(model):
    for layer in model.body.modules():
        if not isinstance(layer, nn.LayerNorm):
            for parameter in layer.parameters(recurse=False):
                parameter.requires_grad = False
    model.body.train(False)
    return model


def weights_only(model):
    for parameter in model.body.parameters():
        parameter.requires_grad = parameter.ndim == 1
    model.body.eval()
    return model


def never_at_rest(model):
    model.body.requires_grad_(False)
    return model


def nothing_learns(model):
    model.requires_grad_(False)
    model.body.eval()
    return model


def everything_at_rest(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("head")
    return model.eval()


def new_attribute(model):
    model.body.requires_grad = False
    model.body.eval()
    return model


def copy_frozen(model):
    body = copy.deepcopy(model.body)
    body.requires_grad_(False)
    body.eval()
    return model


def wrong_side(model):
    model.head.requires_grad_(False)
    model.head.train(False)
    return model


FREEZE = {
    "freeze": {
        "norms-still-train": without_norms,
        "vectors-still-train": weights_only,
        "dropout-still-on": never_at_rest,
        "head-frozen-too": nothing_learns,
        "all-put-to-rest": everything_at_rest,
        "nothing-frozen": new_attribute,
        "nothing-done": copy_frozen,
        "head-frozen-body-free": wrong_side,
    }
}

# ---- groups: one dict a tensor ----


def by_name(rate_of):
    """A group for each tensor that `rate_of(name, tensor, head_rate, body_rate)` gives a rate."""

    def parameter_groups(model, head_rate, body_rate):
        found = []
        for name, tensor in model.named_parameters():
            rate = rate_of(name, tensor, head_rate, body_rate)
            if rate is not None:
                found.append({"params": tensor, "lr": rate})
        return found

    return parameter_groups


def everything_and_the_head(model, head_rate, body_rate):
    body = {"params": model.parameters(), "lr": body_rate}
    return [body, {"params": model.head.parameters(), "lr": head_rate}]


GROUPS = {
    "parameter_groups": {
        "rates-swapped": by_name(lambda name, p, head, body: body if name.startswith("head") else head),
        "one-rate": lambda model, head, body: [{"params": list(model.parameters()), "lr": head}],
        "body-left-out": by_name(lambda name, p, head, body: head if "head" in name else None),
        "head-in-both": everything_and_the_head,
        "only-matrices": by_name(
            lambda name, p, head, body: head if "head" in name else body if p.ndim == 2 else None
        ),
    }
}

# ---- cosines: einsum and loops ----


def dots(first, second):
    return torch.einsum("nd,md->nm", first, second)


def row_lengths(x):
    return x.square().sum(dim=1).sqrt()


def along_the_batch(first, second):
    a, b = (x / x.norm(dim=0) for x in (first, second))
    return dots(a, b)


COSINES = {
    "cosine_matrix": {
        "dot-product": dots,
        "one-side-normalised": lambda a, b: dots(a, b) / row_lengths(a)[:, None],
        "second-side-normalised": lambda a, b: dots(a, b) / row_lengths(b),
        "wrong-axis": along_the_batch,
        "whole-matrix": lambda a, b: dots(a, b) / (torch.linalg.norm(a) * torch.linalg.norm(b)),
        "squared-length": lambda a, b: dots(a, b) / (a.pow(2).sum(1)[:, None] * b.pow(2).sum(1)),
    }
}

# ---- contrast: scores minus a log-sum-exp, the diagonal picked ----


def scaled(first, second, temperature):
    return F.normalize(first, dim=1) @ F.normalize(second, dim=1).mT / temperature


def one_way(scores, at=None):
    """How badly each row finds its partner: the diagonal, or the column `at`."""
    right = scores.diagonal() if at is None else scores[:, at]
    return (torch.logsumexp(scores, dim=1) - right).mean()


def both_ways(scores, at=None):
    return 0.5 * one_way(scores, at) + 0.5 * one_way(scores.mT, at)


def rows_alone(first, second, temperature):
    return one_way(scaled(first, second, temperature))


def added(first, second, temperature):
    scores = scaled(first, second, temperature)
    return one_way(scores) + one_way(scores.mT)


def by_distance(first, second, temperature):
    distance = 1 - scaled(first, second, 1)
    return both_ways(distance / temperature)


def likelihood(first, second, temperature):
    chances = scaled(first, second, temperature).log_softmax(dim=1).diagonal()
    back = scaled(second, first, temperature).log_softmax(dim=1).diagonal()
    return (chances.mean() + back.mean()) / 2


def by_the_batch(first, second, temperature):
    return both_ways((first / first.norm(dim=0)) @ (second / second.norm(dim=0)).mT / temperature)


def soft_and_soft(first, second, temperature):
    return both_ways(torch.softmax(scaled(first, second, temperature), dim=1))


def rivals_only(first, second, temperature):
    scores = scaled(first, second, temperature)
    N = len(scores)
    total = 0.0
    for table in (scores, scores.mT):
        for i in range(N):
            rivals = torch.cat([table[i, :i], table[i, i + 1 :]])
            total = total + rivals.exp().sum().log() - table[i, i]
    return total / (2 * N)


CONTRAST = {
    "contrast": {
        "one-direction": rows_alone,
        "summed-directions": added,
        "no-temperature": lambda u, v, temperature: both_ways(scaled(u, v, 1)),
        "temperature-multiplied": lambda u, v, temperature: both_ways(scaled(u, v, 1 / temperature)),
        "pushed-apart": by_distance,
        "sign-lost": likelihood,
        "not-normalised": lambda u, v, temperature: both_ways(dots(u, v) / temperature),
        "wrong-axis": by_the_batch,
        "whole-matrix": lambda u, v, temperature: both_ways(
            dots(u, v) / torch.linalg.norm(u) / torch.linalg.norm(v) / temperature
        ),
        "labels-all-zero": lambda u, v, temperature: both_ways(scaled(u, v, temperature), at=0),
        "softmax-twice": soft_and_soft,
        "partner-left-out": rivals_only,
    }
}

# ---- bug: the three steps, each with its bug in or out ----


def half_repaired(axis=False, scale=False, label=False):
    """The bugs that are still in."""

    def repaired(first, second, temperature):
        along = 0 if axis else 1
        scores = (first / first.norm(dim=along, keepdim=True)) @ (
            second / second.norm(dim=along, keepdim=True)
        ).mT
        scores = scores.mul(temperature) if scale else scores.div(temperature)
        return both_ways(scores, at=0 if label else None)

    return repaired


BUG = {
    "repaired": {
        "bug-left-axis": half_repaired(axis=True),
        "bug-left-scale": half_repaired(scale=True),
        "bug-left-label": half_repaired(label=True),
        "bug-left-axis-scale": half_repaired(axis=True, scale=True),
        "bug-left-axis-label": half_repaired(axis=True, label=True),
        "bug-left-scale-label": half_repaired(scale=True, label=True),
        "bug-left-axis-scale-label": half_repaired(axis=True, scale=True, label=True),
    }
}

# ---- report: normal equations; sorting ----


def solved(x, y, bias=True):
    """A function that guesses y from x: normal equations of centred rows."""
    x, y = x.double(), y.double()
    mean_x, mean_y = (x.mean(0), y.mean(0)) if bias else (0.0, 0.0)
    inner = (x - mean_x).mT @ (x - mean_x)
    weight = torch.linalg.solve(inner, (x - mean_x).mT @ (y - mean_y))
    return lambda new: (new.double() - mean_x) @ weight + mean_y


def mean_square(guess, wanted):
    return F.mse_loss(guess, wanted.double()).to(wanted.dtype)


def all_rows(x, y, new_x, new_y):
    rule = solved(torch.vstack([x, new_x]), torch.vstack([y, new_y]))
    return mean_square(rule(new_x), new_y)


def no_bias(x, y, new_x, new_y):
    return mean_square(solved(x, y, bias=False)(new_x), new_y)


def total(x, y, new_x, new_y):
    return mean_square(solved(x, y)(new_x), new_y) * new_y.numel()


def rooted(x, y, new_x, new_y):
    return mean_square(solved(x, y)(new_x), new_y) ** 0.5


def order(table):
    """Rates from worst to best by the mean over seeds."""
    return torch.argsort(table.mean(dim=1)).tolist()


def peeks(validation, test):
    best = order(test)[-1]
    return best, test[best].mean()


def lucky(validation, test):
    best = int(validation.flatten().argmax()) // validation.shape[1]
    return best, test[best].mean()


def on_validation(validation, test):
    best = order(validation)[-1]
    return best, validation.mean(dim=1)[best]


def shiniest(validation, test):
    best = order(validation)[-1]
    return best, test[best].sort().values[-1]


REPORT = {
    "unseen_error": {
        "test-rows-fitted": all_rows,
        "fitted-on-test": lambda x, y, new_x, new_y: mean_square(solved(new_x, new_y)(new_x), new_y),
        "training-error-told": lambda x, y, new_x, new_y: mean_square(solved(x, y)(x), y),
        "no-bias": no_bias,
        "summed-not-averaged": total,
        "root-taken": rooted,
    },
    "report": {
        "chosen-on-test": peeks,
        "best-single-run": lucky,
        "validation-score-told": on_validation,
        "best-seed-told": shiniest,
    },
}

PLANTED = {
    "transfer.pairs": PAIRS,
    "transfer.count": COUNT,
    "transfer.freeze": FREEZE,
    "transfer.groups": GROUPS,
    "transfer.cosines": COSINES,
    "transfer.contrast": CONTRAST,
    "transfer.bug": BUG,
    "transfer.report": REPORT,
}
