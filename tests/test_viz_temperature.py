"""The temperature playground, without a browser: what is in it, what it refuses, how large it is."""

import json
import re
from html import unescape

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_lib.viz import temperature_playground
from course_lib.viz.temperature import look_for_partners

SIMILARITY = [[0.9, 0.2, -0.1], [0.1, 0.7, 0.3], [0.0, 0.4, 0.5]]
ROWS, COLUMNS = ["hello", "bye", "사과"], ["hi", "farewell", "apple"]


def state(view):
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    return json.loads(re.search(r'<script type="application/json" id="state">(.*?)</script>', document)[1])


@pytest.mark.parametrize("temperature", [0.01, 0.05, 0.3, 2.0])
def test_shares_and_losses_are_pytorchs(temperature):
    rng = torch.Generator().manual_seed(0)
    for n in range(2, 9):
        matrix = torch.rand(n, n, generator=rng, dtype=torch.float64) * 2 - 1
        shares, losses = look_for_partners(matrix.numpy(), temperature)
        np.testing.assert_allclose(shares, (matrix / temperature).softmax(1), atol=1e-9)
        expected = F.cross_entropy(matrix / temperature, torch.arange(n), reduction="none")
        np.testing.assert_allclose(losses, expected, atol=1e-9)


def test_the_line_of_text_holds_the_loss():
    """By hand at temperature 1, one pair of rows: log(1 + e^-1) = 0.3133 for both."""
    view = temperature_playground([[1, 0], [0, 1]], ["a", "b"], ["A", "B"], temperature=1.0)
    assert repr(view) == "Move the temperature: at temperature 1 the loss is 0.31"


def test_tensors_arrays_and_lists_give_the_same_view():
    one = temperature_playground(SIMILARITY, ROWS, COLUMNS)
    for given in (torch.tensor(SIMILARITY, requires_grad=True), np.array(SIMILARITY)):
        assert temperature_playground(given, ROWS, COLUMNS).html == one.html


def test_it_is_small_even_when_full():
    full = temperature_playground(np.eye(8), ["경쟁사가" * 50] * 8, ["W" * 200] * 8)
    assert len(json.dumps(full._repr_mimebundle_(), ensure_ascii=False).encode()) < 120_000


@pytest.mark.filterwarnings("error")
def test_names_and_title_are_escaped():
    hostile = '</script><img src=x onerror="alert(1)">'
    view = temperature_playground(SIMILARITY, [hostile, "b\u202e", "$x$"], [hostile] * 3, title=hostile)
    assert state(view)["rows"] == [hostile, "b<U+202E>", "$x$"]
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    assert "<img" not in document and "<img src=x" not in view.html
    assert document.count("</script>") == 2  # the state's own, and the script's


def test_a_picture_stands_in_for_the_frame():
    view = temperature_playground(SIMILARITY, ROWS, COLUMNS)
    alt, data = re.search(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)"', view.html).groups()
    assert "temperature 0.1" in alt and len(data) > 5000


@pytest.mark.parametrize(
    ("similarity", "rows", "columns", "temperature", "says"),
    [
        (SIMILARITY, ROWS[:2], COLUMNS, 0.1, "rows: 2 names for a matrix of 3"),
        (SIMILARITY, ROWS, "abc", 0.1, "columns: the string 'abc'"),
        ([[1]], ["a"], ["b"], 0.1, r"shape \(1, 1\).*N from 2 to 8"),
        (np.eye(9), ["a"] * 9, ["b"] * 9, 0.1, r"shape \(9, 9\)"),
        ([[1, 0, 0], [0, 1, 0]], ROWS[:2], COLUMNS, 0.1, r"shape \(2, 3\)"),
        ([[3.0, 0], [0, 1]], ["a", "b"], ["a", "b"], 0.1, "no cosines.*divide each vector"),
        ([[float("nan"), 0], [0, 1]], ["a", "b"], ["a", "b"], 0.1, "no cosines"),
        ([["x", 0], [0, 1]], ["a", "b"], ["a", "b"], 0.1, "not a table of numbers"),
        (SIMILARITY, ROWS, COLUMNS, 0.0, "temperature is 0.0: the slider goes from 0.01 to 2"),
    ],
)
def test_what_does_not_fit_is_explained(similarity, rows, columns, temperature, says):
    with pytest.raises(ValueError, match=says):
        temperature_playground(similarity, rows, columns, temperature=temperature)
