"""The noise playground, without a browser: the objectives beside it, what it refuses, how large it is."""

import base64
import json
import re
import zlib
from html import unescape

import pytest
import torch

from course_lib.objectives import (
    document_rotation,
    mask_tokens,
    sentence_permutation,
    span_corruption,
    text_infilling,
    token_deletion,
    token_masking,
)
from course_lib.viz import noise_playground
from course_lib.viz.noise_draws import (
    DRAWS,
    MASKED,
    MEANS,
    RATES,
    STAYS,
    STOPS,
    SWAPPED,
    draw_all,
    generator_of,
    sentence_starts,
    word_tokenizer,
    words_of,
)
from course_lib.viz.noise_play import TEXTS, rows_of

HOSTILE = "</script><img src=x onerror=alert(1)>"
SENTINELS = [f"<{i}>" for i in range(40)]


def state(view) -> dict:
    """What the frame holds."""
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    packed = re.search(r'id="packed">([^<]*)<', document)[1]
    return json.loads(json.loads(zlib.decompress(base64.b64decode(packed)))["data"])


@pytest.fixture(scope="module")
def words():
    return words_of(TEXTS[0])


def texts_of(row) -> tuple[list[str], list[str]]:
    """What the model gets and what it must write."""
    read = [text for kind, text in row.read if kind != "gone"]
    return read, [text for kind, text in row.write if kind != "blank"]


def test_a_token_is_a_word_or_a_mark_at_its_end():
    assert words_of("I slept until 10 PM. It's 3.5, so-so!") == [
        *("I", "slept", "until", "10", "PM", ".", "It's", "3.5", ",", "so-so", "!")
    ]
    assert words_of("것을 환영합니다!") == ["것을", "환영합니다", "!"]
    assert words_of(" \n ") == [] and words_of("...") == [".", ".", "."]


@pytest.mark.parametrize("draw", [0, 5, 11])
def test_every_row_is_what_the_objective_makes_of_the_words(words, draw):
    tokenizer, seed = word_tokenizer([words]), 3
    text = {"tokens": words, "draws": [draw_all(words, tokenizer, seed, draw)]}
    names = list(tokenizer.vocab)

    def chances():
        return generator_of(seed, draw)

    for r, rate in enumerate(RATES):
        for m, mean in enumerate(MEANS):
            mlm, causal, *noises, t5 = map(texts_of, rows_of(text, names, 0, r, m))
            ids = torch.tensor([tokenizer.vocab[word] for word in words])
            inputs, labels = mask_tokens(ids, tokenizer, rate=rate, generator=chances())
            assert mlm[0] == [names[i] for i in inputs.tolist()]
            assert mlm[1] == [names[i] for i in labels[labels >= 0].tolist()]
            assert causal == (words, words[1:])
            expected = [
                token_masking(words, "[MASK]", rate, generator=chances()),
                token_deletion(words, rate, generator=chances()),
                text_infilling(words, "[MASK]", rate, float(mean), generator=chances()),
                sentence_permutation(words, STOPS, generator=chances()),
                document_rotation(words, generator=chances()),
            ]
            assert noises == [(read, words) for read in expected]
            assert t5 == span_corruption(words, SENTINELS, rate, mean, generator=chances())


def test_a_higher_rate_hides_more_of_the_same_draw(words):
    drawn = draw_all(words, word_tokenizer([words]), 0, 2)
    for name in ("mask", "drop"):
        for less, more in zip(drawn[name], drawn[name][1:]):
            assert set(less) <= set(more)
    assert drawn["mask"] == drawn["drop"] == [row[::2] for row in drawn["mlm"]]
    fates = [fate for row in drawn["mlm"] for fate in row[1::2]]
    assert set(fates) & {MASKED, STAYS} and all(f in (MASKED, STAYS) or f >= SWAPPED + 5 for f in fates)


def test_again_brings_other_chances_and_the_seed_brings_them_back(words):
    tokenizer = word_tokenizer([words])
    drawn = [draw_all(words, tokenizer, 0, i) for i in range(DRAWS)]
    assert len({json.dumps(one["infill"]) for one in drawn}) == DRAWS
    assert len({tuple(one["rotate"]) for one in drawn}) > DRAWS // 2
    assert draw_all(words, tokenizer, 0, 4) == drawn[4] != draw_all(words, tokenizer, 1, 4)


def test_sentences_begin_where_the_permutation_cuts(words):
    assert [words[i] for i in sentence_starts(words)] == ["I", "Then", "I", "Then"]
    assert sentence_starts(["a", "b"]) == [0]


def test_the_view_is_small_and_the_same_each_time():
    view = noise_playground()
    assert len(view.html) < 300_000
    assert view.html == noise_playground().html != noise_playground(seed=1).html
    held = state(view)
    assert [len(one["draws"]) for one in held["texts"]] == [DRAWS] * len(TEXTS)
    assert held["texts"][3]["tokens"][0] == "파이토치"
    longest = noise_playground([" ".join(f"w{i}" for i in range(k, k + 40)) for k in range(8)])
    assert len(longest.html) < 600_000


def test_the_costs_are_told_without_html():
    said = repr(noise_playground("Chelsea is my favorite football club.", title="Costs"))
    assert said.startswith("Costs: tokens to write for 'Chelsea is my favorite football club.': MLM ")
    assert "Causal LM 6, Token masking 7, Token deletion 7, Text infilling 7" in said


def test_the_picture_stands_in(words):
    view = noise_playground("Chelsea is my favorite football club.")
    alt, data = re.search(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)"', view.html).groups()
    assert "Causal LM 6" in alt and len(data) > 5000


def test_hostile_texts_are_text():
    view = noise_playground([f"{HOSTILE} a\u202eb $x$ [MASK] <0> <!--", "[PAD] [MASK]"], title=HOSTILE)
    held = state(view)
    assert held["title"] == HOSTILE
    assert held["texts"][0]["tokens"] == [
        *("</script><img", "src=x", "onerror=alert(1)>", "a<U+202E>b", "$x$", "[MASK]", "<0>", "<!--")
    ]
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    assert "<img" not in document and "<img src=x" not in view.html and "<!--" not in document


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"text": []}, "0 texts; the view takes 1 to 8"),
        ({"text": ["a b"] * 9}, "9 texts"),
        ({"text": ""}, "0 tokens in ''; the view takes 2 to 40"),
        ({"text": "word " * 41}, "41 tokens in 'word word"),
        ({"rate": 0.33}, "rate 0.33: the slider has the steps 0.05, 0.1"),
        ({"rate": 0}, "rate 0: "),
        ({"mean_span": 7}, "mean_span 7: the slider has the steps 1, 2, 3, 4, 5, 6"),
        ({"seed": -1}, "seed -1: choose a whole number"),
    ],
)
def test_what_does_not_fit_is_explained(given, says):
    with pytest.raises(ValueError, match=says):
        noise_playground(**given)
