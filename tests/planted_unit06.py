"""Every misconception of unit 06 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "another token, whichever": r"^(changed\[:, s\] \+ 1  ->  changed\[:, s\] - 1|1  ->  2)$",
    "a difference taken the other way round": r"^model\(changed\)\[:, :s\] - before",
    "whenever scores change, one of them rises": r"^moved\.abs\(\)  ->  moved$",
    "leaks are well above 0.0001, rounding well below": (
        r"^(0\.0001  ->  (0\.0002|1e-05)|moved\.abs\(\)\.max\(\) > 0\.0001  ->  .* >= 0\.0001)$"
    ),
}

# ---- loss: loops over sentences and positions ----


def each_prediction(logits, ids, real, target_of, counts=None):
    """For each sentence a list of -ln p; `target_of(t, T)` is the place that position t is asked for."""
    B, T, _ = logits.shape
    log_p = torch.log_softmax(logits, 2)
    rows = []
    for b in range(B):
        row = []
        for t in range(T):
            place = target_of(t, T)
            if 0 <= place < T and (counts or (lambda real, t, place: real[place]))(real[b], t, place):
                row.append(-log_p[b, t, ids[b, place]])
        rows.append(row)
    return rows


def flat_mean(rows):
    return torch.stack([one for row in rows for one in row]).mean()


def loss_with(target_of, counts=None):
    return lambda logits, ids, real: flat_mean(each_prediction(logits, ids, real, target_of, counts))


def after(t, T):
    return t + 1


def right_rows(logits, ids, real):
    return each_prediction(logits, ids, real, after)


def total_nats(logits, ids, real):
    return sum(sum(row) for row in right_rows(logits, ids, real))


def sentence_means(logits, ids, real):
    rows = right_rows(logits, ids, real)
    return sum(sum(row) / len(row) for row in rows) / len(rows)


def over_all_places(logits, ids, real):
    return total_nats(logits, ids, real) / (ids.size(0) * (ids.size(1) - 1))


def along_the_text(logits, ids, real):
    log_p = logits.transpose(1, 2).log_softmax(2).transpose(1, 2)[:, :-1]
    hot = F.one_hot(ids, logits.size(2))[:, 1:]
    return -(log_p * hot).sum(2)[real[:, 1:]].mean()


def base_two(logits, ids, real):
    return flat_mean(right_rows(logits, ids, real)) * math.log2(math.e)


def upside_down(logits, ids, real):
    return 0 - flat_mean(right_rows(logits, ids, real))


LOSS = {
    "causal_loss": {
        "not-shifted": loss_with(lambda t, T: t),
        "both-cut": loss_with(lambda t, T: t or T),
        "shifted-twice": loss_with(lambda t, T: t + 2),
        "shifted-back": loss_with(lambda t, T: t - 1),
        "around-the-corner": loss_with(lambda t, T: (t + 1) % T),
        "padding-scored": loss_with(after, lambda real, t, place: True),
        "mask-not-shifted": loss_with(after, lambda real, t, place: real[t]),
        "sum-not-mean": total_nats,
        "mean-of-means": sentence_means,
        "divided-by-all": over_all_places,
        "softmax-over-positions": along_the_text,
        "in-bits": base_two,
        "wrong-sign": upside_down,
    }
}

# ---- forward: exponentials and sums by hand; F.embedding and modules ----


def attend_with(allowed, scale=None, axis=3, hidden=-math.inf):
    """`allowed(t, s)` says whether query t sees key s."""

    def attend(query, key, value):
        T, D = query.size(2), query.size(3)
        mask = torch.tensor([[allowed(t, s) for s in range(T)] for t in range(T)])
        scores = torch.matmul(query, key.mT) * (D**-0.5 if scale is None else scale(D))
        return torch.matmul(torch.where(mask, scores, hidden).softmax(axis), value)

    return attend


def triangle_times_weights(query, key, value):
    weights = torch.softmax(query @ key.mT / query.size(-1) ** 0.5, -1)
    return torch.tril(weights) @ value


def not_later(t, s):
    return s <= t


def run(h, blocks):
    for i in range(len(blocks)):
        h = blocks[i](h)
    return h


def read_and_place(ids, tokens, positions):
    return F.embedding(ids, tokens).add(positions.narrow(0, 0, ids.size(1)))


def say(h, tokens):
    return torch.softmax(torch.einsum("btd,vd->btv", h, tokens), 2)


def linear_head(ids, tokens, positions, blocks):
    head = nn.Linear(tokens.size(1), tokens.size(0), bias=False)
    head.weight = nn.Parameter(tokens)
    return head(run(read_and_place(ids, tokens, positions), blocks)).softmax(-1)


def bag_of_words(ids, tokens, positions, blocks):
    return say(run(F.one_hot(ids, len(tokens)).float() @ tokens, blocks), tokens)


def from_one(ids, tokens, positions, blocks):
    places = torch.arange(1, ids.size(1) + 1)
    return say(run(tokens[ids] + F.embedding(places, positions), blocks), tokens)


def all_at_zero(ids, tokens, positions, blocks):
    return say(run(tokens[ids] + positions[torch.zeros_like(ids)], blocks), tokens)


def by_id(ids, tokens, positions, blocks):
    return say(run(F.embedding(ids, tokens) + F.embedding(ids, positions), blocks), tokens)


def all_from_the_start(ids, tokens, positions, blocks):
    start = read_and_place(ids, tokens, positions)
    for block in blocks:
        h = block(start)
    return say(h, tokens)


def leaves_the_loop(ids, tokens, positions, blocks):
    h = read_and_place(ids, tokens, positions)
    for block in blocks:
        h = block(h)
        return say(h, tokens)


def pops_from_the_end(ids, tokens, positions, blocks):
    h, left = read_and_place(ids, tokens, positions), list(blocks)
    while left:
        h = left.pop()(h)
    return say(h, tokens)


def adds_them_up(ids, tokens, positions, blocks):
    h = start = read_and_place(ids, tokens, positions)
    for block in blocks:
        h = h + block(start)
    return say(h, tokens)


def norm_at_the_end(ids, tokens, positions, blocks):
    h = run(read_and_place(ids, tokens, positions), blocks)
    return say(nn.LayerNorm(h.size(-1))(h), tokens)


def as_in_2017(ids, tokens, positions, blocks):
    root = len(tokens[0]) ** 0.5
    return say(run(root * tokens[ids] + positions[: ids.size(1)], blocks), tokens)


def scores_only(ids, tokens, positions, blocks):
    return F.linear(run(read_and_place(ids, tokens, positions), blocks), tokens)


def shared_by_places(ids, tokens, positions, blocks):
    return torch.softmax(scores_only(ids, tokens, positions, blocks), dim=1)


FORWARD = {
    "look_back": {
        "mask-after-softmax": triangle_times_weights,
        "inverted-mask": attend_with(lambda t, s: s > t),
        "future-only": attend_with(lambda t, s: s >= t),
        "no-mask": attend_with(lambda t, s: True),
        "not-itself": attend_with(lambda t, s: s < t),
        "one-ahead": attend_with(lambda t, s: s - 1 <= t),
        "hidden-with-zero": attend_with(not_later, hidden=0.0),
        "no-scale": attend_with(not_later, scale=lambda D: 1),
        "scaled-by-width": attend_with(not_later, scale=lambda D: 1 / D),
        "softmax-over-queries": attend_with(not_later, axis=2),
    },
    "gpt1": {
        "tied-in-value-only": linear_head,
        "no-positions": bag_of_words,
        "positions-from-one": from_one,
        "same-position": all_at_zero,
        "positions-by-token": by_id,
        "blocks-side-by-side": all_from_the_start,
        "one-block": leaves_the_loop,
        "blocks-backwards": pops_from_the_end,
        "residual-around-blocks": adds_them_up,
        "final-norm": norm_at_the_end,
        "scaled-embedding": as_in_2017,
        "no-softmax": scores_only,
        "softmax-over-time": shared_by_places,
    },
}

# ---- bits: loops, log2 of e, bytes by bytearray ----


def nats_of(batches):
    nats = 0.0
    for mean, count in batches:
        nats += mean * count
    return nats


def count_of(batches):
    return sum(pair[1] for pair in batches)


def bits_of(nats):
    return nats * math.log2(math.e)


def bytes_of(text):
    return len(bytearray(text, "utf-8"))


def averaged_batches(batches, text):
    means, counts = zip(*batches, strict=True)
    return bits_of(sum(means) / len(means) * sum(counts)) / bytes_of(text)


def added_means(batches, text):
    means, _ = zip(*batches, strict=True)
    return bits_of(sum(means)) / bytes_of(text)


def packed_length(text, compress):
    return len(compress(bytes(text, "utf-8")))


BITS = {
    "model_bits": {
        "mean-of-means": averaged_batches,
        "means-as-sums": added_means,
        "nats-not-bits": lambda batches, text: nats_of(batches) / bytes_of(text),
        "times-ln2": lambda batches, text: nats_of(batches) * math.log(2) / bytes_of(text),
        "per-token": lambda batches, text: bits_of(nats_of(batches)) / count_of(batches),
        "per-character": lambda batches, text: bits_of(nats_of(batches)) / sum(1 for _ in text),
        "per-word": lambda batches, text: bits_of(nats_of(batches)) / (text.count(" ") + 1),
    },
    "packed_bits": {
        "bytes-not-bits": lambda text, compress: packed_length(text, compress) / bytes_of(text),
        "packed-per-character": lambda text, compress: packed_length(text, compress) * 8 / len(list(text)),
        "upside-down": lambda text, compress: bytes_of(text) / packed_length(text, compress) * 8,
        "saved-share": lambda text, compress: (
            (bytes_of(text) - packed_length(text, compress)) * 8 / bytes_of(text)
        ),
    },
}

# ---- sampling: indices and scatter, row by row ----


def keep_only(scores, keep, outside=-math.inf):
    """Scores (B, V) with `outside` wherever a row's index is not among `keep` (B, k)."""
    rows = []
    for row, index in zip(scores, keep, strict=True):
        new = torch.full_like(row, outside)
        new[index] = row[index]
        rows.append(new)
    return torch.stack(rows)


