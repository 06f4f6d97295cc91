"""The translation playground: what a translator of the course writes, and what it looks at as it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from course_lib.viz import style
from course_lib.viz.frame import View, png, scripted, show_above_widget
from course_lib.viz.labels import visible
from course_lib.viz.translations import Interpreter, held_out_names, translate_name

MAX_EXAMPLES, MAX_LANGUAGES = 24, 3
LANGUAGES = {
    "fr": "French",
    "ko": "Korean",
    "en": "English",
    "ja": "Japanese",
    "es": "Spanish",
    "de": "German",
}
REST, ROW = 236, 26  # CSS pixels: all but the tokens, and a token

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
            `target`, `alignment` (T, S) and `unknown`; `translate_name` when not given.
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
    translate = translate or translate_name
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
        "languages": [
            {"code": visible(code), "name": LANGUAGES.get(code, visible(code))} for code in languages
        ],
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


def _pair(example: Example) -> tuple[str, Mapping[str, str]]:
    if isinstance(example, str):
        return example, {}
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], Mapping):
        return example
    raise ValueError(f"example {example!r}: give a text, or a pair (text, {{language: reference}})")


class LiveView(View):
    """The examples, and below them a field whose text the kernel translates."""

    def __init__(self, shown: View, reply: Interpreter, state: dict[str, Any]) -> None:
        from course_lib.viz.translate_live import TranslateField

        super().__init__(shown.html, shown.summary)
        self.field = TranslateField(reply, state)

    def _ipython_display_(self) -> None:
        show_above_widget(self, self.field)


def _is_asked_by_a_person() -> bool:
    """Whether a page runs this: a lesson that is built or tested keeps what lives without a kernel."""
    import os
    import sys

    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    # What Jupyter's server and VS Code tell a kernel of the notebook that is open.
    return shell is not None and ("JPY_SESSION_NAME" in os.environ or "__vsc_ipynb_file__" in shell.user_ns)


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
