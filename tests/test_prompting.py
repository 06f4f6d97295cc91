"""prompting.py against transformers reading every prompt from its start, and against hand calculations."""

import math

import pytest
import torch
import transformers
from model_twins import random_weights
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from course_lib.models import GPT, T5, Llama, T5Config
from course_lib.prompting import (
    calibrate,
    chat_prompt,
    few_shot_prompt,
    few_shot_scores,
    score_labels,
    search_prompts,
)

REVIEWS = [
    ("a joy from start to end", "positive"),
    ("too long and too loud", "negative"),
    ("영화가 참 좋았다", "positive"),
    ("the plot goes nowhere", "negative"),
]
QUERIES = ["a joy", "", "정말 지루하고 길었다", "the plot and the end were a joy, too"]
TEMPLATE = "Review: {input}\nSentiment: {output}"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A small byte-level BPE in which " positive" is a token and "positive" is several."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([few_shot_prompt(REVIEWS, "x", template=TEMPLATE)] * 3, trainer)
    assert len(tokenizer.encode(" positive").ids) == 1 < len(tokenizer.encode("positive").ids)
    return tokenizer


def twins(family: str):
    sizes = {"vocab_size": 300, "bos_token_id": None, "eos_token_id": None}
    if family == "gpt2":
        config = transformers.GPT2Config(**sizes, n_positions=256, n_embd=24, n_layer=2, n_head=3)
        theirs = random_weights(transformers.GPT2LMHeadModel(config), 1)
        return theirs, GPT.from_hf(theirs)
    config = transformers.LlamaConfig(
        **sizes, hidden_size=24, intermediate_size=31, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=2, max_position_embeddings=256,
    )  # fmt: skip
    theirs = random_weights(transformers.LlamaForCausalLM(config), 1)
    return theirs, Llama.from_hf(theirs)