def best(logits, k, largest=True):
    return logits.argsort(dim=1, descending=largest)[:, :k]


def plain(scores):
    return scores.softmax(1)


def times(logits, temperature, k):
    return plain(keep_only(temperature * logits, best(logits, k)))


def softmax_twice(logits, temperature, k):
    return plain(keep_only(plain(logits) / temperature, best(logits, k)))


def divided_at_the_end(logits, temperature, k):
    chances = plain(keep_only(logits, best(logits, k))) / temperature
    return chances / chances.sum(1, keepdim=True)


def struck_out(logits, temperature, k):
    return keep_only(plain(logits / temperature), best(logits, k), outside=0.0)


def zero_scores(logits, temperature, k):
    return plain(keep_only(logits / temperature, best(logits, k), outside=0.0))


def strictly_above(logits, temperature, k):
    return plain(keep_only(logits / temperature, best(logits, k - 1)))


def index_off(logits, temperature, k):
    return plain(keep_only(logits / temperature, best(logits, k + 1)))


def the_worst(logits, temperature, k):
    return plain(keep_only(logits / temperature, best(logits, k, largest=False)))


def one_threshold(logits, temperature, k):
    threshold = logits.flatten().topk(k).values.min()
    return plain(torch.where(logits < threshold, -math.inf, logits / temperature))


