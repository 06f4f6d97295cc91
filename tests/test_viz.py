"""The views, as far as they can be held to their word without a browser; tests/browser does the rest."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from course_lib.heads import induction_scores, previous_token_scores
from course_lib.viz import explore, head_view, heatmap, model_view, neuron_view
from course_lib.viz.attentions import head_numbers
from course_lib.viz.labels import visible

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "</SCRIPT ><svg/onload=alert(1)>",
    "<!--<script>",
    "-->",
    "]]>",
    "</style></title></textarea>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt;&quot;",
    "`${alert(1)}`",
    "\\u003cb\\u003e",
    "{{constructor}}",
    "// HACK: ",
    "PYTHON_PARAMS",
    "$x$",
    "$\\frac{",
    "a\nb\r\nc",
    "\u2028\u2029",
    "\x00\x07\x1b[31m",
    "\u202eevil\u202c",
    "\u2066iso\u2069",
    "\u200b\u200d\u2060\ufeff",
    "\ud800",
    "\udfff\ud800",
    "👩\u200d🚀",
    "🇰🇷👍🏽",
    "\u1112\u1161\u11ab",
    "ㅎㅏㄴ",
    "é\u0301\u0301",
    "W" * 10_000,
]


def random_attentions(n_layers: int, n_heads: int, n: int, sharpness: float = 2.0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.softmax(sharpness * torch.randn(1, n_heads, n, n, generator=generator), -1)
        for _ in range(n_layers)
    ]


def names(n: int) -> list[str]:
    return [f"token{i}" for i in range(n)]


def document_of(view) -> str:
    """What the view's frame holds."""
    return html.unescape(re.search(r'srcdoc="([^"]*)"', view.html).group(1))


def packed(view) -> dict:
    """The data and the scripts that travel compressed."""
    return json.loads(zlib.decompress(base64.b64decode(element(view, "packed"))))


def element(view, name: str) -> str:
    return re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', document_of(view), re.DOTALL).group(
        1
    )


def weights_of(view) -> np.ndarray:
    """The bytes that an explorer's weights travel as, one after the other."""
    return np.frombuffer(zlib.decompress(base64.b64decode(element(view, "weights"))), np.uint8)


def bertviz(view, *arguments, **options):
    return view(*arguments, html_action="return", **options)


class Tags(HTMLParser):
    """Every element and attribute name that a browser would find; what a script holds is text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, tuple(name for name, _ in attributes)))


VIEWS = {
    "explore": explore,
    "head_view": lambda attentions, tokens: bertviz(head_view, attentions, tokens),
    "model_view": lambda attentions, tokens: bertviz(model_view, attentions, tokens),
}
every_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


@every_view
def test_the_same_input_gives_the_same_bytes(view):
    attentions = random_attentions(2, 3, 5)
    assert view(attentions, names(5)).html == view(attentions, names(5)).html


def test_a_model_view_of_chosen_heads_leaves_no_room_empty():
    attentions = random_attentions(6, 12, 5)
    views = (bertviz(model_view, attentions, names(5), **few) for few in ({}, {"include_heads": [0, 3]}))
    heights = [re.search(r"iframe\{width:100%;height:(\d+)px", view.html).group(1) for view in views]
    assert heights[0] == heights[1]


@every_view
def test_two_views_on_a_page_have_different_names(view):
    one, two = (view(random_attentions(2, 3, 5, sharpness), names(5)).html for sharpness in (1.0, 2.0))
    assert re.search(r'class="(view-\w+)"', one).group(1) != re.search(r'class="(view-\w+)"', two).group(1)


@every_view
def test_hostile_tokens_add_no_element_and_no_attribute(view):
    attentions = random_attentions(1, 2, len(HOSTILE))
    harmless, hostile = view(attentions, names(len(HOSTILE))), view(attentions, HOSTILE)
    assert Tags(hostile.html).found == Tags(harmless.html).found
    assert Tags(document_of(hostile)).found == Tags(document_of(harmless)).found
    hostile.html.encode("utf-8")  # a lone surrogate would make the notebook unsavable


def test_a_hostile_title_is_escaped():
    harmless = explore(torch.ones(1, 1), ["a"], title="harmless")
    for title in (HOSTILE[0], " ".join(HOSTILE)[:180], "$\\frac{"):
        shown = explore(torch.ones(1, 1), ["a"], title=title)
        assert Tags(shown.html).found == Tags(harmless.html).found
        assert Tags(document_of(shown)).found == Tags(document_of(harmless)).found


@every_view
def test_the_frame_runs_only_scripts_it_knows_by_their_hash_and_fetches_nothing(view):
    shown = view(random_attentions(1, 2, 3), names(3))
    document = document_of(shown)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', document).group(1))
    assert policy.startswith("default-src 'none'; ") and "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    scripts = re.findall(r"<script>(.*?)</script>", document, re.DOTALL)
    assert scripts
    if 'id="packed"' in document:
        scripts += packed(shown)["scripts"]
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert 'sandbox="allow-scripts"' in shown.html
    assert not re.search(r'(src|href)="?(https?:)?//', document)


@every_view
def test_a_picture_with_words_stands_in_for_the_frame(view):
    shown = view(random_attentions(2, 3, 12), names(12))
    alt, data = re.search(
        r'<img alt="([^"]+)" width="\d+" src="data:image/png;base64,([^"]+)"', shown.html
    ).groups()
    picture = base64.b64decode(data)
    assert picture.startswith(b"\x89PNG") and len(picture) < 40_000
    assert "2 layers × 3 heads, 12 tokens" in html.unescape(alt)
    assert repr(shown) == shown._repr_mimebundle_()["text/plain"]


def test_explorer_of_6_layers_12_heads_64_tokens_is_under_half_a_megabyte():
    """Of random weights, which pack worse than a model's."""
    assert len(explore(random_attentions(6, 12, 64), names(64)).html.encode()) < 500_000


