"""What unit 08's checks hold for right agrees with the course's library and with the published numbers."""

import pytest
import torch

from course_lib.grading import unit08_labels
from course_lib.grading.unit08_bill import bill_like
from course_lib.grading.unit08_calibrate import CALIBRATED, FREE, log_probabilities
from course_lib.grading.unit08_labels import SCORE
from course_lib.grading.unit08_prompt import TEXT, WORDS
from course_lib.grading.unit08_repeat import INDUCED, KNOWN, PREVIOUS, REPEATED, causal_weights
from course_lib.heads import induction_scores, previous_token_scores
from course_lib.models import GPT, GPTConfig
from course_lib.objectives.induction import repeated_segments, times_seen
from course_lib.prompting import calibrate, few_shot_prompt, score_labels


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(8)


def test_segments_and_what_can_be_known_in_them(generator):
    ids, lengths = repeated_segments(20, 40, 30, shortest=3, longest=12, generator=generator)
    assert torch.equal(REPEATED.reference(ids[:, :12], lengths, 30), ids)
    labels, seen = KNOWN.reference(ids, lengths), times_seen(lengths, 30)
    assert torch.equal(labels[:, :-1] != -100, seen[:, 1:] > 0)  # there the labels are not shifted yet
    scored = labels != -100
    assert torch.equal(labels[scored], ids.roll(-1, dims=1)[scored])


def test_scores_of_heads(generator):
    period = 7
    weights = causal_weights(generator, 3, 4, 2 * period)
    segment = torch.stack([torch.randperm(50, generator=generator)[:period] for _ in range(3)])
    torch.testing.assert_close(PREVIOUS.reference(weights), previous_token_scores([weights])[0])
    expected = induction_scores([weights], segment.repeat(1, 2))[0]
    torch.testing.assert_close(INDUCED.reference(weights, period), expected)


@pytest.mark.parametrize("shots", [0, 1, 4])
@pytest.mark.parametrize("instruction", ["", "Translate Korean to English:"])
def test_prompts(shots, instruction):
    examples, query = list(WORDS[:shots]), WORDS[-1][0]
    expected = few_shot_prompt(
        examples, query, template="{input} => {output}", instruction=instruction, separator="\n"
    )
    assert TEXT.reference(instruction, examples, query) == expected


class Words:
    """The checks' tokenizer, as the library wants one."""

    encode = staticmethod(unit08_labels.encode)


def test_scores_of_labels():
    torch.manual_seed(8)
    model = GPT(GPTConfig(unit08_labels.V, d_model=24, n_layers=2, n_heads=3, max_positions=64)).eval()

    @torch.no_grad()
    def read(ids):
        return model(torch.tensor([ids])).logits[0]

    prompt, labels = "Review: the plot was long\nSentiment:", ["great", "greasy", "terrible", "bad"]
    expected = score_labels(model, Words(), [prompt], [f" {label}" for label in labels])[0]
    got = SCORE.reference(read, unit08_labels.encode, prompt, labels)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def test_calibration(generator):
    log_p, nothing = log_probabilities(generator, 5, 4), log_probabilities(generator, 3, 4)
    got = CALIBRATED.reference(log_p, FREE.reference(nothing))
    torch.testing.assert_close(got, calibrate(log_p, nothing).exp())


def test_the_bill_of_gpt3():
    """Brown et al. 2020: 300 billion tokens of table 2.2; 3.14e23 operations in table D.1."""
    sizes = torch.tensor([410.0, 19, 12, 55, 3]) * 1e9
    percent = torch.tensor([60.0, 22, 8, 8, 3])
    epochs, flops, _ = bill_like()(sizes, percent, 174.6e9, 300e9, 1.0)
    rounded = [round(one, 2) for one in epochs.tolist()]
    assert rounded == [0.44, 3.47, 2.0, 0.44, 3.0]  # weights as printed; the paper's are rounded
    assert flops == pytest.approx(3.14e23, rel=0.01)
    assert bill_like()(sizes, percent, 1.0, 6e5, 1.0)[2] == pytest.approx(1.0)  # 3.6 million joules
