"""Every misconception of unit 10 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import math

import torch

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "a size of `near` is in bucket `near` by both rules": r"size < near  ->  size <= near",
    "what is near is not read from the logarithm": r"size\.clamp\(min=1\)  ->  size|^1  ->  [02]$",
    "the last two axes, exchanged": r"key\.transpose|^-2  ->  2$",
    "a common factor goes when the shares are made to sum to one": r"size / size\.sum\(\)  ->",
    "of one axis the first is the last": r"^0  ->  -1$",
    "of two axes the last is the second": r"^-1  ->  1$",
}

# ---- spans ----


def hidden_places(spans):
    return {start + i: n for n, (start, length) in enumerate(spans) for i in range(length)}


def walk(tokens, spans, sentinels, always=False, same=False):
    """Token by token: the text with sentinels."""
    place, read, seen = hidden_places(spans), [], set()
    for i, token in enumerate(tokens):
        if i not in place:
            read.append(token)
        elif always or place[i] not in seen:
            seen.add(place[i])
            read.append(sentinels[0 if same else place[i]])
    return read


def target(tokens, spans, sentinels, same=False, last=True):
    write = []
    for n, (start, length) in enumerate(spans):
        write.append(sentinels[0 if same else n])
        write.extend(tokens[start : start + length])
    if last:
        write.append(sentinels[0 if same else len(spans)])
    return write


def reused(tokens, spans, sentinels):
    return walk(tokens, spans, sentinels, same=True), target(tokens, spans, sentinels, same=True)


def mask_each(tokens, spans, sentinels):
    return walk(tokens, spans, sentinels, always=True), target(tokens, spans, sentinels)


def open_end(tokens, spans, sentinels):
    return walk(tokens, spans, sentinels), target(tokens, spans, sentinels, last=False)


def announced_late(tokens, spans, sentinels):
    write = []
    for n, (start, length) in enumerate(spans):
        write += [*tokens[start : start + length], sentinels[n]]
    return walk(tokens, spans, sentinels), [*write, sentinels[len(spans)]]


def like_bart(tokens, spans, sentinels):
    return walk(tokens, spans, sentinels), [*tokens]


def bare_words(tokens, spans, sentinels):
    return walk(tokens, spans, sentinels), [tokens[i] for i in sorted(hidden_places(spans))]


# ---- restore ----


def pieces(write, sentinels):
    """[(sentinel, words)] of a target; words in front of the first are left out."""
    found = []
    for token in write:
        if token in sentinels:
            found.append((token, []))
        elif found:
            found[-1][1].append(token)
    return found


def fill(read, sentinels, words_of):
    whole = []
    for token in read:
        whole.extend(words_of(token) if token in sentinels else [token])
    return whole


def keeps_sentinels(read, write, sentinels):
    said = dict(pieces(write, sentinels))
    return fill(read, sentinels, lambda token: [token] + said[token] if token in said else [])


def one_after_the_other(read, write, sentinels):
    queue = [words for _, words in pieces(write, sentinels)]
    return fill(read, sentinels, lambda token: queue.pop(0) if queue else [])


def leaves_forgotten(read, write, sentinels):
    said = dict(pieces(write, sentinels))
    return fill(read, sentinels, lambda token: said.get(token, [token]))


def front_words(read, write, sentinels):
    first = next(token for token in read if token in sentinels)
    lead = []
    for token in write:
        if token in sentinels:
            break
        lead.append(token)
    said = dict(pieces(write, sentinels))
    said[first] = lead + said.get(first, [])
    return fill(read, sentinels, lambda token: said.get(token, []))


# ---- buckets: number by number ----


def by_number(one):
    def bucket(distance, n_buckets, furthest, both_ways):
        return torch.tensor([one(int(d), n_buckets, furthest, both_ways) for d in distance])

    return bucket


def grown(d, near, count, furthest):
    if d < near:
        return d
    place = near + int(math.log(d / near) / math.log(furthest / near) * (count - near))
    return min(place, count - 1)


def other_side(d, n, furthest, both_ways):
    if not both_ways:
        return grown(max(-d, 0), n // 2, n, furthest)
    half = n // 2
    return (half if d < 0 else 0) + grown(abs(d), half // 2, half, furthest)


def full_tables(d, n, furthest, both_ways):
    if not both_ways:
        return grown(max(-d, 0), n // 2, n, furthest)
    return (n // 2 if d > 0 else 0) + grown(abs(d), n // 2, n, furthest)


def straight(d, n, furthest, both_ways):
    if not both_ways:
        return min(max(-d, 0), n - 1)
    half = n // 2
    return (half if d > 0 else 0) + min(abs(d), half - 1)


def both_pasts(d, n, furthest, both_ways):
    if not both_ways:
        return grown(abs(d), n // 2, n, furthest)
    half = n // 2
    return (half if d > 0 else 0) + grown(abs(d), half // 2, half, furthest)


def early_logarithm(d, n, furthest, both_ways):
    if not both_ways:
        return grown(max(-d, 0), n // 4, n, furthest)
    half = n // 2
    return (half if d > 0 else 0) + grown(abs(d), half // 4, half, furthest)


# ---- attention with a bias ----


def weights_of(scores, mask):
    if mask is not None:
        scores = torch.where(mask, scores, torch.tensor(-1e30))
    powers = torch.exp(scores - scores.amax(-1, keepdim=True))
    return powers / powers.sum(-1, keepdim=True)


def added_late(query, key, value, bias, mask=None):
    return (weights_of(query @ key.mT, mask) + bias) @ value


def with_root(query, key, value, bias, mask=None):
    return weights_of(query @ key.mT * query.shape[-1] ** -0.5 + bias, mask) @ value


def without_bias(query, key, value, bias, mask=None):
    return weights_of(query @ key.mT, mask) @ value


def turned(query, key, value, bias, mask=None):
    return weights_of(query @ key.mT + bias.mT, mask) @ value


# ---- mixing ----


def normalised(x):
    return x / x.sum()


def unlimited(counts, limit, temperature):
    return normalised(counts ** (1 / temperature))


def hotter(counts, limit, temperature):
    return normalised(normalised(counts.clamp(max=limit)) ** temperature)


def left_as_powers(counts, limit, temperature):
    return normalised(counts.clamp(max=limit)).pow(1 / temperature)


def softened(counts, limit, temperature):
    return torch.softmax(normalised(counts.clamp(max=limit)) / temperature, dim=0)


def cut_at_the_end(counts, limit, temperature):
    share = normalised(counts).pow(1 / temperature) * counts.sum()
    return normalised(share.clamp(max=limit))


# ---- verbalisers ----


def log_p(logits_of, ids):
    return [float(row.log_softmax(0)[i]) for row, i in zip(logits_of(ids), ids)]


def compared(totals):
    return torch.tensor(totals).softmax(0)


def only_first(logits_of, candidates):
    return compared([log_p(logits_of, ids)[0] for ids in candidates])


def averaged(logits_of, candidates):
    return compared([sum(log_p(logits_of, ids)) / len(ids) for ids in candidates])


def absolute(logits_of, candidates):
    return torch.tensor([math.exp(sum(log_p(logits_of, ids))) for ids in candidates])


def from_logits(logits_of, candidates):
    return compared([sum(float(row[i]) for row, i in zip(logits_of(ids), ids)) for ids in candidates])


def one_late(logits_of, candidates):
    totals = []
    for ids in candidates:
        rows = logits_of(ids).log_softmax(-1)
        rows = torch.cat([rows[1:], rows[:1]])
        totals.append(sum(float(row[i]) for row, i in zip(rows, ids)))
    return compared(totals)


# ---- numbers ----

NUMBERS = {"bert": 77, "bart": 512, "t5": 104, "read": 461, "bias": 512}


def numbers(**changed):
    return lambda: {**NUMBERS, **changed}


PLANTED = {
    "t5.spans": {
        "corrupt": {
            "one-sentinel-for-all": reused,
            "one-sentinel-a-token": mask_each,
            "no-last-sentinel": open_end,
            "sentinel-behind": announced_late,
            "whole-text-written": like_bart,
            "only-words-written": bare_words,
        }
    },
    "t5.restore": {
        "restore": {
            "sentinel-stays": keeps_sentinels,
            "by-order": one_after_the_other,
            "forgotten-sentinel-stays": leaves_forgotten,
            "front-words-kept": front_words,
        }
    },
    "t5.buckets": {
        "bucket": {
            "sides-exchanged": by_number(other_side),
            "not-halved": by_number(full_tables),
            "no-logarithm": by_number(straight),
            "future-has-buckets": by_number(both_pasts),
            "a-quarter-exact": by_number(early_logarithm),
        }
    },
    "t5.bias": {
        "attend": {
            "after-the-softmax": added_late,
            "divided-by-the-root": with_root,
            "bias-not-used": without_bias,
            "bias-turned": turned,
        }
    },
    "t5.mix": {
        "mix": {
            "no-limit": unlimited,
            "power-of-t": hotter,
            "not-normalised": left_as_powers,
            "softmax-of-shares": softened,
            "limit-last": cut_at_the_end,
        }
    },
    "t5.shares": {
        "shares": {
            "first-token-only": only_first,
            "mean-of-tokens": averaged,
            "over-the-vocabulary": absolute,
            "raw-logits": from_logits,
            "read-one-late": one_late,
        }
    },
    "t5.predict": {
        "predict": {
            "bert-writes-all": numbers(bert=512),
            "bart-writes-holes": numbers(bart=77),
            "sentinels-not-counted": numbers(t5=77),
            "last-sentinel-forgotten": numbers(t5=103),
            "holes-are-not-read": numbers(read=435),
            "read-in-full": numbers(read=512),
            "one-side": numbers(bias=256),
            "a-table-a-layer": numbers(bias=3_072),
        }
    },
}
