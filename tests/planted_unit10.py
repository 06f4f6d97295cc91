"""Every misconception of unit 10 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "a size of `near` is in bucket `near` by both rules": r"size < near  ->  size <= near",
    "what is near is not read from the logarithm": r"size\.clamp\(min=1\)  ->  size|^1  ->  [02]$",
    "the last two axes, exchanged": r"key\.transpose|^-2  ->  2$",
    "a common factor goes when the shares are made to sum to one": r"size / size\.sum\(\)  ->",
    "of one axis the first is the last": r"^0  ->  -1$",
    "of two axes the last is the second": r"^-1  ->  1$",
    "another plan that keeps all limits": r"^(8|26|40)  ->  \d+$",
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


def closed_by(sentinel_of):
    """The target of `target`, with another last sentinel."""

    def answer(tokens, spans, sentinels):
        write = target(tokens, spans, sentinels)
        write[-1] = sentinel_of(sentinels, len(spans))
        return walk(tokens, spans, sentinels), write

    return answer


def slices(tokens, cuts, sentinels):
    """Both lists from pairs (first, behind the last)."""
    ends = [0] + [end for _, end in cuts]
    read, write = [], []
    for n, (start, end) in enumerate(cuts):
        read.extend(tokens[ends[n] : start])
        read.append(sentinels[n])
        write.append(sentinels[n])
        write.extend(tokens[start:end])
    write.append(sentinels[len(cuts)])
    return read + tokens[ends[-1] :], write


def start_and_end(tokens, spans, sentinels):
    return slices(tokens, spans, sentinels)


def end_included(tokens, spans, sentinels):
    return slices(tokens, [(start, start + n + 1) for start, n in spans], sentinels)


def replaced_in_a_copy(tokens, spans, sentinels):
    text = tokens
    for n, (start, length) in enumerate(spans):
        text = [*text[:start], sentinels[n], *text[start + length :]]
    return text, target(tokens, spans, sentinels)


def popped_from_a_copy(tokens, spans, sentinels):
    text, write = tokens, []
    for n, (start, length) in enumerate(spans):
        write += [sentinels[n], *text[start : start + length]]
        text = [*text[:start], sentinels[n], *text[start + length :]]
    return text, [*write, sentinels[len(spans)]]


def backwards(tokens, spans, sentinels):
    names = list(reversed(sentinels))
    return walk(tokens, spans, names), target(tokens, spans, names)


def in_rising_order(tokens, spans, sentinels):
    names = sorted(sentinels)
    return walk(tokens, spans, names), target(tokens, spans, names)


def cut_out(tokens, spans, sentinels):
    gone = hidden_places(spans)
    return [t for i, t in enumerate(tokens) if i not in gone], target(tokens, spans, sentinels)


def loop_only(tokens, spans, sentinels):
    start, length = spans[-1]
    behind = len(tokens) - start - length
    read = walk(tokens, spans, sentinels)
    return read[: len(read) - behind], target(tokens, spans, sentinels)


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


def all_that_follows(read, write, sentinels):
    place = {token: i for i, token in enumerate(write)}
    return fill(read, sentinels, lambda token: write[place[token] + 1 :] if token in place else [])


def between_neighbours(read, write, sentinels):
    following = dict(pairwise(sentinels))

    def words(token):
        begin, end = write.index(token), write.index(following[token])
        return write[begin + 1 : end]

    return fill(read, sentinels, words)


def overwritten(read, write, sentinels):
    said, current = {}, None
    for token in write:
        if token in sentinels:
            current = token
        elif current is not None:
            said[current] = token
    return fill(read, sentinels, lambda token: [said[token]] if token in said else [])


def next_word(read, write, sentinels):
    said = {one: other for one, other in pairwise(write) if other not in sentinels}
    return fill(read, sentinels, lambda token: [said[token]] if token in said else [])


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


def counted(d, n, both_ways):
    """The distance that counts, its side's first bucket, and how many buckets the side has."""
    return (abs(d), n // 2 * (d > 0), n // 2) if both_ways else (max(0, -d), 0, n)


def ahead(d, n, furthest, both_ways):
    if both_ways:
        return grown(abs(d), n // 4, n // 2, furthest) + n // 2 * (d > 0)
    return grown(max(0, d), n // 2, n, furthest)


def itself_on_the_right(d, n, furthest, both_ways):
    size, first, count = counted(d, n, both_ways)
    return (n // 2 if both_ways and d == 0 else first) + grown(size, count // 2, count, furthest)


def curved(step):
    """`step` from size, near, furthest and count to the bucket behind `near`."""

    def one(d, n, furthest, both_ways):
        size, first, count = counted(d, n, both_ways)
        near = count // 2
        return first + (size if size < near else step(size, near, furthest, count))

    return one


def steps(size, near, furthest, count):
    return math.log(size / near, furthest / near) * (count - near)


def to_the_nearest(size, near, furthest, count):
    return min(near + round(steps(size, near, furthest, count)), count - 1)


def up_to_count(size, near, furthest, count):
    return min(near + int(steps(size, near, furthest, count)), count)


def without_end(size, near, furthest, count):
    return near + int(steps(size, near, furthest, count))


def log_furthest(size, near, furthest, count):
    return min(near + int(math.log(size / near, furthest) * (count - near)), count - 1)


def without_near(size, near, furthest, count):
    return min(near + int(math.log(size, furthest) * (count - near)), count - 1)


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


def root_of_all(query, key, value, bias, mask=None):
    return weights_of((query @ key.mT + bias) * query.shape[-1] ** -0.5, mask) @ value


def times_bias(query, key, value, bias, mask=None):
    return weights_of(torch.mul(query @ key.mT, bias), mask) @ value


def one_head_for_all(query, key, value, bias, mask=None):
    return weights_of(query @ key.mT + bias[0, 0], mask) @ value


def sees_everything(query, key, value, bias, mask=None):
    return weights_of(query @ key.mT + bias, None) @ value


def allowed_hidden(query, key, value, bias, mask=None):
    return weights_of(query @ key.mT + bias, None if mask is None else mask.logical_not()) @ value


def zero_for_forbidden(query, key, value, bias, mask=None):
    scores = query @ key.mT + bias
    if mask is not None:
        scores = torch.where(mask, scores, torch.zeros(()))
    return weights_of(scores, None) @ value


def cut_late(query, key, value, bias, mask=None):
    weights = weights_of(query @ key.mT + bias, None)
    return (weights if mask is None else torch.where(mask, weights, torch.zeros(()))) @ value


def shared_among_queries(query, key, value, bias, mask=None):
    scores = query @ key.mT + bias
    if mask is not None:
        scores = torch.where(mask, scores, torch.tensor(-1e30))
    return weights_of(scores.mT, None).mT @ value


def shared_among_heads(query, key, value, bias, mask=None):
    scores = query @ key.mT + bias
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), float("-inf"))
    powers = scores.exp()
    return powers / powers.sum(1, keepdim=True) @ value


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


def roots_then_limit(counts, limit, temperature):
    return normalised(counts.pow(1 / temperature).clamp(max=limit))


def factor(counts, limit, temperature):
    return normalised(normalised(counts.clamp(max=limit)).mul(1 / temperature))


def at_least(counts, limit, temperature):
    return normalised(counts.clamp(min=limit) ** (1 / temperature))


def only_small_tasks(counts, limit, temperature):
    return normalised(torch.where(counts > limit, 0, counts) ** (1 / temperature))


def relative_to_the_largest(counts, limit, temperature):
    sizes = counts.clamp(max=limit)
    return (sizes / sizes.amax()) ** (1 / temperature)


def exponentials(counts, limit, temperature):
    powers = (counts.clamp(max=limit) - counts.clamp(max=limit).max()).div(temperature).exp()
    return normalised(powers)


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


def as_in_a_gpt(logits_of, candidates):
    totals = []
    for ids in candidates:
        rows = logits_of(ids)[:-1].log_softmax(-1)
        totals.append(sum((float(row[i]) for row, i in zip(rows, ids[1:])), 0.0))
    return compared(totals)


def only_last(logits_of, candidates):
    return compared([log_p(logits_of, ids).pop() for ids in candidates])


def sum_of_chances(logits_of, candidates):
    totals = [sum(map(math.exp, log_p(logits_of, ids))) for ids in candidates]
    return torch.tensor([one / sum(totals) for one in totals])


def parts_of_the_logs(logits_of, candidates):
    totals = [sum(log_p(logits_of, ids)) for ids in candidates]
    return torch.tensor([one / sum(totals) for one in totals])


def still_logs(logits_of, candidates):
    totals = torch.tensor([sum(log_p(logits_of, ids)) for ids in candidates])
    return totals - totals.logsumexp(0)


def down_the_column(logits_of, candidates):
    totals = []
    for ids in candidates:
        columns = logits_of(ids).T.log_softmax(-1)
        totals.append(sum(float(columns[i, t]) for t, i in enumerate(ids)))
    return compared(totals)


# ---- the loss, step by step ----


def trained(start="pad", late=True, places="text", mean=True):
    """One token after the other; `late`: the decoder's input is shifted."""

    def loss(model, read, write, pad_id, end_id):
        decoder_ids = torch.roll(write, 1, 1) if late else write.clone()
        decoder_ids[:, 0] = pad_id if start == "pad" else end_id
        log_p = model(read, decoder_ids).log_softmax(-1)
        losses = []
        for b, row in enumerate(write.tolist()):
            for t, token in enumerate(row):
                skipped = {"text": (pad_id,), "words": (pad_id, end_id), "all": ()}[places]
                if token not in skipped:
                    losses.append(-log_p[b, t, token])
        total = sum(losses)
        return total / len(losses) if mean else total

    return loss


def reading(write, pad_id):
    return F.pad(write[:, :-1], (1, 0), value=pad_id)


def all_places_divide(model, read, write, pad_id, end_id):
    logits = model(read, reading(write, pad_id))
    total = F.cross_entropy(logits.flatten(0, 1), write.flatten(), ignore_index=pad_id, reduction="sum")
    return total / write.numel()


def text_by_text(model, read, write, pad_id, end_id):
    logits = model(read, reading(write, pad_id))
    means = [F.cross_entropy(one, ids, ignore_index=pad_id) for one, ids in zip(logits, write)]
    return sum(means) / len(means)


def as_for_a_gpt(model, read, write, pad_id, end_id):
    return F.cross_entropy(model(read, write[:, :-1]).mT, write[:, 1:], ignore_index=pad_id)


def two_shifts(model, read, write, pad_id, end_id):
    logits = model(read, reading(write, pad_id)).mT
    return F.cross_entropy(logits[..., :-1], write[:, 1:], ignore_index=pad_id)


# ---- numbers, and spans ----

NUMBERS = {"bert": 77, "bart": 512, "t5": 104, "read": 461, "bias": 512}


def numbers(**changed):
    return lambda: {**NUMBERS, **changed}


def plan(text):
    """ "5+6 20+1": spans as a learner notes them, start + length."""
    return lambda: [tuple(map(int, one.split("+"))) for one in text.split()]


PLANTED = {
    "t5.spans": {
        "corrupt": {
            "one-sentinel-for-all": reused,
            "one-sentinel-a-token": mask_each,
            "no-last-sentinel": open_end,
            "sentinel-behind": announced_late,
            "whole-text-written": like_bart,
            "only-words-written": bare_words,
            "last-used-closes": closed_by(lambda sentinels, n: sentinels[:n][-1]),
            "very-last-closes": closed_by(lambda sentinels, n: sentinels[len(sentinels) - 1]),
            "pairs-are-ends": start_and_end,
            "one-token-too-many": end_included,
            "starts-not-moved": replaced_in_a_copy,
            "words-from-the-shorter-list": popped_from_a_copy,
            "from-the-end": backwards,
            "sentinels-sorted": in_rising_order,
            "nothing-in-the-text": cut_out,
            "rest-lost": loop_only,
        }
    },
    "t5.restore": {
        "restore": {
            "sentinel-stays": keeps_sentinels,
            "by-order": one_after_the_other,
            "forgotten-sentinel-stays": leaves_forgotten,
            "front-words-kept": front_words,
            "runs-on": all_that_follows,
            "until-the-next-number": between_neighbours,
            "last-word-only": overwritten,
            "first-word-only": next_word,
        }
    },
    "t5.buckets": {
        "bucket": {
            "sides-exchanged": by_number(other_side),
            "not-halved": by_number(full_tables),
            "no-logarithm": by_number(straight),
            "future-has-buckets": by_number(both_pasts),
            "a-quarter-exact": by_number(early_logarithm),
            "future-for-past": by_number(ahead),
            "zero-is-right": by_number(itself_on_the_right),
            "rounded": by_number(curved(to_the_nearest)),
            "last-bucket-too-high": by_number(curved(up_to_count)),
            "no-end": by_number(curved(without_end)),
            "log-of-furthest": by_number(curved(log_furthest)),
            "near-not-divided-out": by_number(curved(without_near)),
        }
    },
    "t5.bias": {
        "attend": {
            "after-the-softmax": added_late,
            "divided-by-the-root": with_root,
            "bias-not-used": without_bias,
            "bias-turned": turned,
            "all-divided-by-the-root": root_of_all,
            "bias-multiplied": times_bias,
            "first-heads-bias": one_head_for_all,
            "mask-not-used": sees_everything,
            "mask-inverted": allowed_hidden,
            "hidden-with-zero": zero_for_forbidden,
            "mask-after-the-softmax": cut_late,
            "softmax-over-queries": shared_among_queries,
            "softmax-over-heads": shared_among_heads,
        }
    },
    "t5.mix": {
        "mix": {
            "no-limit": unlimited,
            "power-of-t": hotter,
            "not-normalised": left_as_powers,
            "softmax-of-shares": softened,
            "limit-last": cut_at_the_end,
            "power-first": roots_then_limit,
            "divided-by-t": factor,
            "limit-as-floor": at_least,
            "large-tasks-left-out": only_small_tasks,
            "largest-is-one": relative_to_the_largest,
            "softmax-of-counts": exponentials,
        }
    },
    "t5.shares": {
        "shares": {
            "first-token-only": only_first,
            "mean-of-tokens": averaged,
            "over-the-vocabulary": absolute,
            "raw-logits": from_logits,
            "read-one-late": one_late,
            "shifted-again": as_in_a_gpt,
            "last-token-only": only_last,
            "probabilities-added": sum_of_chances,
            "logs-divided": parts_of_the_logs,
            "logs-returned": still_logs,
            "over-the-positions": down_the_column,
        }
    },
    "t5.bug": {
        "repaired": {
            "bug-left-start": trained("end"),
            "bug-left-shift": trained(late=False),
            "bug-left-padding": trained(places="all"),
            "bug-left-start-shift": trained("end", late=False),
            "bug-left-start-padding": trained("end", places="all"),
            "bug-left-shift-padding": trained(late=False, places="all"),
            "bug-left-start-shift-padding": trained("end", late=False, places="all"),
            "padding-in-the-divisor": all_places_divide,
            "mean-of-means": text_by_text,
            "summed": trained(mean=False),
            "end-not-scored": trained(places="words"),
            "first-token-lost": as_for_a_gpt,
            "shifted-twice": two_shifts,
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
            "a-number-a-distance": numbers(bias=2_048),
            "heads-not-counted": numbers(bias=64),
            "t5-writes-all": numbers(t5=512),
            "cut-not-rounded": numbers(bert=76, t5=102, read=461),
        },
        "plan": {
            "ends-for-lengths": plan("4+5 10+18 40+50"),
            "touching": plan("8+1 20+8 28+8"),
            "no-context": plan("10+8 30+1 50+8"),
            "all-long": plan("10+9 40+8"),
            "the-papers-setting": plan("3+3 9+3 15+3"),
            "no-sentinel-for-the-end": plan("3+7 13+1 20+1 30+8"),
            "sentinels-not-written": plan("10+1 20+9 40+11"),
            "end-not-written": plan("3+1 20+9 40+9"),
            "sentinels-not-read": plan("10+1 20+6 40+7"),
        },
    },
}
