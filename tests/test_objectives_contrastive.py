"""InfoNCE against the formula written out, against hand calculations, and against what must hold."""

import math

import pytest
import torch
from torch.testing import assert_close

from course_lib.objectives.contrastive import cosine_matrix, info_nce


def vectors(n, d, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng), torch.randn(n, d, generator=rng)


def written_out(first, second, temperature):
    """Equation 4 of van den Oord et al. with f = exp(cos / temperature), one number at a time."""

    def one_side(rows, others):
        total = 0.0
        for i, row in enumerate(rows):
            f = [
                math.exp(
                    sum(a * b for a, b in zip(row, other))
                    / math.sqrt(sum(a * a for a in row))
                    / math.sqrt(sum(b * b for b in other))
                    / temperature
                )
                for other in others
            ]
            total -= math.log(f[i] / sum(f))
        return total / len(rows)

    first, second = first.tolist(), second.tolist()
    return (one_side(first, second) + one_side(second, first)) / 2


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5, 1.0, 3.0])
def test_it_is_the_formula(temperature):
    first, second = vectors(7, 5)
    assert info_nce(first, second, temperature).item() == pytest.approx(
        written_out(first, second, temperature), rel=1e-5
    )


def test_two_orthogonal_pairs_by_hand():
    """cos is 1 on the diagonal, 0 beside it: -log(e² / (e² + 1)) = log(1 + e⁻²) at temperature 1/2."""
    eye = torch.eye(2)
    assert info_nce(eye, 3 * eye, 0.5).item() == pytest.approx(math.log1p(math.exp(-2)), rel=1e-6)


def test_vectors_that_say_nothing_cost_log_n():
    same = torch.ones(9, 4)
    assert info_nce(same, same, 0.1).item() == pytest.approx(math.log(9), rel=1e-6)


def test_length_does_not_count():
    first, second = vectors(6, 4)
    long = first * torch.rand(6, 1).add(0.1).mul(50)
    assert_close(info_nce(first, second), info_nce(long, second * 0.01))


def test_the_sides_may_be_exchanged_and_pairs_reordered():
    first, second = vectors(6, 4)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert_close(info_nce(first, second), info_nce(second, first))
    assert_close(info_nce(first, second), info_nce(first[order], second[order]))


def test_a_step_downhill_draws_partners_together_and_others_apart():
    first, second = vectors(8, 16)
    first.requires_grad_(), second.requires_grad_()
    info_nce(first, second, 0.5).backward()
    with torch.no_grad():
        before = cosine_matrix(first, second)
        after = cosine_matrix(first - 0.1 * first.grad, second - 0.1 * second.grad)
    moved = after - before
    others = ~torch.eye(8, dtype=torch.bool)
    assert (moved.diagonal() > 0).all() and moved[others].mean() < 0


def test_small_temperatures_stay_finite_in_value_and_gradient():
    first, second = (side.requires_grad_() for side in vectors(5, 3))
    loss = info_nce(first, second, 1e-3)
    loss.backward()
    assert loss.isfinite() and first.grad.isfinite().all() and second.grad.isfinite().all()


def test_a_zero_vector_is_no_nan():
    first, second = vectors(4, 3)
    first[0] = 0
    assert info_nce(first, second).isfinite()


def test_half_precision_is_computed_in_float32():
    first, second = vectors(6, 4)
    loss = info_nce(first.bfloat16(), second.bfloat16())
    assert loss.dtype == torch.float32
    assert_close(loss, info_nce(first, second), atol=0.05, rtol=0)


def test_cosines_equal_pytorchs():
    first, second = vectors(6, 4)[0], vectors(3, 4, seed=1)[1]
    theirs = torch.cosine_similarity(first[:, None], second[None], dim=-1)
    assert_close(cosine_matrix(first, second), theirs)


@pytest.mark.parametrize(
    ("first", "second", "temperature", "says"),
    [
        ((3, 4), (2, 4), 0.1, r"first \(3, 4\) and second \(2, 4\)"),
        ((3, 4, 1), (3, 4, 1), 0.1, "row i of one"),
        ((1, 4), (1, 4), 0.1, "1 pair.*at least 2"),
        ((3, 4), (3, 4), 0.0, "temperature is 0.0"),
        ((3, 4), (3, 4), math.nan, "temperature is nan"),
    ],
)
def test_what_does_not_fit_is_explained(first, second, temperature, says):
    with pytest.raises(ValueError, match=says):
        info_nce(torch.randn(first), torch.randn(second), temperature)