def by_rank(logits, temperature, k):
    values = torch.topk(logits / temperature, k).values.softmax(1)
    return F.pad(values, (0, logits.size(1) - k))


def across_the_batch(logits, temperature, k):
    return torch.softmax(keep_only(logits / temperature, best(logits, k)), 0)


def exponentials(logits, temperature, k):
    powers = torch.exp(keep_only(logits / temperature, best(logits, k)))
    return powers / powers.sum(1)[:, None]


def walk(row, u, first=0.0, skip_none=True):
    """The first token at whose end the line is beyond u."""
    end = first
    for token, chance in enumerate(row.double().tolist()):
        end += chance
        if end > u or (end == u and not skip_none):
            return token
    return len(row) - 1


def draw_with(choose):
    return lambda chances, u: torch.tensor(
        [choose(row, float(one)) for row, one in zip(chances, u, strict=True)]
    )


SAMPLING = {
    "chances": {
        "temperature-multiplied": times,
        "temperature-on-chances": softmax_twice,
        "temperature-cancels": divided_at_the_end,
        "not-renormalised": struck_out,
        "ruled-out-with-zero": zero_scores,
        "one-too-few": strictly_above,
        "one-too-many": index_off,
        "least-likely-kept": the_worst,
        "one-order-for-all": one_threshold,
        "in-sorted-order": by_rank,
        "softmax-over-batch": across_the_batch,
        "cold-overflows": exponentials,
    },
    "draw": {
        "greedy": draw_with(lambda row, u: int(row.max(0).indices)),
        "one-token-early": draw_with(lambda row, u: walk(row, u) - 1),
        "one-token-late": draw_with(lambda row, u: walk(row, u) + 1),
        "rank-for-token": draw_with(lambda row, u: walk(torch.sort(row, descending=True)[0], u)),
        "each-against-u": draw_with(
            lambda row, u: next((i for i, chance in enumerate(row.tolist()) if chance > u), 0)
        ),
        "all-alike": draw_with(lambda row, u: int(u * len(row))),
        "chanceless-drawn": draw_with(lambda row, u: walk(row, u, skip_none=False)),
    },
}

