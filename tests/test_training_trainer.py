"""The Trainer computes what it says, stops when asked, goes on as if nothing was, says what is wrong."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import training_run
from jupyter_client import KernelManager
from torch import nn
from training_run import Shuffled, Tiny, counting_rows, make_trainer, summed_loss

from course_lib.data.batching import Blocks
from course_lib.models import GPT, Bart, BartConfig, GPTConfig
from course_lib.training import Trainer, make_optimizers, warmup_cosine
from course_lib.training.device import default_precision, model_flops_utilization
from course_lib.training.distributed import Workers
from course_lib.training.muon import Muon, orthogonalize

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def ctrl_c_works():
    """A shell's background jobs ignore SIGINT, and so would the tests in them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def weights(trainer):
    return torch.cat([p.detach().flatten().cpu() for p in trainer.model.parameters()])


def column(trainer, name="loss"):
    return [row[name] for row in trainer.curve]


# ---- what a step computes ----


def test_the_schedule_equals_values_worked_by_hand():
    """Warm-up of 4 in 13 steps: 1/4, 2/4, 3/4, 1; then 0.1 + 0.9 · (1 + cos(π s/8)) / 2 for s = 0 … 8."""
    expected = [0.25, 0.5, 0.75, 1.0, 1.0]
    assert [warmup_cosine(step, 13, 4) for step in range(5)] == expected
    assert warmup_cosine(6, 13, 4) == pytest.approx(0.1 + 0.45 * (1 + math.sqrt(0.5)))
    assert warmup_cosine(8, 13, 4) == pytest.approx(0.55)
    assert warmup_cosine(12, 13, 4) == warmup_cosine(99, 13, 4) == pytest.approx(0.1)
    assert warmup_cosine(0, 5, 0) == 1.0
    assert warmup_cosine(8, 13, 4, floor=0.0) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="warm-up of 6 steps in a run of 5"):
        warmup_cosine(0, 5, 6)


def test_the_learning_rate_of_every_group_follows_the_schedule():
    seen = []
    trainer = make_trainer(
        optimizer="muon",
        warmup=4,
        learning_rate=0.02,
        hooks=(lambda t: seen.append([g["lr"] for o in t.optimizers for g in o.param_groups]),),
    ).fit(13)
    assert column(trainer, "learning_rate")[:4] == pytest.approx([0.005, 0.01, 0.015, 0.02])
    assert all(rates == [row["learning_rate"]] * 3 for rates, row in zip(seen, trainer.curve))


def test_a_step_is_that_of_plain_pytorch():
    """The same model, batches, schedule, clipping and AdamW written out, without the Trainer."""
    trainer = make_trainer(dropout=0.0, loss_fn=summed_loss, warmup=3, clip=0.2, weight_decay=0.3).fit(12)
    torch.manual_seed(3)
    model, data, losses = Tiny(0.0), Shuffled(counting_rows(), 6), []
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.3}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    for step in range(12):
        rows = next(data)
        ids, labels = rows[:, :-1].clamp(min=0), rows[:, 1:]
        loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), labels.flatten(), ignore_index=-1)
        loss.backward()
        gradients = [p.grad for p in model.parameters()]
        norm = torch.sqrt(sum((g**2).sum() for g in gradients))
        for g in gradients:
            g.mul_(min(1.0, 0.2 / norm.item()))
        up = (step + 1) / 3 if step < 3 else 0.1 + 0.45 * (1 + math.cos(math.pi * (step - 3) / 8))
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * up
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        assert trainer.curve[step]["gradient_norm"] == pytest.approx(norm.item(), rel=1e-4)
    assert column(trainer) == pytest.approx(losses, abs=1e-5)
    torch.testing.assert_close(
        weights(trainer), torch.cat([p.detach().flatten() for p in model.parameters()]), rtol=0, atol=2e-5
    )
    assert max(column(trainer, "gradient_norm")) > 0.2 > 0, "nothing was clipped"
    assert column(trainer, "step") == list(range(1, 13))


