"""The translation playground: what a translator of the course writes, and what it looks at as it writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from course_lib.viz import style
from course_lib.viz.frame import View, png, scripted
from course_lib.viz.labels import visible

MAX_EXAMPLES, MAX_LANGUAGES, MAX_LETTERS = 24, 3, 100
LANGUAGES = {
    "fr": "French",
    "ko": "Korean",
    "en": "English",
    "ja": "Japanese",
    "es": "Spanish",
    "de": "German",
}
REST, ROW = 236, 26  # CSS pixels: all but the tokens, and a token

_MARK = re.compile(r"</?\w+>")

# The frame's end of the script: everything is there already.
_HOST = """
document.body.style.margin = 0;
playground(document.getElementById("view"), JSON.parse(document.getElementById("data").textContent), null);
"""

Example = str | tuple[str, Mapping[str, str]]


def translate_playground(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Example] | None = None,
    *,
    languages: Sequence[str] = ("ko", "fr"),
    num_beams: int = 1,
    translate: Callable[..., Any] | None = None,
    title: str | None = None,
    live: bool | None = None,
) -> View:
    """English in, other languages out, with the cross-attention as lines; put the call last in a cell.

        translate_playground(model, tokenizer, ["woman cook", ("red heart", {"fr": "cœur rouge"})])

    The examples are translated when the view is made and need no kernel afterwards. In JupyterLab a field for
    words of your own stands below; Python answers it, so it lives as long as the kernel.

    Args:
        model, tokenizer: a translator of the course, such as the shipped one.
        texts: 1 to 24 texts, or pairs (text, {language: reference}); names that no training showed when not
            given.
        languages: 1 to 3 of what the model writes.
        num_beams: above 1 for beam search.
        translate: ``(model, tokenizer, text, language, num_beams=…)`` with the result's `text`, `source`,
            `target`, `alignment` (T, S) and `unknown`; `course_lib.recipes.names.translate` when not given.
        title: stands above the view.
        live: whether to show the field; when not given, where JupyterLab or VS Code runs the cell.

    Raises:
        ValueError: texts or languages that do not fit; the message names them.
    """
    if isinstance(texts, str) or (texts is not None and not 1 <= len(texts) <= MAX_EXAMPLES):
        seen = f"the string {texts[:40]!r}" if isinstance(texts, str) else f"{len(texts)} texts"
        raise ValueError(f"{seen}; the view takes a list of 1 to {MAX_EXAMPLES}: choose")
    if isinstance(languages, str) or not 1 <= len(languages) <= MAX_LANGUAGES:
        raise ValueError(f"languages {languages!r}; the view takes a list of 1 to {MAX_LANGUAGES}: choose")
    if translate is None:
        from course_lib.recipes.names import translate
    reply = Interpreter(model, tokenizer, languages, translate, num_beams)
    examples = []
    for one in texts or held_out_names(languages):
        text, references, kind = one if isinstance(one, tuple) and len(one) == 3 else (*_pair(one), "")
        found = reply(text, references)
        if found["problem"]:
            raise ValueError(f"example {text[:40]!r}: {found['problem']}")
        examples.append(found | {"kind": kind})
    title = visible(title) if title else "Translate it yourself"
    state = {
        "title": title,
        "languages": [{"code": code, "name": LANGUAGES.get(code, visible(code))} for code in languages],
        "examples": examples,
    }
    first = examples[0]
    said = ", ".join(
        f"{language['name']} {one['text']!r}"
        for language, one in zip(state["languages"], first["results"], strict=True)
    )
    longest = max(len(one[side]) for e in examples for one in e["results"] for side in ("source", "target"))
    shown = scripted(
        "translate_play",
        (),
        state,
        summary=f"{title}: {first['text']!r} is {said}",
        height=REST + ROW * longest,
        picture=_still(state),
        host=_HOST,
    )
    if live is None:
        live = _is_asked_by_a_person()
    return LiveView(shown, reply, state | {"title": "Your own words"}) if live else shown


class Interpreter:
    """Answers a text with its translations, or with what is the matter with it."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        languages: Sequence[str],
        translate: Callable[..., Any],
        num_beams: int = 1,
    ) -> None:
        self.model, self.tokenizer, self.languages = model, tokenizer, list(languages)
        self.translate, self.num_beams = translate, num_beams

    def __call__(self, text: str, references: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What the script shows, made visible: text, problem or None, unknown words, a result a language."""
        text = " ".join(text.split())
        found = {
            "text": visible(text) if text else "",
            "problem": problem(text),
            "unknown": [],
            "results": [],
        }
        if found["problem"]:
            return found
        try:
            results = [
                self.translate(self.model, self.tokenizer, text, language, num_beams=self.num_beams)
                for language in self.languages
            ]
        except ValueError as error:
            return found | {"problem": visible(error)}
        found["unknown"] = list(dict.fromkeys(visible(word) for one in results for word in one.unknown))
        for language, one in zip(self.languages, results, strict=True):
            found["results"].append(_result(one, text, (references or {}).get(language)))
        return found


def problem(text: str) -> str | None:
    """Why a text is not English words to translate; None where nothing is the matter."""
    if not text.strip():
        return "Nothing to translate: type some English words, such as woman cook."
    if len(text) > MAX_LETTERS:
        return f"{len(text):,} letters; at most {MAX_LETTERS} can be translated at once: shorten the text."
    # Latin letters end at U+024F: é is English enough, Hangul is not.
    foreign = "".join(char for char in text if char.isalpha() and char > "\u024f")
    if foreign:
        return (
            f"“{visible(foreign[:12])}” is not English, and the model reads nothing else: type English words."
        )
    if not any(char.isalnum() for char in text):
        return f"“{visible(text[:12])}” holds no word: type English words, such as woman cook."
    return None


def held_out_names(languages: Sequence[str]) -> list[tuple[str, dict[str, str], str]]:
    """A dozen names that no training showed, with their references: eight compositions, four novel ones."""
    from course_lib.data.emoji_names import emoji_table

    found = []
    for split, said, n in (("compositions", "new composition", 8), ("novel", "new word in it", 4)):
        rows = [row for row in emoji_table(split) if len(row["en"].split()) <= 6]
        for row in rows[:: max(1, len(rows) // n)][:n]:
            found.append((row["en"], {code: row[code] for code in languages if code in row}, said))
    return found


def _pair(example: Example) -> tuple[str, Mapping[str, str]]:
    if isinstance(example, str):
        return example, {}
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], Mapping):
        return example
    raise ValueError(f"example {example!r}: give a text, or a pair (text, {{language: reference}})")


def _result(one: Any, text: str, reference: str | None) -> dict[str, Any]:
    """A translation of `text`, word by word and made visible; weights to three decimals."""
    source, target = pieces_of(one.source, text), pieces_of(one.target, one.text)
    weights = torch.as_tensor(one.alignment).float().cpu()  # (T, S)
    if weights.shape != (len(one.target), len(one.source)):
        raise RuntimeError(
            f"an alignment of shape {tuple(weights.shape)} for {len(one.target)} tokens written and "
            f"{len(one.source)} read: the translator must give (T, S)"
        )
    # A word looks as its pieces do on average, and is looked at as much as all its pieces together.
    rows = torch.stack([weights[places].mean(0) for _, places in target])
    shares = torch.stack([rows[:, places].sum(1) for _, places in source], dim=1)
    unknown = {word.lower() for word in one.unknown}
    return {
        "text": visible(one.text) if one.text else "",
        "source": [visible(word) for word, _ in source],
        "target": [visible(word) for word, _ in target],
        "alignment": [[round(share, 3) for share in row] for row in shares.tolist()],
        "unknown": [
            i
            for i, (word, _) in enumerate(source)
            if {word.lower(), *re.findall(r"\w+", word.lower())} & unknown
        ],
        "reference": None if reference is None else visible(reference),
        "right": None if reference is None else one.text == reference,
    }


def pieces_of(tokens: Sequence[str], text: str) -> list[tuple[str, list[int]]]:
    """The words of a row of tokens, and the places of each one's pieces.

    A piece that begins with a space begins a word, and so do marks such as </s>; where no piece has a space,
    each is a word. The letters come from `text`, as a piece alone may hold half a syllable.
    """
    spaced = any(token[:1].isspace() for token in tokens)
    words: list[list[int]] = []
    for i, token in enumerate(tokens):
        begins = not spaced or token[:1].isspace() or _MARK.fullmatch(token)
        if i == 0 or begins or _MARK.fullmatch(tokens[i - 1]):
            words.append([])
        words[-1].append(i)
    spelled = ["".join(tokens[i] for i in places).strip() or " " for places in words]
    letters = [n for n, places in enumerate(words) if not _MARK.fullmatch(tokens[places[0]])]
    if len(letters) == len(text.split()):
        for n, word in zip(letters, text.split(), strict=True):
            spelled[n] = word
    return list(zip(spelled, words, strict=True))


class LiveView(View):
    """The examples, and below them a field whose text the kernel translates."""

    def __init__(self, shown: View, reply: Interpreter, state: dict[str, Any]) -> None:
        from course_lib.viz.translate_live import TranslateField

        super().__init__(shown.html, shown.summary)
        self.field = TranslateField(reply, state)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(View(self.html, self.summary))
        display(self.field)


def _is_asked_by_a_person() -> bool:
    """Whether a page runs this: a lesson that is built or tested keeps what lives without a kernel."""
    import os
    import sys

    return "ipykernel" in sys.modules and ("JPY_SESSION_NAME" in os.environ or "VSCODE_PID" in os.environ)


def _still(state: dict[str, Any]) -> bytes:
    """The PNG that stands in for the living view: the first example, its tokens joined by lines."""
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    example = state["examples"][0]
    longest = max(len(one[side]) for one in example["results"] for side in ("source", "target"))
    with matplotlib.rc_context(style.rc()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(4.2 * len(example["results"]), 1.0 + 0.27 * longest))
        plots = figure.subplots(1, len(example["results"]), squeeze=False)[0]
        for axes, language, one in zip(plots, state["languages"], example["results"], strict=True):
            axes.axis("off")
            axes.set(xlim=(-1, 2), ylim=(longest - 0.4, -0.6))
            axes.set_title(f"{language['name']}: {_short(one['text'], 34)}", size=10, parse_math=False)
            for at, align, tokens in ((-0.05, "right", one["source"]), (1.05, "left", one["target"])):
                for i, token in enumerate(tokens):
                    axes.text(at, i, _short(token, 18), ha=align, va="center", size=9, parse_math=False)
            for t, row in enumerate(one["alignment"]):
                for s, share in enumerate(row):
                    if share >= 0.05:
                        axes.plot(
                            [0, 1],
                            [s, t],
                            color=style.BLUE,
                            linewidth=0.3 + 4 * share,
                            alpha=0.15 + 0.85 * share,
                        )
        figure.suptitle(
            _short(f"{state['title']}: {example['text']}", 80), size=11, x=0.02, ha="left", parse_math=False
        )
        return png(figure, colors=64)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
