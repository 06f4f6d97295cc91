"""Every misconception of unit 03 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import torch
import torch.nn.functional as F

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "max and min take their arguments in any order": r"^(max|min)\(.*  ->  (max|min)\(",
    "a tensor of one number is as good as the number": r"^sentence\[[ij]\]\.item\(\)  ->",
    "a power of 3/4 makes floats of whole numbers": r"^counts\.float\(\)  ->  counts$",
    "two axes: the last is also axis 1": r"^-1  ->  1$",
    "a slice takes a tensor for its end": r"^lengths\.tolist\(\)  ->  lengths$",
    "a mean that stands there twice is as near as once": r"^y\.unique\(\)  ->  y$",
}

# ---- pairs: loops, with what is different as an argument ----


def pairs(left=0, right=0, own=False, swap=False, words=False, sides=(True, True)):
    def skipgram_pairs(sentence, window):
        rows, ids = [], sentence.tolist()
        for i in range(len(ids)):
            for j in range(len(ids)):
                near = i - window - left <= j <= i + window + right
                if not near or (j == i and not own):
                    continue
                if (j < i and not sides[0]) or (j > i and not sides[1]):
                    continue
                if words and ids[i] == ids[j]:
                    continue
                rows.append((ids[j], ids[i]) if swap else (ids[i], ids[j]))
        return torch.tensor(rows, dtype=torch.long).reshape(-1, 2)

    return skipgram_pairs


# ---- noise and loss ----


def noise(power, inside=False, divide=True):
    def noise_distribution(counts):
        weight = counts.double()
        if inside:
            weight = weight / weight.sum()
        weight = weight.pow(power)
        return (weight / weight.sum() if divide else weight).float()

    return noise_distribution


def sampling(signs=(1, -1), reduce=torch.sum, batch=torch.mean, log=True, use_noise=True):
    def sampling_loss(centre, neighbour, noise):
        total = []
        for v, u, others in zip(centre, neighbour, noise):
            real, fake = signs[0] * torch.dot(u, v), signs[1] * (others @ v)
            if log:
                real, fake = -F.softplus(-real), -F.softplus(-fake)
            else:
                real, fake = torch.special.expit(real), torch.special.expit(fake)
            total.append(-(real + (reduce(fake) if use_noise else 0)))
        return batch(torch.stack(total))

    return sampling_loss


def sampling_softmax(centre, neighbour, noise):
    logits = torch.cat([(centre * neighbour).sum(1, keepdim=True), (noise @ centre[..., None])[..., 0]], 1)
    return F.cross_entropy(logits, torch.zeros(len(centre), dtype=torch.long))


def sampling_overflow(centre, neighbour, noise):
    real = torch.log(1 / (1 + torch.exp(-(centre * neighbour).sum(1))))
    fake = torch.log(1 / (1 + torch.exp((noise * centre.unsqueeze(1)).sum(2))))
    return -(real + fake.sum(1)).mean()


# ---- labels: padded with F.pad ----


def labels(ids, pad_id, step=1, to_padding=False, at_padding=False, wrap=False):
    nothing = ids.eq(pad_id)
    if wrap:
        forward = torch.cat([ids[:, step:], ids[:, :step]], 1)
        backward = torch.cat([ids[:, -step:], ids[:, :-step]], 1)
    else:
        forward = F.pad(ids[:, step:], (0, step), value=-100)
        backward = F.pad(ids[:, :-step], (step, 0), value=-100)
    if not to_padding:
        forward = torch.where(forward.eq(pad_id), -100, forward)
        if not at_padding:
            forward = torch.where(nothing, -100, forward)
    if not at_padding:
        backward = torch.where(nothing, -100, backward)
        if not to_padding:
            forward = torch.where(nothing, -100, forward)
    return forward, backward


def wrong_way(ids, pad_id):
    forward, backward = labels(ids, pad_id)
    return backward, forward


def own_word(ids, pad_id):
    return tuple(torch.where(ids != pad_id, ids, torch.tensor(-100)) for _ in range(2))


# ---- turn round: by an index ----


def reverse(off=0, longest=False, zero=False):
    def reverse_rows(x, lengths):
        if longest:
            lengths = lengths.max().expand(len(lengths))
        place = torch.arange(x.shape[1])[None]
        last = torch.minimum(lengths[:, None] + off, torch.tensor(x.shape[1])) - 1
        index = torch.where(place <= last, last - place, place)
        out = torch.gather(x, 1, index[..., None].expand_as(x))
        return torch.where((place <= last)[..., None], out, torch.zeros(())) if zero else out

    return reverse_rows


# ---- the mix: loops ----


def mix(share, scaled=True):
    def mix_layers(layers, s, gamma):
        shares = share(s, gamma)
        out = []
        for k in range(len(s)):
            total = torch.zeros_like(layers[0])
            for j in range(len(layers)):
                total = total + shares[k, j] * layers[j]
            out.append(gamma[k] * total if scaled else total)
        return torch.stack(out)

    return mix_layers


# ---- the probe: one row at a time ----


def probe(leak=False, ask="new", far=False):
    def repaired_probe(x, y, is_train):
        senses = sorted({int(c) for c in y})
        learn = [i for i in range(len(x)) if leak or is_train[i]]
        means = [x[[i for i in learn if y[i] == c]].mean(0) for c in senses]
        right = []
        for i in range(len(x)):
            if ask == "all" or bool(is_train[i]) == (ask == "train"):
                distances = [torch.dist(x[i], m).item() for m in means]
                best = (max if far else min)(distances)
                right.append(senses[distances.index(best)] == int(y[i]))
        return sum(right) / len(right)

    return repaired_probe


def most_frequent(x, y, is_train):
    known = y[is_train].tolist()
    guess = max(sorted(set(known)), key=known.count)
    return sum(label == guess for label in y[~is_train].tolist()) / int((~is_train).sum())


def said(**changes):
    return lambda: {"A": 50, "B": 50, "C": 100, "D": 100, "E": 50, **changes}


PLANTED = {
    "contextual.pairs": {
        "skipgram_pairs": {
            "window-too-small": pairs(right=-1),
            "window-off-by-one": pairs(left=-1, right=-1),
            "window-too-large": pairs(left=1, right=1),
            "own-target": pairs(own=True),
            "left-only": pairs(sides=(True, False)),
            "right-only": pairs(sides=(False, True)),
            "columns-swapped": pairs(swap=True),
            "words-compared": pairs(words=True),
        },
    },
    "contextual.sampling": {
        "noise_distribution": {
            "plain-counts": noise(1),
            "wrong-power": noise(4 / 3),
            "square-root": noise(0.5),
            "uniform": noise(0),
            "no-denominator": noise(0.75, inside=True, divide=False),
            "never-divided": noise(0.75, divide=False),
        },
        "sampling_loss": {
            "noise-attracted": sampling(signs=(1, 1)),
            "neighbour-repelled": sampling(signs=(-1, 1)),
            "noise-forgotten": sampling(use_noise=False),
            "noise-averaged": sampling(reduce=torch.mean),
            "batch-summed": sampling(batch=torch.sum),
            "no-logarithm": sampling(log=False),
            "softmax": sampling_softmax,
            "overflow": sampling_overflow,
        },
    },
    "contextual.shift": {
        "two_way_labels": {
            "wrong-way": wrong_way,
            "looks-at-the-answer": own_word,
            "both-forward": lambda ids, pad_id: (labels(ids, pad_id)[0], labels(ids, pad_id)[0]),
            "wraps-round": lambda ids, pad_id: labels(ids, pad_id, wrap=True),
            "predicts-padding": lambda ids, pad_id: labels(ids, pad_id, to_padding=True),
            "asked-at-padding": lambda ids, pad_id: labels(ids, pad_id, at_padding=True),
            "padding-scored": lambda ids, pad_id: labels(ids, pad_id, to_padding=True, at_padding=True),
            "shifted-twice": lambda ids, pad_id: labels(ids, pad_id, step=2),
        },
    },
    "contextual.reverse": {
        "reverse_rows": {
            "padding-first": lambda x, lengths: torch.stack(x.unbind(1)[::-1], 1),
            "not-reversed": lambda x, lengths: x + 0,
            "one-length": reverse(longest=True),
            "length-off-by-one": reverse(off=1),
            "padding-zeroed": reverse(zero=True),
            "vectors-reversed": lambda x, lengths: torch.stack(x.unbind(2)[::-1], 2),
        },
    },
    "contextual.mix": {
        "mix_layers": {
            "wrong-axis": mix(lambda s, g: F.softmax(s.T, dim=1).T),
            "no-softmax": mix(lambda s, g: s),
            "only-divided": mix(lambda s, g: s / s.sum(1)[:, None]),
            "not-normalised": mix(lambda s, g: torch.exp(s)),
            "overflow": mix(lambda s, g: torch.exp(s) / torch.exp(s).sum(1)[:, None]),
            "no-gamma": mix(lambda s, g: F.softmax(s, dim=-1), scaled=False),
            "gamma-inside": mix(lambda s, g: F.softmax(s * g.unsqueeze(1), dim=-1), scaled=False),
            "plain-mean": mix(lambda s, g: torch.ones_like(s) / s.shape[1]),
        },
    },
    "contextual.probe": {
        "repaired_probe": {
            "bug-left-leak": probe(leak=True),
            "bug-left-train": probe(ask="train"),
            "bug-left-far": probe(far=True),
            "bug-left-leak-train": probe(leak=True, ask="train"),
            "bug-left-leak-far": probe(leak=True, far=True),
            "bug-left-train-far": probe(ask="train", far=True),
            "bug-left-leak-train-far": probe(leak=True, ask="train", far=True),
            "scored-on-all": probe(ask="all"),
            "leaked-and-scored-on-all": probe(leak=True, ask="all"),
            "majority": most_frequent,
        },
    },
    "contextual.reduction": {
        "error_reduction": {
            "relative-to-score": lambda before, after: (after / before - 1) * 100,
            "relative-to-new-errors": lambda before, after: ((100 - before) / (100 - after) - 1) * 100,
            "absolute": lambda before, after: torch.sub(after, before),
            "fraction": lambda before, after: 1 - (100 - after) / (100 - before),
            "errors-left": lambda before, after: (100 - after) / (100 - before) * 100,
        },
    },
    "contextual.predict": {
        "predict": {
            "sides-swapped": said(B=100, C=50),
            "fixed-is-enough": said(A=100, E=100),
            "layer-zero": said(E=100),
            "halves-average": said(D=75),
            "halves-see-all": said(B=100),
        },
        "hard_for_elmo": {
            "copies-left": lambda: torch.tensor([[5, 7, 5], [5, 7, 6], [6, 8, 5], [6, 8, 6]]),
            "copies-right": lambda: torch.tensor([[5, 7, 5], [5, 8, 6], [6, 7, 5], [6, 8, 6]]),
            "and": lambda: torch.tensor([[1, 1, 1], [0, 0, 1], [1, 0, 0], [0, 0, 0]]),
            "coin": lambda: torch.cartesian_prod(*[torch.arange(2)] * 3),
            "constant": lambda: torch.tensor([[0, 9, 0], [0, 9, 1], [1, 9, 0], [1, 9, 1]]),
        },
    },
}
