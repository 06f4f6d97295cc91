"""Every misconception of unit 04 once more, as a learner might write it: other operations, other style.

`PLANTED[task][part][misconception]` is an answer to that part.
"""

from collections import Counter
from itertools import pairwise

import torch
from torch import nn

# Mutants that compute the same as the solution, by the change that made them.
EQUIVALENT = {
    "no character waits for four bytes": r"^4  ->  5$",
}

# ---- score: counts gathered in one place, formulas spelt out ----


def counts(words, pair):
    symbols, pairs = Counter(), Counter()
    for word in words:
        symbols.update(word)
        pairs.update(pairwise(word))
    return pairs[tuple(pair)], symbols[pair[0]], symbols[pair[1]], sum(symbols.values()), sum(pairs.values())


def only_joint(words, pair):
    together, _, _, n, _ = counts(words, pair)
    return together / n


def plain_count(words, pair):
    return sum(1 for word in words for left, right in pairwise(word) if (left, right) == tuple(pair))


def cancelled(words, pair):
    together, first, second, _, _ = counts(words, pair)
    return together / first / second


def own_total(words, pair):
    together, first, second, n, m = counts(words, pair)
    return together * n * n / (m * first * second)


def added(words, pair):
    together, first, second, _, _ = counts(words, pair)
    return together / (first + second)


def distinct(words, pair):
    once = {" ".join(word): word for word in words}
    together, first, second, n, _ = counts(list(once.values()), pair)
    return together * n / (first * second)


def as_text(words, pair):
    text = " ".join("".join(word) for word in words)
    n = sum(len(word) for word in words)
    return text.count(pair[0] + pair[1]) / n / (text.count(pair[0]) / n * (text.count(pair[1]) / n))


SCORE = {
    "pair_score": {
        "likelihood-without-denominator": only_joint,
        "count-of-bpe": plain_count,
        "totals-cancelled": cancelled,
        "pairs-as-total": own_total,
        "sum-below": added,
        "each-word-once": distinct,
        "letters-not-symbols": as_text,
    }
}

# ---- merge: by the places where the pair begins ----


def new_symbol(pair):
    return pair[0] + (pair[1][2:] if pair[1].startswith("##") else pair[1])


def starts(word, pair):
    return [i for i in range(len(word) - 1) if word[i] == pair[0] and word[i + 1] == pair[1]]


def chosen(word, pair, backwards=False):
    """Places that do not overlap."""
    found = []
    places = starts(word, pair)
    for i in reversed(places) if backwards else places:
        if not found or abs(i - found[-1]) > 1:
            found.append(i)
    return found


def put(word, places, symbol, keep=False):
    out = []
    for i, old in enumerate(word):
        if i in places:
            out.append(symbol)
        elif i - 1 not in places or keep:
            out.append(old)
    return out


def overlap(word, pair):
    return put(word, starts(word, pair), new_symbol(pair))


def one_place(word, pair):
    return put(word, starts(word, pair)[:1], new_symbol(pair))


def backwards(word, pair):
    return put(word, chosen(word, pair, backwards=True), new_symbol(pair))


def text_replaced(word, pair):
    return " ".join(word).replace(f"{pair[0]} {pair[1]}", new_symbol(pair)).split()


def glued(word, pair):
    return put(word, chosen(word, pair), "".join(pair))


def with_partner(word, pair):
    return put(word, chosen(word, pair), new_symbol(pair), keep=True)


MERGE = {
    "merge": {
        "overlapping-pairs": overlap,
        "first-only": one_place,
        "from-the-right": backwards,
        "part-of-a-symbol": text_replaced,
        "marks-inside": glued,
        "partner-left": with_partner,
    }
}

# ---- cut: a recursive one that is told what to do ----


def take(word, vocab, inside=False, mark_look=True, mark_say=True, order=max):
    if not word:
        return []
    mark = "##" if inside else ""
    fits = [n for n in range(1, len(word) + 1) if (mark if mark_look else "") + word[:n] in vocab]
    if not fits:
        return None
    n = order(fits)
    rest = take(word[n:], vocab, True, mark_look, mark_say, order)
    return None if rest is None else [(mark if mark_say else "") + word[:n], *rest]


def no_marks(word, vocab):
    return take(word, vocab, mark_look=False, mark_say=False) or ["[UNK]"]


def marks_shown(word, vocab):
    return take(word, vocab, mark_look=False) or ["[UNK]"]


def marks_lost(word, vocab):
    return take(word, vocab, mark_say=False) or ["[UNK]"]


def shortest(word, vocab):
    return take(word, vocab, order=min) or ["[UNK]"]


def skip_letter(word, vocab):
    pieces, i = [], 0
    while i < len(word):
        ends = [e for e in range(i + 1, len(word) + 1) if ("##" if i else "") + word[i:e] in vocab]
        pieces.append(("##" if i else "") + word[i : ends[-1]] if ends else "[UNK]")
        i = ends[-1] if ends else i + 1
    return pieces