# ---- nucleus: token by token in Python ----


def choose(row, p, order, stop):
    """Tokens in this order until `stop(held before, held with it)` says so."""
    held, kept = 0.0, []
    for token in order:
        with_it = held + float(row[token])
        if stop(held, with_it):
            break
        kept.append(token)
        held = with_it
    return kept


def nucleus_with(stop, order=None, at_least=0, extra=0, shared=True):
    def nucleus(chances, p):
        rows = []
        for row in chances:
            likely = sorted(range(len(row)), key=lambda token: -float(row[token]))
            way = (order or (lambda likely: likely))(likely)
            kept = choose(row, p, way, lambda held, with_it: stop(held, with_it, p))
            kept = way[: max(len(kept) + extra, at_least)]
            new = torch.zeros_like(row)
            new[kept] = row[kept]
            rows.append(new / new.sum() if shared else new)
        return torch.stack(rows)

    return nucleus


def enough(held, with_it, p):
    return held >= p - 1e-6


def crosses(held, with_it, p):
    return with_it > p + 1e-6


def first_places(chances, p):
    """As many as needed, but the first columns."""
    need = (nucleus_with(enough)(chances, p) > 0).sum(1, keepdim=True)
    left = torch.where(torch.arange(chances.size(1)) < need, chances, 0.0)
    return left / left.sum(1, keepdim=True)


def stays_sorted(chances, p):
    return nucleus_with(enough)(chances, p).sort(1, descending=True).values


def large_ones(chances, p):
    left = torch.where(chances + p >= 1, chances, 0.0)
    return left / left.sum(1, keepdim=True)


def rule_of_the_first(chances, p):
    columns = nucleus_with(enough)(chances, p)[0].nonzero()[:, 0]
    left = torch.zeros_like(chances)
    left[:, columns] = chances[:, columns]
    return left / left.sum(1, keepdim=True)