def test_without_a_clip_gradients_keep_their_length():
    seen = []

    def loss(model, rows):
        return 1000 * summed_loss(model, rows)[0], 1

    trainer = make_trainer(loss_fn=loss, clip=None, warmup=0)
    trainer.optimizers[0].register_step_pre_hook(
        lambda o, *_: seen.append(torch.cat([p.grad.flatten() for g in o.param_groups for p in g["params"]]))
    )
    trainer.fit(1)
    assert seen[0].norm().item() == pytest.approx(trainer.curve[0]["gradient_norm"], rel=1e-4)
    assert seen[0].norm() > 1000


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_four_micro_batches_equal_one_batch(optimizer):
    """Batches of 6, 6, 6 and 5 rows in pieces of 2 and 1; rows hold one to four scored labels."""
    runs = [make_trainer(None, optimizer, 0.0, summed_loss, micro_batches=n).fit(20) for n in (1, 4)]
    assert column(runs[0]) == pytest.approx(column(runs[1]), abs=2e-5)
    assert column(runs[0], "gradient_norm") == pytest.approx(column(runs[1], "gradient_norm"), rel=1e-2)
    per_row = [
        make_trainer(None, optimizer, 0.0, mean_loss, micro_batches=n, batch_size=5).fit(20) for n in (1, 4)
    ]
    assert column(per_row[0]) == pytest.approx(column(per_row[1]), abs=2e-5)


def mean_loss(model, rows):
    """A mean over rows."""
    return torch.stack([summed_loss(model, rows[i : i + 1])[0] for i in range(len(rows))]).mean()


def out_of_memory_above(n_rows, error, after=0):
    """A loss that fails, having drawn random numbers and left gradients, on pieces of more rows."""
    calls = []

    def loss(model, rows):
        calls.append(len(rows))
        if len(rows) > n_rows and len(calls) > after:
            training_run.noisy_loss(model, rows)[0].backward()
            raise error
        return training_run.noisy_loss(model, rows)

    loss.calls = calls
    return loss


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory"), MemoryError()],
    ids=["cuda", "mps", "cpu"],
)
def test_running_out_of_memory_halves_the_pieces_and_the_curve_is_that_of_a_run_that_had_them(error, capsys):
    """With dropout on: the failed try must leave neither gradients nor random numbers behind."""

    def quarter_from_step_3(trainer):
        if trainer.step == 2:
            trainer.micro_batches = 4

    expected = make_trainer(hooks=(quarter_from_step_3,)).fit(12)
    loss = out_of_memory_above(2, error, after=2)
    trainer = make_trainer(loss_fn=loss).fit(12)
    assert loss.calls[:6] == [6, 6, 6, 3, 2, 2]
    assert trainer.micro_batches == 4
    assert trainer.curve == expected.curve
    assert torch.equal(weights(trainer), weights(expected))
    assert "going on with 4 micro-batches" in capsys.readouterr().out


def test_out_of_memory_leaves_the_curve_of_the_whole_batch():
    whole = make_trainer(dropout=0.0, loss_fn=summed_loss).fit(12)

    def loss(model, rows):
        if len(rows) > 3:
            raise torch.OutOfMemoryError("simulated")
        return summed_loss(model, rows)

    assert column(make_trainer(dropout=0.0, loss_fn=loss).fit(12)) == pytest.approx(column(whole), abs=1e-5)


def test_when_not_one_row_fits_the_error_says_what_to_do():
    with pytest.raises(torch.OutOfMemoryError, match="one row at a time, of a batch of 6: shorten the rows"):
        make_trainer(loss_fn=out_of_memory_above(0, torch.OutOfMemoryError("x"))).fit(5)


def test_other_errors_of_the_loss_come_through_and_leave_no_gradient_behind():
    def broken(model, rows):
        if len(seen) == 3:
            seen.append(0)
            (-5 * summed_loss(model, rows)[0]).backward()
            raise RuntimeError("a bug of the learner")
        seen.append(0)
        return summed_loss(model, rows)

    seen, batch = [], iter([counting_rows(4)] * 99)
    trainer = make_trainer(dropout=0.0, loss_fn=broken, data=batch)
    with pytest.raises(RuntimeError, match="bug of the learner"):
        trainer.fit(9)
    assert trainer.step == 3 and not trainer.model.training
    whole = make_trainer(dropout=0.0, loss_fn=summed_loss, data=iter([counting_rows(4)] * 99)).fit(9)
    assert column(trainer.fit(9)) == column(whole)


