"""The sampler playground, without a browser: what is in it, what it refuses, how large it is."""

import base64
import json
import re
import zlib
from html import unescape

import pytest
import torch

from course_lib.generation import filter_logits
from course_lib.models import GPT, GPTConfig
from course_lib.tokenization import train_bpe
from course_lib.viz import sampler_playground
from course_lib.viz.sampler_play import LISTED, TEMPERATURES, TOP_P, _kept, _place

HOSTILE = '</script><img src=x onerror="alert(1)">'
BYTES = train_bpe(["the cat sat on the mat", "나는 사과를 좋아한다", *[HOSTILE] * 3], 300)
PROMPTS = ["the cat", "나는"]


def tiny_gpt():
    torch.manual_seed(0)
    model = GPT(GPTConfig(len(BYTES), 32, 1, 2, max_positions=64, dropout=0.0)).eval()
    with torch.no_grad():
        model.embedding.token.weight.mul_(12)  # some tokens clearly likelier than others
    return model


MODEL = tiny_gpt()


def document(view):
    return unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])


def state(view):
    packed = re.search(r'id="packed">([^<]*)<', document(view))[1]
    return json.loads(json.loads(zlib.decompress(base64.b64decode(packed)))["data"])


def test_it_carries_the_models_logits_after_each_token():
    given = state(sampler_playground(MODEL, BYTES, PROMPTS))
    for text, one in zip(PROMPTS, given["prompts"], strict=True):
        ids = BYTES.encode(text)
        with torch.no_grad():
            logits = MODEL(torch.tensor([ids])).logits[0]
        assert len(one["tokens"]) == len(one["places"]) == len(ids)
        for t, place in enumerate(one["places"]):
            ordered = logits[t].sort(descending=True).values
            torch.testing.assert_close(torch.tensor(place["logits"]), ordered[:LISTED], atol=1e-4, rtol=0)
            assert place["others"] == len(BYTES) - LISTED
            if t + 1 < len(ids) and place["right"] >= 0:
                with torch.no_grad():
                    assert place["logits"][place["right"]] == pytest.approx(
                        logits[t, ids[t + 1]].item(), abs=1e-4
                    )


def test_of_the_others_it_knows_the_sum_at_each_temperature():
    logits = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2
    place = _place(logits)
    others = logits.sort(descending=True).values[LISTED:]
    for temperature, given in zip(TEMPERATURES[1:], place["rest"], strict=True):
        assert given == pytest.approx((others / temperature).exp().sum().log().item(), abs=1e-4)


def test_where_top_p_reaches_beyond_the_listed_tokens_it_knows_how_far():
    logits = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    place = _place(logits)
    assert place["beyond"]
    for t, temperature in enumerate(TEMPERATURES[1:], 1):
        for p, top_p in enumerate(TOP_P[:-1]):
            left = filter_logits(logits, temperature, top_p=top_p)
            more = int(left.isfinite().sum()) - LISTED
            given = place["beyond"].get(f"{t},{p}")
            assert (given is None) == (more <= 0), (temperature, top_p)
            if given:
                beyond = left.sort(descending=True).values[LISTED : LISTED + more]
                assert given[0] == more
                assert given[1] == pytest.approx(beyond.logsumexp(0).item(), abs=1e-4)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [
        (0.0, None, None),
        (1.0, None, None),
        (0.7, 5, None),
        (1.4, None, 0.6),
        (1.0, 40, 0.8),
        (2.0, None, 0.95),
    ],
)
def test_what_the_picture_calls_kept_is_what_filter_logits_keeps(temperature, top_k, top_p):
    for scale in (1, 3):
        logits = torch.randn(400, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * scale
        kept = _kept(_place(logits), [str(i) for i in range(400)], temperature, top_k, top_p)
        left = filter_logits(logits, temperature, top_k, top_p)
        shares = (
            (logits / temperature).softmax(0) if temperature else left.softmax(0)
        )  # greedy: all on one token
        for name, share, stays in kept:
            assert stays == bool(left[int(name)].isfinite())
            assert share == pytest.approx(shares[int(name)].item(), abs=1e-4)


def test_ties_with_the_kth_token_stay_as_in_filter_logits():
    logits = torch.tensor([3.0, 2.0, 2.0, 1.0], dtype=torch.float64)
    kept = _kept(_place(logits), list("abcd"), 1.0, 2, None)
    assert [stays for _, _, stays in kept] == [True, True, True, False]
    assert filter_logits(logits, 1.0, 2).isfinite().tolist() == [True, True, True, False]


def test_a_small_vocabulary_is_listed_whole():
    place = _place(torch.randn(50, dtype=torch.float64))
    assert (place["others"], place["rest"], place["beyond"]) == (0, [], {})


def test_the_line_of_text_holds_the_likeliest_token():
    ids = BYTES.encode("the cat")
    with torch.no_grad():
        shares = MODEL(torch.tensor([ids])).logits[0, -1].softmax(0)
    said = repr(sampler_playground(MODEL, BYTES, PROMPTS, title="Draw"))
    assert said.startswith("Draw: after 'the cat' at temperature 1: ")
    assert f" {shares.max():.2f}," in said


def test_the_same_view_gives_the_same_bytes_and_is_small():
    one, two = (sampler_playground(MODEL, BYTES, PROMPTS * 4).html for _ in range(2))
    assert one == two and len(one) < 200_000


@pytest.mark.filterwarnings("error")
def test_tokens_and_title_are_escaped():
    view = sampler_playground(MODEL, BYTES, [HOSTILE], title=HOSTILE)
    assert "<img" not in document(view) and "<img src=x" not in view.html
    assert document(view).count("</script>") == 3  # the data's, the pack's, the script's
    assert "".join(state(view)["prompts"][0]["tokens"]) == HOSTILE.replace(" ", "␣")


def test_bytes_that_are_no_character_are_named_by_their_numbers():
    names = state(sampler_playground(MODEL, BYTES, ["나는"]))["names"]
    assert any(re.fullmatch(r"‹[0-9A-F]{2}›", name) for name in names)


def test_a_picture_stands_in_for_the_frame():
    view = sampler_playground(MODEL, BYTES, PROMPTS, temperature=0.7, top_k=5)
    alt, data = re.search(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)"', view.html).groups()
    assert "at temperature 0.7" in alt and len(data) > 5000


def test_the_model_is_left_as_it_was():
    MODEL.train()
    sampler_playground(MODEL, BYTES, PROMPTS)
    assert MODEL.training
    MODEL.eval()


@pytest.mark.parametrize(
    ("prompts", "options", "says"),
    [
        ("the cat", {}, "the string 'the cat'; the view takes a list of 1 to 8"),
        ([], {}, "0 prompts"),
        (["the cat"] * 9, {}, "9 prompts"),
        ([""], {}, "0 tokens in ''.*1 to 24"),
        (["z" * 25], {}, "25 tokens"),
        (["the"], {"temperature": 0.55}, "temperature 0.55: the slider has the steps 0, 0.1"),
        (["the"], {"top_k": 7}, "top_k 7: the slider has the steps 1, 2"),
        (["the"], {"top_p": 0.0}, "top_p 0.0: the slider"),
        (["the"], {"seed": -1}, "seed -1: choose a whole number"),
    ],
)
def test_what_does_not_fit_is_explained(prompts, options, says):
    with pytest.raises(ValueError, match=says):
        sampler_playground(MODEL, BYTES, prompts, **options)
