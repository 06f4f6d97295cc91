"""Byte-level BPE training: our incremental pair counts against counting anew for every merge.

Both learn the same merges from the same text, Python's own documentation, in one process, taking turns; the
median of the ratios of processor time is printed. The gain grows with the corpus and the number of merges:
counting anew reads the whole word list for each merge, correcting reads the words that hold the pair.

    python benchmarks/bpe_training.py [--vocab-size 1000] [--rounds 3]
"""

import argparse
import platform
import time
from collections import Counter
from pydoc_data.topics import topics
from statistics import median

from course_lib.tokenization import train_bpe
from course_lib.tokenization.pairs import adjacent, merge_symbols
from course_lib.tokenization.text import CHAR_TO_BYTE, gpt2_words, to_byte_chars


def train_naively(texts: list[str], vocab_size: int) -> list[tuple[str, str]]:
    """The merges of `train_bpe`, the obvious way (Sennrich et al., 2016, algorithm 1)."""
    counts = Counter(word for text in texts for word in gpt2_words(text))
    words = {word: list(to_byte_chars(word)) for word in counts}
    ids = {token: i for i, token in enumerate(["<|endoftext|>", *sorted(CHAR_TO_BYTE)])}
    merges = []
    while len(ids) < vocab_size:
        pairs = Counter()
        for word, symbols in words.items():
            for pair in adjacent(symbols):
                pairs[pair] += counts[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], ids[pair[0]], ids[pair[1]]))
        merged = best[0] + best[1]
        ids.setdefault(merged, len(ids))
        merges.append(best)
        words = {word: merge_symbols(symbols, best, merged) for word, symbols in words.items()}
    return merges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab-size", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    texts = list(topics.values())
    distinct = len({word for text in texts for word in gpt2_words(text)})
    print(f"{sum(map(len, texts)) / 1e6:.2f} MB, {distinct:,} distinct words, {args.vocab_size:,} entries")
    print(f"Python {platform.python_version()}, {platform.machine()}")
    ratios = []
    for n in range(args.rounds):
        start = time.process_time()
        ours = train_bpe(texts, args.vocab_size).merges
        middle = time.process_time()
        naive = train_naively(texts, args.vocab_size)
        end = time.process_time()
        assert ours == naive
        ratios.append((end - middle) / (middle - start))
        print(
            f"round {n + 1}: ours {middle - start:.2f} s, naive {end - middle:.2f} s, ratio {ratios[-1]:.1f}"
        )
    print(f"ratio {median(ratios):.1f} (aim 10), merges identical")


if __name__ == "__main__":
    main()
