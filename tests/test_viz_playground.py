"""The attention playground, without a browser: what is in it, what it refuses, how large it is."""

import json
import re
import tomllib
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.viz import attention_playground
from course_lib.viz.playground import attend, hull

WORDS = ["competitors", "like", "eat"]
KEY = torch.tensor([[0.2, 1.6], [0.9, 0.6], [1.7, -0.2]])
QUERY = torch.tensor([1.2, 0.3])
VALUE = torch.tensor([[0.0, 1.0], [0.5, 0.2], [1.0, 0.6]])


def state(view):
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    return json.loads(re.search(r'<script type="application/json" id="state">(.*?)</script>', document)[1])


def test_weights_and_output_are_pytorchs():
    rng = torch.Generator().manual_seed(0)
    for n in range(2, 7):
        query, key, value = (torch.randn(*shape, generator=rng) * 3 for shape in ((2,), (n, 2), (n, 2)))
        _, weights, output = attend(query.numpy(), key.numpy(), value.numpy())
        np.testing.assert_allclose(weights, (key @ query).softmax(0), atol=1e-6)
        np.testing.assert_allclose(output, (key @ query).softmax(0) @ value, atol=1e-5)


def test_the_line_of_text_holds_the_numbers():
    # By hand: scores 0.72, 1.26, 1.98; e^s 2.0544, 3.5254, 7.2427; their sum 12.8226.
    assert repr(attention_playground(WORDS, QUERY, KEY, VALUE)) == (
        "Drag the query: output 0.70, 0.55; weights competitors 0.16, like 0.27, eat 0.56"
    )


def test_tensors_arrays_and_lists_give_the_same_view():
    one = attention_playground(WORDS, QUERY, KEY.clone().requires_grad_(), VALUE.half().double())
    for convert in (torch.Tensor.numpy, torch.Tensor.tolist):
        same = attention_playground(WORDS, convert(QUERY), convert(KEY), convert(VALUE))
        assert state(same)["key"] == state(one)["key"] == [[0.2, 1.6], [0.9, 0.6], [1.7, -0.2]]
    assert same.html == attention_playground(WORDS, QUERY, KEY, VALUE).html


def test_it_is_small_even_when_full():
    small = attention_playground(WORDS, QUERY, KEY, VALUE)
    rng = np.random.default_rng(0)
    full = attention_playground(["경쟁사가" * 50] * 6, rng.normal(size=2), *rng.normal(size=(2, 6, 2)))
    for view in (small, full):
        assert len(json.dumps(view._repr_mimebundle_(), ensure_ascii=False).encode()) < 60_000


def test_words_and_title_are_escaped():
    hostile = '</script><img src=x onerror="alert(1)">'
    view = attention_playground([hostile, "b\u202e"], QUERY, KEY[:2], VALUE[:2], title=hostile)
    assert state(view)["words"] == [hostile, "b<U+202E>"]
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    assert "<img" not in document and "<img src=x" not in view.html
    assert document.count("</script>") == 2  # the state's own, and the script's


@pytest.mark.filterwarnings("error")
def test_a_picture_stands_in_for_the_frame():
    attention_playground(["W" * 99, "</script><img src=x>", "$x$"], -QUERY, -KEY, VALUE)
    view = attention_playground(["경쟁사", "좋아하다", "먹다"], QUERY, KEY, VALUE)
    alt, data = re.search(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)"', view.html).groups()
    assert "먹다 0.56" in alt and len(data) > 5000


def test_the_hull_of_known_points():
    square = np.array([[0, 0], [1, 1], [0.5, 0.5], [1, 0], [0, 1], [0.5, 0]])
    assert sorted(hull(square)) == [0, 1, 3, 4]  # neither the middle nor a point on an edge
    turn = hull(square)
    edges = square[turn] - np.roll(square[turn], 1, axis=0)
    assert (np.abs(edges).sum(1) == 1).all()  # neighbours, not diagonals
    assert sorted(hull(np.array([[0, 0], [1, 1], [2, 2]]))) == [0, 2]
    assert len(hull(np.zeros((3, 2)))) == 1


@pytest.mark.parametrize(
    ("words", "query", "key", "value", "says"),
    [
        (["a"], [1, 0], [[1, 0]], [[1, 0]], "1 words; the playground shows 2 to 6 words"),
        (list("abcdefg"), [1, 0], [[1, 0]] * 7, [[1, 0]] * 7, "7 words; the playground shows 2 to 6"),
        ("ab", [1, 0], [[1, 0]] * 2, [[1, 0]] * 2, "the string 'ab'"),
        (["a", "b"], [1, 0, 0], [[1, 0]] * 2, [[1, 0]] * 2, r"query of shape \(3,\).*needs \(2,\)"),
        (["a", "b"], [1, 0], [[1, 0]] * 3, [[1, 0]] * 2, r"key of shape \(3, 2\).*needs \(2, 2\)"),
        (["a", "b"], [1, 0], [[1, 0]] * 2, [[1, 0, 0]] * 2, r"value of shape \(2, 3\)"),
        (["a", "b"], [1, 0], [[1, 0], [1]], [[1, 0]] * 2, "key is not a table of numbers"),
        (["a", "b"], [float("nan"), 0], [[1, 0]] * 2, [[1, 0]] * 2, "query holds nan.*up to 1000"),
        (["a", "b"], [1, 0], [[1, 0]] * 2, [[1, -2000]] * 2, "value holds -2000.0.*scale them down"),
    ],
)
def test_what_does_not_fit_is_explained(words, query, key, value, says):
    with pytest.raises(ValueError, match=says):
        attention_playground(words, query, key, value)


def test_its_files_travel_with_the_package():
    root = Path(__file__).parents[1]
    patterns = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = patterns["tool"]["setuptools"]["package-data"]["course_lib"]
    shipped = {path.name for pattern in patterns for path in (root / "course_lib").glob(pattern)}
    assert {"playground.js", "playground.css"} <= shipped