def test_a_batch_in_which_nothing_is_scored_changes_nothing_and_is_no_error():
    rows = counting_rows(4)
    rows[:, 1:] = -1
    trainer = make_trainer(loss_fn=summed_loss, data=iter([rows] * 9), weight_decay=0.0, warmup=0)
    before = weights(trainer)
    trainer.fit(1)
    assert column(trainer) == [0.0]
    assert torch.equal(weights(trainer), before)


# ---- which parameters are trained how ----


def test_matrices_decay_and_vectors_do_not():
    model = Tiny()
    (adamw,) = make_optimizers(model, weight_decay=0.3)
    decay, rest = adamw.param_groups
    assert (decay["weight_decay"], rest["weight_decay"]) == (0.3, 0.0)
    assert {tuple(p.shape) for p in decay["params"]} == {(11, 8), (8, 8)}
    assert {p.dim() for p in rest["params"]} == {1}
    assert len(decay["params"]) + len(rest["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("family", ["gpt", "bart"])
def test_muon_takes_the_matrices_of_the_blocks_and_nothing_else(family):
    sizes = {"vocab_size": 19, "d_model": 8, "n_heads": 2, "max_positions": 8}
    if family == "gpt":
        model, per_block, n_blocks = GPT(GPTConfig(n_layers=2, **sizes)), 6, 2
    else:
        model = Bart(BartConfig(n_layers=1, **sizes))
        per_block, n_blocks = 8, 2  # encoder: 4 + 2; decoder: 4 + 4 + 2
    model.embedding_is_frozen = next(model.parameters()).requires_grad_(False)
    adamw, muon = make_optimizers(model, "muon")
    names = {id(p): n for n, p in model.named_parameters()}
    taken = {names[id(p)] for g in muon.param_groups for p in g["params"]}
    assert len(taken) == per_block * n_blocks
    assert all("blocks." in n and n.endswith(".weight") and "norm" not in n for n in taken)
    others = {names[id(p)] for g in adamw.param_groups for p in g["params"]}
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert not taken & others and taken | others == trained


def test_muon_is_that_of_pytorch():
    """PyTorch's rounds to bfloat16 on the way (8 bits: about 1 % a step): updates agree to a few percent."""
    torch.manual_seed(0)
    shapes = [(8, 24), (24, 8), (8, 8), (8, 24)]
    mine = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(p.detach().clone()) for p in mine]
    start = [p.detach().clone() for p in mine]
    options = {"lr": 0.02, "weight_decay": 0.3}
    pair = Muon(mine, **options), torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **options)
    for _ in range(6):
        for p, q in zip(mine, theirs):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        for optimizer in pair:
            optimizer.step()
    for p, q, before in zip(mine, theirs, start):
        assert (p - q).norm() < 0.02 * (q - before).norm()


def test_orthogonalize_keeps_singular_vectors_and_levels_singular_values():
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(2, 6, 9), full_matrices=False)
    wide = left @ torch.diag(torch.tensor([5.0, 3.0, 1.0, 0.5, 0.3, 0.2])) @ right
    inside = left.mT @ orthogonalize(wide) @ right.mT
    assert (inside - torch.diag_embed(inside.diagonal(dim1=1, dim2=2))).abs().max() < 1e-4
    assert ((inside.diagonal(dim1=1, dim2=2) > 0.6) & (inside.diagonal(dim1=1, dim2=2) < 1.3)).all()


def test_optimizers_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="'sgd': choose adamw or muon"):
        make_optimizers(Tiny(), "sgd")
    with pytest.raises(ValueError, match="no linear layer .* choose adamw"):
        make_optimizers(nn.Linear(2, 2), "muon")
    with pytest.raises(ValueError, match="unfreeze"):
        make_optimizers(Tiny().requires_grad_(False))


# ---- what goes on around it ----


def test_evaluation_does_not_change_training():
    def evaluate(model):
        assert not model.training and not torch.is_grad_enabled()
        random.random(), np.random.rand(), torch.rand(3)
        return {"held_out": torch.tensor(model(torch.arange(4)[None]).shape[-1])}

    plain = make_trainer().fit(20)
    watched = make_trainer(evaluate=evaluate, eval_every=6).fit(20)
    assert torch.equal(weights(plain), weights(watched))
    assert column(plain) == column(watched)
    assert [row["step"] for row in watched.curve if "held_out" in row] == [6, 12, 18, 20]
    assert watched.curve[-1]["held_out"] == 11.0


