"""The prompt playground, without a browser: its numbers, what is in it, what it refuses, how large it is."""

import base64
import json
import re
import zlib
from html import unescape
from math import factorial

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from course_lib.models import Llama, LlamaConfig
from course_lib.prompting import few_shot_scores
from course_lib.viz import prompt_playground
from course_lib.viz.prompt_play import prompt_view
from course_lib.viz.prompt_scores import CONTENT_FREE, WORDINGS, PromptTable, orders, prompt_table

EXAMPLES = [
    ("A joy.", "positive"),
    ("Dull and long.", "negative"),
    ("사과가 맛있다", "positive"),
    ("No.", "negative"),
]
QUERIES = [("I laughed.", "positive"), "It rained.", ("I slept through it.", "negative")]
LABELS = ["positive", "negative"]


@pytest.fixture(scope="module")
def tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=256,
        d_model=16,
        n_layers=1,
        n_heads=2,
        n_kv_heads=1,
        d_ff=24,
        max_positions=1024,
    )
    model = Llama(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return model.eval()


@pytest.fixture(scope="module")
def table(model, tokenizer):
    return prompt_table(model, tokenizer, EXAMPLES[:3], QUERIES, LABELS)


def state(view):
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    packed = re.search(r'<script type="text/plain" id="packed">(.*?)</script>', document)[1]
    return json.loads(json.loads(zlib.decompress(base64.b64decode(packed)))["data"])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_order_of_every_choice_is_there_once(n):
    found = list(orders(n))
    assert len(set(found)) == len(found) == sum(factorial(n) // factorial(n - k) for k in range(n + 1))
    assert len(list(orders(n, subsets=False))) == factorial(n)


@pytest.mark.parametrize("order", [(), (1,), (2, 0), (0, 1, 2), (2, 1, 0)])
def test_the_numbers_are_those_of_each_prompt_on_its_own(model, tokenizer, table, order):
    texts = [query if isinstance(query, str) else query[0] for query in QUERIES]
    for i, template in enumerate(WORDINGS):
        shots = [EXAMPLES[j] for j in order]
        asked = few_shot_scores(model, tokenizer, texts, LABELS, shots, template=template).softmax(1)
        torch.testing.assert_close(table.probabilities(order, i), asked, atol=1e-5, rtol=0)
        scores = few_shot_scores(
            model, tokenizer, texts, LABELS, shots, template=template, content_free=CONTENT_FREE
        )
        calibrated = table.probabilities(order, i, calibrated=True)
        torch.testing.assert_close(calibrated, scores.exp(), atol=1e-5, rtol=0)


def test_the_order_the_choice_and_the_wording_all_matter_to_this_model(table):
    """Else the tests above would prove little."""
    asked = [((0, 1), 0), ((1, 0), 0), ((1,), 0), ((0, 1), 1)]
    several = [table.probabilities(order, i) for order, i in asked]
    for i, one in enumerate(several):
        assert all((one - other).abs().max() > 1e-3 for other in several[:i])


def test_the_view_holds_the_table_to_a_thousandth(table):
    held = state(prompt_view(table))
    assert set(held["scores"]) == {"".join(map(str, order)) for order in table.log_p}
    for order, scores in table.log_p.items():
        kept = torch.tensor(held["scores"]["".join(map(str, order))])
        torch.testing.assert_close(kept[:, :3].softmax(-1), scores[:, :3].softmax(-1), atol=1e-3, rtol=0)
    assert held["queries"][1] == ["It rained.", None] and held["subsets"] is True
    assert held["wordings"] == list(WORDINGS)


def test_without_subsets_only_the_full_orders_are_scored(model, tokenizer):
    table = prompt_table(model, tokenizer, EXAMPLES[:2], QUERIES, LABELS, subsets=False)
    assert set(table.log_p) == {(0, 1), (1, 0)}
    assert state(prompt_view(table))["subsets"] is False
    with pytest.raises(ValueError, match=r"order \(0,\) was not scored; the table has 2 orders of 2"):
        table.probabilities((0,))


def test_the_line_of_text_counts_what_is_right():
    """By hand: both queries lean to "a"; without the bias to "a", the second is "b"."""
    scores = torch.tensor([[[-0.1, -3.0], [-0.4, -1.2], [-0.2, -1.8]]])
    table = PromptTable((("x", "a"),), (("q", "a"), ("r", "b")), ("a", "b"), ("{input}{output}",), ("",), {})
    table.log_p.update({(): scores, (0,): scores})
    assert repr(prompt_view(table, title="T")) == (
        "T: 1 of 2 queries right as asked, 2 calibrated, in the order given"
    )


def fake(examples, queries, labels, wordings):
    """A table of random scores."""
    generator = torch.Generator().manual_seed(0)
    shape = (len(wordings), len(queries) + 3, len(labels))
    log_p = {order: torch.randn(shape, generator=generator) for order in orders(len(examples))}
    return PromptTable(tuple(examples), tuple(queries), tuple(labels), tuple(wordings), CONTENT_FREE, log_p)


def test_it_is_small_even_when_full():
    long = [("영화가 정말 길고 지루했다 " * 20, "a")] * 4
    full = prompt_view(fake(long, [("W" * 300, None)] * 8, "abcd", WORDINGS * 2))
    assert len(json.dumps(full._repr_mimebundle_(), ensure_ascii=False).encode()) < 220_000


@pytest.mark.filterwarnings("error")
def test_texts_labels_wordings_and_title_are_escaped():
    hostile = '</script><img src=x onerror="alert(1)">'
    table = fake(
        [(hostile, hostile), ("b\u202e", "$x$")], [(hostile, "$x$")], [hostile, "$x$"],
        [hostile + "{input}\n{output}"],
    )  # fmt: skip
    view = prompt_view(table, title=hostile)
    held = state(view)
    assert held["examples"] == [[hostile, 0], ["b<U+202E>", 1]] and held["queries"] == [[hostile, 1]]
    assert held["wordings"] == [hostile + "{input}\n{output}"]
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    assert "<img" not in document and "<img src=x" not in view.html


def test_a_picture_stands_in_for_the_frame(model, tokenizer):
    view = prompt_playground(model, tokenizer, EXAMPLES[:2], QUERIES, LABELS)
    alt, data = re.search(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)"', view.html).groups()
    assert "queries right as asked" in alt and len(data) > 5000


def test_the_package_offers_the_view_and_its_numbers():
    import course_lib.viz

    assert course_lib.viz.prompt_playground is prompt_playground
    assert course_lib.viz.prompt_table is prompt_table and course_lib.viz.prompt_view is prompt_view


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"examples": []}, "examples: 0 of them; the table takes a list of 1 to 4"),
        ({"examples": [*EXAMPLES, ("x", "positive")]}, "examples: 5 of them"),
        ({"queries": "It rained."}, "queries: the string 'It rained.'"),
        ({"queries": ["x"] * 9}, "queries: 9 of them; the table takes a list of 1 to 8"),
        ({"labels": ["positive"]}, "labels: 1 of them; the table takes a list of 2 to 4"),
        ({"labels": ["positive", "positive"]}, "one comes twice"),
        ({"labels": ["good", "bad"]}, "label 'positive' is none of good, bad"),
        ({"queries": [("It rained.", "wet")]}, "label 'wet' is none of positive, negative"),
        ({"wordings": []}, "wordings: 0 of them"),
        ({"wordings": ["Review: {input}"]}, "it needs {input} and, behind it, {output}"),
        ({"content_free": ()}, "content_free: 0 of them"),
    ],
)
def test_what_does_not_fit_is_explained(model, tokenizer, change, says):
    given = {"examples": EXAMPLES[:2], "queries": QUERIES, "labels": LABELS} | change
    with pytest.raises(ValueError, match=says):
        prompt_playground(model, tokenizer, **given)
