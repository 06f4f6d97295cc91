"""A diagnosis is given for its fault, planted in two recipes, and to no healthy run; bands survive the disk.

The runs are trained here. The band's five seeds are never among those that are judged.
"""

from __future__ import annotations

import json
import math
from functools import cache

import curve_recipes
import numpy as np
import pytest
import torch
from curve_recipes import FAULTS, STEPS, make
from torch import nn

from course_lib.data.batching import Batches
from course_lib.models import GPT, T5, GPTConfig, T5Config
from course_lib.training import Band, Trainer, diagnose
from course_lib.training.curves import chosen_steps, smooth
from course_lib.training.diagnosis import VERDICTS
from course_lib.training.probe import look_at_batch

RECIPES = ("gpt", "bert")
BAND_SEEDS, HEALTHY_SEEDS, FAULT_SEED = range(5), range(100, 110), 200


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny matrices: threads only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def trained(kind, seed, fault=None):
    return make(kind, seed, fault).fit(STEPS[kind])


@cache
def band(kind):
    return Band.from_curves([trained(kind, seed).curve for seed in BAND_SEEDS], kind, BAND_SEEDS)


# ---- the proof ----


def rising(kinds, **quick):
    """Cases (kind, value): the daily loop trains GPT with the values named quick; the rest is slow."""
    ((name, values),) = kinds.items()
    return [
        pytest.param(kind, value, marks=[] if kind == "gpt" and value in quick[name] else [pytest.mark.slow])
        for kind in RECIPES
        for value in values
    ]


DAILY = ("frozen", "unshifted", "few")  # the others train for longer


@pytest.mark.parametrize(("kind", "fault"), rising({"faults": FAULTS}, faults=DAILY))
def test_a_planted_fault_gets_its_diagnosis(kind, fault):
    found = trained(kind, FAULT_SEED, fault).diagnose(band(kind))
    assert found.verdict == FAULTS[fault], repr(found)
    assert found.try_next


@pytest.mark.parametrize(("kind", "seed"), rising({"seeds": HEALTHY_SEEDS}, seeds=HEALTHY_SEEDS[:1]))
def test_a_healthy_run_is_normal_with_and_without_band_and_batch(kind, seed):
    trainer = trained(kind, seed)
    probe = look_at_batch(trainer)
    for found in (
        trainer.diagnose(band(kind)),
        trainer.diagnose(),
        diagnose(trainer.curve, band(kind)),
        diagnose(trainer.curve),
    ):
        assert found.verdict == "normal", repr(found)
    for part in (4, 2, 1.33):  # asked early, too
        early = trainer.curve[: int(STEPS[kind] / part)]
        for one in (probe, None):
            found = diagnose(early, band(kind), one)
            assert found.verdict == "normal", f"after {len(early)} steps: {found!r}"


@pytest.mark.parametrize("fault", [name for name, verdict in FAULTS.items() if verdict == "labels shifted"])
def test_shifted_labels_of_a_masked_model_are_told_after_twenty_steps_and_without_a_band(fault):
    found = make("bert", FAULT_SEED, fault).fit(20).diagnose()
    assert found.verdict == "labels shifted", repr(found)
    assert make("bert", FAULT_SEED).fit(20).diagnose().verdict == "normal"


def test_every_verdict_has_a_fault_that_is_planted():
    assert {*FAULTS.values(), "normal"} == set(VERDICTS)


# ---- what can be told from less ----


@pytest.mark.slow
@pytest.mark.parametrize("kind", RECIPES)
def test_without_a_band_all_but_too_slow_and_some_high_rates_are_told(kind):
    for fault, verdict in FAULTS.items():
        found = trained(kind, FAULT_SEED, fault).diagnose()
        if fault == "slow":
            assert found.verdict == "normal" and "too slow" in found.unsure
        elif fault == "hot":  # its end alone looks like guessing
            assert found.verdict in ("learning rate too high", "not learning")
        else:
            assert found.verdict == verdict, f"{fault}: {found!r}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", RECIPES)
def test_from_curve_and_band_alone_copied_labels_are_told_and_shifted_ones_are_not_named_wrongly(kind):
    found = diagnose(trained(kind, FAULT_SEED, "unshifted").curve, band(kind))
    assert found.verdict == "labels shifted", repr(found)
    for fault in ("shifted twice", "shifted back"):
        found = diagnose(trained(kind, FAULT_SEED, fault).curve, band(kind))
        assert found.verdict in ("normal", "too slow", "labels shifted")
        assert found.verdict == "labels shifted" or "Trainer.diagnose()" in found.unsure


