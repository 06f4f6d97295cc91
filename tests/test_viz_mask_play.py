"""The mask playground, without a browser: masks and reach beside the library, what it refuses, its size."""

import base64
import json
import re
import zlib
from html import unescape

import numpy as np
import pytest
import torch

from course_lib.attention import banded_mask, causal_mask, permutation_mask, prefix_mask
from course_lib.models import Bert, BertConfig
from course_lib.viz import mask_playground
from course_lib.viz.mask_play import KINDS, MAX_LAYERS, ORDERS, look, reach

TOKENS = ["나는", "어제", "새", "책을", "읽었다", "."]
HOSTILE = "</script><img src=x onerror=alert(1)>"


def state(view) -> dict:
    """What the frame holds."""
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    packed = re.search(r'id="packed">([^<]*)<', document)[1]
    return json.loads(json.loads(zlib.decompress(base64.b64decode(packed)))["data"])


def mask_of(kind: str, T: int = 6, **changes):
    settings = {"prefix": 2, "width": 3, "order": [3, 0, 5, 1, 4, 2], "padding": 0} | changes
    return look(kind, T, **settings)


def test_the_masks_are_the_librarys():
    assert mask_of("BERT").all() and torch.equal(mask_of("GPT"), causal_mask(6))
    for step in range(7):
        assert torch.equal(mask_of("UniLM", prefix=step), prefix_mask(6, step))
    for width in range(1, 7):
        assert torch.equal(mask_of("banded", width=width), banded_mask(6, width))
    order = [5, 2, 0, 1, 4, 3]
    assert torch.equal(mask_of("XLNet", order=order), permutation_mask(order))
    strictly = permutation_mask(order, include_self=False)
    assert torch.equal(mask_of("XLNet", order=order, query_stream=True), strictly)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_hides_the_last_columns_and_nothing_else(kind):
    whole = mask_of(kind)
    for padding in range(7):
        hidden = mask_of(kind, padding=padding)
        assert not hidden[:, 6 - padding :].any()
        assert torch.equal(hidden[:, : 6 - padding], whole[:, : 6 - padding])


def test_a_band_reaches_by_hand():
    """Of width w through L layers: L (w - 1) positions back, and oneself."""
    for width in range(1, 7):
        for layers in range(1, MAX_LAYERS + 1):
            mask = mask_of("banded", width=width)
            back = [min(i, layers * (width - 1)) + 1 for i in range(6)]
            assert reach(mask, mask, layers).sum(1).tolist() == back


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_reached_is_what_moves_a_network(kind, layers):
    mask = mask_of(kind, padding=1 if kind == "banded" else 0)
    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_layers": layers, "n_heads": 2, "d_ff": 16, "max_positions": 6}
    net = Bert(BertConfig(20, **sizes, dropout=0.0)).double()
    for weight in net.parameters():
        if weight.dim() == 2:
            weight.data *= 10  # so that far tokens are felt
    changed = torch.arange(6).repeat(6, 1)
    changed[range(6), range(6)] += 10  # row j: token j is another one
    with torch.no_grad():
        before, after = (net(ids, mask=mask).hidden for ids in (torch.arange(6)[None], changed))
    moved = (after - before).abs().amax(-1).T > 1e-9  # [i, j]: j moves i
    own = torch.eye(6, dtype=torch.bool)  # the skip path
    assert torch.equal(moved, reach(mask, mask, layers) | own)


def test_the_query_stream_looks_at_content_from_below():
    strictly, content = mask_of("XLNet", query_stream=True), mask_of("XLNet")
    for layers in range(1, 5):
        assert torch.equal(reach(strictly, content, layers), strictly)


def test_the_line_of_text_counts_by_hand():
    view = mask_playground(TOKENS, kind="banded", width=2, layers=3, position=4)
    assert repr(view) == (
        "One network, many masks: banded, width 2: position 4 “읽었다” sees 2 of 6 tokens directly, "
        "4 through 3 layers"
    )
    view = mask_playground(TOKENS, kind="UniLM", prefix=5, padding=2, layers=1, position=0, title="Masks")
    assert repr(view) == "Masks: UniLM, prefix 5, padding 2: position 0 “나는” sees 4 of 6 tokens directly"


