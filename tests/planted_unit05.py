"""Every misconception of unit 05 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import torch
import torch.nn.functional as F

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "a fate of 0.8 is overwritten by the swap that follows": r"^fate < 0\.8  ->  fate <= 0\.8$",
    "max in the other order": r"^max\(len\(wanted\), 1\)  ->  max\(1, len\(wanted\)\)$",
}

# ---- masking: one token after the other ----


def one_token(token, is_special, mask_id, choice, fate, other, bugs):
    """What stands in the input, and the label."""
    eligible = {"special": True, "markers": is_special}.get(bugs, not is_special)
    chosen = eligible and choice < 0.15
    swap_to = 1.0 if bugs == "no-keeping" else 0.9
    if bugs == "overwritten" and chosen and fate < 0.8:
        return other, token
    new = token
    if (chosen or bugs == "masks") and (fate < 0.8 or bugs == "all-masked"):
        new = mask_id
    elif (chosen or bugs == "swaps") and 0.8 <= fate < swap_to:
        new = other
    scored = {
        "everywhere": True,
        "changed": chosen and new != token,
        "hidden": chosen and new == mask_id,
        "not-chosen": not chosen,
    }.get(bugs, chosen)
    answer = new if bugs == "damaged" else token
    return new, answer if scored else -100


def hide_with(bugs):
    def hide(ids, special, mask_id, choice, fate, anything):
        inputs, labels = ids.clone(), ids.clone()
        for b, row in enumerate(ids.tolist()):
            columns = zip(row, special[b].tolist(), choice[b], fate[b], anything[b].tolist(), strict=True)
            for t, (token, is_special, c, f, other) in enumerate(columns):
                inputs[b, t], labels[b, t] = one_token(token, is_special, mask_id, c, f, other, bugs)
        return inputs, labels

    return hide


def same_each_time(ids, n, hide_once):
    return hide_once(ids).expand(n, *ids.shape)


def ever_more(ids, n, hide_once):
    damaged = [hide_once(ids)]
    while len(damaged) < n:
        damaged.append(hide_once(damaged[-1]))
    return torch.stack(damaged)


def plain_start(ids, n, hide_once):
    return torch.stack([hide_once(ids) if epoch else ids for epoch in range(n)])


MASKING = {
    "hide": {
        "special-tokens-hidden": hide_with("special"),
        "only-special-tokens-hidden": hide_with("markers"),
        "loss-on-unmasked": hide_with("everywhere"),
        "kept-not-scored": hide_with("changed"),
        "only-masks-scored": hide_with("hidden"),
        "random-share-of-all": hide_with("swaps"),
        "mask-share-of-all": hide_with("masks"),
        "inverted-labels": hide_with("not-chosen"),
        "labels-of-the-damaged": hide_with("damaged"),
        "always-mask": hide_with("all-masked"),
        "mask-overwritten": hide_with("overwritten"),
        "the-rest-is-swapped": hide_with("no-keeping"),
    },
    "epochs": {
        "one-mask-for-all-epochs": same_each_time,
        "hidden-on-top": ever_more,
        "first-epoch-plain": plain_start,
    },
}

# ---- loss: scores minus a log-sum-exp, with one-hot labels ----


def nats(logits, labels):
    """Minus the log-probability of each label (B, T), 0 where there is none, and where there is one."""
    scored = labels.ne(-100)
    hot = F.one_hot(labels.clamp(min=0), logits.size(-1)) * scored[..., None]
    each = (logits.logsumexp(-1) - (logits * hot).sum(-1)) * scored
    return each, scored


def over_everything(logits, labels):
    each, _ = nats(logits, labels)
    return each.mean()


def zero_for_nothing(logits, labels):
    each, _ = nats(logits, labels.clamp(min=0))
    return each.mean()


def negative_index(logits, labels):
    B, T, _ = logits.shape
    log_p = torch.log_softmax(logits, 2)
    return -torch.stack([log_p[b, t, labels[b, t]] for b in range(B) for t in range(T)]).mean()


def total(logits, labels):
    return nats(logits, labels)[0].sum()


def sentence_means(logits, labels):
    rows = [mean(*nats(one[None], label[None])) for one, label in zip(logits, labels, strict=True)]
    return sum(rows) / len(rows)


def mean(each, scored):
    return each.sum() / scored.sum().clamp(min=1)


def nothing_by_nothing(logits, labels):
    each, scored = nats(logits, labels)
    return each.sum() / scored.sum()


def along_the_sentence(logits, labels):
    scored = labels.ne(-100)
    chances = torch.softmax(logits.transpose(1, 2), dim=2).transpose(1, 2)
    found = torch.gather(chances, 2, labels.clamp(min=0)[..., None]).squeeze(2)
    return mean(-found.log() * scored, scored)


def chances_only(logits, labels):
    each, scored = nats(logits, labels)
    return mean(-torch.exp(-each) * scored, scored)


def bits(logits, labels):
    return mean(*nats(logits, labels)) / torch.tensor(2.0).log()


def upside_down(logits, labels):
    each, scored = nats(logits, labels)
    return mean(each, scored).neg()


def by_hand(logits, labels):
    scored = labels.ne(-100)
    powers = torch.exp(logits)
    found = powers.gather(2, labels.clamp(min=0).unsqueeze(2)).squeeze(2) / powers.sum(2)
    return mean(torch.where(scored, -torch.log(found), 0.0), scored)


LOSS = {
    "mlm_loss": {
        "divided-by-all-tokens": over_everything,
        "scored-everywhere": zero_for_nothing,
        "counted-from-the-end": negative_index,
        "sum-not-mean": total,
        "mean-of-means": sentence_means,
        "nan-without-labels": nothing_by_nothing,
        "softmax-over-tokens": along_the_sentence,
        "no-logarithm": chances_only,
        "in-bits": bits,
        "wrong-sign": upside_down,
        "overflowing-loss": by_hand,
    }
}

# ---- pairs: a running segment; the other documents as a list ----


def joined(a, b, cls, sep):
    return torch.cat([torch.tensor(part) for part in ([cls], a, [sep], b, [sep])])


def first_from(a, b, start):
    """Segments that turn 1 at `start`."""
    return (torch.arange(len(a) + len(b) + 3) >= start).long()


def marker_goes_over(a, b, cls, sep):
    return joined(a, b, cls, sep), first_from(a, b, len(a) + 1)


def end_goes_back(a, b, cls, sep):
    segments = first_from(a, b, len(a) + 2)
    segments[-1] = 0
    return joined(a, b, cls, sep), segments


def late(a, b, cls, sep):
    return joined(a, b, cls, sep), first_from(a, b, len(a) + 3)


def open_end(a, b, cls, sep):
    return joined(a, b, cls, sep)[:-1], first_from(a, b, len(a) + 2)[:-1]


def no_start(a, b, cls, sep):
    return joined(a, b, cls, sep)[1:], first_from(a, b, len(a) + 2)[1:]


def one_and_two(a, b, cls, sep):
    return joined(a, b, cls, sep), first_from(a, b, len(a) + 2) + 1


def other_way_round(a, b, cls, sep):
    return joined(a, b, cls, sep), 1 - first_from(a, b, len(a) + 2)


def stranger(documents, d, draw):
    o, s = draw
    return [document for number, document in enumerate(documents) if number != d][o][s]


def one_for_next(documents, d, i, coin, draw):
    return (documents[d][i + 1] if coin else stranger(documents, d, draw)), int(coin)


def at_home(documents, d, i, coin, draw):
    document = documents[d]
    return (document[i + 1], 0) if coin else (document[draw[1]], 1)


def all_documents(documents, d, i, coin, draw):
    if not coin:
        number, sentence = draw
        return documents[number][sentence], 1
    return documents[d][i + 1], 0


def tails_for_next(documents, d, i, coin, draw):
    return (stranger(documents, d, draw), 1) if coin else (documents[d][i + 1], 0)


def twice(documents, d, i, coin, draw):
    return (documents[d][i], 0) if coin else (stranger(documents, d, draw), 1)


PAIRS = {
    "pair_input": {
        "first-sep-in-b": marker_goes_over,
        "last-sep-in-a": end_goes_back,
        "b-one-late": late,
        "no-last-sep": open_end,
        "no-cls": no_start,
        "segments-from-1": one_and_two,
        "segments-swapped": other_way_round,
    },
    "next_example": {
        "labels-swapped": one_for_next,
        "same-document": at_home,
        "own-document-not-left-out": all_documents,
        "coin-inverted": tails_for_next,
        "itself-as-next": twice,
    },
}

# ---- reading: a triangle and a row of keys; targets by position ----


def keys(ids, pad_id):
    return ids.ne(pad_id).unsqueeze(1).repeat(1, ids.size(1), 1)


def triangle(ids, upper=False, diagonal=0):
    ones = torch.ones(ids.size(1), ids.size(1))
    return (torch.triu(ones, diagonal) if upper else torch.tril(ones, diagonal)).bool()


def looks_ahead(ids, pad_id, kind):
    mask = keys(ids, pad_id)
    return mask if kind == "both" else mask & triangle(ids, upper=True)


def blind_to_itself(ids, pad_id, kind):
    mask = keys(ids, pad_id)
    return mask if kind == "both" else mask & triangle(ids, diagonal=-1)


def sees_filling(ids, pad_id, kind):
    everything = torch.ones_like(keys(ids, pad_id))
    return everything if kind == "both" else everything & triangle(ids)


def filling_is_blind(ids, pad_id, kind):
    mask = keys(ids, pad_id).mT
    return mask if kind == "both" else mask & triangle(ids)


def one_kind(ids, pad_id, kind):
    return torch.logical_and(keys(ids, pad_id), triangle(ids))


def targets_with(at, hide_padding=True):
    """The label of position t is the token at `at(t, T)`, if there is one."""

    def targets(ids, pad_id):
        labels = torch.full_like(ids, -100)
        T = ids.size(1)
        for t in range(T):
            if 0 <= at(t, T) < T:
                labels[:, t] = ids[:, at(t, T)]
        if hide_padding:
            labels[labels == pad_id] = -100
        return labels

    return targets


READING = {
    "reads": {
        "left-is-right": looks_ahead,
        "left-not-itself": blind_to_itself,
        "padding-visible": sees_filling,
        "padding-of-rows": filling_is_blind,
        "always-left": one_kind,
    },
    "next_targets": {
        "targets-not-shifted": targets_with(lambda t, T: t),
        "targets-shifted-back": targets_with(lambda t, T: t - 1),
        "targets-around-the-corner": targets_with(lambda t, T: (t + 1) % T),
        "padding-scored": targets_with(lambda t, T: t + 1, hide_padding=False),
    },
}

# ---- heads: matrix products; counting with loops ----


def linear(x, weight, bias):
    return torch.addmm(bias, x, weight.mT)


def averaged(hidden, weight, bias):
    return linear(hidden.sum(1) / hidden.size(1), weight, bias)


def at_the_end(hidden, weight, bias):
    return linear(hidden.flip(1)[:, 0], weight, bias)


def first_word(hidden, weight, bias):
    return linear(hidden.select(1, 1), weight, bias)


def strongest(hidden, weight, bias):
    return linear(hidden.max(dim=1).values, weight, bias)


def no_bias(hidden, weight, bias):
    return hidden.select(1, 0).matmul(weight.mT)


def tally(scores, labels):
    """For each sentence: right answers, words, places."""
    for row, label in zip(scores, labels, strict=True):
        right = [int(one.argmax()) == int(wanted) for one, wanted in zip(row, label, strict=True)]
        yield sum(right), int((label >= 0).sum()), len(label)


def every_place(scores, labels):
    counted = list(tally(scores, labels))
    return torch.tensor(sum(right for right, _, _ in counted) / sum(n for _, _, n in counted))


def filling_is_right(scores, labels):
    counted = list(tally(scores, labels))
    right = sum(right + places - words for right, words, places in counted)
    return torch.tensor(right / sum(places for _, _, places in counted))


def sentence_by_sentence(scores, labels):
    shares = [right / words for right, words, _ in tally(scores, labels)]
    return torch.tensor(sum(shares) / len(shares))


def how_many(scores, labels):
    return torch.tensor(float(sum(right for right, _, _ in tally(scores, labels))))


HEADS = {
    "text_scores": {
        "mean-of-all-tokens": averaged,
        "last-token": at_the_end,
        "second-token": first_word,
        "largest-of-all": strongest,
        "no-head-bias": no_bias,
    },
    "tag_accuracy": {
        "padding-counts-as-wrong": every_place,
        "padding-counts-as-right": filling_is_right,
        "mean-of-sentences": sentence_by_sentence,
        "number-not-share": how_many,
    },
}

# ---- bug: sorted scores, places by index ----


def best(logits):
    return logits.sort(dim=-1, descending=True).indices[..., 0]


def share(guess, wanted, places):
    b, t = places.nonzero(as_tuple=True)
    return torch.eq(guess[b, t], wanted[b, t]).sum() / len(b)


def easy_ones(logits, ids, inputs, mask_id):
    return share(best(logits), ids, inputs.ne(mask_id))


def against_masks(logits, ids, inputs, mask_id):
    return share(best(logits), inputs, inputs.eq(mask_id))


def best_position(logits, ids, inputs, mask_id):
    over_positions = logits.sort(dim=1, descending=True).indices[:, 0]
    return share(over_positions[:, : ids.size(1)], ids, inputs.eq(mask_id))


def all_of_them(logits, ids, inputs, mask_id):
    return share(best(logits), ids, torch.ones_like(ids))


BUG = {
    "repaired": {
        "counted-in-plain-sight": easy_ones,
        "compared-with-the-damaged": against_masks,
        "best-over-the-wrong-axis": best_position,
        "counted-everywhere": all_of_them,
    }
}

# ---- predict and design ----


def forecast(chosen, masked, random, kept, scored):
    return lambda: {
        "chosen": chosen,
        "masked": masked,
        "random": random,
        "kept": kept,
        "scored": scored,
    }


PREDICT = {
    "predict": {
        "markers-counted": forecast(3300, 2640, 330, 330, 3300),
        "shares-of-all": forecast(3000, 16_000, 2000, 2000, 3000),
        "only-changed-scored": forecast(3000, 2400, 300, 300, 2700),
        "only-masks-are-scored": forecast(3000, 2400, 300, 300, 2400),
        "everything-scored": forecast(3000, 2400, 300, 300, 20_000),
    },
    "twin_sentences": {
        "clue-before-the-word": lambda: ("a hungry bat flew off", "a wooden bat broke apart", "bat"),
        "twice-the-same": lambda: ["we went to the spring .", "we went to the spring .", "spring"],
        "clue-only-before": lambda: ("the cold spring", "the steel spring", "spring"),
        "word-missing": lambda: ("the bats sleep", "the bat broke", "bat"),
    },
}

PLANTED = {
    "bert.masking": MASKING,
    "bert.loss": LOSS,
    "bert.pairs": PAIRS,
    "bert.reading": READING,
    "bert.heads": HEADS,
    "bert.bug": BUG,
    "bert.predict": PREDICT,
}
