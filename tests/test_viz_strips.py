"""Token strips: every token drawn, inside the figure, in its own look."""

import matplotlib
import pytest

matplotlib.use("agg")
import matplotlib.pyplot as plt

from course_lib.viz import token_strips


def texts_of(axes):
    axes.figure.canvas.draw()
    return {one.get_text(): one.get_window_extent() for one in axes.texts}


def test_a_long_row_goes_on_below_and_stays_inside():
    words = [f"token{i}" for i in range(60)]
    axes = token_strips({"read": [(word, "kept") for word in words]})
    drawn, figure = texts_of(axes), axes.figure.bbox
    assert {*words, "read"} <= set(drawn)
    assert all(box.x0 >= 0 and box.x1 <= figure.width for box in drawn.values())
    assert all(box.y0 >= 0 and box.y1 <= figure.height for box in drawn.values())
    assert drawn["token59"].y1 < drawn["token0"].y0
    plt.close(axes.figure)


def test_tokens_are_shown_as_they_are():
    tokens = ["$x$", "[MASK]", "나는", "<b>"]
    axes = token_strips({"damaged": [(token, "hidden") for token in tokens]}, title="$y$")
    assert {*tokens, "$y$"} <= set(texts_of(axes))
    plt.close(axes.figure)


def test_the_legend_names_the_kinds_there_are():
    axes = token_strips({"a": [("x", "kept"), ("y", "gone"), ("z", 1)]}, groups="part")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["kept", "gone", "part 2"]
    plt.close(axes.figure)


@pytest.mark.parametrize("kind", ["lost", -1, 99])
def test_an_unknown_kind_is_refused_by_name(kind):
    with pytest.raises(ValueError, match="choose one of"):
        token_strips({"a": [("x", kind)]})
