"""Recipes, what they write, and what is shipped."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from course_lib.pretrained import trained
from course_lib.pretrained.trained import about_trained, load_trained, save_trained, shipped
from course_lib.recipes import RECIPES, list_recipes, mlm_scores, pretrain, thinned, town_tokenizer


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


def course(*words, home):
    return subprocess.run(
        [sys.executable, "-m", "course_lib.cli", *words],
        env={**os.environ, "COURSE_HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    """bert-town, three steps long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_HOME", str(tmp_path_factory.mktemp("home")))
        return pretrain("bert-town", steps=3)


def test_a_run_writes_what_is_needed_to_repeat_and_to_judge_it(tiny_run):
    about = about_trained(tiny_run)
    assert about["recipe"] == "bert-town" and about["seed"] == 0 and about["steps"] == 3
    assert about["versions"]["torch"] == torch.__version__
    assert len(about["curve"]) == 3
    for split in ("validation", "test"):
        assert 0 <= about["metrics"][f"{split}_accuracy"] <= 1


def test_the_loaded_model_scores_what_its_run_reported(tiny_run):
    from course_lib.recipes import town_held_out, town_scores

    model, tokenizer = load_trained(tiny_run)
    scores = town_scores(model, town_held_out(tokenizer, "test", torch.device("cpu")), tokenizer.mask_id)
    reported = about_trained(tiny_run)["metrics"]
    assert scores["loss"] == pytest.approx(reported["test_loss"], abs=0.02)  # 16 bits a weight
    assert scores["accuracy"] == pytest.approx(reported["test_accuracy"], abs=0.02)


def test_the_weights_are_written_once_and_in_16_bits(tiny_run):
    n_parameters = about_trained(tiny_run)["parameters"]
    assert (tiny_run / trained.WEIGHTS).stat().st_size < 2 * n_parameters + 20_000


def test_a_model_that_is_there_is_kept_under_its_date(tiny_run, tmp_path):
    model, tokenizer = load_trained(tiny_run)
    for words in ("one", "two"):
        save_trained(tmp_path / "mine", model, tokenizer, {"note": words})
    assert about_trained(tmp_path / "mine")["note"] == "two"
    (old,) = (path for path in tmp_path.iterdir() if path.name.startswith("mine-"))
    assert about_trained(old)["note"] == "one"