def test_hooks_see_each_finished_step():
    seen = []
    make_trainer(hooks=(lambda t: seen.append((t.step, t.curve[-1]["step"], t.model.training)),)).fit(6)
    assert seen == [(i, i, True) for i in range(1, 7)]


def test_fit_counts_from_the_first_step_ever(capsys):
    trainer = make_trainer()
    assert trainer.fit(5) is trainer and trainer.fit(8).step == 8
    assert not trainer.model.training
    capsys.readouterr()
    trainer.fit(8)
    assert capsys.readouterr().out == "Step 8 is reached already: fit(16) trains 8 more.\n"
    assert repr(trainer) == f"Trainer after step 8, loss {trainer.curve[-1]['loss']:.2f}"


def test_a_loss_that_is_no_number_stops_before_it_reaches_the_weights():
    def loss(model, rows):
        value, count = summed_loss(model, rows)
        return (value * math.nan if trainer.step == 4 else value), count

    trainer = make_trainer(loss_fn=loss)
    with pytest.raises(
        FloatingPointError, match="step 5: the loss is nan.*learning rate 0.003.*smaller learning"
    ):
        trainer.fit(10)
    assert trainer.step == 4 and weights(trainer).isfinite().all()


def test_infinite_gradients_stop_it_too():
    def loss(model, rows):
        value, count = summed_loss(model, rows)
        return torch.sqrt(value - value.detach()) + value, count

    with pytest.raises(FloatingPointError, match="step 1: .*norm (inf|nan)"):
        make_trainer(loss_fn=loss).fit(10)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"micro_batches": 0}, ValueError, "micro_batches is 0"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate is 0.0"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate is nan"),
        ({"clip": -1.0}, ValueError, "clip is -1.0"),
        ({"save_every": 5}, ValueError, "save_every is 5 but there is no folder"),
        ({"eval_every": 5}, ValueError, "eval_every is 5 but there is no evaluate"),
        ({"eval_every": 0}, ValueError, "eval_every is 0"),
        ({"precision": "fp16"}, ValueError, "'fp16': choose bf16 or fp32"),
        ({"optimizer": "sgd"}, ValueError, "choose adamw or muon"),
        ({"data": [1, 2]}, TypeError, "data is a list: give an iterator"),
    ],
)
def test_arguments_that_cannot_be_are_named(options, error, message):
    with pytest.raises(error, match=message):
        make_trainer(**options)


def test_what_the_data_and_the_loss_give_is_checked():
    with pytest.raises(RuntimeError, match="the data ended after step 2 of 9"):
        make_trainer(data=iter([counting_rows()] * 2)).fit(9)
    with pytest.raises(TypeError, match="a batch of str"):
        make_trainer(data=iter(["text"] * 9)).fit(9)
    with pytest.raises(ValueError, match=r"\[3, 2\] rows"):
        make_trainer(data=iter([(torch.zeros(3), torch.zeros(2))])).fit(9)
    with pytest.raises(TypeError, match="it gave 3.0"):
        make_trainer(loss_fn=lambda model, rows: 3.0).fit(9)
    with pytest.raises(TypeError, match="depends on the model"):
        make_trainer(loss_fn=lambda model, rows: torch.zeros(())).fit(9)
    with pytest.raises(ValueError, match=r"fit\(0\)"):
        make_trainer().fit(0)
    with pytest.raises(ValueError, match="no folder for checkpoints"):
        make_trainer().save()


@pytest.mark.parametrize("kind", [dict, tuple, list])
def test_batches_may_be_dicts_tuples_and_lists(kind):
    def pair(rows):
        both = {"ids": rows[:, :-1].clamp(min=0), "labels": rows[:, 1:]}
        return both if kind is dict else kind(both.values())

    def loss(model, batch):
        ids, labels = batch.values() if kind is dict else batch
        value = nn.functional.cross_entropy(
            model(ids).transpose(1, 2), labels, ignore_index=-1, reduction="sum"
        )
        return value, (labels != -1).sum()

    expected = make_trainer(loss_fn=summed_loss, micro_batches=2).fit(6)
    rows = Shuffled(counting_rows(), 6)
    trainer = make_trainer(loss_fn=loss, data=(pair(next(rows)) for _ in iter(int, 1)), micro_batches=2).fit(
        6
    )
    assert column(trainer) == column(expected)
    assert trainer.tokens == 4 * (6 + 6 + 6 + 5 + 6 + 6) and trainer.length == 4
    assert trainer.tokens_per_second > 0 and trainer.mfu is None


