"""Every misconception of unit 08 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import math

import torch
import torch.nn.functional as F

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "four axes: the third is also the last but one": r"^-2  ->  2$",
    "two axes: the last is also axis 1": r"^-1  ->  1$",
    "balanced runs are left out already": r"> 0\.5  ->  .* >= 0\.5$",
}

# ---- segments: rows built as lists ----


def row_by_row(make):
    """`make(segment, period, T)`: one row as a list; only the first T of it are kept."""

    def repeated(segments, periods, T):
        rows = zip(segments.tolist(), periods.tolist(), strict=True)
        return torch.tensor([make(segment, period, T)[:T] for segment, period in rows])

    return repeated


def like_the_first(segments, periods, T):
    P = int(periods[0])
    return segments[:, :P].repeat(1, -(-T // P))[:, :T]


def all_of_it(segments, periods, T):
    return segments.repeat(1, T)[:, :T]


def zigzag(segment, period, T):
    there = segment[:period]
    return (there + there[::-1]) * T


def each_token_often(segment, period, T):
    times = math.ceil(T / period)
    return [token for token in segment[:period] for _ in range(times)]


def labelled(begin=lambda P: P, end=1, step=1, shared=False):
    """Labels from begin(P) to T - end, each the token `step` further on."""

    def known(ids, periods):
        T = ids.size(1)
        labels = torch.full(ids.shape, -100)
        for b, P in enumerate(periods.tolist()):
            first = max(begin(int(periods[0]) if shared else P), 0)
            moved = torch.roll(ids[b], -step)
            labels[b, first : T - end] = moved[first : T - end]
        return labels

    return known


def new_ones_only(ids, periods):
    labels = ids.roll(-1, 1)
    labels[:, -1] = -100
    position = torch.arange(ids.size(1)).expand_as(ids)
    labels[position >= periods.unsqueeze(1)] = -100
    return labels


SEGMENTS = {
    "repeated": {
        "one-period-for-all": like_the_first,
        "whole-row-as-segment": all_of_it,
        "segment-once": row_by_row(lambda segment, P, T: segment[:P] + [0] * T),
        "tokens-repeated": row_by_row(each_token_often),
        "there-and-back": row_by_row(zigzag),
        "period-one-short": row_by_row(lambda segment, P, T: segment[: P - 1] * T),
    },
    "known": {
        "first-segment-scored": labelled(lambda P: 0),
        "scored-one-early": labelled(lambda P: P - 1),
        "scored-one-late": labelled(lambda P: P + 1),
        "says-itself": labelled(step=0),
        "says-the-previous": labelled(step=-1),
        "first-period-for-all": labelled(shared=True),
        "round-the-corner": labelled(end=0),
        "only-the-first-segment": new_ones_only,
    },
}

# ---- induction: masks that say which weights count ----


def below(weights, distance, begin=0):
    """1 at (t, t - distance) from t = begin on."""
    T = weights.size(-1)
    query, key = torch.meshgrid(torch.arange(T), torch.arange(T), indexing="ij")
    return ((query - key == distance) & (query >= begin)).float()


def average(weights, counted):
    return torch.einsum("bhts,ts->h", weights, counted) / counted.sum() / len(weights)


def own_token(weights):
    return average(weights, below(weights, 0))


def upper(weights):
    return average(weights, below(weights, 1).T)


def one_number(weights):
    return average(weights, below(weights, 1)).mean()


def by_length(weights):
    return torch.einsum("bhts,ts->h", weights, below(weights, 1)) / len(weights) / weights.size(-1)


def added(weights):
    return average(weights, below(weights, 1)) * (weights.size(-1) - 1)


def wins(weights, counted):
    best = weights == weights.amax(-1, keepdim=True)
    return average(best.float(), counted)


INDUCTION = {
    "previous_score": {
        "weight-on-itself": own_token,
        "weight-on-the-next": upper,
        "heads-averaged": one_number,
        "first-position-counted": by_length,
        "sum-over-positions": added,
        "share-of-wins": lambda weights: wins(weights, below(weights, 1)),
    },
    "induction_score": {
        "the-same-token": lambda w, P: average(w, below(w, P)),
        "one-too-far": lambda w, P: average(w, below(w, P - 2, P)),
        "begins-one-early": lambda w, P: average(w, below(w, P - 1)),
        "first-segment-counted": lambda w, P: (w * below(w, P - 1, P)).sum((-1, -2)).div(w.size(-1)).mean(0),
        "induction-rows-and-columns": lambda w, P: average(w.mT, below(w, P - 1, P)),
        "induction-heads-averaged": lambda w, P: average(w, below(w, P - 1, P)).mean(),
        "induction-share-of-wins": lambda w, P: wins(w, below(w, P - 1, P)),
        "induction-sum": lambda w, P: (w * below(w, P - 1, P)).sum((-1, -2)).mean(0),
    },
}

# ---- prompt: text grown piece by piece; pools in a loop ----


def typed(instruction, examples, query, wrong=""):
    arrow, end = " => ", {"space": " => ", "newline": " =>\n", "bare": ""}.get(wrong, " =>")
    gap = {"flat": " ", "airy": "\n\n"}.get(wrong, "\n")
    head = instruction + gap if instruction or wrong == "empty" else ""
    text = "" if wrong == "untold" else head
    last = query + end
    if wrong == "early":
        text += last + gap if examples else last
    for number, (given, wanted) in enumerate(examples):
        if number and wrong == "nagging":
            text += head
        text += given + (arrow + wanted if wrong != "unanswered" else " =>")
        text += gap if number < len(examples) - 1 or wrong != "early" else ""
    if wrong == "nagging" and examples:
        text += head
    return text if wrong == "early" else text + last


def with_wrong(wrong):
    return lambda instruction, examples, query: typed(instruction, examples, query, wrong)


def collected(pool, query, k, limit=None, mercy=0):
    """Pairs taken one by one: at most k; of the first `limit` pairs; the first `mercy` finds are dropped."""
    taken = []
    for number, pair in enumerate(pool):
        if limit is not None and number >= limit:
            break
        if pair[0] == query and mercy > 0:
            mercy -= 1
        elif len(taken) < k:
            taken.append(pair)
    return taken


def reversed_choice(pool, query, k):
    rest = [pair for pair in reversed(pool) if pair[0] != query]
    return rest[:k][::-1]


PROMPT = {
    "few_shot": {
        "answers-missing": with_wrong("unanswered"),
        "query-not-opened": with_wrong("bare"),
        "space-at-the-end": with_wrong("space"),
        "newline-at-the-end": with_wrong("newline"),
        "query-before-the-examples": with_wrong("early"),
        "instruction-missing": with_wrong("untold"),
        "instruction-every-time": with_wrong("nagging"),
        "all-in-one-line": with_wrong("flat"),
        "blank-lines": with_wrong("airy"),
        "empty-instruction-line": with_wrong("empty"),
    },
    "shots": {
        "query-among-examples": collected,
        "cut-before-left-out": lambda pool, query, k: collected(pool, query, k, limit=k, mercy=99),
        "one-spare": lambda pool, query, k: collected(pool, query, k, limit=k + 1, mercy=99),
        "second-copy-kept": lambda pool, query, k: collected(pool, query, k, mercy=1),
        "only-the-query": lambda pool, query, k: list(filter(lambda pair: pair[0] == query, pool))[:k],
        "from-the-end": reversed_choice,
    },
}

# ---- labels: cross-entropy of shifted rows; texts put together by hand ----


def nats(logits, ids):
    """log p of each token but the first, read one position before it: (T - 1,)."""
    return -F.cross_entropy(logits[:-1], ids[1:], reduction="none")


def at_home(logits, ids, start):
    return -F.cross_entropy(logits, ids, reduction="none")[start:].sum()


def head_only(logits, ids, start):
    return nats(logits, ids)[start - 1]


def tail_only(logits, ids, start):
    return nats(logits, ids)[-1]


def per_token(logits, ids, start):
    return nats(logits, ids)[start - 1 :].mean()


def everything(logits, ids, start):
    return nats(logits, ids).sum()


def from_one_row(logits, ids, start):
    return sum(torch.log_softmax(logits[start - 1], 0)[i] for i in ids[start:])


def plain_logits(logits, ids, start):
    return sum(logits[t - 1, ids[t]] for t in range(start, len(ids)))


def chances(logits, ids, start):
    return nats(logits, ids)[start - 1 :].exp().sum()


def down_the_columns(logits, ids, start):
    log_p = logits - torch.logsumexp(logits, dim=0)
    return torch.stack([log_p[t - 1, ids[t]] for t in range(start, len(ids))]).sum()


def rounded_away(logits, ids, start):
    p = torch.softmax(logits, 1)[torch.arange(start - 1, len(ids) - 1), ids[start:]]
    return torch.log(p).sum()


def asked(one, text=lambda prompt, label: f"{prompt} {label}", begin=lambda prompt: prompt):
    def score(read, encode, prompt, labels):
        scores = []
        for label in labels:
            ids = torch.tensor(encode(text(prompt, label)))
            scores.append(one(read(ids.tolist()), ids, len(encode(begin(prompt)))))
        return torch.stack(scores)

    return score


def whole_label(logits, ids, start):
    return nats(logits, ids)[start - 1 :].sum()


def glued(read, encode, prompt, labels):
    context = encode(prompt + " ")
    found = []
    for label in labels:
        ids = torch.tensor([*context, *encode(label)])
        found.append(whole_label(read(ids), ids, len(context)))
    return torch.stack(found)


def among_labels(read, encode, prompt, labels):
    scores = asked(whole_label)(read, encode, prompt, labels)
    return scores - scores.logsumexp(0)


LABELS = {
    "label_log_p": {
        "read-at-its-own-position": at_home,
        "first-token-only": head_only,
        "last-token-only": tail_only,
        "mean-of-tokens": per_token,
        "prompt-scored-too": everything,
        "one-position-for-all": from_one_row,
        "logits-added": plain_logits,
        "probabilities-added": chances,
        "softmax-over-positions": down_the_columns,
        "minus-infinity": rounded_away,
    },
    "score": {
        "label-without-its-space": asked(whole_label, lambda prompt, label: prompt + label),
        "space-as-a-token": glued,
        "begins-one-token-late": asked(whole_label, begin=lambda prompt: prompt + " "),
        "only-first-tokens": asked(head_only),
        "own-positions": asked(at_home),
        "means-of-tokens": asked(per_token),
        "whole-text-scored": asked(everything),
        "labels-normalised": among_labels,
    },
}

# ---- calibration: probabilities, rows and columns in loops ----


def shares(row):
    p = torch.exp(row)
    return p / torch.sum(p)


def geometric(log_p):
    product = torch.stack([shares(row) for row in log_p]).prod(0) ** (1 / len(log_p))
    return product / product.sum()


def together(log_p):
    p = torch.exp(log_p).sum(0)
    return p / p.sum()


def compared_inputs(log_p):
    return torch.stack([shares(column) for column in log_p.T], dim=1).mean(0)


def divided(log_p, free, wrong=""):
    rows = []
    for row in log_p:
        p = shares(row)
        new = {
            "times": p * free,
            "log-minus-p": torch.exp(row - free),
            "left": p,
            "logs": row / torch.log(free),
        }.get(wrong, p / free)
        rows.append(new if wrong == "open" else new / new.sum())
    return torch.stack(rows)


def differences(log_p, free):
    return torch.softmax(log_p, 1).sub(free)


def own_mean(log_p, free):
    return divided(log_p, torch.softmax(log_p, 1).mean(0))


def columns(log_p, free):
    open_rows = divided(log_p, free, "open")
    return torch.stack([column / column.sum() for column in open_rows.T]).T


def with_divided(wrong):
    return lambda log_p, free: divided(log_p, free, wrong)


CALIBRATION = {
    "without_content": {
        "mean-of-logarithms": geometric,
        "never-normalised": lambda log_p: sum(torch.exp(row) for row in log_p) / len(log_p),
        "normalised-at-the-end": together,
        "softmax-over-the-inputs": compared_inputs,
        "summed-inputs": lambda log_p: sum(shares(row) for row in log_p),
        "first-input-only": lambda log_p: shares(log_p[0]),
        "logarithm-returned": lambda log_p: torch.log(sum(shares(row) for row in log_p) / len(log_p)),
    },
    "calibrated": {
        "multiplied-by-the-bias": with_divided("times"),
        "not-normalised-again": with_divided("open"),
        "probability-for-logarithm": with_divided("log-minus-p"),
        "subtracted-probabilities": differences,
        "calibrated-with-the-test-items": own_mean,
        "bias-ignored": with_divided("left"),
        "logarithms-divided": with_divided("logs"),
        "normalised-over-prompts": columns,
        "calibrated-logarithms": lambda log_p, free: torch.log(divided(log_p, free)),
    },
}

# ---- luck: counting in Python; percentiles by sorting ----


def count(row):
    return sum(map(int, row.tolist()))


def best_of(rows):
    counts = [count(row) for row in rows]
    return counts.index(max(counts))


def share(row):
    return count(row) / len(row)


def on_both(dev, test):
    return [torch.cat(pair) for pair in zip(dev, test, strict=True)]


def shuffles(N, R):
    return torch.rand(R, N).argsort(1)


def copies(N, R):
    return torch.stack([torch.randint(0, N, (N,))] * R)


def one_short(N, R):
    return torch.randint(0, N - 1, size=(R, N))


def percentile(values, q):
    """Between neighbours in order, as torch.quantile does it."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def accuracies(right, draws):
    return [sum(right[i] for i in row) / len(row) for row in draws.tolist()]