def test_what_does_not_fit_is_refused_by_name(tiny_run, tmp_path):
    model, tokenizer = load_trained(tiny_run)
    folder = save_trained(tmp_path / "mine", model, tokenizer, {})
    about = json.loads((folder / trained.ABOUT).read_text(encoding="utf-8"))
    about["config"]["n_layers"] = 1
    (folder / trained.ABOUT).write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(ValueError, match=r"do not fit model.json.*blocks\.1"):
        load_trained(folder)
    (folder / trained.WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_trained(folder)
    about["class"] = "os.system"
    (folder / trained.ABOUT).write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(ValueError, match=r"names the class 'os\.system'"):
        load_trained(folder)
    (folder / trained.ABOUT).write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"model\.json is damaged"):
        load_trained(folder)
    with pytest.raises(FileNotFoundError, match="course pretrain --list"):
        load_trained(tmp_path / "nothing")


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(home, tmp_path):
    command = [sys.executable, "-m", "course_lib.cli", "pretrain", "bert-town", "--steps", "250"]
    environment = {**os.environ, "COURSE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    checkpoints = home / "runs" / "bert-town-seed0-250-checkpoints"
    waited = time.monotonic()
    while not list(checkpoints.glob("step-*")) and time.monotonic() - waited < 200:
        time.sleep(0.2)
    run.send_signal(signal.SIGKILL)
    run.wait()
    again = course("pretrain", "bert-town", "--steps", "250", home=home)
    assert "Going on after step" in again.stdout, again.stderr
    left_alone = pretrain("bert-town", steps=250, folder=tmp_path / "alone")
    ours, _ = load_trained(home / "runs" / "bert-town")
    theirs, _ = load_trained(left_alone)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.slow
def test_two_processes_train_the_same_model_as_one(tiny_run, home):
    done = course("pretrain", "bert-town", "--steps", "3", "--nproc", "2", home=home)
    assert done.returncode == 0, done.stderr
    ours, theirs = about_trained(home / "runs" / "bert-town"), about_trained(tiny_run)
    assert ours["tokens"] == theirs["tokens"]
    # From the second step on they part: dropout draws other masks in each process, at a rate of a whole run.
    first, alone = ours["curve"][0]["loss"], theirs["curve"][0]["loss"]
    assert first == pytest.approx(alone, abs=0.05)


def test_a_name_that_is_none_and_steps_below_one_get_a_clear_sentence(home):
    wrong = course("pretrain", "bert-moon", home=home)
    assert wrong.returncode == 1 and "choose one of bert-town" in wrong.stderr
    wrong = course("pretrain", "bert-town", "--steps", "0", home=home)
    assert wrong.returncode == 2 and "0 is not above 0" in wrong.stderr


def test_the_list_shows_every_recipe():
    table = list_recipes()
    assert all(name in table for name in RECIPES)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_model_is_small_and_comes_from_its_recipe(name):
    folder = trained.find_trained(name)
    assert (folder / trained.WEIGHTS).stat().st_size <= trained.LIMIT
    about = about_trained(name)
    recipe = RECIPES[name]
    assert (about["recipe"], about["steps"]) == (name, recipe.steps)
    assert about["settings"] == json.loads(json.dumps(dict(recipe.settings)))
    model, tokenizer = load_trained(name)
    assert model.config.vocab_size == len(tokenizer)
    assert not model.training


def test_all_shipped_models_together_are_small():
    total = sum(path.stat().st_size for path in trained.SHIPPED.rglob("*") if path.is_file())
    assert total <= 60_000_000


def test_scores_are_those_of_a_count_by_hand():
    class Says7(torch.nn.Module):
        """Is sure of token 7 everywhere."""

        def forward(self, ids, segments=None, *, labels):
            from course_lib.models import Output

            logits = torch.zeros(int((labels != -100).sum()), 10)
            logits[:, 7] = 3.0
            return Output(hidden=logits, logits=logits)

    inputs = torch.tensor([[4, 4, 7, 1], [4, 2, 4, 9]])
    labels = torch.tensor([[7, 5, 7, -100], [7, -100, 6, -100]])
    scores = mlm_scores(Says7(), inputs, labels, mask_id=4, batch_size=1)
    assert scores["accuracy"] == 3 / 5
    assert scores["mask_accuracy"] == 2 / 4
    sure, other = -torch.log_softmax(torch.tensor([0.0] * 9 + [3.0]), 0)[[9, 0]]
    assert scores["loss"] == pytest.approx(float(3 * sure + 2 * other) / 5)


def test_a_thinned_curve_keeps_means_and_every_metric():
    curve = [{"step": i + 1, "loss": float(i), "learning_rate": 0.1} for i in range(10)]
    curve[3]["validation_loss"] = 0.5
    rows = thinned(curve, rows=5)
    assert [row["loss"] for row in rows] == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert rows[1]["validation_loss"] == 0.5
    assert sum("validation_loss" in row for row in rows) == 1


def test_each_word_of_tiny_town_is_one_token():
    from course_lib.data import tiny_town

    tokenizer = town_tokenizer()
    for sentence in tiny_town.sentences("validation")[:200]:
        assert tokenizer.tokens(sentence)[1:-1] == sentence.split()


def test_a_band_follows_the_recipes_schedule_and_stops_where_told():
    from course_lib.recipes import find_recipe, make_band
    from course_lib.training.schedule import warmup_cosine

    band = make_band("bert-town", seeds=(1, 2), steps=3)
    recipe = find_recipe("bert-town")
    assert (band.recipe, band.seeds, band.steps) == ("bert-town", [1, 2], 3)
    warmup, floor = recipe.settings["warmup"], recipe.settings["floor"]
    rates = [
        recipe.settings["learning_rate"] * warmup_cosine(i, recipe.steps, warmup, floor) for i in range(3)
    ]
    assert band.columns["learning_rate"].high[0] == pytest.approx(rates[0], abs=1e-5)
    assert band.columns["loss"].low[0] < band.columns["loss"].high[0]


@pytest.mark.parametrize(("n_tokens", "stride"), [(5, 8), (16, 8), (61, 8), (64, 15), (61, 5), (46, 15)])
def test_bits_per_byte_score_every_token_once_in_the_first_window_that_holds_it(n_tokens, stride):
    from course_lib.models import GPT, GPTConfig
    from course_lib.recipes import docs_bits_per_byte

    class Bytes:
        def encode(self, text):
            return list(text.encode())

    torch.manual_seed(0)
    model = GPT(GPTConfig(128, d_model=16, n_layers=2, n_heads=2, max_positions=16)).double().eval()
    text = "".join(chr(32 + 7 * i * i % 90) for i in range(n_tokens))
    ids = torch.tensor(list(text.encode()))
    bits = 7.0  # the first token: one of 128
    for place in range(1, n_tokens):
        first = next(start for start in range(0, n_tokens, stride) if place < start + 16)
        logits = model(ids[None, first:place]).logits[0, -1]
        bits -= logits.log_softmax(-1)[ids[place]].item() / torch.tensor(2.0).log().item()
    assert docs_bits_per_byte(model, Bytes(), text, stride, batch_size=3) == pytest.approx(bits / n_tokens)
    with pytest.raises(ValueError, match="must overlap, give 1 to 15"):
        docs_bits_per_byte(model, Bytes(), text, stride=16)
