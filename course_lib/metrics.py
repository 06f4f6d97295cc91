"""The measures of the lecture's result tables.

Language models: `perplexity`, `bits_per_byte`, `bits_per_character`. Classes: `accuracy`, `matthews`.
Answers: `exact_match`, `f1`. Generated text: `rouge`, `bleu`, `chrf`. Where a standard library exists it does
the counting, so that a number can be compared with a published one.

Text measures take one prediction and its reference, or a list of each. A reference may itself be a list:
alternatives, of which the best counts. Shares run from 0 to 1; BLEU and chrF, by custom, from 0 to 100.
"""

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import regex
from numpy.typing import ArrayLike

References = str | Sequence[str] | Sequence[Sequence[str]]


def perplexity(total_nll: float, n_tokens: int) -> float:
    """exp(total_nll / n_tokens): the number of equally likely tokens that would be as hard to guess.

    Args:
        total_nll: sum over all tokens of -ln p(token | its past), in nats. A sum, not a mean of batch means:
            batches hold different numbers of tokens.
        n_tokens: the number of tokens in that sum: without padding, and without a first token that nothing
            predicts.
    """
    mean = _nats(total_nll) / _positive(n_tokens, "n_tokens")
    return math.exp(mean) if mean < 709 else math.inf  # exp(710) overflows


def bits_per_byte(total_nll: float, text: str | int) -> float:
    """total_nll / (ln 2 x UTF-8 bytes): comparable between models whatever their tokens.

    Args:
        total_nll: sum over all tokens of -ln p, in nats.
        text: the text that the tokens cover, or its number of bytes.
    """
    n_bytes = len(text.encode("utf-8")) if isinstance(text, str) else text
    return _nats(total_nll) / math.log(2) / _positive(n_bytes, "number of bytes")


def bits_per_character(total_nll: float, text: str | int) -> float:
    """total_nll / (ln 2 x characters): bits per byte for ASCII, 3 times that for Hangul, 3 bytes a syllable.

    Args:
        total_nll: sum over all tokens of -ln p, in nats.
        text: the text that the tokens cover, or its number of characters (Unicode code points).
    """
    n_characters = len(text) if isinstance(text, str) else text
    return _nats(total_nll) / math.log(2) / _positive(n_characters, "number of characters")


def accuracy(predictions: ArrayLike, labels: ArrayLike, ignore_index: int = -100) -> float:
    """Share of predictions equal to their label, in lists, arrays or tensors; -100 is not scored."""
    predictions, labels = _aligned(predictions, labels)
    scored = labels != ignore_index
    if not scored.any():
        raise ValueError(f"nothing to score: all {labels.size} labels are {ignore_index}")
    return float((predictions == labels)[scored].mean())


def matthews(predictions: ArrayLike, labels: ArrayLike) -> float:
    """Matthews correlation coefficient, CoLA's measure: 1 all right, 0 no better than chance, -1 all wrong.

    It is 0 when all predictions, or all labels, are one class.
    """
    from sklearn.metrics import matthews_corrcoef

    predictions, labels = _aligned(predictions, labels)
    if 1 in (len(np.unique(predictions)), len(np.unique(labels))):
        return 0.0
    return float(matthews_corrcoef(labels, predictions))


def exact_match(predictions: str | Sequence[str], references: References) -> float:
    """Share of answers equal to a reference after `normalize_answer` (SQuAD; Rajpurkar et al., 2016)."""
    return _best_mean(predictions, references, lambda a, b: float(normalize_answer(a) == normalize_answer(b)))


def f1(predictions: str | Sequence[str], references: References, *, characters: bool = False) -> float:
    """Mean F1 of the words that answer and reference share (SQuAD; Rajpurkar et al., 2016, section 6.1).

    Two empty answers agree, an empty and a full one do not (SQuAD 2.0, for questions without an answer).

    Args:
        characters: compare characters, as KorQuAD does: in Korean the particle is part of the word, and 서울
            and 서울은 share no word.
    """

    def cut(text: str) -> list[str]:
        words = normalize_answer(text).split()
        return list("".join(words)) if characters else words

    def score(prediction: str, reference: str) -> float:
        got, wanted = cut(prediction), cut(reference)
        if not got or not wanted:
            return float(got == wanted)
        shared = (Counter(got) & Counter(wanted)).total()
        return (
            2 * shared / (len(got) + len(wanted))
        )  # = 2PR / (P + R), with P = shared/got and R = shared/wanted

    return _best_mean(predictions, references, score)


def normalize_answer(text: str) -> str:
    """SQuAD's rules, in order: lowercase, drop ASCII punctuation, drop a, an, the, join by single spaces."""
    text = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", text).split())