def test_explorer_of_256_tokens_holds_every_weight_of_6_layers_and_12_heads():
    attentions = random_attentions(6, 12, 256)
    view = explore(attentions, names(256))
    kept = weights_of(view).reshape(6, 12, 256, 256) / 255
    assert np.abs(kept - torch.cat(attentions).numpy()).max() <= 0.5 / 255 + 1e-6
    assert len(view.html.encode()) < 2_000_000


def test_the_numbers_of_the_heads_are_those_of_course_lib_heads_and_of_plain_loops():
    tokens = ["[CLS]", *"abacba", "[SEP]", *"ac", "[SEP]"]
    attentions = random_attentions(3, 4, len(tokens))
    (example,) = json.loads(element(explore(attentions, tokens), "state"))["examples"]
    weights, places = torch.cat(attentions), range(len(tokens))
    vocabulary = sorted(set(tokens))
    ids = torch.tensor([[vocabulary.index(token) for token in tokens]])
    expected = {
        "previous token": previous_token_scores(attentions),
        "the token itself": sum(weights[:, :, q, q] for q in places) / 11,
        "first token": weights[..., 0].mean(-1),
        "[SEP]": (weights[..., 7] + weights[..., 10]).mean(-1),
        "special tokens": (weights[..., 0] + weights[..., 7] + weights[..., 10]).mean(-1),
        "induction": induction_scores(attentions, ids),
        "entropy (bits)": torch.distributions.Categorical(weights).entropy().mean(-1) / np.log(2),
        "distance (tokens)": sum(weights[:, :, q, k] * abs(q - k) for q in places for k in places) / 11,
    }
    assert example["numbers"].keys() == expected.keys()
    for name, numbers in expected.items():
        torch.testing.assert_close(torch.tensor(example["numbers"][name]), numbers, atol=6e-5, rtol=1e-5)


def test_numbers_that_a_text_has_nothing_for_are_left_out_and_hard_zeros_have_no_entropy():
    numbers = head_numbers(np.ones((1, 1, 1, 1)), ["a"])
    assert [name for name, found in numbers.items() if found is None] == [
        "previous token",
        "[SEP]",
        "special tokens",
        "induction",
    ]
    masked = np.array([[[[1.0, 0], [0, 0]]]])
    assert head_numbers(masked, ["a", "b"])["entropy (bits)"] == [[0.0]]