# ---- a model of the course on the course's batches ----


def make_gpt(folder=None, **options):
    ids = torch.arange(400) ** 2 % 17
    torch.manual_seed(1)
    model = GPT(GPTConfig(vocab_size=17, d_model=8, n_layers=2, n_heads=2, max_positions=8))
    return Trainer(
        model,
        None,
        Blocks(ids, 8, 6, seed=2),
        folder=folder,
        **{"device": "cpu", "seed": 4, "learning_rate": 5e-3, **options},
    )


def test_a_gpt_learns_and_goes_on_in_another_trainer_bit_for_bit(tmp_path):
    alone = make_gpt().fit(30)
    assert column(alone)[-1] < column(alone)[0] - 0.3
    stopped = make_gpt(tmp_path, hooks=(lambda t: t.step == 13 and signal.raise_signal(signal.SIGINT),))
    with pytest.raises(KeyboardInterrupt, match="step 13 of 30"):
        stopped.fit(30)
    fresh = make_gpt(tmp_path)
    assert fresh.resume() and fresh.step == 13
    fresh.fit(30)
    assert torch.equal(weights(fresh), weights(alone))
    assert fresh.curve == alone.curve and fresh.tokens == alone.tokens


# ---- checkpoints ----


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_run_is_bit_for_bit_one_left_alone(tmp_path, optimizer):
    alone = make_trainer(None, optimizer).fit(40)
    fit_until_stopped(make_trainer(tmp_path, optimizer, save_every=17, hooks=(stop_at(18),)), 40)
    resumed = make_trainer(tmp_path, optimizer)
    assert resumed.resume()
    resumed.fit(40)
    assert torch.equal(weights(resumed), weights(alone))
    assert resumed.curve == alone.curve
    assert random.random() and resumed.tokens == alone.tokens


def test_a_folder_of_another_run_is_not_written_into(tmp_path):
    make_trainer(tmp_path).fit(9)
    with pytest.raises(FileExistsError, match=r"holds step-00000009 of another run: call resume\(\)"):
        make_trainer(tmp_path).fit(9)
    again = make_trainer(tmp_path)
    assert again.resume()
    again.fit(12)
    assert make_trainer(tmp_path / "new").resume() is False


def test_another_model_optimizer_or_data_is_refused_and_nothing_is_changed(tmp_path):
    make_trainer(tmp_path).fit(9)
    with pytest.raises(ValueError, match="trained with adamw, this trainer uses muon"):
        make_trainer(tmp_path, "muon").resume()
    other = make_trainer(tmp_path)
    other.model.output = nn.Linear(8, 12)
    before = weights(other)
    with pytest.raises(
        ValueError, match=r"another model: output.weight has shape \(11, 8\) there and \(12, 8\) here"
    ):
        other.resume()
    assert torch.equal(weights(other), before) and other.step == 0
    make_gpt(tmp_path / "gpt").fit(3)
    gpt = make_gpt(tmp_path / "gpt")
    gpt.data.seed = 3
    before = weights(gpt)
    with pytest.raises(ValueError, match="seed"):
        gpt.resume()
    assert torch.equal(weights(gpt), before)


def test_data_that_cannot_be_taken_up_is_said(tmp_path, capsys):
    make_trainer(tmp_path, data=iter([counting_rows()] * 9)).fit(5)
    make_trainer(tmp_path, data=iter([counting_rows()] * 9)).resume()
    assert "no state_dict" in capsys.readouterr().out


def test_a_damaged_checkpoint_is_named_and_training_goes_on_from_the_one_before(tmp_path, capsys):
    alone = make_trainer().fit(20)
    make_trainer(tmp_path, save_every=5).fit(20)
    (tmp_path / "step-00000020" / "tensors.safetensors").write_bytes(b"half")
    trainer = make_trainer(tmp_path)
    assert trainer.resume() and trainer.step == 15
    assert "step-00000020" in capsys.readouterr().out
    assert torch.equal(weights(trainer.fit(20)), weights(alone))
    again = make_trainer(tmp_path)
    assert again.resume() and again.step == 20