def test_it_holds_the_scores_and_starts_as_told():
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    held = state(mask_playground(TOKENS, scores, kind="XLNet", order=[5, 4, 3, 2, 1, 0], width=99))
    np.testing.assert_allclose(held["scores"], scores, atol=1e-5)
    assert held["tokens"] == TOKENS and held["orders"][0] == [5, 4, 3, 2, 1, 0]
    expected = {"kind": "XLNet", "prefix": 3, "width": 6, "padding": 0, "layers": 2, "at": 5, "stream": False}
    assert held["start"] == expected
    assert len(held["orders"]) == ORDERS and all(sorted(one) == list(range(6)) for one in held["orders"])
    assert all(one != two for one, two in zip(held["orders"], held["orders"][1:]))
    assert state(mask_playground(TOKENS))["scores"] == [[0] * 6] * 6


def test_tensors_arrays_and_lists_give_the_same_view():
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    one = mask_playground(TOKENS, scores).html
    for given in (scores.clone().requires_grad_(), scores.numpy(), scores.tolist()):
        assert mask_playground(TOKENS, given).html == one
    assert one != mask_playground(TOKENS, scores, seed=1).html


def test_it_is_small_even_when_full():
    scores = torch.randn(16, 16, generator=torch.Generator().manual_seed(0))
    full = mask_playground(["경쟁사가" * 50] * 16, scores, kind="XLNet")
    assert len(json.dumps(full._repr_mimebundle_(), ensure_ascii=False).encode()) < 120_000


@pytest.mark.filterwarnings("error")
def test_hostile_tokens_are_text():
    tokens = [HOSTILE, "a\u202eb", "$x$", "[MASK]", "<!--", "", "\u0301x"]
    view = mask_playground(tokens, title=HOSTILE)
    held = state(view)
    assert held["title"] == HOSTILE
    assert held["tokens"] == [HOSTILE, "a<U+202E>b", "$x$", "[MASK]", "<!--", "∅", "◌\u0301x"]
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    assert "<img" not in document and "<img src=x" not in view.html and "<!--" not in document


def test_a_picture_stands_in_for_the_frame():
    view = mask_playground(TOKENS, padding=6)  # nobody sees anything
    alt, data = re.search(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)"', view.html).groups()
    assert "sees 0 of 6 tokens directly" in alt and len(data) > 5000


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tokens": "나는 학생"}, "the string '나는 학생'; the view takes a list of 2 to 16 tokens"),
        ({"tokens": ["a"]}, "1 tokens; the view"),
        ({"tokens": ["a"] * 17}, "17 tokens; the view"),
        ({"scores": torch.zeros(6, 5)}, r"scores of shape \(6, 5\) for 6 tokens: give one head's"),
        ({"scores": "no"}, "scores are not a table of numbers: give"),
        ({"scores": torch.zeros(6, 6).fill_(-torch.inf)}, "scores hold -inf: .*, before any mask"),
        ({"kind": "gpt"}, "kind 'gpt': choose one of 'BERT', 'GPT', 'UniLM', 'XLNet', 'banded'"),
        ({"prefix": 7}, "prefix 7: choose a whole number from 0 to 6"),
        ({"width": 0}, "width 0: choose a whole number of 1 or more"),
        ({"padding": -1}, "padding -1: choose a whole number from 0 to 6"),
        ({"layers": 7}, "layers 7: choose a whole number from 1 to 6"),
        ({"layers": 1.5}, "layers 1.5: choose a whole number"),
        ({"position": 6}, "position 6: choose a whole number from 0 to 5"),
        ({"order": [0, 1, 2, 3, 4, 4]}, r"order \[0, 1, 2, 3, 4, 4\]: name each position from 0 to 5"),
    ],
)
def test_what_does_not_fit_is_explained(given, says):
    with pytest.raises(ValueError, match=says):
        mask_playground(**({"tokens": TOKENS} | given))