def interval(values, low=0.025, high=0.975):
    return [percentile(values, low), percentile(values, high)]


def compared(use):
    """`use(of_a, of_b, a, b)`: two numbers from the accuracies and the answers themselves."""

    def difference(a, b, draws):
        answers = [list(map(float, one.tolist())) for one in (a, b)]
        return torch.tensor(use(*(accuracies(one, draws) for one in answers), *answers))

    return difference


def gains(of_a, of_b):
    return [y - x for x, y in zip(of_a, of_b, strict=True)]


def far_apart(of_a, of_b, a, b):
    (low_a, high_a), (low_b, high_b) = interval(of_a), interval(of_b)
    return [low_b - high_a, high_b - low_a]


def end_by_end(of_a, of_b, a, b):
    return [y - x for x, y in zip(interval(of_a), interval(of_b), strict=True)]


def bell(times):
    def use(of_a, of_b, a, b):
        found = gains(of_a, of_b)
        mean = sum(found) / len(found)
        spread = times * math.sqrt(sum((one - mean) ** 2 for one in found) / (len(found) - 1))
        middle = sum(b) / len(b) - sum(a) / len(a)
        return [middle - spread, middle + spread]

    return compared(use)


LUCK = {
    "choose": {
        "chosen-on-the-test-set": lambda dev, test: (best_of(test), share(test[best_of(test)])),
        "reported-on-dev": lambda dev, test: (best_of(dev), share(dev[best_of(dev)])),
        "reported-on-both": lambda dev, test: (best_of(dev), share(on_both(dev, test)[best_of(dev)])),
        "chosen-on-both": lambda dev, test: (
            best_of(on_both(dev, test)),
            share(test[best_of(on_both(dev, test))]),
        ),
        "best-of-the-test-set": lambda dev, test: (best_of(dev), max(map(share, test))),
        "mean-of-all-prompts": lambda dev, test: (best_of(dev), share(test.flatten())),
        "number-not-accuracy": lambda dev, test: (best_of(dev), float(count(test[best_of(dev)]))),
    },
    "resample": {
        "without-replacement": shuffles,
        "one-draw-for-all-rows": copies,
        "last-item-never-drawn": one_short,
    },
    "difference": {
        "two-intervals-crossed": compared(far_apart),
        "ends-subtracted": compared(end_by_end),
        "one-standard-error": bell(1),
        "two-standard-errors": bell(1.96),
        "a-minus-b": compared(lambda of_a, of_b, a, b: interval(gains(of_b, of_a))),
        "ninety-percent": compared(lambda of_a, of_b, a, b: interval(gains(of_a, of_b), 0.05, 0.95)),
        "smallest-and-largest": compared(
            lambda of_a, of_b, a, b: [min(gains(of_a, of_b)), max(gains(of_a, of_b))]
        ),
        "percentiles-of-items": compared(lambda of_a, of_b, a, b: interval(gains(a, b))),
        "only-b": compared(lambda of_a, of_b, a, b: interval(of_b)),
    },
}

