"""Every misconception of unit 09 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import bisect
import collections
import functools
import itertools
import math
import operator
from collections import Counter

import torch
import torch.nn.functional as F

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "the last two axes, exchanged": r"key\.transpose",
    "the larger of two, in another order": r"max\(best",
}

# ---- the decoder's input ----


def unchanged_but_padded(labels, start_id, pad_id):
    return torch.where(labels == -100, pad_id, labels)


def rolled(labels, start_id, pad_id):
    ids = torch.roll(labels, 1, dims=1)
    return torch.where(ids < 0, pad_id, ids)


def kept_whole(labels, start_id, pad_id):
    ids = F.pad(labels, (1, 0), value=start_id)
    return torch.where(ids < 0, pad_id, ids)


def overwritten(labels, start_id, pad_id):
    ids = torch.where(labels < 0, pad_id, labels)
    ids[:, 0] = start_id
    return ids


def by_two(labels, start_id, pad_id):
    ids = labels.roll(2, dims=1)
    ids[:, 0] = ids[:, 1] = start_id
    ids[ids == -100] = pad_id
    return ids


def begins_with_padding(labels, start_id, pad_id):
    ids = labels.roll(1, dims=1)
    ids[:, 0] = -100
    return torch.where(ids == -100, pad_id, ids)


def clamped(labels, start_id, pad_id):
    ids = labels.roll(1, dims=1).clamp(min=0)
    ids[:, 0] = start_id
    return ids


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


def keys_of_its_own(x, memory, w_query, w_key, w_value, is_real):
    query, key, value = torch.matmul(x, w_query), torch.matmul(x, w_key), torch.matmul(x, w_value)
    scores = (query @ key.mT / w_query.shape[1] ** 0.5).masked_fill(is_real.logical_not().unsqueeze(1), -1e9)
    return weights_of(scores) @ value


def self_attention(x, memory, w_query, w_key, w_value, is_real):
    scores = (x @ w_query) @ (x @ w_key).mT / w_query.shape[1] ** 0.5
    return weights_of(scores) @ x @ w_value


def one_by_one(weigh):
    """`weigh(scores, real)`: the weights of one text, its scores (T, S)."""

    def cross_attention(x, memory, w_query, w_key, w_value, is_real):
        rows = []
        for asks, answers, real in zip(x, memory, is_real):
            scores = torch.matmul(asks @ w_query, (answers @ w_key).T)
            rows.append(torch.matmul(weigh(scores / w_query.shape[1] ** 0.5, real), answers @ w_value))
        return torch.stack(rows)

    return cross_attention


def divided_by_size(x, memory, w_query, w_key, w_value, is_real):
    scores = torch.einsum("btd,bsd->bts", x @ w_query, memory @ w_key) / x.size(-1)
    return weights_of(torch.where(is_real[:, None], scores, -torch.inf)) @ memory @ w_value


def sees_only_padding(scores, real):
    return torch.softmax(torch.where(real, -torch.inf, scores), dim=1)


def cut_off_late(scores, real):
    weights = weights_of(scores)
    weights[:, ~real] = 0
    return weights


def times_the_mask(scores, real):
    return weights_of(scores * real)


def softmax_down(scores, real):
    return torch.where(real, scores, -torch.inf).softmax(dim=0)


def each_the_others_matrix(x, memory, w_query, w_key, w_value, is_real):
    scores = (x @ w_key) @ (memory @ w_query).mT / w_key.size(0) ** 0.5
    return weights_of(torch.where(is_real[:, None], scores, -torch.inf)) @ (memory @ w_value)


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


def without_the_end(tokens, spans, mask):
    made, start = [], 0
    for begin, length in spans:
        made.extend(tokens[start:begin])
        made.append(mask)
        start = begin + length
    return made


def walked(tokens, spans, mask, next_place):
    """From place to place; at a span the mask is written, and `next_place` says where it goes on."""
    made, i, left = [], 0, list(spans)
    while left:
        start, length = left.pop(0)
        while i < start:
            made.append(tokens[i])
            i += 1
        made.append(mask)
        i = next_place(start, length)
    while i < len(tokens):
        made.append(tokens[i])
        i += 1
    return made


def slice_ends_at_length(tokens, spans, mask):
    return walked(tokens, spans, mask, lambda start, length: length)


def end_too_far(tokens, spans, mask):
    return walked(tokens, spans, mask, lambda start, length: max(range(start, start + length + 1)) + 1)


def only_inserted(tokens, spans, mask):
    made = list(tokens)
    for start, _ in reversed(spans):
        made.insert(start, mask)
    return made


def a_single_mask(tokens, spans, mask):
    first, last = spans[0][0], max(start + length for start, length in spans)
    return [*tokens[:first], mask, *tokens[last:]]


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
    return list(itertools.chain.from_iterable(sentences[i] for i in order))


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


def joined_sentences(tokens, order, stop):
    sentences, rest = cut(tokens, stop)
    sentences += [rest] if rest else []
    return [token for i in order for token in sentences[i]]


def split_at_stops(tokens, order, stop="."):
    marks = [i for i, token in enumerate(tokens) if token == stop]
    begins, ends = [0, *(i + 1 for i in marks)], [*marks, len(tokens)]
    return functools.reduce(operator.iadd, (tokens[begins[i] : ends[i]] for i in order), [])


def ends_with_a_stop(tokens, order, stop="."):
    full = tokens if tokens[-1] == stop else [*tokens, stop]
    return joined_sentences(full, order, stop)


def knows_one_stop(tokens, order, stop="."):
    return joined_sentences(tokens, order, ".")


def all_turned(tokens, order, stop="."):
    sentences, rest = cut(tokens, stop)
    made = []
    for i in order:
        made += reversed([*sentences, rest][i])
    return made


def begins_one_late(tokens, start):
    turned = collections.deque(tokens)
    turned.rotate(-start - 1)
    return list(turned)


def taken_out(tokens, start):
    left = list(tokens)
    left.pop(start)
    return left[start:] + left[:start]


def exchanged(tokens, start):
    made = list(tokens)
    made[0], made[start] = made[start], made[0]
    return made


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


def everywhere(hidden, ids, eos_id):
    places = [last_place_of(row, eos_id) for row in ids.tolist()]
    return hidden.index_select(1, torch.tensor(places))


def each_eos(hidden, ids, eos_id):
    return torch.cat([h[row == eos_id] for h, row in zip(hidden, ids)])


def averaged_text(hidden, ids, eos_id):
    return torch.stack([h[row != 0].mean(0) for h, row in zip(hidden, ids)])


def averaged_eos(hidden, ids, eos_id):
    return torch.stack([h[row == eos_id].mean(0) for h, row in zip(hidden, ids)])


def last_place_of(row, eos_id):
    return len(row) - 1 - row[::-1].index(eos_id)


def one_earlier(hidden, ids, eos_id):
    return torch.stack([h[last_place_of(row, eos_id) - 1] for h, row in zip(hidden, ids.tolist())])


def length_as_place(hidden, ids, eos_id):
    return hidden[torch.arange(len(ids)), (ids != 0).sum(dim=1)]


def same_for_all(hidden, ids, eos_id):
    return hidden[:, max(last_place_of(row, eos_id) for row in ids.tolist())]


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


def plain_sets(written, wanted):
    return harmonic(len(set(wanted).intersection(written)), written, wanted)


def hits_in_place(written, wanted):
    return harmonic(sum(map(operator.eq, written, wanted)), written, wanted)


def rising_places(written, wanted):
    """Patience: the longest rising row of the words' first places."""
    ends = []
    for place in (wanted.index(word) for word in written if word in wanted):
        i = bisect.bisect_left(ends, place)
        ends[i : i + 1] = [place]
    return harmonic(len(ends), written, wanted)