def keep_pieces(word, vocab):
    pieces, i = [], 0
    while i < len(word):
        ends = [e for e in range(i + 1, len(word) + 1) if ("##" if i else "") + word[i:e] in vocab]
        if not ends:
            return [*pieces, "[UNK]"]
        pieces.append(("##" if i else "") + word[i : ends[-1]])
        i = ends[-1]
    return pieces


def vanish(word, vocab):
    return take(word, vocab) or []


def suffixes(word, vocab):
    pieces = []
    while word:
        found = next((i for i in range(len(word)) if ("##" if i else "") + word[i:] in vocab), None)
        if found is None:
            return ["[UNK]"]
        pieces.append(("##" if found else "") + word[found:])
        word = word[:found]
    return pieces[::-1]


def search(word, vocab):
    def cuts(i):
        if i == len(word):
            return []
        for e in range(len(word), i, -1):
            piece = ("##" if i else "") + word[i:e]
            if piece in vocab and (rest := cuts(e)) is not None:
                return [piece, *rest]
        return None

    return cuts(0) or ["[UNK]"]


CUT = {
    "cut": {
        "forgotten-marks": no_marks,
        "marks-only-shown": marks_shown,
        "marks-only-looked-up": marks_lost,
        "shortest-match": shortest,
        "unknown-part": skip_letter,
        "unknown-after-pieces": keep_pieces,
        "nothing-for-unknown": vanish,
        "from-the-end": suffixes,
        "steps-back": search,
    }
}

# ---- pair: tensors from the start ----


def row(ids, segments, length, pad_id, pad_segment=0):
    n = len(ids)
    all_ids = torch.full((length,), pad_id, dtype=torch.long)
    all_segments = torch.full((length,), pad_segment, dtype=torch.long)
    all_ids[:n], all_segments[:n] = torch.tensor(ids), torch.tensor(segments)
    return all_ids, all_segments, torch.arange(length) < n


def right(a, b, c, s):
    return [c, *a, s, *b, s], [0] * (len(a) + 2) + [1] * (len(b) + 1)


def early(a, b, c, s, p, length):
    ids, _ = right(a, b, c, s)
    return row(ids, [int(i > len(a)) for i in range(len(ids))], length, p)


def zeros(a, b, c, s, p, length):
    ids, segments, mask = row(*right(a, b, c, s), length, p)
    return ids, torch.zeros_like(segments), mask


def open_end(a, b, c, s, p, length):
    ids, segments = right(a, b, c, s)
    return row(ids[:-1], segments[:-1], length, p)


def together(a, b, c, s, p, length):
    return row([c, *a, *b, s], [0] + [0] * len(a) + [1] * len(b) + [1], length, p)


def two_starts(a, b, c, s, p, length):
    ids = [c, *a, s, c, *b, s]
    return row(ids, [0] * (len(a) + 2) + [1] * (len(b) + 2), max(length, len(ids)), p)


def ones_behind(a, b, c, s, p, length):
    return row(*right(a, b, c, s), length, p, pad_segment=1)


def padding_marked(a, b, c, s, p, length):
    ids, segments, mask = row(*right(a, b, c, s), length, p)
    return ids, segments, mask.logical_not()


def words_only(a, b, c, s, p, length):
    ids, segments, _ = row(*right(a, b, c, s), length, p)
    return ids, segments, torch.tensor([i not in (c, s, p) for i in ids.tolist()])


def in_front(a, b, c, s, p, length):
    n = length - len(a) - len(b) - 3
    return tuple(part.roll(n) for part in row(*right(a, b, c, s), length, p))


PAIR = {
    "pack": {
        "segments-off-by-one": early,
        "all-one-segment": zeros,
        "last-sep-forgotten": open_end,
        "no-sep-between": together,
        "second-cls": two_starts,
        "padding-in-the-second": ones_behind,
        "mask-inverted": padding_marked,
        "mask-without-markers": words_only,
        "padded-on-the-left": in_front,
    }
}

# ---- embed: modules instead of functions ----


def look_up(table, indices):
    return nn.functional.embedding(indices, table)


def parts_of(ids, segments, token, segment, position, first=0):
    places = torch.arange(first, first + ids.size(1)).expand_as(ids)
    return look_up(token, ids), look_up(segment, segments), look_up(position, places)


def normalised(x, gain, bias, eps, axes=(-1,), unbiased=False):
    mean = x.mean(axes, keepdim=True)
    return (x - mean) * torch.rsqrt(x.var(axes, keepdim=True, unbiased=unbiased) + eps) * gain + bias


def side_by_side(*given):
    return torch.cat(parts_of(*given[:5]), dim=2)


def whole_table(ids, segments, token, segment, position, *norm):
    t, s, _ = parts_of(ids, segments, token, segment, position)
    return normalised(t + s + position[None], *norm)


def louder(*given):
    t, s, p = parts_of(*given[:5])
    return normalised(t * t.size(-1) ** 0.5 + s + p, *given[5:])


