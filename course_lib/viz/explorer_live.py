"""The attention explorer with Python behind it: read a new sentence, switch heads off, see what changes."""

from __future__ import annotations

from typing import Any

import anywidget
import torch
import traitlets

from course_lib.heads import heads_off
from course_lib.viz.attentions import name_of, read_text
from course_lib.viz.explorer import assets_of_explorer, explore, prepare
from course_lib.viz.frame import show_above_widget
from course_lib.viz.labels import visible

LONGEST = 128  # tokens; more would hardly be legible, and slow to send
N_SHOWN = 5  # predictions
# While the widget lives, the frame above it is hidden.
_ONE_IN_SIGHT = """
.jp-OutputArea-child:has(.above-widget):has(+.jp-OutputArea-child .explorer){display:none}
"""
# The theme's own dark boxes and fields would come out light: what is inverted must be light first.
_LOOK = """
.explorer{border:1px solid #d5dae1;border-radius:8px;color-scheme:light}
[data-jp-theme-light="false"] .explorer,.vscode-dark .explorer{filter:invert(.87) hue-rotate(180deg)}
"""


def explore_live(model: Any, tokenizer: Any, text: str, *, layer: int = 0, head: int = 0) -> LiveExplorer:
    """`explore`, and below it what only a running kernel can answer; put the call last in a cell.

        explore_live(*load_smollm2(), "The cat sat on the mat. The cat sat on the")

    Type a sentence and press Enter to read it. Choose a head and switch it off: its output becomes zero
    (`course_lib.heads.without_heads`), and the table shows the prediction with all heads beside the one
    without those that are off. A language model predicts the next token; a masked one the first [MASK]. The
    weights on show are those of the run with heads off.

    Where no kernel runs, a reopened notebook or a page of the web, the still living `explore` view stands in;
    where nothing may run, its picture.

    Args:
        model: Bert, GPT or Llama of the course.  tokenizer: its tokenizer.  text: what is read first.
        layer, head: what is shown first.
    """
    return LiveExplorer(model, tokenizer, text, layer, head)


class LiveExplorer(anywidget.AnyWidget):
    """What `explore_live` gives back; `text`, `layer`, `head` and `off` can be read and set from Python."""

    _esm, _css = assets_of_explorer()[0], assets_of_explorer()[1] + _LOOK
    examples = traitlets.List().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    n_layers = traitlets.Int().tag(sync=True)
    n_heads = traitlets.Int().tag(sync=True)
    layer = traitlets.Int().tag(sync=True)
    head = traitlets.Int().tag(sync=True)
    size = traitlets.Int().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    live = traitlets.Bool(True).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    off = traitlets.List().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    predictions = traitlets.Dict({"title": "", "rows": []}).tag(sync=True)

    def __init__(self, model: Any, tokenizer: Any, text: str, layer: int = 0, head: int = 0) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._still = explore(model, text=text, tokenizer=tokenizer, layer=layer, head=head)
        super().__init__(**self._read(text, [], layer, head))
        self.text = text
        self.observe(self._on_change, ["text", "off"])

    def _ipython_display_(self) -> None:
        show_above_widget(self._still, self, _ONE_IN_SIGHT)

    def _on_change(self, change: Any) -> None:
        try:
            changes = self._read(self.text, self.off, self.layer, self.head)
        except Exception as error:  # of the model or the tokenizer: the learner typed something unforeseen
            self.message = visible(str(error).partition("\n")[0])
            return
        with self.hold_sync():
            for name, value in changes.items():
                setattr(self, name, value)
            self.message = ""

    def _read(self, text: str, off: list, layer: int, head: int) -> dict[str, Any]:
        if not text.strip():
            raise ValueError("nothing to read: type a sentence")
        whole, tokens, ids = read_text(self._model, text, self._tokenizer)
        if len(tokens) > LONGEST:
            raise ValueError(f"{len(tokens)} tokens; up to {LONGEST} can be looked at here: shorten the text")
        now = whole
        if off:
            with heads_off(self._model, off):
                now, _, _ = read_text(self._model, text, self._tokenizer)
        state, raw, _ = prepare(
            [(text, now.attentions, tokens)], layer, head, None, f"Attention of {type(self._model).__name__}"
        )
        return {
            **state,
            "weights": raw,
            "predictions": {**self._predictions(whole, now, ids), "off": len(off)},
        }

    def _predictions(self, whole: Any, now: Any, ids: list[int]) -> dict[str, Any]:
        """The likeliest tokens with all heads, and what became of them."""
        if getattr(whole, "logits", None) is None or whole.logits.ndim != 3:
            before, after = whole.hidden[0].mean(0), now.hidden[0].mean(0)
            alike = torch.cosine_similarity(before, after, dim=0).item()
            return {"title": "no output to predict with; mean vector", "rows": [["cosine", 1.0, alike]]}
        mask_id = getattr(self._tokenizer, "mask_id", None)
        place = ids.index(mask_id) if mask_id in ids else len(ids) - 1
        before, after = (output.logits[0, place].float().softmax(-1) for output in (whole, now))
        best = before.topk(N_SHOWN).indices.tolist() + after.topk(N_SHOWN).indices.tolist()
        chosen = list(dict.fromkeys(best))[: N_SHOWN + 2]
        title = "[MASK] is" if mask_id in ids else "next token"
        return {
            "title": title,
            "rows": [
                [visible(name_of(self._tokenizer, i)), before[i].item(), after[i].item()] for i in chosen
            ],
        }
