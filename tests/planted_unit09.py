"""Every misconception of unit 09 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import functools
import itertools
import math
import operator
from collections import Counter

import torch

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "the last two axes, exchanged": r"key\.transpose",
    "the larger of two, in another order": r"max\(best",
}

# ---- the decoder's input ----


def unchanged_but_padded(labels, start_id, pad_id):
    return torch.where(labels == -100, pad_id, labels)


def rolled(labels, start_id, pad_id):
    return torch.roll(labels, 1, dims=1).clamp(min=pad_id)


def to_the_left(labels, start_id, pad_id):
    ids = torch.cat([labels[:, 1:], labels[:, -1:]], dim=-1)
    ids[ids == -100] = pad_id
    return ids


def minus_100_kept(labels, start_id, pad_id):
    ids = labels.roll(1, dims=1)
    ids[:, 0] = start_id
    return ids


# ---- cross-attention ----


def weights_of(scores):
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)


def looks_at_padding(x, memory, w_query, w_key, w_value, is_real):
    scores = (x @ w_query) @ (memory @ w_key).mT / w_query.shape[1] ** 0.5
    return weights_of(scores) @ (memory @ w_value)


def source_asks(x, memory, w_query, w_key, w_value, is_real):
    scores = (memory @ w_query) @ (x @ w_key).mT / w_query.shape[1] ** 0.5
    return weights_of(scores) @ (x @ w_value)


def causal_too(x, memory, w_query, w_key, w_value, is_real):
    scores = (x @ w_query) @ (memory @ w_key).mT / w_query.shape[1] ** 0.5
    T, S = scores.shape[1:]
    seen = torch.arange(S)[None] <= torch.arange(T)[:, None]
    return weights_of(torch.where(seen & is_real[:, None], scores, torch.tensor(-1e9))) @ (memory @ w_value)


def without_root(x, memory, w_query, w_key, w_value, is_real):
    scores = (x @ w_query) @ (memory @ w_key).mT
    return weights_of(torch.where(is_real[:, None], scores, torch.tensor(-1e9))) @ (memory @ w_value)


# ---- infilling ----


def starts(spans):
    return {start: length for start, length in spans}


def token_by_token(tokens, spans, mask):
    hidden = {start + i for start, length in spans for i in range(length)}
    made = []
    for i in range(len(tokens) + 1):
        if i < len(tokens):
            made.append(mask if i in hidden else tokens[i])
    return made


def from_left_to_right(tokens, spans, mask):
    made = list(tokens)
    for start, length in spans:
        made[start : start + length] = [mask]
    return made


def at_least_one(tokens, spans, mask):
    made = list(tokens)
    for start, length in reversed(spans):
        made[start : start + (length or 1)] = [mask]
    return made


def without_empty(tokens, spans, mask):
    made = list(tokens)
    for start, length in reversed([span for span in spans if span[1]]):
        made[start : start + length] = [mask]
    return made


def cut_out(tokens, spans, mask):
    made = list(tokens)
    for start, length in reversed(spans):
        del made[start : start + length]
    return made


def joined(tokens, spans, mask):
    whole = []
    for start, length in spans:
        if whole and sum(whole[-1]) == start:
            whole[-1] = (whole[-1][0], whole[-1][1] + length)
        else:
            whole.append((start, length))
    made = list(tokens)
    for start, length in reversed(whole):
        made[start : start + length] = [mask]
    return made


# ---- order ----


def cut(tokens, stop):
    """Sentences with their stops, and what is left behind the last."""
    sentences, now = [], []
    for token in tokens:
        now.append(token)
        if token == stop:
            sentences.append(now)
            now = []
    return sentences, now


def forgets_the_rest(tokens, order, stop="."):
    sentences, _ = cut(tokens, stop)
    made = []
    for i in order:
        if i < len(sentences):
            made.extend(sentences[i])
    return made


def stop_in_front(tokens, order, stop="."):
    places = [0] + [i for i, token in enumerate(tokens) if token == stop] + [len(tokens)]
    sentences = [tokens[a:b] for a, b in itertools.pairwise(places)]
    return functools.reduce(operator.iadd, (sentences[i] for i in order), [])


def goes_to(tokens, order, stop="."):
    sentences, rest = cut(tokens, stop)
    sentences += [rest] if rest else []
    placed = [None] * len(order)
    for i, place in enumerate(order):
        placed[place] = sentences[i]
    return functools.reduce(operator.iadd, placed, [])


def only_the_back(tokens, start):
    return [token for i, token in enumerate(tokens) if i >= start]


def last_to_front(tokens, start):
    made = list(tokens)
    for _ in range(start):
        made.insert(0, made.pop())
    return made


def turned_over(tokens, start):
    front = list(reversed(tokens[:start]))
    return [*tokens[start:], *front]


# ---- the state that classifies ----


def at_the_end(hidden, ids, eos_id):
    return hidden[:, hidden.shape[1] - 1]


def at_the_start(hidden, ids, eos_id):
    return hidden.select(1, 0)


def earliest_eos(hidden, ids, eos_id):
    return torch.stack([h[row.tolist().index(eos_id)] for h, row in zip(hidden, ids)])


def averaged(hidden, ids, eos_id):
    return hidden.sum(1) / ids.shape[1]


# ---- ROUGE-L ----


def subsequence(a, b):
    if not a or not b:
        return 0
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            same = a[i - 1] == b[j - 1]
            best[i][j] = best[i - 1][j - 1] + 1 if same else max(best[i - 1][j], best[i][j - 1])
    return best[-1][-1]


def harmonic(n, written, wanted):
    return 2 * n / (len(written) + len(wanted))


def run_of_words(written, wanted):
    runs = {tuple(wanted[i:j]) for i in range(len(wanted)) for j in range(i + 1, len(wanted) + 1)}
    n = max(
        (
            j - i
            for i in range(len(written))
            for j in range(i + 1, len(written) + 1)
            if tuple(written[i:j]) in runs
        ),
        default=0,
    )
    return harmonic(n, written, wanted)


def first_come(seeking, sought):
    """How many find a place, each in what is left behind the last."""
    rest, n = iter(sought), 0
    for word in seeking:
        rest, ahead = itertools.tee(rest)
        if word in ahead:
            rest, n = ahead, n + 1
    return n


def first_match(written, wanted):
    return harmonic(first_come(written, wanted), written, wanted)


def first_match_of_wanted(written, wanted):
    return harmonic(first_come(wanted, written), written, wanted)


def bag_of_words(written, wanted):
    return harmonic(sum((Counter(written) & Counter(wanted)).values()), written, wanted)


def recall(written, wanted):
    return subsequence(written, wanted) / len(wanted)


def precision(written, wanted):
    return subsequence(written, wanted) / len(written)


def middle(written, wanted):
    return 0.5 * recall(written, wanted) + 0.5 * precision(written, wanted)


# ---- numbers ----

NUMBERS = {"masked": 100, "deleted": 70, "infilled": 80, "empty": math.exp(-3), "orders": 24, "written": 100}


def numbers(**changed):
    return lambda: {**NUMBERS, **changed}


PLANTED = {
    "bart.shift": {
        "shift_right": {
            "not-shifted": unchanged_but_padded,
            "rolled-round": rolled,
            "shifted-left": to_the_left,
            "minus-100-stays": minus_100_kept,
        }
    },
    "bart.cross": {
        "cross_attention": {
            "padding-attended": looks_at_padding,
            "roles-swapped": source_asks,
            "causal-mask": causal_too,
            "not-scaled": without_root,
        }
    },
    "bart.infill": {
        "infill": {
            "one-mask-a-token": token_by_token,
            "places-have-moved": from_left_to_right,
            "empty-spans-hide-one": at_least_one,
            "empty-spans-dropped": without_empty,
            "spans-deleted": cut_out,
            "touching-spans-merged": joined,
        }
    },
    "bart.order": {
        "permute": {
            "rest-lost": forgets_the_rest,
            "stop-leads": stop_in_front,
            "order-inverted": goes_to,
        },
        "rotate": {
            "front-lost": only_the_back,
            "turned-the-other-way": last_to_front,
            "front-reversed": turned_over,
        },
    },
    "bart.state": {
        "final_state": {
            "last-place": at_the_end,
            "first-place": at_the_start,
            "first-eos": earliest_eos,
            "mean-of-all": averaged,
        }
    },
    "bart.rouge": {
        "rouge_l": {
            "one-run-only": run_of_words,
            "greedy": first_match,
            "greedy-in-the-wanted": first_match_of_wanted,
            "order-ignored": bag_of_words,
            "recall-only": recall,
            "precision-only": precision,
            "plain-mean": middle,
        }
    },
    "bart.predict": {
        "predict": {
            "masks-take-no-room": numbers(masked=70),
            "deletion-keeps-length": numbers(deleted=100),
            "infilling-without-masks": numbers(infilled=70),
            "one-mask-for-all": numbers(infilled=71),
            "never-empty": numbers(empty=0.0),
            "one-in-three": numbers(empty=0.333),
            "squared": numbers(orders=16),
            "holes-only": numbers(written=30),
        }
    },
}