def table_of_one_list(written, wanted):
    table = [[0] * (len(wanted) + 1)] * (len(written) + 1)
    for i in range(len(written)):
        for j in range(len(wanted)):
            if written[i] == wanted[j]:
                table[i + 1][j + 1] = table[i][j] + 1
            else:
                table[i + 1][j + 1] = max(table[i][j + 1], table[i + 1][j])
    return harmonic(table[-1][-1], written, wanted)


def half_of_it(written, wanted):
    return subsequence(written, wanted) / (len(written) + len(wanted))


def no_zero(written, wanted):
    return 2 / (1 / recall(written, wanted) + 1 / precision(written, wanted))


def of_the_longer(written, wanted):
    return subsequence(written, wanted) / max(len(written), len(wanted))


def of_the_union(written, wanted):
    n = subsequence(written, wanted)
    return n / (len(written) + len(wanted) - n)


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


# ---- the step to repair ----


def row_by_row(ids_of=lambda damaged, whole: damaged, hides=True, opposite=False, back=1, late=0, join=None):
    """Each text by itself. `back`: how far behind its label the newest token read is, before `late`."""

    def repaired(encode, decode, damaged, whole, start_id, pad_id):
        ids = ids_of(damaged, whole)
        is_real = torch.ones_like(ids, dtype=torch.bool) if not hides else torch.ne(ids, pad_id)
        begin = torch.full((len(whole), back), start_id)
        read = torch.cat([begin, whole], dim=1)[:, : whole.shape[1]]
        logits = decode(read, encode(ids), is_real.logical_not() if opposite else is_real)
        losses = []
        for row, labels in zip(logits, whole):
            labels = labels[late:]
            nats = F.cross_entropy(row[: len(labels)], labels, reduction="none")
            losses.append((nats, labels != pad_id))
        return join(losses) if join else torch.cat([nats[real] for nats, real in losses]).mean()

    return repaired