def read_again(theirs, tokenizer, prompt: str, label: str) -> list[float]:
    """log p of the label's tokens, the whole text read from its start.

    The label begins where the text's tokens are no longer the prompt's.
    """
    context, ids = tokenizer.encode(prompt).ids, tokenizer.encode(prompt + label).ids
    begin = 0
    while begin < min(len(context), len(ids) - 1) and context[begin] == ids[begin]:
        begin += 1
    with torch.no_grad():
        log_p = theirs(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [float(log_p[i - 1, ids[i]]) for i in range(begin, len(ids))]


LABELS = {
    "one token each": [" positive", " negative"],
    "unequal lengths": [" positive", " not good at all", " 나쁨", "!"],
    "alike for a while": [" very very good", " very very bad", " very"],
}


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("n_shots", [0, 4])
@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_scores_equal_reading_each_prompt_again(tokenizer, family, labels, n_shots, batch_size):
    theirs, ours = twins(family)
    prompts = [few_shot_prompt(REVIEWS[:n_shots], query, template=TEMPLATE) for query in QUERIES]
    expected = [[read_again(theirs, tokenizer, p, label) for label in labels] for p in prompts]
    got = score_labels(ours, tokenizer, prompts, labels, batch_size=batch_size)
    torch.testing.assert_close(
        got, torch.tensor([[sum(x) for x in row] for row in expected]), atol=1e-4, rtol=0
    )
    mean = score_labels(ours, tokenizer, prompts, labels, per_token=True, batch_size=batch_size)
    wanted = torch.tensor([[sum(x) / len(x) for x in row] for row in expected])
    torch.testing.assert_close(mean, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("ending", "label"),
    [("Sentiment:", " positive"), ("Sentiment: ", "positive"), ("Sentiment: ", "positive too")],
)
def test_a_label_may_join_its_own_space_or_the_prompts(tokenizer, ending, label):
    theirs, ours = twins("gpt2")
    prompt = f"Review: a joy\n{ending}"
    scored = read_again(theirs, tokenizer, prompt, label)
    # " positive" is one token, whoever brings the space
    assert len(scored) == 1 + len(tokenizer.encode(label.partition("positive")[2]).ids)
    got = score_labels(ours, tokenizer, [prompt], [label])
    torch.testing.assert_close(got, torch.tensor([[sum(scored)]]), atol=1e-4, rtol=0)


def test_a_label_that_joins_the_prompts_space_stands_beside_one_that_does_not(tokenizer):
    theirs, ours = twins("llama")
    prompts, labels = ["Review: a joy\nSentiment: ", "길었다 "], ["positive", "나쁨", "!"]
    expected = [[sum(read_again(theirs, tokenizer, p, label)) for label in labels] for p in prompts]
    got = score_labels(ours, tokenizer, prompts, labels)
    torch.testing.assert_close(got, torch.tensor(expected), atol=1e-4, rtol=0)


def test_a_prefix_apart_or_inside_the_prompts_is_the_same(tokenizer):
    _, ours = twins("llama")
    prefix = few_shot_prompt(REVIEWS, "", template=TEMPLATE)
    tails = ["\n\nReview: a joy\nSentiment:", "\n\nReview: 길었다\nSentiment:"]
    apart = score_labels(ours, tokenizer, tails, LABELS["one token each"], prefix=prefix)
    inside = score_labels(ours, tokenizer, [prefix + tail for tail in tails], LABELS["one token each"])
    assert torch.equal(apart, inside)


def test_what_all_prompts_share_is_read_once(tokenizer, monkeypatch):
    _, ours = twins("gpt2")
    read = []
    forward = ours.forward
    monkeypatch.setattr(
        ours, "forward", lambda ids, *a, **k: read.append(ids.numel()) or forward(ids, *a, **k)
    )
    prompts = [few_shot_prompt(REVIEWS, query, template=TEMPLATE) for query in QUERIES]
    score_labels(ours, tokenizer, prompts, LABELS["one token each"])
    shared = len(tokenizer.encode(few_shot_prompt(REVIEWS, "", template="Review: {input}{output}")).ids)
    whole = sum(len(tokenizer.encode(p).ids) for p in prompts) * 2
    assert len(read) == 2 and read[0] >= shared - 40
    assert sum(read) < whole / 3


@pytest.mark.parametrize(
    ("prompts", "labels", "error", "words"),
    [
        ("one text", [" a"], ValueError, "prompts 'one text': give a list"),
        (["a"], [], ValueError, r"labels \[\]: give a list"),
        ([""], [" a"], ValueError, "begin it with a token"),
    ],
)
def test_a_question_without_a_list_or_a_beginning_is_refused(tokenizer, prompts, labels, error, words):
    _, ours = twins("gpt2")
    with pytest.raises(error, match=words):
        score_labels(ours, tokenizer, prompts, labels)


def test_an_encoder_decoder_is_refused(tokenizer):
    model = T5(T5Config(vocab_size=9, d_model=4, n_layers=1, n_heads=1, d_head=4, d_ff=4))
    with pytest.raises(TypeError, match="T5 does not continue a prompt: take a GPT or Llama"):
        score_labels(model, tokenizer, ["a"], [" b"])


# ---- prompts ----


def test_a_few_shot_prompt_ends_where_the_answer_goes():
    got = few_shot_prompt([("2 + 2", "4"), ("{output}", "five")], "3 + 3", instruction="Add.")
    assert got == "Add.\n\nInput: 2 + 2\nOutput: 4\n\nInput: {output}\nOutput: five\n\nInput: 3 + 3\nOutput:"


def test_no_examples_make_a_zero_shot_prompt():
    assert few_shot_prompt([], "사과", template="{input} =>{output};", separator="\n") == "사과 =>"


def test_a_template_without_its_places_is_refused():
    with pytest.raises(ValueError, match="needs {input} and, behind it, {output}"):
        few_shot_prompt([], "x", template="{output} {input}")


def test_a_chat_prompt_is_what_the_models_own_template_writes():
    from jinja2 import Environment

    from course_lib.pretrained import packaged_file
    from course_lib.pretrained.gguf import read_gguf

    template = read_gguf(packaged_file("smollm2"), tensors=False).metadata["tokenizer.chat_template"]
    talk = [
        {"role": "user", "content": "안녕?"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "1 + 1?"},
    ]
    for messages in (talk[:1], talk, [{"role": "system", "content": "Be brief."}, *talk]):
        expected = Environment().from_string(template).render(messages=messages, add_generation_prompt=True)
        assert chat_prompt(messages) == expected
    assert chat_prompt("안녕?") == chat_prompt(talk[:1])
    assert chat_prompt("안녕?", system=None) == "<|im_start|>user\n안녕?<|im_end|>\n<|im_start|>assistant\n"


# ---- calibration ----


def test_calibration_divides_by_what_is_said_without_content():
    """Zhao et al. 2021, section 5, by hand: p = (0.8, 0.2), content-free (0.9, 0.1) -> (0.8/0.9, 0.2/0.1)."""
    got = calibrate(torch.tensor([[0.8, 0.2]]).log(), torch.tensor([0.9, 0.1]).log()).exp()
    weights = [0.8 / 0.9, 0.2 / 0.1]
    torch.testing.assert_close(got, torch.tensor([[w / sum(weights) for w in weights]]))


def test_content_free_answers_are_normalised_and_then_averaged():
    content_free = torch.tensor([[0.09, 0.01], [0.2, 0.2]]).log()  # among the labels: (0.9, 0.1), (0.5, 0.5)
    got = calibrate(torch.tensor([[math.log(0.5)] * 2]), content_free).exp()
    torch.testing.assert_close(got, torch.tensor([[0.3, 0.7]]))  # proportional to 1/0.7, 1/0.3


def test_a_prompt_without_content_is_calibrated_to_no_preference():
    scores = torch.tensor([-3.0, -1.0, -2.5])
    torch.testing.assert_close(calibrate(scores[None], scores).exp(), torch.full((1, 3), 1 / 3))


def test_other_labels_are_refused():
    with pytest.raises(ValueError, match="3 labels without content, 2 with"):
        calibrate(torch.zeros(1, 2), torch.zeros(3))


# ---- asking and searching ----


def test_few_shot_scores_are_prompts_scored_and_calibrated(tokenizer):
    theirs, ours = twins("llama")
    labels = ["positive", "negative"]
    wording = {"template": TEMPLATE, "instruction": "Judge.", "separator": "\n"}
    got = few_shot_scores(ours, tokenizer, QUERIES, labels, REVIEWS, content_free=["N/A", ""], **wording)
    prompts = [few_shot_prompt(REVIEWS, query, **wording) for query in [*QUERIES, "N/A", ""]]
    rows = [[sum(read_again(theirs, tokenizer, p, f" {label}")) for label in labels] for p in prompts]
    p = torch.tensor(rows).softmax(-1)
    expected = p[:-2] / p[-2:].mean(0)
    torch.testing.assert_close(got.exp(), expected / expected.sum(1, keepdim=True), atol=1e-4, rtol=0)
    plain = few_shot_scores(ours, tokenizer, QUERIES, labels, REVIEWS, **wording)
    torch.testing.assert_close(plain.exp(), p[:-2], atol=1e-4, rtol=0)


def test_a_template_without_a_space_scores_labels_without_one(tokenizer):
    theirs, ours = twins("gpt2")
    got = few_shot_scores(ours, tokenizer, ["a joy"], ["positive", "too"], template="{input}={output}")
    rows = [[sum(read_again(theirs, tokenizer, "a joy=", label)) for label in ("positive", "too")]]
    torch.testing.assert_close(got, torch.tensor(rows).log_softmax(-1), atol=1e-4, rtol=0)


def test_search_ranks_by_accuracy_then_by_how_sure_the_right_answer_is(tokenizer):
    _, ours = twins("llama")
    labels = ["positive", "negative"]
    candidates = [
        {"examples": REVIEWS[:n], "template": template}
        for n in (0, 2, 4)
        for template in (TEMPLATE, "{input} => {output}")
    ]
    found = search_prompts(ours, tokenizer, candidates, REVIEWS, labels)
    assert [one.prompt for one in found] != candidates and len(found) == 6
    for one in found:
        scores = few_shot_scores(ours, tokenizer, [text for text, _ in REVIEWS], labels, **one.prompt)
        right = torch.tensor([labels.index(label) for _, label in REVIEWS])
        assert one.accuracy == pytest.approx((scores.argmax(1) == right).float().mean().item())
        assert one.log_p == pytest.approx(scores[torch.arange(4), right].mean().item(), abs=1e-5)
    keys = [(one.accuracy, one.log_p) for one in found]
    assert keys == sorted(keys, reverse=True)


def test_a_search_over_nothing_or_for_unknown_labels_is_refused(tokenizer):
    _, ours = twins("gpt2")
    with pytest.raises(ValueError, match="0 candidates, 1 held-out pairs"):
        search_prompts(ours, tokenizer, [], REVIEWS[:1], ["positive"])
    with pytest.raises(ValueError, match=r"held-out labels \['negative'\] are not among"):
        search_prompts(ours, tokenizer, [{}], REVIEWS, ["positive"])