NUCLEUS = {
    "nucleus": {
        "crossing-token-cut": nucleus_with(crosses),
        "crossing-token-cut-but-one": nucleus_with(crosses, at_least=1),
        "unsorted": nucleus_with(enough, order=sorted),
        "least-likely-first": nucleus_with(enough, order=lambda likely: likely[::-1]),
        "mask-not-put-back": first_places,
        "comes-out-sorted": stays_sorted,
        "nucleus-not-renormalised": nucleus_with(enough, shared=False),
        "one-more": nucleus_with(enough, extra=1),
        "must-exceed": nucleus_with(lambda held, with_it, p: held > p + 1e-6),
        "each-by-itself": large_ones,
        "first-row-for-all": rule_of_the_first,
    }
}

# ---- cache: one query after the other ----


def vectors(ids, weights, start):
    places = weights["positions"][start : start + ids.size(1)]
    return F.embedding(ids, weights["tokens"]) + places


def read_with(keys, values, query, sees, scale=True):
    """`sees(t)`: the columns that new token t looks at."""
    outputs = []
    for t in range(query.size(1)):
        columns = list(sees(t))
        scores = (keys[:, columns] * query[:, t, None]).sum(2)
        if scale:
            scores = scores / query.size(2) ** 0.5
        outputs.append((scores.softmax(1)[..., None] * values[:, columns]).sum(1))
    return torch.stack(outputs, 1)


def step_with(bug):
    def step(ids, keys, values, weights):
        S, T = keys.size(1), ids.size(1)
        x = vectors(ids, weights, S + {"zero": -S, "late": 1, "early": -1}.get(bug, 0))
        if bug == "one place":
            x = F.embedding(ids, weights["tokens"]) + weights["positions"][S].expand(len(ids), T, -1)
        new_key = x if bug == "vectors" else torch.matmul(x, weights["key"])
        new_value, query = torch.matmul(x, weights["value"]), torch.matmul(x, weights["query"])
        order = 1 if bug != "front" else -1
        all_keys = torch.cat([keys, new_key][::order], 1)
        all_values = torch.cat([values, new_value][::order], 1)
        sees = {
            "all": lambda t: range(S + T),
            "plain": lambda t: range(t + 1),
            "past": lambda t: range(S),
            "new": lambda t: range(S, S + t + 1),
        }.get(bug, lambda t: range(S + t + 1))
        out = read_with(all_keys, all_values, query, sees, scale=bug != "unscaled")
        if bug in ("new", "new-back"):
            return out, new_key, new_value
        if bug == "old-back":
            return out, keys, values
        return (out, all_values, all_keys) if bug == "swapped" else (out, all_keys, all_values)

    return step


CACHE = {
    "step": {
        "position-from-zero": step_with("zero"),
        "position-one-late": step_with("late"),
        "position-one-early": step_with("early"),
        "one-position-for-all": step_with("one place"),
        "overwritten": step_with("new"),
        "returned-without-the-past": step_with("new-back"),
        "not-remembered": step_with("old-back"),
        "does-not-see-itself": step_with("past"),
        "put-in-front": step_with("front"),
        "no-mask-within-the-piece": step_with("all"),
        "mask-without-offset": step_with("plain"),
        "keys-and-values-swapped": step_with("swapped"),
        "vectors-for-keys": step_with("vectors"),
        "cache-no-scale": step_with("unscaled"),
    }
}

# ---- inputs: one writer with a table of bugs; linear layers ----


def write(texts, start, delimiter, extract, bug=""):
    between = {"glued": [], "start-again": [start]}.get(bug, [delimiter])
    line = [] if bug == "no-start" else [start]
    if bug == "extract-first":
        line = [extract, start]
    for number, text in enumerate(texts):
        if number > 0 and bug != "closed":
            line = line + between
        line = line + list(text)
        if bug == "closed":
            line = [*line, delimiter]
    return line if bug in ("no-extract", "extract-first") else [*line, extract]


