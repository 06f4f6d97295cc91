"""Every view of the course on tokens of one's choice, and where a page took them for more than text.

A function a view: it takes thirty tokens, and gives one view or, where one holds fewer, several.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from types import SimpleNamespace

import torch

from course_lib import viz
from course_lib.models import GPT, Bert, BertConfig, GPTConfig
from course_lib.tokenization import WordPiece, train_bpe
from course_lib.viz.prompt_scores import PromptTable, orders

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
Tokens = Sequence[str]


def chunks(tokens: Tokens, n: int) -> list[list[str]]:
    return [list(tokens[i : i + n]) for i in range(0, len(tokens), n)]


def typed(tokens: Tokens) -> list[str]:
    """Those that a person can type into a field: no half characters, none of 10,000."""
    return [token for token in tokens if len(token) < 100 and not re.search("[\ud800-\udfff]", token)]


class Fixed(WordPiece):
    """A tokenizer that cuts a text as it was told to; bertviz can ask it too."""

    cls_token, sep_token = "[CLS]", "[SEP]"

    def __init__(self, tokens: Tokens, **texts: Tokens) -> None:
        super().__init__({token: i for i, token in enumerate([*SPECIAL, *tokens])})
        self.texts = {"all": tokens} | texts

    def tokenize(self, text: str) -> list[str]:
        return list(self.texts.get(text, self.texts["all"]))

    def encode(self, text: str, **_) -> list[int]:
        return self.convert_tokens_to_ids(self.tokenize(text))

    def convert_tokens_to_ids(self, tokens: Tokens) -> list[int]:
        return [self.vocab[token] for token in tokens]

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        return "".join(self._kept_tokens(ids, skip_special))


def encoder(size: int) -> Bert:
    torch.manual_seed(0)
    return Bert(BertConfig(size, 8, 2, 2, 8, max_positions=64, mlm=True)).eval()


def decoder(size: int) -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(size, 8, 1, 2, max_positions=64, dropout=0.0)).eval()


def weights(n: int, layers: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.softmax(2 * torch.randn(layers, 2, n, n, generator=generator), -1)


def explore(tokens: Tokens) -> list:
    w = weights(len(tokens))
    return [viz.explore(w, tokens, compare=(w, tokens[::-1]), title=tokens[7])]


def explore_live(tokens: Tokens) -> list:
    tokenizer = Fixed(tokens)
    return [viz.explore_live(decoder(len(tokenizer)), tokenizer, "all")]


def head_view(tokens: Tokens) -> list:
    return [viz.head_view(list(weights(len(tokens))), tokens, html_action="return")]


def model_view(tokens: Tokens) -> list:
    return [viz.model_view(list(weights(len(tokens))), tokens, html_action="return")]


def neuron_view(tokens: Tokens) -> list:
    tokenizer = Fixed(tokens)
    return [viz.neuron_view(encoder(len(tokenizer)), "bert", tokenizer, "all", html_action="return")]


def attention_playground(tokens: Tokens) -> list:
    generator = torch.Generator().manual_seed(0)
    return [
        viz.attention_playground(
            words, [1, 0.5], *torch.randn(2, len(words), 2, generator=generator), title=words[0]
        )
        for words in chunks(tokens, 6)
    ]


def temperature_playground(tokens: Tokens) -> list:
    generator = torch.Generator().manual_seed(0)
    return [
        viz.temperature_playground(
            torch.rand(len(names), len(names), generator=generator), names, names[::-1], title=names[0]
        )
        for names in chunks(tokens, 8)
    ]


def tokenizer_playground(tokens: Tokens) -> list:
    whole = WordPiece({token: i for i, token in enumerate([*SPECIAL, *tokens])}, [*SPECIAL, *tokens])
    texts = typed(tokens)
    tokenizers = {tokens[0]: whole, tokens[18]: train_bpe(texts, 300), tokens[23]: whole, tokens[29]: whole}
    return [viz.tokenizer_playground(tokenizers, " ".join(texts), samples=texts, title=tokens[7])]


def fill_mask(tokens: Tokens) -> list:
    tokenizer = Fixed(tokens)
    tokenizer.texts = {"all": ["[CLS]", *tokens, "[SEP]"]}
    model = encoder(len(tokenizer))
    return [viz.fill_mask(model, tokenizer, [tokens[0], tokens[18]], top=len(tokenizer), title=tokens[7])]


def sampler_playground(tokens: Tokens) -> list:
    first, second = chunks(tokens, 15)
    tokenizer = Fixed(tokens, **{tokens[0]: first, tokens[18]: second})
    model = decoder(len(tokenizer))
    return [viz.sampler_playground(model, tokenizer, [tokens[0], tokens[18]], title=tokens[7])]


def noise_playground(tokens: Tokens) -> list:
    return [viz.noise_playground([" ".join(part) for part in chunks(tokens, 6)], title=tokens[7])]


def prompt_view(tokens: Tokens) -> list:
    views = []
    for given in (tokens[:24], [*tokens[24:], *tokens[:18]]):
        labels, examples, queries, nothing = given[:4], given[4:8], given[8:16], given[16:]
        wordings = [f"{{input}} {given[0]}\n{given[18]} {{output}}", "{input} {output}"]
        shape = (len(wordings), len(queries) + len(nothing), len(labels))
        table = PromptTable(
            tuple((text, labels[i]) for i, text in enumerate(examples)),
            tuple((text, labels[i % 4] if i % 3 else None) for i, text in enumerate(queries)),
            *map(tuple, (labels, wordings, nothing)),
            {order: torch.zeros(shape) for order in orders(4, subsets=False)},
        )
        views.append(viz.prompt_view(table, title=given[0]))
    return views


def translate_playground(tokens: Tokens) -> list:
    def translate(model, tokenizer, text, language, num_beams):
        weights = torch.eye(len(tokens))
        return SimpleNamespace(
            text=tokens[0], source=tokens, target=tokens[::-1], alignment=weights, unknown=tokens
        )

    text = ("woman cook", {"fr": tokens[18], "ko": tokens[29]})
    return [viz.translate_playground(None, None, [text], translate=translate, live=False, title=tokens[7])]


def mask_playground(tokens: Tokens) -> list:
    return [viz.mask_playground(part, title=part[0]) for part in chunks(tokens, 15)]


# A view that is added to course_lib.viz is added here; test_hostile_text.py says which one is missing.
VIEWS: dict[str, Callable[[Tokens], list]] = {
    one.__name__: one
    for one in (
        explore,
        explore_live,
        head_view,
        model_view,
        neuron_view,
        attention_playground,
        temperature_playground,
        tokenizer_playground,
        fill_mask,
        sampler_playground,
        noise_playground,
        prompt_view,
        translate_playground,
        mask_playground,
    )
}


def heatmap(tokens: Tokens) -> list:
    labels = {"title": tokens[0], "xlabel": tokens[18], "ylabel": tokens[16], "unit": tokens[23]}
    return [viz.heatmap(weights(len(tokens))[0, 0], tokens, **labels).figure]


def token_strips(tokens: Tokens) -> list:
    kinds = ("kept", "hidden", "gone", "inserted", "new", 0, 1)
    rows = {row[0]: [(token, kinds[i]) for i, token in enumerate(row)] for row in chunks(tokens, 6)}
    return [viz.token_strips(rows, title=tokens[7], groups=tokens[16]).figure]


def live_plot(tokens: Tokens) -> list:
    from course_lib.viz.live import curve_figure

    def curve(names):
        return [{"step": step, "loss": 1.0} | dict.fromkeys(names, 0.5) for step in (1, 2)]

    return [curve_figure(curve(names), title=names[0], unit=names[-1]) for names in chunks(tokens, 6)]


FIGURES = {one.__name__: one for one in (heatmap, token_strips, live_plot)}
OWN_WORDS = {"family_map"}  # shows the course's own table alone


def html_of(view) -> str:
    return view._still.html if hasattr(view, "_still") else view.html


class Page(HTMLParser):
    """What a parser of HTML makes of a page and of the pages in its frames.

    tags: (tag, names of its attributes) in order.  text: all text and the values of attributes, no pictures.
    data: the strings of the JSON that the scripts read.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text, self.data, self._inside = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, tuple(name for name, _ in attributes)))
        self._inside = given.get("type", tag) if tag in ("script", "style") else ""
        self.text += [value for name, value in attributes if name not in ("srcdoc", "src") and value]
        if "srcdoc" in given:
            inner = Page(given["srcdoc"])
            self.tags += inner.tags
            self.text += inner.text
            self.data += inner.data

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "application/json" and data:
            self.data += strings(json.loads(data))
        elif self._inside == "text/plain" and data.startswith("eN"):  # zlib, level 9
            self.data += strings(json.loads(json.loads(zlib.decompress(b64decode(data)))["data"]))
        elif not self._inside:
            self.text.append(data)


def strings(value) -> list[str]:
    """All strings in what JSON can hold, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for one in value.values() for text in strings(one))]
    return [text for one in value for text in strings(one)] if isinstance(value, list) else []