# ---- the bill: the given code with some lines mended ----


def with_bugs(epochs=False, flops=False, kwh=False, per_token=None, unit=None, drawn=None):
    def repaired(sizes, percent, parameters, tokens, flops_per_joule):
        read = drawn(sizes, percent, tokens) if drawn else torch.mul(percent, 0.01) * tokens
        times = torch.div(sizes, read) if epochs else torch.div(read, sizes)
        work = parameters * tokens * (per_token or (2 if flops else 6))
        joules = work / flops_per_joule
        return times, work, joules / (unit or (3600 if kwh else 3600 * 1000))

    return repaired


BUG = {
    "repaired": {
        "bug-left-epochs": with_bugs(epochs=True),
        "bug-left-flops": with_bugs(flops=True),
        "bug-left-kwh": with_bugs(kwh=True),
        "bug-left-epochs-flops": with_bugs(epochs=True, flops=True),
        "bug-left-epochs-kwh": with_bugs(epochs=True, kwh=True),
        "bug-left-flops-kwh": with_bugs(flops=True, kwh=True),
        "bug-left-epochs-flops-kwh": with_bugs(True, True, True),
        "percent-as-a-share": with_bugs(drawn=lambda sizes, percent, tokens: percent * tokens),
        "weight-forgotten": with_bugs(drawn=lambda sizes, percent, tokens: tokens),
        "size-decides": with_bugs(drawn=lambda sizes, percent, tokens: tokens * sizes / sizes.sum()),
        "backward-only": with_bugs(per_token=4),
        "watt-seconds": with_bugs(unit=1),
    }
}