def sequences_with(bug):
    def sequences(task, texts, start, delimiter, extract):
        if task == "choice":
            context, *answers = texts
            inputs = [[context, answer] for answer in answers]
            if bug == "in-one":
                inputs = [[context, *answers]]
            if bug == "alone":
                inputs = [[answer] for answer in answers]
            if bug == "itself":
                inputs.insert(0, [context, context])
        elif task == "similarity":
            a, b = texts
            inputs = {"once": [[a, b]], "twice": [[a, b], [a, b]], "joined": [[a, b, b, a]]}.get(
                bug, [[a, b], [b, a]]
            )
        else:
            inputs = [list(reversed(texts)) if bug == "backwards" else texts]
        return [write(one, start, delimiter, extract, bug) for one in inputs]

    return sequences


def pick(hidden, places):
    return torch.stack([row[place] for row, place in zip(hidden, places, strict=True)])


def last_real(hidden, lengths):
    return pick(hidden, (lengths - 1).tolist())


def over_classes(vectors, weight):
    return F.linear(sum(vectors), weight).softmax(0)


def over_answers(vectors, weight):
    return F.linear(vectors, weight).squeeze(1).softmax(0)


def decide_with(place=last_real, classes=over_classes, answers=over_answers):
    def decide(task, hidden, lengths, weight):
        vectors = place(hidden, lengths)
        if task == "choice":
            return answers(vectors, weight)
        return classes(vectors, weight)

    return decide


INPUTS = {
    "sequences": {
        "no-delimiter": sequences_with("glued"),
        "delimiter-at-the-end": sequences_with("closed"),
        "start-between": sequences_with("start-again"),
        "no-start": sequences_with("no-start"),
        "no-extract": sequences_with("no-extract"),
        "extract-in-front": sequences_with("extract-first"),
        "one-order-only": sequences_with("once"),
        "same-order-twice": sequences_with("twice"),
        "both-orders-in-one": sequences_with("joined"),
        "answers-in-one": sequences_with("in-one"),
        "answers-without-context": sequences_with("alone"),
        "context-as-answer": sequences_with("itself"),
        "hypothesis-first": sequences_with("backwards"),
    },
    "decide": {
        "vector-of-the-first": decide_with(lambda hidden, lengths: hidden.select(1, 0)),
        "vector-of-padding": decide_with(lambda hidden, lengths: hidden.flip(1)[:, 0]),
        "one-past-the-end": decide_with(lambda hidden, lengths: pick(hidden, lengths.tolist())),
        "mean-of-vectors": decide_with(
            lambda hidden, lengths: torch.stack(
                [row[:n].mean(0) for row, n in zip(hidden, lengths.tolist(), strict=True)]
            )
        ),
        "first-order-only": decide_with(classes=lambda v, w: F.linear(v[0], w).softmax(0)),
        "orders-averaged": decide_with(classes=lambda v, w: F.linear(sum(v) / len(v), w).softmax(0)),
        "chances-averaged": decide_with(classes=lambda v, w: sum(F.linear(v, w).softmax(1)) / len(v)),
        "softmax-per-choice": decide_with(answers=lambda v, w: torch.ones(len(v))),
        "sigmoid-per-choice": decide_with(answers=lambda v, w: 1 / (1 + torch.exp(-(v @ w[0])))),
        "scores-only": decide_with(
            classes=lambda v, w: F.linear(sum(v), w), answers=lambda v, w: F.linear(v, w).squeeze(1)
        ),
        "answers-added": decide_with(answers=over_classes),
    },
}

# ---- leak: the loop by recursion; experiments with all changes in one batch ----