# ---- interruptions ----


@pytest.mark.skipif(os.name == "nt", reason="signals cannot be sent to another process on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_script_after_the_step_and_saves_it(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, TESTS / "training_run.py", "stop", tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    trainer = make_trainer(tmp_path)
    assert trainer.resume() and trainer.step >= 3
    if number == signal.SIGINT:
        assert f"{trainer.step} stopped after step {trainer.step} of 1000000; the same call goes on" in said
    else:
        assert process.returncode == -signal.SIGTERM
    alone = make_trainer()
    alone.hooks.append(stop_at(trainer.step))
    fit_until_stopped(alone, 1_000_000)
    assert torch.equal(weights(trainer), weights(alone))


def test_a_second_ctrl_c_goes_through_at_once_and_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)

    def twice(trainer):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one was held too")

    with pytest.raises(KeyboardInterrupt):
        make_trainer(hooks=(twice,)).fit(9)
    make_trainer().fit(9)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_the_last_step_is_saved_is_not_lost(tmp_path):
    trainer = make_trainer(tmp_path)
    save = trainer.save
    trainer.save = lambda: (signal.raise_signal(signal.SIGINT), save())
    with pytest.raises(KeyboardInterrupt, match="step 6 of 6"):
        trainer.fit(6)


def test_it_trains_in_a_thread_too():
    trainer = make_trainer()
    thread = threading.Thread(target=trainer.fit, args=(9,))
    thread.start()
    thread.join(60)
    assert column(trainer) == column(make_trainer().fit(9))


def stop_at(step):
    return lambda trainer: trainer.step == step and signal.raise_signal(signal.SIGINT)


def fit_until_stopped(trainer, steps):
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(steps)


class Kernel:
    """A Jupyter kernel that runs cells and keeps what they leave in the notebook."""

    def __enter__(self):
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(TESTS))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=90)
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, code, interrupt_when=None):
        outputs = []

        def keep(message):
            if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
                outputs.append(nbformat.v4.output_from_msg(message))
            if interrupt_when and interrupt_when in str(message["content"]):
                self.manager.interrupt_kernel()

        self.client.execute_interactive(code, output_hook=keep, timeout=120)
        return outputs


def test_in_a_notebook_the_stop_button_leaves_a_usable_model_and_the_same_cell_goes_on(tmp_path):
    alone = make_trainer().fit(400)
    with Kernel() as kernel:
        kernel.run("import torch, time; from training_run import make_trainer")
        slow = "lambda t: t.step == 30 and print('now', flush=True) or time.sleep(0.005)"
        assert kernel.run(f"trainer = make_trainer({str(tmp_path)!r}, hooks=({slow},))") == []
        *_, error = kernel.run("trainer.fit(400)", interrupt_when="now")
        assert error.ename == "KeyboardInterrupt"
        assert "of 400; the same call goes on" in error.evalue
        (shape,) = kernel.run(
            "trainer.step < 400, trainer.model(torch.arange(3)[None]).shape, trainer.model.training"
        )
        assert shape.data["text/plain"] == "(True, torch.Size([1, 3, 11]), False)"
        assert kernel.run("trainer.fit(400);") == [], "a cell that trains leaves something in the notebook"
        (shown,) = kernel.run("trainer.fit(401); trainer")
        assert shown.data["text/plain"].startswith("Trainer after step 401, loss ")
    # what it saved at step 400 is what one left alone has
    fresh = make_trainer()
    fresh.resume(tmp_path / "step-00000400")
    assert torch.equal(weights(fresh), weights(alone))
    assert fresh.curve == alone.curve


# ---- several processes ----


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one(tmp_path):
    """Rows of 7, 7, 7 and 1: odd shares, and in every fourth step none for one of the two."""
    script, one, two = TESTS / "training_run.py", tmp_path / "one.json", tmp_path / "two.json"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COURSE_DEVICE": "cpu"}
    subprocess.run([sys.executable, script, "curve", one], check=True, env=environment, timeout=200)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, script, "curve", two], capture_output=True, text=True, env=environment, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    expected, found = (json.loads(p.read_text(encoding="utf-8")) for p in (one, two))
    assert len(expected) == len(found) == 25
    for a, b in zip(expected, found):
        assert b == pytest.approx(a, abs=1e-5)