def test_two_models_are_compared_on_one_text_under_two_names(small_bert):
    view = explore(small_bert, text="ab", tokenizer=Letters(), compare=small_bert)
    examples = json.loads(element(view, "state"))["examples"]
    assert [one["name"] for one in examples] == ["Bert (first)", "Bert (second)"]
    assert examples[0]["tokens"] == examples[1]["tokens"] == ["[CLS]", "a", "b", "[SEP]"]


def test_explorer_keeps_every_weight_to_half_a_256th():
    attentions = random_attentions(3, 4, 7)
    kept = weights_of(explore(attentions, names(7))).reshape(3, 4, 7, 7) / 255
    assert np.abs(kept - torch.cat(attentions).numpy()).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    "form",
    [
        lambda a: a,
        lambda a: tuple(a),
        lambda a: [layer[0] for layer in a],
        lambda a: torch.stack(a),
        lambda a: torch.cat(a),
        lambda a: torch.cat(a).numpy(),
        lambda a: torch.cat(a).bfloat16().float(),
    ],
    ids=["list (1,H,T,T)", "tuple", "list (H,T,T)", "(L,1,H,T,T)", "(L,H,T,T)", "numpy", "bfloat16 values"],
)
def test_every_form_of_attentions_shows_the_same_layers_and_heads(form):
    state = json.loads(element(explore(form(random_attentions(3, 2, 5)), names(5)), "state"))
    assert (state["n_layers"], state["n_heads"]) == (3, 2)


def test_half_precision_and_fully_masked_rows_are_welcome():
    attentions = torch.cat(random_attentions(2, 2, 9)).to(torch.bfloat16)
    attentions[0, 0, 3] = 0
    explore(attentions, names(9))