def rouge(
    predictions: str | Sequence[str], references: References, *, stem: bool = False, characters: bool = False
) -> dict[str, float]:
    """ROUGE-1, -2 and -L (Lin, 2004): mean F1 of shared words, word pairs, longest common subsequence.

    Counted by `rouge-score`, whose own tokenizer drops all but a-z and 0-9: Korean becomes nothing, été
    becomes t. Ours keeps the letters and digits of every script, and is the same on ASCII.

    Args:
        stem: compare word stems (Porter, English), as many published results do.
        characters: compare characters; for Korean, where the particle is part of the word.

    Returns:
        {"rouge1": …, "rouge2": …, "rougeL": …}, from 0 to 1. For several references each takes its best.
    """
    from rouge_score.rouge_scorer import RougeScorer

    kinds = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(kinds, tokenizer=_RougeTokenizer(stem, characters))
    predictions, references = _pairs(predictions, references)
    scores = [scorer.score_multi(ref, got) for got, ref in zip(predictions, references, strict=True)]
    return {kind: sum(score[kind].fmeasure for score in scores) / len(scores) for kind in kinds}


class _RougeTokenizer:
    """The letters and digits of every script, where rouge-score's own knows a-z and 0-9."""

    def __init__(self, stem: bool, characters: bool):
        from nltk.stem.porter import PorterStemmer

        self.stem = PorterStemmer().stem if stem else None
        self.characters = characters

    def tokenize(self, text: str) -> list[str]:
        words = regex.findall(r"[\p{L}\p{M}\p{N}]+", unicodedata.normalize("NFC", text).lower())
        if self.characters:
            return list("".join(words))
        return [self.stem(word) if self.stem and len(word) > 3 else word for word in words]


def bleu(predictions: str | Sequence[str], references: References, *, tokenize: str | None = None) -> float:
    """Corpus BLEU (Papineni et al., 2002), 0 to 100, by sacrebleu: up to 4 words in a row, over all texts.

    Args:
        tokenize: sacrebleu's name of a tokenizer. None takes 13a, the standard, and for references that hold
            Hangul char: in Korean the particle is part of the word and spacing is loose, so that words in a
            row seldom match. (sacrebleu's ko-mecab, which cuts morphemes, needs a dictionary installed.) Say
            which one a number is from.
    """
    import sacrebleu

    predictions, references = _pairs(predictions, references)
    if tokenize is None:
        hangul = any(
            regex.search(r"\p{Hangul}", text) for alternatives in references for text in alternatives
        )
        tokenize = "char" if hangul else "13a"
    return sacrebleu.corpus_bleu(predictions, _by_rank(references), tokenize=tokenize).score


def chrf(predictions: str | Sequence[str], references: References) -> float:
    """chrF2 (Popović, 2015), 0 to 100, by sacrebleu: F-score of up to 6 characters in a row, any script."""
    import sacrebleu

    predictions, references = _pairs(predictions, references)
    return sacrebleu.corpus_chrf(predictions, _by_rank(references)).score


def _nats(total_nll: float) -> float:
    total_nll = float(total_nll)
    if not total_nll >= 0:  # also NaN
        raise ValueError(
            f"total_nll is {total_nll}; a sum of -ln p is 0 or more: was the sign, or the sum, lost?"
        )
    return total_nll


def _positive(count: int, what: str) -> int:
    count = int(count)
    if count <= 0:
        raise ValueError(f"{what} is {count}: there must be at least one")
    return count


def _aligned(predictions: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    predictions, labels = (
        np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
        for values in (predictions, labels)
    )
    if predictions.shape != labels.shape:
        raise ValueError(
            f"predictions of shape {predictions.shape}, labels of shape {labels.shape}: give one each"
        )
    if not labels.size:
        raise ValueError("nothing to score: no labels")
    return predictions.ravel(), labels.ravel()


def _pairs(predictions: str | Sequence[str], references: References) -> tuple[list[str], list[list[str]]]:
    """A list of predictions, and for each the list of its references."""
    if isinstance(predictions, str):
        predictions, references = [predictions], [references]
    elif isinstance(references, str):
        raise TypeError("a list of predictions with one reference: give a reference for each")
    references = [[ref] if isinstance(ref, str) else list(ref) for ref in references]
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions, {len(references)} references: one each")
    if not predictions:
        raise ValueError("nothing to score: no predictions")
    if not all(references):
        raise ValueError(f"prediction {references.index([])} has no reference")
    for text in (*predictions, *(ref for alternatives in references for ref in alternatives)):
        if not isinstance(text, str):
            raise TypeError(
                f"predictions and references are texts, not {type(text).__name__}: decode ids first"
            )
    return list(predictions), references


def _best_mean(predictions, references: References, score: Callable[[str, str], float]) -> float:
    predictions, references = _pairs(predictions, references)
    best = [max(score(got, ref) for ref in refs) for got, refs in zip(predictions, references, strict=True)]
    return sum(best) / len(best)


def _by_rank(references: list[list[str]]) -> list[list[str | None]]:
    """sacrebleu's order: all first references, all second ones, …; None where a sentence has fewer."""
    most = max(map(len, references))
    return [[refs[k] if k < len(refs) else None for refs in references] for k in range(most)]