def all_places(losses):
    return torch.cat([nats for nats, _ in losses]).mean()


def over_all_places(losses):
    return sum(nats[real].sum() for nats, real in losses) / sum(len(nats) for nats, _ in losses)


def text_by_text(losses):
    return torch.stack([nats[real].mean() for nats, real in losses]).mean()


def total(losses):
    return sum(nats[real].sum() for nats, real in losses)


def looks_through_the_target(encode, decode, damaged, whole, start_id, pad_id):
    read = torch.roll(whole, 1, dims=1)
    read[:, 0] = start_id
    logits = decode(read, encode(damaged), torch.ne(whole, pad_id))
    return F.cross_entropy(logits.mT, whole, ignore_index=pad_id)


# ---- designs ----


def noise(**changed):
    settings = {"masking": 0, "deletion": 0, "infilling": 0.4, "mean_span": 3, "permutation": True}
    return lambda: settings | {"rotation": False} | changed


PLANTED = {
    "bart.shift": {
        "shift_right": {
            "not-shifted": unchanged_but_padded,
            "rolled-round": rolled,
            "one-too-long": kept_whole,
            "first-overwritten": overwritten,
            "shifted-left": to_the_left,
            "shifted-twice": by_two,
            "padding-in-front": begins_with_padding,
            "minus-100-stays": minus_100_kept,
            "zero-for-padding": clamped,
        }
    },
    "bart.cross": {
        "cross_attention": {
            "padding-attended": looks_at_padding,
            "no-column-for-the-source": keys_of_its_own,
            "roles-swapped": source_asks,
            "looks-at-itself": self_attention,
            "causal-mask": causal_too,
            "not-scaled": without_root,
            "root-forgotten": divided_by_size,
            "mask-inverted": one_by_one(sees_only_padding),
            "hidden-after-the-softmax": one_by_one(cut_off_late),
            "padding-scored-zero": one_by_one(times_the_mask),
            "softmax-over-those-who-ask": one_by_one(softmax_down),
            "matrices-swapped": each_the_others_matrix,
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
            "rest-lost": without_the_end,
            "length-read-as-end": slice_ends_at_length,
            "end-included": end_too_far,
            "words-stay": only_inserted,
            "one-mask-for-everything": a_single_mask,
        }
    },
    "bart.order": {
        "permute": {
            "rest-lost": forgets_the_rest,
            "stop-leads": stop_in_front,
            "stops-lost": split_at_stops,
            "stop-added": ends_with_a_stop,
            "point-only": knows_one_stop,
            "words-turned": all_turned,
            "order-inverted": goes_to,
        },
        "rotate": {
            "front-lost": only_the_back,
            "turned-the-other-way": last_to_front,
            "front-reversed": turned_over,
            "one-too-far": begins_one_late,
            "cut-out": taken_out,
            "two-swapped": exchanged,
        },
    },
    "bart.state": {
        "final_state": {
            "last-place": at_the_end,
            "first-place": at_the_start,
            "first-eos": earliest_eos,
            "all-places-of-all-rows": everywhere,
            "all-eos": each_eos,
            "mean-of-all": averaged,
            "mean-of-the-text": averaged_text,
            "mean-of-eos": averaged_eos,
            "word-before-eos": one_earlier,
            "behind-the-eos": length_as_place,
            "one-place-for-all": same_for_all,
        }
    },
    "bart.rouge": {
        "rouge_l": {
            "one-run-only": run_of_words,
            "greedy": first_match,
            "greedy-in-the-wanted": first_match_of_wanted,
            "order-ignored": bag_of_words,
            "sets-of-words": plain_sets,
            "same-place-only": hits_in_place,
            "first-place-only": rising_places,
            "rows-are-one-list": table_of_one_list,
            "recall-only": recall,
            "precision-only": precision,
            "plain-mean": middle,
            "half-forgotten": half_of_it,
            "nothing-in-common-forgotten": no_zero,
            "over-the-longer": of_the_longer,
            "over-all-words": of_the_union,
        }
    },
    "bart.bug": {
        "repaired": {
            "shifted-twice": row_by_row(late=1),
            "nothing-shifted": row_by_row(back=0),
            "first-token-not-scored": row_by_row(back=0, late=1),
            "source-padding-seen": row_by_row(hides=False),
            "mask-inverted": row_by_row(opposite=True),
            "mask-of-the-target": looks_through_the_target,
            "padding-scored": row_by_row(join=all_places),
            "divided-by-all-places": row_by_row(join=over_all_places),
            "mean-of-means": row_by_row(join=text_by_text),
            "sum-for-mean": row_by_row(join=total),
            "reads-the-original": row_by_row(ids_of=lambda damaged, whole: whole),
        }
    },
    "bart.predict": {
        "predict": {
            "masks-take-no-room": numbers(masked=70),
            "deletion-keeps-length": numbers(deleted=100),
            "infilling-without-masks": numbers(infilled=70),
            "one-mask-for-all": numbers(infilled=71),
            "one-word-a-span": numbers(infilled=90),
            "masks-on-top": numbers(infilled=110),
            "never-empty": numbers(empty=0.0),
            "one-in-three": numbers(empty=0.333),
            "one-for-none": numbers(empty=0.1494),
            "squared": numbers(orders=16),
            "pairs-of-sentences": numbers(orders=6),
            "as-long-as-the-source": numbers(written=80),
            "holes-only": numbers(written=30),
        },
        "noise": {
            "too-many-masks": noise(infilling=0.33, mean_span=3.2),
            "spans-too-long": noise(mean_span=5.0),
            "masking-for-infilling": noise(masking=0.3, infilling=0),
            "deletion-for-infilling": noise(deletion=0.4, infilling=0),
            "turned-for-shuffled": noise(permutation=False, rotation=True),
            "both-moves": noise(rotation=True),
            "order-kept": noise(permutation=False),
            "too-much-hidden": noise(infilling=0.6),
            "too-little-hidden": noise(infilling=0.2),
        },
        "twins": {
            "one-word-a-mask": lambda: ("the [MASK] sleeps", "the cat sleeps", "the dog sleeps"),
            "never-empty": lambda: ("the [MASK] sleeps", "the cat sleeps", "the old cat sleeps"),
            "words-in-sight-differ": lambda: (
                "the [MASK] cat sleeps",
                "the cat sleeps",
                "a very old cat sleeps",
            ),
            "deleted": lambda: ("the sleeps", "the cat sleeps", "the old cat sleeps"),
            "mask-in-an-original": lambda: (
                "[MASK] the cat sleeps",
                "[MASK] the cat sleeps",
                "the cat sleeps",
            ),
            "twice-the-same": lambda: ("the cat [MASK] sleeps", "the cat sleeps", "the cat sleeps"),
            "nearly-all-hidden": lambda: ("cat [MASK]", "cat", "cat and dog and bird sleep"),
        },
    },
}