def raw(*given):
    return torch.stack(parts_of(*given[:5])).sum(0)


def three_norms(*given):
    t, s, p = parts_of(*given[:5])
    return normalised(t, *given[5:]) + normalised(s, *given[5:]) + normalised(p, *given[5:])


def whole_row(*given):
    return normalised(sum(parts_of(*given[:5])), *given[5:], axes=(-2, -1))


def sample(*given):
    return normalised(sum(parts_of(*given[:5])), *given[5:], unbiased=True)


def orderless(*given):
    t, s, _ = parts_of(*given[:5])
    return normalised(t + s, *given[5:])


def sentenceless(*given):
    t, _, p = parts_of(*given[:5])
    return normalised(t + p, *given[5:])


def one_late(*given):
    return normalised(sum(parts_of(*given[:5], first=1)), *given[5:])


def mean_of_three(*given):
    return normalised(torch.stack(parts_of(*given[:5])).mean(0), *given[5:])


EMBED = {
    "embed": {
        "concatenated": side_by_side,
        "positions-not-cut": whole_table,
        "scaled-by-root": louder,
        "no-norm": raw,
        "norm-of-each": three_norms,
        "norm-over-the-sentence": whole_row,
        "sample-variance": sample,
        "no-position": orderless,
        "no-segment": sentenceless,
        "counted-from-one": one_late,
        "averaged": mean_of_three,
    }
}

# ---- bytes: a loop over tokens or over bytes ----


def token_by_token(tokens):
    text = ""
    for token in tokens:
        text += str(token, "utf-8", errors="replace")
    return text, 0


def readable_tokens_only(tokens):
    good = [token for token in tokens if token.decode("utf-8", errors="ignore").encode() == token]
    return b"".join(good).decode(), sum(map(len, tokens)) - sum(map(len, good))


def question_mark(tokens):
    return str(b"".join(tokens), "utf-8", errors="replace"), 0


def dropped(tokens):
    return str(b"".join(tokens), "utf-8", errors="ignore"), 0


def give_up(tokens):
    data = b"".join(tokens)
    text = str(data, "utf-8", errors="ignore")
    return (text, 0) if text.encode() == data else ("", len(data))


def last_token_waits(tokens):
    kept = list(tokens)
    waiting = 0
    while str(b"".join(kept), "utf-8", errors="ignore").encode() != b"".join(kept):
        waiting += len(kept.pop())
    return str(b"".join(kept), "utf-8"), waiting


def one_character(tokens):
    data = b"".join(tokens)
    text = str(data, "utf-8", errors="ignore")
    return text, 1 if text.encode() != data else 0


BYTES = {
    "so_far": {
        "each-token-alone": token_by_token,
        "broken-tokens-wait": readable_tokens_only,
        "replacement-shown": question_mark,
        "nothing-waits": dropped,
        "all-or-nothing": give_up,
        "whole-token-waits": last_token_waits,
        "waiting-counted-as-one": one_character,
    }
}

# ---- bug: pairs found by index, with the bugs switched on ----


def encode(word, merges, bugs):
    ranks = {tuple(pair): i for i, pair in enumerate(merges)}
    symbols = [*word]
    for _ in range(len(word)):
        found = [(ranks[two], i, two) for i, two in enumerate(pairwise(symbols)) if two in ranks]
        if not found:
            break
        _, _, pair = min(found, key=lambda one: one[1]) if "order" in bugs else min(found)
        places = chosen(symbols, pair)
        symbols = put(symbols, places, "".join(pair), keep="doubled" in bugs)
        if "once" in bugs:
            break
    return symbols


def buggy(*bugs):
    return lambda word, merges: encode(word, merges, bugs)


SETS = ("order", "once", "doubled", "order-once", "order-doubled", "once-doubled", "order-once-doubled")
BUG = {"repaired": {f"bug-left-{left}": buggy(*left.split("-")) for left in SETS}}

# ---- trap ----

TRAP = {
    "predict": {
        "characters-counted": lambda: {"A": 4, "B": 4, "C": 5, "D": 2},
        "two-bytes-a-syllable": lambda: {"A": 8, "B": 8, "C": 6, "D": 6},
        "three-jamo-always": lambda: {"A": 12, "B": 12, "C": 7, "D": 6},
        "jamo-in-bytes": lambda: {"A": 12, "B": 24, "C": 7, "D": 6},
    },
    "trap": {
        "trap-without-marks": lambda: ["a", "abc", "bcd"],
        "nothing-fits": lambda: ["abc", "##c", "b"],
        "no-trap": lambda: ["a", "##b", "##c", "##d"],
    },
}

PLANTED = {
    "input.score": SCORE,
    "input.merge": MERGE,
    "input.cut": CUT,
    "input.pair": PAIR,
    "input.embed": EMBED,
    "input.bytes": BYTES,
    "input.bug": BUG,
    "input.trap": TRAP,
}
