"""Every misconception of unit 07 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

import math

import torch
import torch.nn.functional as F

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "a tensor of one number is as good as the number": r"\.item\(\)  ->",
    "of one entry the first is also the last": r"^0  ->  -1$",
    "two axes: the last is also axis 1": r"^-1  ->  1$",
}

# ---- block: written step by step, the norm wherever it landed ----


def pre_instead(x, attention, feed_forward, norm_1, norm_2):
    for part, norm in ((attention, norm_1), (feed_forward, norm_2)):
        x = torch.add(part(norm(x)), x)
    return x


def post_instead(x, attention, feed_forward, norm_1, norm_2):
    for part, norm in ((attention, norm_1), (feed_forward, norm_2)):
        x = norm(torch.add(part(x), x))
    return x


def brackets_closed_early(x, attention, feed_forward, norm_1, norm_2):
    attended = norm_1(attention(x))
    x = attended + x
    thought = norm_2(feed_forward(x))
    return thought + x


def replaced(x, attention, feed_forward, norm_1, norm_2):
    attended = norm_1(attention(x))
    return norm_2(feed_forward(attended))


def over_the_head(x, attention, feed_forward, norm_1, norm_2):
    start = x
    hidden = norm_1(attention(x) + start)
    return norm_2(feed_forward(hidden) + start)


def overwritten(x, attention, feed_forward, norm_1, norm_2):
    x = norm_1(x)
    x = attention(x) + x
    x = norm_2(x)
    return feed_forward(x) + x


def parallel(x, attention, feed_forward, norm_1, norm_2):
    found = [attention(norm_1(x)), feed_forward(norm_2(x))]
    return x + found[0] + found[1]


def raw_thinking(x, attention, feed_forward, norm_1, norm_2):
    hidden = x + attention(norm_1(x))
    return hidden + feed_forward(hidden)


def other_norms(block):
    def swapped(x, attention, feed_forward, norm_1, norm_2):
        return block(x, attention, feed_forward, norm_1=norm_2, norm_2=norm_1)

    return swapped


def vectors(ids, token, position):
    return F.embedding(ids, token) + F.embedding(torch.arange(ids.size(1)), position)


def through(x, blocks):
    for i in range(len(blocks)):
        x = blocks[i](x)
    return x


def unnormed(ids, token, position, blocks, last_norm):
    return F.linear(through(vectors(ids, token, position), blocks), token)


def like_bert(ids, token, position, blocks, last_norm):
    return F.linear(through(last_norm(vectors(ids, token, position)), blocks), token)


def normed_each_time(ids, token, position, blocks, last_norm):
    x = vectors(ids, token, position)
    for block in blocks:
        x = block(x)
        x = last_norm(x)
    return F.linear(x, token)


def bag_of_words(ids, token, position, blocks, last_norm):
    return F.linear(last_norm(through(F.embedding(ids, token), blocks)), token)


def place_of_the_word(ids, token, position, blocks, last_norm):
    return F.linear(last_norm(through(F.embedding(ids, token) + F.embedding(ids, position), blocks)), token)


def last_block_first(ids, token, position, blocks, last_norm):
    return F.linear(last_norm(through(vectors(ids, token, position), list(reversed(blocks)))), token)


def chances(ids, token, position, blocks, last_norm):
    scores = F.linear(last_norm(through(vectors(ids, token, position), blocks)), token)
    return torch.exp(scores - scores.logsumexp(-1, keepdim=True))


BLOCK = {
    "post_ln": {
        "pre-for-post": pre_instead,
        "norm-of-the-branch": brackets_closed_early,
        "no-residual": replaced,
        "post-norms-swapped": other_norms(post_instead),
        "second-from-the-start": over_the_head,
    },
    "pre_ln": {
        "post-for-pre": post_instead,
        "residual-from-the-normed": overwritten,
        "norm-of-the-branch": brackets_closed_early,
        "side-by-side": parallel,
        "second-part-not-normed": raw_thinking,
        "pre-norms-swapped": other_norms(pre_instead),
    },
    "gpt2_logits": {
        "no-last-norm": unnormed,
        "norm-in-front": like_bert,
        "norm-after-each-block": normed_each_time,
        "no-positions": bag_of_words,
        "positions-by-token": place_of_the_word,
        "blocks-backwards": last_block_first,
        "softmax-in-the-logits": chances,
    },
}

# ---- count: closed formulas ----


def gpt2(tables="vp", per_layer=(12, 13), last=2, layers=None):
    def count(vocab_size, max_positions, d_model, n_heads, n_layers):
        rows = {"v": vocab_size, "p": max_positions}
        squares, ones = per_layer
        one = squares * d_model**2 + ones * d_model
        return sum(rows[name] for name in tables) * d_model + (layers or n_layers) * one + last * d_model

    return count


def llama(tables=1, keys=False, matrices=3, norms=1, biases=False, last=True):
    def count(vocab_size, d_model, n_heads, n_kv_heads, n_layers, d_ff):
        head = d_model // n_heads
        widths = [d_model, d_model, *2 * [(n_heads if keys else n_kv_heads) * head], *matrices * [d_ff]]
        layer = sum(d_model * width for width in widths) + 2 * norms * d_model
        if biases:
            layer += 2 * d_model + 2 * n_kv_heads * head + 2 * d_ff + d_model
        return tables * vocab_size * d_model + n_layers * layer + norms * last * d_model

    return count


COUNT = {
    "gpt2_parameters": {
        "tied-twice": gpt2("vvp"),
        "no-position-table": gpt2("v"),
        "gpt2-no-last-norm": gpt2(last=0),
        "no-biases": gpt2(per_layer=(12, 4)),
        "no-norms": gpt2(per_layer=(12, 9)),
        "only-matrices": gpt2(per_layer=(12, 0), last=0),
        "norms-without-shift": gpt2(per_layer=(12, 11), last=1),
        "no-output-projection": gpt2(per_layer=(11, 12)),
        "one-layer": gpt2(layers=1),
    },
    "llama_parameters": {
        "keys-for-every-head": llama(keys=True),
        "no-gate": llama(matrices=2),
        "norms-with-shift": llama(norms=2),
        "llama-with-biases": llama(biases=True),
        "output-of-its-own": llama(tables=2),
        "llama-no-last-norm": llama(last=False),
    },
}

# ---- measures: token by token ----


def surprises(batches, pad_id, shift=1, padding=False, filler=None):
    """For each batch, for each text, the list of its nats."""
    filler = pad_id if filler is None else filler
    told = []
    for logits, ids in batches:
        p = torch.softmax(logits, dim=2)
        texts = []
        for b, row in enumerate(ids.tolist()):
            pairs = [(t - shift, token) for t, token in enumerate(row) if t >= shift]
            texts.append([-math.log(p[b, t, token]) for t, token in pairs if padding or token != filler])
        told.append(texts)
    return told


def flat(told):
    return [nat for texts in told for text in texts for nat in text]


def mean(numbers):
    return sum(numbers) / len(numbers)


def batch_by_batch(batches, pad_id):
    return math.exp(mean([mean(flat([texts])) for texts in surprises(batches, pad_id)]))


def exponentials_first(batches, pad_id):
    return mean([math.exp(mean(flat([texts]))) for texts in surprises(batches, pad_id)])


def text_by_text(batches, pad_id):
    return math.exp(mean([mean(text) for texts in surprises(batches, pad_id) for text in texts]))


def with_filling(batches, pad_id):
    return math.exp(mean(flat(surprises(batches, pad_id, padding=True))))


def zero_is_padding(batches, pad_id):
    return math.exp(mean(flat(surprises(batches, pad_id, filler=0))))


def power_of_two(batches, pad_id):
    return 2.0 ** mean(flat(surprises(batches, pad_id)))


def same_place(batches, pad_id):
    return math.exp(mean(flat(surprises(batches, pad_id, shift=0))))


def two_ahead(batches, pad_id):
    return math.exp(mean(flat(surprises(batches, pad_id, shift=2))))


def all_tokens_below(batches, pad_id):
    n_tokens = sum(int(ids.ne(pad_id).sum()) for _, ids in batches)
    return math.exp(sum(flat(surprises(batches, pad_id))) / n_tokens)


def only_the_loss(batches, pad_id):
    return mean(flat(surprises(batches, pad_id)))


def mean_probability(batches, pad_id):
    return 1 / math.exp(mean(flat(surprises(batches, pad_id))))


def total_bits(nats):
    return sum(nats.tolist()) / math.log(2)


MEASURES = {
    "perplexity": {
        "mean-of-batches": batch_by_batch,
        "mean-of-perplexities": exponentials_first,
        "mean-of-texts": text_by_text,
        "padding-counted": with_filling,
        "padding-taken-for-zero": zero_is_padding,
        "two-to-the-nats": power_of_two,
        "not-shifted": same_place,
        "shifted-twice": two_ahead,
        "first-token-in-the-count": all_tokens_below,
        "no-exponential": only_the_loss,
        "sign-lost": mean_probability,
    },
    "bits_per_byte": {
        "characters-for-bytes": lambda nats, text: total_bits(nats) / sum(1 for _ in text),
        "per-token-for-per-byte": lambda nats, text: total_bits(nats) / nats.numel(),
        "mean-for-sum": lambda nats, text: total_bits(nats) / nats.numel() / len(bytes(text, "utf-8")),
        "nats-per-byte": lambda nats, text: float(nats.sum()) / len(bytes(text, "utf-8")),
        "multiplied-by-ln-2": lambda nats, text: float(nats.sum()) * math.log(2) / len(bytes(text, "utf-8")),
        "bytes-of-utf-16": lambda nats, text: total_bits(nats) / len(bytes(text, "utf-16-be")),
    },
    "bits_per_character": {
        "bytes-for-characters": lambda nats, text: total_bits(nats) / len(bytes(text, "utf-8")),
        "per-token-for-per-character": lambda nats, text: total_bits(nats) / nats.numel(),
        "spaces-left-out": lambda nats, text: total_bits(nats) / len("".join(text.split())),
        "nats-per-character": lambda nats, text: float(nats.sum()) / len(list(text)),
        "per-word": lambda nats, text: total_bits(nats) / (text.count(" ") + 1),
    },
}

# ---- words: token by token, the prefix read anew each time ----


def steps(logits_of, prefix, tokens):
    """The log-probability of each token after all before it."""
    read, found = list(prefix), []
    for token in tokens:
        row = logits_of(read)[-1]
        found.append(row[token] - row.logsumexp(0))
        read.append(token)
    return torch.stack(found)


def glued(logits_of, encode, context, word):
    return steps(logits_of, encode(context), encode(word)).sum()


def space_before(logits_of, encode, context, word):
    return steps(logits_of, encode(context + " "), encode(word)).sum()


def answer_in_sight(logits_of, encode, context, word):
    given, label = encode(context), encode(f" {word}")
    log_p = torch.log(torch.softmax(logits_of([*given, *label]), dim=1))
    return sum(log_p[len(given) + k, token] for k, token in enumerate(label))


def early(logits_of, encode, context, word):
    given, label = encode(context), encode(f" {word}")
    log_p = torch.log(torch.softmax(logits_of([*given, *label]), dim=1))
    return sum(log_p[len(given) + k - 2, token] for k, token in enumerate(label))


def whole_text(logits_of, encode, context, word):
    first, *others = encode(f"{context} {word}")
    return steps(logits_of, [first], others).sum()


def per_token(logits_of, encode, context, word):
    return steps(logits_of, encode(context), encode(f" {word}")).mean()


def only_first(logits_of, encode, context, word):
    return steps(logits_of, encode(context), encode(f" {word}")[:1]).sum()


def only_last(logits_of, encode, context, word):
    return steps(logits_of, encode(context), encode(f" {word}")).flip(0)[0]


def raw_scores(logits_of, encode, context, word):
    read, total = encode(context), torch.tensor(0.0)
    for token in encode(f" {word}"):
        total = total + logits_of(read)[-1, token]
        read = [*read, token]
    return total


def sum_of_chances(logits_of, encode, context, word):
    return steps(logits_of, encode(context), encode(f" {word}")).exp().sum()


def as_a_loss(logits_of, encode, context, word):
    return steps(logits_of, encode(context), encode(f" {word}")).sum().neg()


def choose(score, best=max):
    """`score(logits_of, before, candidate, after)` of lists of ids; the number of the best."""

    def cloze(logits_of, encode, before, candidates, after):
        ids = [(encode(before), encode(f" {one}"), encode(after)) for one in candidates]
        scores = [float(score(logits_of, *one)) for one in ids]
        return scores.index(best(scores))

    return cloze


def no_space_choice(logits_of, encode, before, candidates, after):
    scores = [
        float(steps(logits_of, encode(before), encode(one) + encode(after)).sum()) for one in candidates
    ]
    return max(range(len(scores)), key=scores.__getitem__)


WORDS = {
    "word_log_p": {
        "no-leading-space": glued,
        "space-left-at-the-context": space_before,
        "own-position": answer_in_sight,
        "one-too-early": early,
        "context-scored": whole_text,
        "mean-of-the-word": per_token,
        "first-token-only": only_first,
        "last-token-only": only_last,
        "logits-added": raw_scores,
        "probabilities-added": sum_of_chances,
        "word-minus-sign": as_a_loss,
    },
    "cloze": {
        "rest-ignored": choose(lambda model, before, word, after: steps(model, before, word).sum()),
        "rest-only": choose(lambda model, before, word, after: steps(model, before + word, after).sum()),
        "mean-of-tokens": choose(
            lambda model, before, word, after: steps(model, before, word + after).mean()
        ),
        "least-likely": choose(
            lambda model, before, word, after: steps(model, before, word + after).sum(), best=min
        ),
        "candidates-without-space": no_space_choice,
    },
}

# ---- modern: norms from PyTorch, rotations as matrices, heads as a fifth axis ----


def rooted(x, weight, divisor):
    return torch.einsum("...d,d->...d", x / divisor, weight)


def mean_of_squares(x):
    return x.pow(2).sum(-1, keepdim=True) / x.size(-1)


def layer_norm(x, weight, eps):
    return F.layer_norm(x, x.shape[-1:], weight, None, eps)


def outside(x, weight, eps):
    return rooted(x, weight, mean_of_squares(x) ** 0.5 + eps)


def no_eps(x, weight, eps):
    return rooted(x, weight, mean_of_squares(x) ** 0.5)


def by_length(x, weight, eps):
    return rooted(x, weight, (x.pow(2).sum(-1, keepdim=True) + eps) ** 0.5)


def by_the_square(x, weight, eps):
    return rooted(x, weight, mean_of_squares(x) + eps)


def along_the_text(x, weight, eps):
    return rooted(x, weight, (mean_of_squares(x.mT).mT + eps) ** 0.5)


def whole_batch(x, weight, eps):
    return rooted(x, weight, (x.norm() ** 2 / x.numel() + eps) ** 0.5)


def plain(x, weight, eps):
    return rooted(x, torch.ones_like(weight), (mean_of_squares(x) + eps) ** 0.5)


def turn_pairs(pairs, angle, matrix=lambda c, s: [[c, -s], [s, c]]):
    """Turn each pair of columns by a matrix of its own: `pairs(D)`, `angle(p, i, D, base)`."""

    def rope(x, positions, base):
        out, D = x.clone(), x.size(-1)
        for t, p in enumerate(positions.tolist()):
            for i, (left, right) in enumerate(pairs(D)):
                theta = angle(p, i, D, base)
                rotation = torch.tensor(matrix(math.cos(theta), math.sin(theta)))
                out[:, :, t, [left, right]] = x[:, :, t, [left, right]] @ rotation.T
        return out

    return rope


def halves(D):
    return [(i, i + D // 2) for i in range(D // 2)]


def side_by_side(D):
    return [(2 * i, 2 * i + 1) for i in range(D // 2)]


def usual(p, i, D, base):
    return p / base ** (2 * i / D)


def other_angles(x, positions, base):
    D = x.size(-1)
    theta = torch.stack([positions / base ** (2 * (i // 2) / D) for i in range(D)], dim=-1)
    partner = torch.roll(x, D // 2, dims=-1)
    partner[..., : D // 2] *= -1
    return x * torch.cos(theta) + partner * torch.sin(theta)


def from_nought(x, positions, base):
    return turn_pairs(halves, usual)(x, positions - positions[0], base)


def from_one(x, positions, base):
    return turn_pairs(halves, usual)(x, 1 + positions, base)


def like_2017(x, positions, base):
    D = x.size(-1)
    theta = [[usual(p, i, D, base) for i in range(D // 2)] for p in positions.tolist()]
    waves = [[*map(math.sin, row), *map(math.cos, row)] for row in theta]
    return x + torch.tensor(waves)


def five_axes(query, key, value, mask, tiled=False, scale=True):
    """Query heads as (G, H/G), or (H/G, G) when tiled; keys broadcast over the group."""
    B, H, T, D = query.shape
    G = key.size(1)
    shape = (B, H // G, G, T, D) if tiled else (B, G, H // G, T, D)
    axis = 1 if tiled else 2
    scores = query.reshape(shape) @ key.unsqueeze(axis).mT
    scores = scores * D**-0.5 if scale else scores
    weights = torch.where(mask, scores, torch.tensor(-torch.inf)).softmax(-1)
    return (weights @ value.unsqueeze(axis)).reshape(B, H, T, D)


def tiled(query, key, value, turn, mask):
    return five_axes(turn(query), turn(key), value, mask, tiled=True)


def single_key_head(query, key, value, turn, mask):
    return five_axes(turn(query), turn(key)[:, :1], value[:, :1], mask)


def pooled_key_heads(query, key, value, turn, mask):
    mean_key, mean_value = key.sum(1, keepdim=True) / key.size(1), value.sum(1, keepdim=True) / value.size(1)
    return five_axes(turn(query), turn(mean_key), mean_value, mask)


def all_turned(query, key, value, turn, mask):
    return five_axes(turn(query), turn(key), turn(value), mask)


def query_turned(query, key, value, turn, mask):
    return five_axes(turn(query), key, value, mask)


def unturned(query, key, value, turn, mask):
    return five_axes(query, key, value, mask)


def sees_everything(query, key, value, turn, mask):
    return five_axes(turn(query), turn(key), value, torch.ones_like(mask))


def sharper(query, key, value, turn, mask):
    return five_axes(turn(query), turn(key), value, mask, scale=False)


MODERN = {
    "rms_norm": {
        "mean-subtracted": layer_norm,
        "eps-outside-the-root": outside,
        "eps-forgotten": no_eps,
        "sum-of-squares": by_length,
        "no-root": by_the_square,
        "over-the-tokens": along_the_text,
        "one-for-all": whole_batch,
        "rms-without-weight": plain,
    },
    "rope": {
        "neighbours-paired": turn_pairs(side_by_side, usual),
        "neighbours-angles-for-halves": other_angles,
        "turned-backwards": turn_pairs(halves, usual, lambda c, s: [[c, s], [-s, c]]),
        "minus-forgotten": turn_pairs(halves, usual, lambda c, s: [[c, s], [s, c]]),
        "exponent-halved": turn_pairs(halves, lambda p, i, D, base: p / base ** (i / D)),
        "faster-and-faster": turn_pairs(halves, lambda p, i, D, base: p * base ** (2 * i / D)),
        "positions-from-zero": from_nought,
        "positions-from-one": from_one,
        "sinusoids-added": like_2017,
    },
    "grouped_attention": {
        "heads-tiled": tiled,
        "first-key-head-for-all": single_key_head,
        "key-heads-averaged": pooled_key_heads,
        "values-turned": all_turned,
        "keys-not-turned": query_turned,
        "nothing-turned": unturned,
        "group-mask-ignored": sees_everything,
        "group-no-scale": sharper,
    },
}

# ---- masks: filled row by row, or cut from a triangle ----


def triangle(T):
    return torch.ones(T, T).tril().bool()


def causal_prefix(T, prefix):
    return triangle(T)


def open_rows(T, prefix):
    mask = triangle(T)
    mask[:prefix] = True
    return mask


def open_columns(by):
    def prefix_mask(T, prefix):
        mask = triangle(T)
        mask[:, : max(prefix + by, 0) if prefix or by > 0 else 0] = True
        return mask

    return prefix_mask


def two_texts(T, prefix):
    return torch.block_diag(torch.ones(prefix, prefix), torch.ones(T - prefix, T - prefix).tril()).bool()


def filled(order, sees, diagonal):
    """Row by row: position order[k] sees the positions `sees(k)` of the order."""
    mask = torch.zeros(len(order), len(order), dtype=torch.bool)
    for k, position in enumerate(order):
        mask[position, [order[m] for m in sees(k)]] = True
    return mask.fill_diagonal_(diagonal)


def left_to_right(order, include_self):
    return filled(sorted(order), range, include_self)


def order_as_turn(order, include_self):
    return filled([order.index(i) for i in range(len(order))], range, include_self)


def from_behind(order, include_self):
    return filled(order, lambda k: range(k + 1, len(order)), include_self)


def with_itself(order, include_self):
    return filled(order, range, True)


def without_itself(order, include_self):
    return filled(order, range, False)


def flag_turned(order, include_self):
    return filled(order, range, not include_self)


def layered(pick, band=lambda T, width: triangle(T).triu(1 - width)):
    def layer_masks(n_layers, T, width):
        masks = torch.empty(n_layers, T, T, dtype=torch.bool)
        for layer in range(n_layers):
            masks[layer] = band(T, width) if pick(layer) else triangle(T)
        return masks

    return layer_masks


def odd(layer):
    return layer % 2


def both_sides(T, width):
    ones = torch.ones(T, T)
    return (ones.tril(width - 1) * ones.triu(1 - width)).bool()


MASKS = {
    "prefix_mask": {
        "prefix-causal": causal_prefix,
        "prefix-sees-all": open_rows,
        "prefix-one-too-long": open_columns(1),
        "prefix-one-too-short": open_columns(-1),
        "prefix-apart": two_texts,
    },
    "permutation_mask": {
        "reading-order": left_to_right,
        "order-for-rank": order_as_turn,
        "later-ones-seen": from_behind,
        "always-oneself": with_itself,
        "never-oneself": without_itself,
        "flag-inverted": flag_turned,
    },
    "layer_masks": {
        "band-one-too-wide": layered(odd, lambda T, width: triangle(T).triu(-width)),
        "band-one-too-narrow": layered(odd, lambda T, width: triangle(T).triu(2 - width)),
        "band-looks-ahead": layered(odd, both_sides),
        "all-layers-banded": layered(lambda layer: True),
        "first-layer-banded": layered(lambda layer: not odd(layer)),
        "no-layer-banded": layered(lambda layer: False),
    },
}

# ---- bug: one of the three mended wrongly, or left ----


def with_bug(first=lambda x, norm: x, norm_of=lambda one, two: two, gating=lambda g, u: g * g.sigmoid() * u):
    def repaired(x, attention, gate, up, down, norm_1, norm_2):
        attended = attention(norm_1(x))
        x = torch.add(first(x, norm_1), attended)
        h = norm_of(norm_1, norm_2)(x)
        return torch.add(x, down(gating(gate(h), up(h))))

    return repaired


def silu_by_hand(x):
    return x / (1 + torch.exp(-x))


BUG = {
    "repaired": {
        "stream-normed": with_bug(first=lambda x, norm: norm(x)),
        "first-norm-twice": with_bug(norm_of=lambda one, two: one),
        "silu-of-the-product": with_bug(gating=lambda g, u: silu_by_hand(g * u)),
        "silu-of-up": with_bug(gating=lambda g, u: silu_by_hand(u) * g),
        "sigmoid-gate": with_bug(gating=lambda g, u: u / (1 + torch.exp(-g))),
    }
}

# ---- predict and design ----


def forecast(dense=500_500, banded=95_050, cached=11_520, std=0.004082):
    return lambda: {"dense": dense, "banded": banded, "cached": cached, "std": std}


def listed(rows):
    keys = ("order", "layers", "rate", "seed", "steps")
    return lambda: [dict(zip(keys, row, strict=True)) for row in rows]


BOTH, DEPTHS, RATES, SEEDS = ("post", "pre"), (6, 24), (3e-3, 1e-3), (11, 22, 33)
ROWS = [
    (order, depth, rate, seed, 200) for order in BOTH for depth in DEPTHS for rate in RATES for seed in SEEDS
]

PREDICT = {
    "predict": {
        "whole-square": forecast(dense=1_000_000),
        "diagonal-left-out": forecast(dense=499_500),
        "band-from-the-start": forecast(banded=100_000),
        "all-heads-cached": forecast(cached=34_560),
        "values-not-cached": forecast(cached=5_760),
        "one-layer-cached": forecast(cached=384),
        "one-part-a-layer": forecast(std=0.00577),
        "root-forgotten": forecast(std=0.000833),
        "not-scaled": forecast(std=0.02),
    },
    "runs": {
        "one-seed": listed([row for row in ROWS if row[3] == 11]),
        "own-rates": listed([row for row in ROWS if (row[0] == "pre") == (row[2] == 3e-3)]),
        "one-rate": listed([row for row in ROWS if row[2] == 1e-3]),
        "one-depth": listed([row for row in ROWS if row[1] == 24]),
        "unequal-steps": listed([(*row[:4], 400 if row[0] == "pre" else 200) for row in ROWS]),
        "only-one-order": listed([row for row in ROWS if row[0] == "post"]),
        "too-expensive": listed([(*row[:4], steps) for row in ROWS for steps in (200, 400)]),
    },
}

PLANTED = {
    "gpt2.block": BLOCK,
    "gpt2.count": COUNT,
    "gpt2.measures": MEASURES,
    "gpt2.words": WORDS,
    "gpt2.modern": MODERN,
    "gpt2.masks": MASKS,
    "gpt2.bug": BUG,
    "gpt2.predict": PREDICT,
}