def test_a_causal_model_without_its_mask_is_told():
    torch.manual_seed(0)
    rows = torch.randint(3, 40, (64, 12))

    def loss(model, batch):
        hidden = model(batch["ids"], labels=None, need_weights=False).hidden
        peeked = hidden[:, :-1] + model.embed(batch["ids"][:, 1:], 0, None)[0]
        return nn.functional.cross_entropy(model.head(peeked).flatten(0, 1), batch["ids"][:, 1:].flatten())

    trainer = small_gpt(loss, rows).fit(60)
    assert look_at_batch(trainer).looks_ahead is False  # the model itself is sound; its loss is not
    model = Unmasked()
    trainer = Trainer(
        model,
        lambda model, batch: nn.functional.cross_entropy(
            model(batch["ids"])[:, :-1].flatten(0, 1), batch["ids"][:, 1:].flatten()
        ),
        Batches({"ids": rows}, 16),
        device="cpu",
    ).fit(40)
    found = trainer.diagnose()
    assert found.verdict == "labels shifted" and "causal mask" in found.try_next


class Unmasked(nn.Module):
    """Sees the whole row: logits (B, T, 40) from the token, its neighbours and its place."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(40, 16)
        self.mix = nn.Conv1d(16, 40, 3, padding=1)

    def forward(self, ids):
        return self.mix(self.table(ids).transpose(1, 2)).transpose(1, 2)


# ---- the probe ----


def small_gpt(loss, rows, **options):
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=40, d_model=16, n_layers=1, n_heads=2, d_ff=32, max_positions=16, dropout=0.1
    )
    return Trainer(GPT(config), loss, Batches({"ids": rows}, 16), device="cpu", seed=0, **options)


def test_a_diagnosis_changes_nothing_of_the_run():
    """Weights after 60 steps, asked at 30 or not: the same bits; gradients, mode and hooks as before."""
    rows = torch.randint(3, 40, (64, 12), generator=torch.Generator().manual_seed(1))
    weights = []
    for asks in (False, True):
        trainer = small_gpt(None, rows).fit(30)
        if asks:
            trainer.model.train()
            trainer.diagnose()
            assert trainer.model.training
            trainer.model.eval()
            trainer.diagnose()
            assert not trainer.model.training
            assert all(p.grad is None for p in trainer.model.parameters())
            assert not trainer.model._forward_hooks and not trainer.model._forward_pre_hooks
        trainer.fit(60)
        weights.append(torch.cat([p.detach().flatten() for p in trainer.model.parameters()]))
    assert torch.equal(*weights)


def test_the_probe_finds_the_labels_of_any_loss_by_its_gradient():
    """Logits of all places or of some; mean, or sum and count; label smoothing; labels three places on."""
    rows = torch.randint(3, 40, (64, 12), generator=torch.Generator().manual_seed(1))

    def third(model, batch):
        logits = model(batch["ids"]).logits[:, :-3]
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), batch["ids"][:, 3:].flatten(), reduction="sum", label_smoothing=0.1
        )
        return loss, logits[..., 0].numel()

    assert look_at_batch(small_gpt(third, rows).fit(2)).asked_for[3] == 1
    seen = look_at_batch(small_gpt(None, rows).fit(2))
    assert seen.asked_for[1] == 1 and max(v for k, v in seen.asked_for.items() if k != 1) < 0.2
    assert seen.looks_ahead is False


def test_the_probe_is_silent_where_there_is_nothing_to_line_up():
    """An encoder-decoder shifts inside; classes are no tokens; a loss may call its model twice."""
    rows = torch.randint(3, 40, (64, 12), generator=torch.Generator().manual_seed(1))
    config = T5Config(vocab_size=40, d_model=16, n_layers=1, n_heads=2, d_ff=32, d_head=8)
    seq2seq = Trainer(T5(config), None, Batches({"ids": rows, "labels": rows}, 16), device="cpu").fit(20)
    assert look_at_batch(seq2seq).asked_for is None
    assert seq2seq.diagnose().verdict != "labels shifted"

    twice = small_gpt(lambda m, b: m(b["ids"], labels=b["ids"]).loss + m(b["ids"]).hidden.mean(), rows).fit(
        20
    )
    assert look_at_batch(twice).asked_for is None
    assert twice.diagnose().verdict == "normal"

    linear = nn.Linear(4, 3)
    classes = Batches({"x": torch.randn(64, 4), "y": torch.randint(3, (64,))}, 16)
    plain = Trainer(
        linear, lambda m, b: nn.functional.cross_entropy(m(b["x"]), b["y"]), classes, device="cpu"
    )
    assert look_at_batch(plain).use_of_input is None  # before the first batch
    assert plain.fit(20).diagnose().verdict == "normal"


# ---- curves and bands ----


def rows_of(losses, **columns):
    return [
        {"step": i + 1, "loss": loss, **{name: values[i] for name, values in columns.items()}}
        for i, loss in enumerate(losses)
    ]


def test_smoothing_is_the_mean_over_the_last_fifth_of_the_steps():
    """Loss = step: at step 10 rows 9 and 10 count, at 100 rows 81 to 100, at 1 the first; before it, none."""
    curve = rows_of(range(1, 101))
    assert smooth(curve, [1, 10, 100]).tolist() == [1.0, 9.5, 90.5]
    assert math.isnan(smooth(curve, [0.5])[0])
    thin = [{"step": 50, "loss": 3.0}, {"step": 100, "loss": 2.0}]  # a thinned curve
    assert smooth(thin, [60, 100, 200]).tolist() == [3.0, 2.0, 2.0]


def test_chosen_steps_begin_with_one_and_end_with_the_last():
    for last in (1, 2, 7, 150, 5000):
        steps = chosen_steps(last)
        assert steps[0] == 1 and steps[-1] == last and steps == sorted(set(steps))
    assert len(chosen_steps(5000)) < 60


def test_a_band_holds_lowest_mean_and_highest_and_survives_the_disk(tmp_path):
    curves = [rows_of([5.0 - k] * 30, validation_loss=[None] * 29 + [k / 2]) for k in range(3)]
    made = Band.from_curves(curves, "한글 <b>", [7, 8, 9])
    assert made.columns["loss"].at(17) == (3.0, 4.0, 5.0)
    assert made.columns["validation_loss"].steps == [30]
    assert made.columns["validation_loss"].at(30) == (0.0, 0.5, 1.0)
    assert Band.load(made.save(tmp_path / "band.json")) == made
    assert (tmp_path / "band.json").stat().st_size < 3000
    assert "columns" not in repr(made)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"band": 2}', "null", '{"band": 1, "columns": {"loss": 3}}']
)
def test_a_file_that_is_no_band_is_refused_by_name(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is no band"):
        Band.load(tmp_path / "x.json")
    made = json.loads(Band.from_curves([rows_of([2.0] * 9)] * 2).save(tmp_path / "y.json").read_text())
    made["columns"]["loss"]["low"].pop()
    (tmp_path / "y.json").write_text(json.dumps(made))
    with pytest.raises(ValueError, match=r"y\.json is no band"):
        Band.load(tmp_path / "y.json")


def test_a_band_needs_runs_of_one_length():
    with pytest.raises(ValueError, match="1 curves"):
        Band.from_curves([rows_of([1.0] * 9)])
    with pytest.raises(ValueError, match=r"steps \[8, 9\]"):
        Band.from_curves([rows_of([1.0] * 9), rows_of([1.0] * 8)])


def test_a_curve_that_is_too_short_or_not_finite_is_answered():
    with pytest.raises(ValueError, match="a curve of 19 steps: train for at least 20"):
        diagnose(rows_of([1.0] * 19))
    broken = rows_of([5.0 - i / 20 for i in range(30)] + [float("nan")] * 3, gradient_norm=[1.0] * 33)
    found = diagnose(broken)
    assert found.verdict == "learning rate too high" and "step 31" in found.why


def test_one_spike_that_heals_is_normal_and_a_climb_that_stays_is_not():
    noise = np.random.default_rng(0).normal(0, 0.02, 300)
    falling = 2 + 4 * np.exp(-np.arange(300) / 60) + noise
    spike = falling.copy()
    spike[150:154] += 4
    climb = falling.copy()
    climb[150:] += 2
    assert diagnose(rows_of(falling)).verdict == "normal"
    assert diagnose(rows_of(spike)).verdict == "normal"
    assert diagnose(rows_of(climb)).verdict == "learning rate too high"


def test_a_noisy_classifier_is_neither_unstable_nor_dead():
    """Batches of eight: a loss of 0.69 that scatters by 0.15 while it falls to 0.5, slowly."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        losses = 0.69 - 0.19 * np.arange(400) / 400 + rng.normal(0, 0.15, 400)
        assert diagnose(rows_of(losses)).verdict == "normal"