@pytest.mark.parametrize("n_workers", [1, 2, 3, 5])
def test_each_row_is_the_share_of_one_process(n_workers):
    for n_rows in range(9):
        shares = []
        for rank in range(n_workers):
            worker = object.__new__(Workers)  # without starting a group
            worker.rank, worker.size = rank, n_workers
            shares.append(worker.share(n_rows))
        assert [row for share in shares for row in share] == list(range(n_rows))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_importing_the_package_loads_no_torch():
    code = (
        "import sys, course_lib.training as t; assert 'torch' not in sys.modules; assert t.Trainer; t.nothing"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "has no attribute 'nothing'" in done.stderr


def test_the_share_of_the_peak_is_that_worked_by_hand(monkeypatch):
    """GPT-2 small, 124,439,808 parameters, 12 layers, 768 wide, 1,024 tokens: 859,885,056 operations a token.

    6 · 124,439,808 + 12 · 12 · 768 · 1,024; at 500,000 tokens a second that is 430 TFLOP/s of an H100's 989.
    """
    with torch.device("meta"):
        model = GPT(GPTConfig())
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    cuda = torch.device("cuda")
    share = model_flops_utilization(model, 500_000, 1024, cuda)
    assert share == pytest.approx(500_000 * 859_885_056 / 989e12) == pytest.approx(0.4347, abs=1e-4)
    assert model_flops_utilization(model, 500_000, None, cuda) is None
    assert model_flops_utilization(model, 500_000, 1024, torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU of next year")
    assert model_flops_utilization(model, 500_000, 1024, cuda) is None


def test_bf16_is_chosen_where_the_gpu_has_it(monkeypatch):
    for has, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has=has: has)
        assert default_precision(torch.device("cuda")) == expected
    assert default_precision(torch.device("cpu")) == "fp32"


def test_bf16_computes_in_bf16_and_keeps_weights_and_loss_in_float32():
    kinds = set()
    trainer = make_trainer(loss_fn=summed_loss, precision="bf16")
    trainer.model.output.register_forward_hook(lambda module, args, out: kinds.add(out.dtype))
    trainer.fit(20)
    assert kinds == {torch.bfloat16}
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    plain = make_trainer(loss_fn=summed_loss).fit(20)
    assert column(trainer) == pytest.approx(column(plain), abs=0.05) and column(trainer) != column(plain)


# ---- on a GPU ----

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU; PyTorch finds none")


@pytest.mark.gpu
@needs_gpu
def test_on_a_gpu_it_trains_in_bf16_with_fused_adamw_and_reports_its_speed():
    trainer = make_gpt(device="cuda")
    kinds = []
    trainer.model.blocks[0].feed_forward.up.register_forward_hook(lambda m, i, out: kinds.append(out.dtype))
    trainer.fit(30)
    assert set(kinds) == {torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float32}
    assert all(o.defaults["fused"] for o in trainer.optimizers)
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    assert column(trainer)[-1] < column(trainer)[0] - 0.3
    assert trainer.length == 8 and trainer.tokens_per_second > 0
    assert trainer.mfu is None or 0 < trainer.mfu < 1


@pytest.mark.gpu
@needs_gpu
def test_on_a_gpu_a_resumed_run_goes_on_with_the_same_random_numbers(tmp_path):
    alone = make_trainer(device="cuda").fit(30)
    stopped = make_trainer(tmp_path, device="cuda", hooks=(stop_at(11),))
    fit_until_stopped(stopped, 30)
    torch.rand(5, device="cuda")
    resumed = make_trainer(tmp_path, device="cuda")
    assert resumed.resume()
    resumed.fit(30)
    assert column(resumed) == pytest.approx(column(alone), abs=1e-4)


@pytest.mark.gpu
@needs_gpu
def test_on_a_gpu_running_out_of_memory_for_real_halves_the_pieces():
    def loss(model, rows):
        if len(rows) > 3:
            torch.empty(2**50, device="cuda")
        return summed_loss(model, rows)

    trainer = make_trainer(device="cuda", loss_fn=loss).fit(8)
    assert trainer.micro_batches == 2 and trainer.step == 8
