"""The picture beside a wrong answer: yours, the wanted, where they differ, and nothing that could run."""

import re

import pytest
import torch

from course_lib.grading import check
from course_lib.grading.drawing import COLUMNS, ROWS, draw


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def marked(table):
    """Places framed as wrong, in reading order."""
    return [i for i, mark in enumerate(re.findall(r'<i( class="differs")?', table)) if mark]


def test_both_tables_hold_their_numbers_and_frame_where_they_differ():
    want = torch.arange(6.0).view(2, 3)
    got = want.clone()
    got[1, 2] = 9
    found = draw(got, want, ("scores (T, S)",))
    assert found.yours == got.tolist() and found.wanted == want.tolist()
    yours, wanted = found.html().split("wanted</span>")
    assert marked(yours) == marked(wanted) == [5]
    assert 'title="9"' in yours and 'title="5"' in wanted and "<code>scores</code>" in found.html()


def test_of_more_dimensions_the_first_slice_that_differs_is_shown():
    want = torch.zeros(2, 3, 4, 5)
    got = want.clone()
    got[1, 2, 0, 4] = 1
    found = draw(got, want, ("weights (B, H, T, S)",))
    assert found.what == "`weights[1, 2]`"
    assert sum(map(sum, found.wrong)) == 1 and found.wrong[0][4]


def test_of_several_values_the_first_wrong_one_is_shown():
    right, got, want = torch.ones(2, 2), torch.ones(3), torch.zeros(3)
    found = draw((right, got), (right, want), ("output", "weights (S,)"))
    assert found.what == "`weights`" and found.yours == [[1.0] * 3]


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (torch.ones(2, 2), torch.ones(2, 2)),
        (torch.ones(ROWS + 1, 2), torch.zeros(ROWS + 1, 2)),
        (torch.ones(2, COLUMNS + 1), torch.zeros(2, COLUMNS + 1)),
        (torch.tensor(1.0), torch.tensor(2.0)),
        (3, 4),
        ("a", "b"),
        (torch.ones(0, 3), torch.ones(0, 3)),
    ],
)
def test_what_is_alike_too_large_or_no_table_is_not_drawn(got, want):
    assert draw(got, want) is None


def test_nan_and_infinity_are_shown_as_such():
    found = draw(torch.tensor([[float("nan"), float("inf"), 0.5]]), torch.zeros(1, 3))
    assert ">?<" in found.html() and ">∞<" in found.html()


def test_a_wrong_mask_is_drawn_in_the_feedback_and_a_right_one_is_not():
    def mask(T, inverted):
        earlier = torch.arange(T)[:, None] >= torch.arange(T)
        return ~earlier if inverted else earlier

    result = check("attention.masks", lambda T: mask(T, inverted=True))
    assert sum(row.drawing is not None for row in result.findings) == 1
    assert result._repr_html_().count('class="grade-grid"') == 2
    right = check("attention.masks", lambda T: mask(T, inverted=False))
    assert right.score > 0 and 'class="grade-grid"' not in right._repr_html_()


def test_numbers_to_predict_are_never_shown():
    html = check("attention.predict", lambda: {"one": 0})._repr_html_()
    assert 'class="grade-grid"' not in html