def test_a_curve_longer_or_shorter_than_its_band_is_judged_where_both_are():
    made = band("gpt")
    curve = trained("gpt", HEALTHY_SEEDS[0]).curve
    assert "at step 60" in diagnose(curve[:60], made).why
    longer = [*curve, *({**curve[-1], "step": STEPS["gpt"] + i} for i in range(1, 50))]
    assert f"at step {STEPS['gpt']}," in diagnose(longer, made).why


def test_what_is_shown_is_escaped_and_names_numbers():
    found = diagnose(rows_of([6.0] * 100, **{"<img src=x> loss": [1.0] * 100}))
    shown = found._repr_html_()
    assert found.verdict == "not learning" and "6.00" in repr(found) and "6.00" in shown
    assert repr(found).startswith("Not learning. ") and "Try next: " in repr(found)
    rising = [2.0 + i / 100 for i in range(100)]
    named = {"<img src=x> loss": rising}
    hostile = diagnose(rows_of([6.0 - i / 50 for i in range(100)], **named))
    assert hostile.verdict == "overfitting"
    assert "<img" not in hostile._repr_html_() and "&lt;img" in hostile._repr_html_()


def test_tests_use_seeds_the_band_has_not_seen():
    assert not {*HEALTHY_SEEDS, FAULT_SEED} & {*BAND_SEEDS}
    assert curve_recipes.tokens("train").shape != curve_recipes.tokens("validation").shape