def write_with(bug):
    def repaired(model, ids, n, window):
        text = ids
        for _ in range(n - (bug == "few")):
            piece = {
                "old": text[:, :window],
                "no-window": text,
                "one": text[:, -1:],
                "short": text[:, -window:][:, -(window - 1) :],
            }.get(bug, text[:, max(0, text.size(1) - window) :])
            scores = model(piece)
            if bug == "all":
                text = torch.hstack([text, scores.max(dim=2).indices])
                continue
            scores = scores.select(1, 0 if bug == "first" else piece.size(1) - 1)
            new = scores.max(dim=1, keepdim=True).indices
            text = torch.hstack([new, text] if bug == "front" else [text, new])
        return text[:, ids.size(1) :] if bug == "lost" else text

    return repaired


def differences(model, ids, other):
    """(T, T): how much the logits at t move when token s is another one, [s, t]."""
    before = model(ids)
    rows = []
    for s in range(ids.size(1)):
        column = torch.arange(ids.size(1)) == s
        rows.append((model(torch.where(column, other(ids), ids)) - before).abs().amax((0, 2)))
    return torch.stack(rows)


def is_earlier(T, offset=1):
    """(s, t), True where t comes at least `offset` before s."""
    s, t = torch.meshgrid(torch.arange(T), torch.arange(T), indexing="ij")
    return s - t >= offset


def judged_by(places, other=None, tolerance=1e-4):
    def sees_future(model, ids, vocab_size):
        moved = differences(model, ids, other or (lambda ids: (ids + vocab_size - 1) % vocab_size))
        return bool((moved[places(ids.size(1))] > tolerance).any())

    return sees_future


def row(T, s):
    return is_earlier(T) & (torch.arange(T) == s)[:, None]


def same_winners(model, ids, vocab_size):
    def winners(ids):
        return model(ids).max(-1).indices

    for s in range(1, ids.size(1)):
        changed = ids.clone()
        changed[:, s] = vocab_size - 1 - changed[:, s] + (changed[:, s] * 2 == vocab_size - 1)
        if (winners(changed)[:, :s] != winners(ids)[:, :s]).any():
            return True
    return False


LEAK = {
    "repaired": {
        "oldest-kept": write_with("old"),
        "scores-of-the-first": write_with("first"),
        "one-written-too-few": write_with("few"),
        "window-ignored": write_with("no-window"),
        "only-the-last-token": write_with("one"),
        "window-one-short": write_with("short"),
        "written-in-front": write_with("front"),
        "all-positions-appended": write_with("all"),
        "prompt-lost": write_with("lost"),
    },
    "sees_future": {
        "changed-position-compared": judged_by(lambda T: is_earlier(T, 0)),
        "everything-compared": judged_by(lambda T: torch.ones(T, T).bool()),
        "looks-at-later-positions": judged_by(lambda T: ~is_earlier(T, 0)),
        "only-the-last-changed": judged_by(lambda T: row(T, T - 1)),
        "only-the-first-changed": judged_by(lambda T: row(T, 0)),
        "second-never-changed": judged_by(lambda T: is_earlier(T) & (torch.arange(T) != 1)[:, None]),
        "last-never-changed": judged_by(lambda T: is_earlier(T) & (torch.arange(T) < T - 1)[:, None]),
        "only-the-neighbour": judged_by(lambda T: is_earlier(T) & ~is_earlier(T, 2)),
        "only-the-first-compared": judged_by(lambda T: is_earlier(T) & (torch.arange(T) == 0)),
        "only-guesses-compared": same_winners,
        "exact-comparison": judged_by(is_earlier, tolerance=0.0),
        "changed-into-itself": judged_by(is_earlier, other=torch.zeros_like),
    },
}

PLANTED = {
    "gpt.loss": LOSS,
    "gpt.forward": FORWARD,
    "gpt.bits": BITS,
    "gpt.sampling": SAMPLING,
    "gpt.nucleus": NUCLEUS,
    "gpt.cache": CACHE,
    "gpt.inputs": INPUTS,
    "gpt.leak": LEAK,
}