# ---- bias: runs one by one ----


def listed(orders, predictions):
    return list(zip(orders.tolist(), predictions.tolist(), strict=True))


def pulled(runs, label=lambda order: int(sum(order) > 2), use=lambda order: sum(order) != 2):
    hits = [float(said == label(order)) for order, answers in runs if use(order) for said in answers]
    return sum(hits) / len(hits)


def recent(runs, place=-1, use=lambda order: sum(order) == 2):
    after = {0: [], 1: []}
    for order, answers in runs:
        if use(order):
            after[order[place]] += answers
    return {label: sum(answers) / len(answers) for label, answers in after.items()}


def effects_with(majority=pulled, recency=lambda runs: recent(runs)[1] - recent(runs)[0]):
    def effects(orders, predictions):
        runs = listed(orders, predictions)
        return torch.tensor(majority(runs)), torch.tensor(recency(runs))

    return effects


def minus(places):
    return places[1] - places[0]


def repeats_the_last(runs):
    return pulled(runs, label=lambda order: order[-1], use=lambda order: sum(order) == 2)


def forecast(last, positive, perfect, first):
    return lambda: {
        "copies_last": last,
        "always_positive": positive,
        "perfect": perfect,
        "copies_first": first,
    }


BIAS = {
    "effects": {
        "ties-have-a-majority": effects_with(lambda runs: pulled(runs, use=lambda order: True)),
        "minority-counted": effects_with(lambda runs: pulled(runs, label=lambda order: int(sum(order) < 2))),
        "positive-for-majority": effects_with(lambda runs: pulled(runs, label=lambda order: 1)),
        "only-positive-majorities": effects_with(
            lambda runs: pulled(runs, use=lambda order: sum(order) >= 3)
        ),
        "first-example-for-last": effects_with(recency=lambda runs: minus(recent(runs, place=0))),
        "recency-sign": effects_with(recency=lambda runs: -minus(recent(runs))),
        "agreement-for-recency": effects_with(recency=repeats_the_last),
        "no-comparison": effects_with(recency=lambda runs: recent(runs)[1]),
        "unbalanced-runs-counted": effects_with(
            recency=lambda runs: minus(recent(runs, use=lambda order: True))
        ),
        "only-unbalanced-runs": effects_with(
            recency=lambda runs: minus(recent(runs, use=lambda order: sum(order) in (0, 1, 3, 4)))
        ),
    },
    "predict": {
        "agreement-predicted": forecast(1.0, 0.5, 0.5, 0.33),
        "first-cannot-matter": forecast(1.0, 0.0, 0.0, 0.0),
        "first-has-the-same-sign": forecast(1, 0, 0, 1 / 3),
        "accuracies-predicted": forecast(0.5, 0.5, 1.0, 0.5),
        "liking-is-recency": forecast(1, 1, 0, -0.33),
    },
    "orders": {
        "every-order": lambda: ["PPNN", "PNPN", "PNNP", "NPPN", "NPNP", "NNPP"],
        "first-equals-last": lambda: ["NPPN", "PNNP", "NPPN", "PNNP"],
        "first-opposes-last": lambda: ["NPNP", "PNPN"],
        "unbalanced-orders": lambda: ["PPPP", "NNPP", "PPPN", "NPPN"],
        "one-ending-only": lambda: ("PPNN", "NPPN"),
    },
}

PLANTED = {
    "gpt3.segments": SEGMENTS,
    "gpt3.induction": INDUCTION,
    "gpt3.prompt": PROMPT,
    "gpt3.labels": LABELS,
    "gpt3.calibration": CALIBRATION,
    "gpt3.luck": LUCK,
    "gpt3.bug": BUG,
    "gpt3.bias": BIAS,
}