def test_special_tokens_are_known():
    tokens = ["[CLS]", "<s>", "</s>", "<|im_start|>", "<pad>", "[MASK]", "[sic]", "s", "<3"]
    state = json.loads(element(explore(torch.eye(9), tokens), "state"))
    assert state["examples"][0]["special"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: explore(torch.eye(3), names(4)), ["4 tokens for 3 positions", "one for each"]),
        (lambda: explore(torch.eye(3)), ["no tokens", "explore(attentions, tokens)"]),
        (lambda: explore(torch.eye(3) * 2, names(3)), ["row 0 of layer 0, head 0 sums to 2.000", "dim=-1"]),
        (lambda: explore(torch.randn(3, 3), names(3)), ["sum to 1", "softmax"]),
        (lambda: explore(torch.full((3, 3), torch.nan), names(3)), ["NaN", "give such rows zeros"]),
        (lambda: explore(torch.ones(2, 3) / 3, names(3)), ["(1, 1, 2, 3)", "heatmap("]),
        (lambda: explore([torch.eye(3).expand(2, 4, 3, 3)], names(3)), ["batch of 2 texts", "layer[:1]"]),
        (lambda: explore([torch.eye(3)], names(3)), ["layer 0 of shape (3, 3)", "(heads, T, T)"]),
        (lambda: explore([torch.ones(1, 1, 1), torch.ones(2, 1, 1)], names(1)), ["different shapes"]),
        (lambda: explore([], names(3)), ["empty list"]),
        (lambda: explore(torch.eye(3), names(3), layer=1), ["layer 1", "layers 0 to 0"]),
        (lambda: explore(torch.eye(3), names(3), head=-1), ["head -1", "heads 0 to 0"]),
        (lambda: explore(torch.eye(2237), names(2237)), ["5,004,169", "5,000,000", "attentions[:2]"]),
        (lambda: explore(torch.nn.Linear(2, 2), text="a"), ["no tokenizer", "load_minilm()"]),
        (lambda: explore(torch.eye(2), names(2), compare="x"), ["compare is a str", "(attentions, tokens)"]),
        (
            lambda: explore(torch.eye(2), names(2), compare=(torch.eye(2).expand(1, 3, 2, 2), names(2))),
            ["1 layers of 3 heads", "two views"],
        ),
        (lambda: bertviz(head_view, [torch.eye(3)[None, None]], names(2)), ["2 tokens for 3 positions"]),
        (
            lambda: bertviz(head_view, random_attentions(6, 12, 64), names(64)),
            ["294,912", "150,000", "include_layers", "explore("],
        ),
        (lambda: bertviz(model_view, random_attentions(2, 1, 3), names(3), include_layers=[2]), ["0 to 1"]),
        (lambda: head_view(torch.eye(2), names(2), html_action="x"), ["'x'", "'return'"]),
        (lambda: neuron_view(torch.nn.Linear(2, 2), "bert", None, "a"), ["Linear", "Bert.from_hf"]),
        (lambda: heatmap(torch.eye(3)[None]), ["(1, 3, 3)", "attentions[layer][0, head]"]),
        (lambda: heatmap(torch.eye(3), names(2)), ["2 row_tokens for 3 rows", "one token for each"]),
        (lambda: heatmap(torch.tensor([[torch.inf]])), ["1 values", "NaN or infinite"]),
        (lambda: heatmap(torch.eye(129), names(129)), ["129", "128", "slice"]),
    ],
)
def test_an_error_names_the_value_and_the_way_out(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        ("dog", "dog"),
        ("고양이", "고양이"),
        ("New York", "New York"),
        (" ", "␣"),
        ("", "∅"),
        ("\n", "\\n"),
        ("\u200b", "<U+200B>"),
        ("a\u202eb", "a<U+202E>b"),
        ("\ufeff", "<U+FEFF>"),
        ("\ud800", "<U+D800>"),
        ("\u3164", "<U+3164>"),
        ("\u00a0", "<U+00A0>"),
        ("a\u200db", "a<U+200D>b"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("\u0301", "◌\u0301"),
        ("é\u0301", "é\u0301"),
        ("x" * 10_000, "x" * 200 + "… (10,000 characters)"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(token, seen):
    assert visible(token) == seen


# ---- bertviz ------------------------------------------------------------


def test_bertviz_still_works_the_way_the_offline_views_rely_on():
    """If this fails after an upgrade, read course_lib/viz/bertviz_offline.py against the new bertviz."""
    import importlib
    import inspect
    from pathlib import Path

    for name in ("head_view", "model_view", "neuron_view"):
        module = importlib.import_module(f"bertviz.{name}")
        source = Path(module.__file__).read_text(encoding="utf-8")
        script = Path(module.__file__).with_suffix(".js").read_text(encoding="utf-8")
        assert {"display", "json", "uuid"} <= set(vars(module))
        assert "uuid.uuid4().hex" in source and "json.dumps(params)" in source
        assert script.count("d3/5.7.0/") == 1  # the d3 we carry
        assert "requirejs(['jquery', 'd3']" in script
        assert ".html(" not in script  # tokens become text, never markup
    head = inspect.signature(importlib.import_module("bertviz.head_view").head_view).parameters
    assert list(head)[:2] == ["attention", "tokens"] and "include_layers" in head


def test_head_view_holds_the_attention_to_three_decimals():
    attentions = random_attentions(3, 2, 4)
    view = bertviz(head_view, attentions, names(4), include_layers=[0, 2], layer=2, heads=[1])
    data = json.loads(packed(view)["data"])
    assert (data["layer"], data["heads"], data["include_layers"]) == (2, [1], [0, 2])
    expected = torch.stack([attentions[0][0], attentions[2][0]])
    torch.testing.assert_close(torch.tensor(data["attention"][0]["attn"]), expected, atol=5.1e-4, rtol=0)


def test_head_view_of_a_sentence_pair_and_of_an_encoder_decoder():
    pair = bertviz(head_view, random_attentions(1, 2, 5), names(5), sentence_b_start=3)
    assert len(json.loads(packed(pair)["data"])["attention"]) == 5
    cross = [torch.softmax(torch.randn(1, 2, 3, 4), -1)]
    both = bertviz(
        head_view,
        encoder_attention=random_attentions(1, 2, 4),
        decoder_attention=random_attentions(1, 2, 3),
        cross_attention=cross,
        encoder_tokens=names(4),
        decoder_tokens=HOSTILE[:3],
    )
    assert [one["name"] for one in json.loads(packed(both)["data"])["attention"]] == [
        "Encoder",
        "Decoder",
        "Cross",
    ]


def test_the_picture_of_a_head_view_shows_the_layer_that_was_asked_for():
    def picture(*layers):
        return bertviz(head_view, layers, names(4), layer=1).html.split("<img")[1]

    one, two, three = random_attentions(3, 2, 4)
    assert picture(one, two) == picture(three, two)
    assert picture(one, two) != picture(one, three)


def test_a_bertviz_view_is_shown_at_once_unless_it_is_asked_back(capsys):
    assert head_view(random_attentions(1, 2, 3), names(3)) is None
    assert "Head view: 1 layers × 2 heads, 3 tokens" in capsys.readouterr().out


class Letters:
    """A tokenizer of single letters, in the form of the `tokenizers` library."""

    def encode(self, text: str, pair: str | None = None, add_special_tokens: bool = True):
        from types import SimpleNamespace

        tokens = ["[CLS]", *text, "[SEP]"] if add_special_tokens else list(text)
        types = [0] * len(tokens)
        if pair is not None:
            tokens, types = [*tokens, *pair, "[SEP]"], types + [1] * (len(pair) + 1)
        return SimpleNamespace(tokens=tokens, ids=[self.token_to_id(t) for t in tokens], type_ids=types)

    def token_to_id(self, token: str) -> int:
        return {"[CLS]": 1, "[SEP]": 2}.get(token) or 3 + ord(token) % 90


@pytest.fixture(scope="module")
def small_bert():
    from course_lib.models.bert import Bert, BertConfig

    torch.manual_seed(0)
    config = BertConfig(vocab_size=100, d_model=12, n_layers=2, n_heads=3, d_ff=16, max_positions=40)
    model = Bert(config).eval()
    with torch.no_grad():  # untrained attention is all but uniform, which would hide every mistake
        model.embedding.segment.weight.mul_(30)
        for block in model.blocks:
            block.attention.query.weight.mul_(30)
            block.attention.key.weight.mul_(30)
    return model


def test_explore_runs_a_model_of_the_course_and_shows_its_own_weights(small_bert):
    view = explore(small_bert, text="abc", tokenizer=Letters(), compare="two words")
    state = json.loads(element(view, "state"))
    assert [len(one["tokens"]) for one in state["examples"]] == [5, 11]
    assert state["examples"][0]["tokens"] == ["[CLS]", "a", "b", "c", "[SEP]"]
    ids = torch.tensor([Letters().encode("abc").ids])
    with torch.no_grad():
        expected = torch.cat(small_bert(ids, need_weights=True).attentions)
    raw = weights_of(view)[: 2 * 3 * 25]
    assert np.abs(raw.reshape(2, 3, 5, 5) / 255 - expected.numpy()).max() < 0.003


def test_explore_gives_the_second_of_two_sentences_its_segment(small_bert):
    pair = explore((small_bert, Letters()), text=("ab", "cd"))
    ids = torch.tensor([Letters().encode("ab", "cd").ids])
    segments = torch.tensor([Letters().encode("ab", "cd").type_ids])
    with torch.no_grad():
        expected = torch.cat(small_bert(ids, segments, need_weights=True).attentions)
    raw = weights_of(pair)
    assert np.abs(raw.reshape(expected.shape) / 255 - expected.numpy()).max() < 0.003


def test_explore_switches_dropout_off_and_leaves_the_model_as_it_was(small_bert):
    small_bert.train()
    try:
        one, two = (explore((small_bert, Letters()), text="abc").html for _ in range(2))
        assert one == two and small_bert.training
    finally:
        small_bert.eval()


def test_explore_reads_a_transformers_model():
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=100,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=16,
        attn_implementation="eager",
    )
    state = json.loads(element(explore(BertModel(config), text="abc", tokenizer=Letters()), "state"))
    assert (state["n_layers"], state["n_heads"], len(state["examples"][0]["tokens"])) == (2, 3, 5)


def test_neuron_view_gives_queries_and_keys_whose_product_is_the_attention(small_bert):
    view = neuron_view(small_bert, "bert", Letters(), "abc", "de", html_action="return")
    data = json.loads(packed(view)["data"])["attention"]["all"]
    query, key, attention = (torch.tensor(data[part]) for part in ("queries", "keys", "attn"))
    assert query.shape == (2, 3, 8, 4)
    computed = torch.softmax(query @ key.transpose(-1, -2) / 4**0.5, -1)
    torch.testing.assert_close(computed, attention, atol=0.02, rtol=0)
    assert neuron_view(small_bert, "bert", Letters(), "abc", "de", html_action="return").html == view.html


def test_neuron_view_of_a_hostile_text_adds_no_element(small_bert):
    text = "</script><img src=x>"
    harmless = neuron_view(small_bert, "bert", Letters(), "a" * len(text), html_action="return")
    hostile = neuron_view(small_bert, "bert", Letters(), text, html_action="return")
    assert Tags(document_of(hostile)).found == Tags(document_of(harmless)).found


def test_neuron_view_refuses_a_text_that_would_make_the_notebook_huge(small_bert):
    from course_lib.models.bert import Bert, BertConfig

    wide = Bert(BertConfig(vocab_size=100, d_model=768, n_layers=1, n_heads=12, d_ff=8, max_positions=128))
    with pytest.raises(ValueError, match=r"150,000: 102 tokens are too many, use a shorter text"):
        neuron_view(wide, "bert", Letters(), "a" * 100)


# ---- figures ------------------------------------------------------------


@pytest.fixture
def figure():
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from course_lib.viz.style import rc

    with matplotlib.rc_context(rc()):
        yield plt
        plt.close("all")


def drawn_without_warning(axes) -> bytes:
    import io
    import warnings

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes.figure.savefig(file, format="png")
    return file.getvalue()


def test_hangul_has_its_glyphs_also_in_bold_and_the_minus_sign_is_a_minus(figure):
    _, axes = figure.subplots()
    axes.plot([-2, -1], [-1, 0])
    axes.set(title="어텐션 가중치", xlabel="입력 −1", ylabel="ㅎㅏㄴ")
    drawn_without_warning(axes)
    from matplotlib.font_manager import fontManager

    # Bold as matplotlib counts it; at 600, as the file has it, every bold title would log a complaint.
    assert {font.weight for font in fontManager.ttflist if font.name == "NanumGothic"} >= {400, 700}
    written = axes.xaxis.get_major_formatter().format_ticks([-2, -1])
    assert all("−" in text and "-" not in text for text in written), written


def test_heat_map_shows_tokens_as_they_are(figure):
    tokens = ["$x$", "$\\frac{", "a\u200bb", "고양이"]
    axes = heatmap(torch.eye(4), tokens)
    drawn_without_warning(axes)
    labels = axes.get_xticklabels()
    assert [label.get_text() for label in labels] == ["$x$", "$\\frac{", "a<U+200B>b", "고양이"]
    assert not any(label.get_parse_math() for label in labels)


def test_heat_map_of_queries_over_other_keys_has_labels_units_and_numbers(figure):
    weights = torch.tensor([[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]])
    axes = heatmap(weights, ["q1", "q2"], ["k1", "k2", "k3"], title="cross", annotate=True)
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == (
        "cross",
        "key (attended to)",
        "query (attends)",
    )
    assert [text.get_text() for text in axes.texts] == ["0.25", "0.50", "0.25", "0.00", "0.00", "1.00"]
    image = axes.images[0]
    assert image.get_clim() == (0, 1) and image.colorbar.ax.get_ylabel() == "attention weight"


def test_heat_map_of_signed_values_is_centred_on_zero(figure):
    image = heatmap(torch.tensor([[-1.0, 3.0]])).images[0]
    assert image.get_clim() == (-3, 3)


def test_a_typical_figure_is_small(figure):
    from course_lib.viz.style import notebook_png

    _, axes = figure.subplots()
    for scale in range(5):
        x = np.linspace(-3, 3, 100)
        axes.plot(x, np.tanh(x * scale), label=f"scale {scale}")
    axes.set(title="A figure", xlabel="score", ylabel="weight")
    axes.legend()
    picture, size = notebook_png(axes.figure)
    assert len(picture) < 60_000
    assert size["width"] == pytest.approx(640, abs=30)  # 6.4 inches at 100 CSS pixels


def test_importing_the_views_loads_neither_torch_nor_matplotlib():
    heavy = "{'torch', 'matplotlib', 'numpy', 'bertviz'}"
    code = f"import sys, course_lib.viz; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
