"""The field of the translation playground: what is typed goes to the kernel, and its answer comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from course_lib.viz.assets import assets
from course_lib.viz.labels import visible

# The widget's end of the script. The place of a question comes back with its answer, so two equal questions
# are two.
_HOST = """
export default { render({ model, el }) {
  let n = 0;
  const answer = playground(el, model.get("state"), (text) => {
    model.set("question", { n: (n += 1), text });
    model.save_changes();
  });
  model.on("change:answer", () => answer(model.get("answer")));
} };
"""
_SCRIPT, _STYLE = assets("translate_play")


class TranslateField(anywidget.AnyWidget):
    """A field, and what `reply` answers to the text in it.

    Args:
        reply: (text) -> what the script shows.
        state: title and languages, as the frame has them.
    """

    _esm = _SCRIPT + _HOST
    _css = _STYLE
    state = traitlets.Dict().tag(sync=True)
    question = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, reply: Callable[[str], dict[str, Any]], state: dict[str, Any]) -> None:
        super().__init__(state=state | {"examples": []})
        self.reply = reply
        self.observe(self._answer, names="question")

    def _answer(self, change: dict[str, Any]) -> None:
        asked = change["new"]
        try:
            found = self.reply(str(asked.get("text", "")))
        except Exception as error:  # the field must not wait for ever
            problem = visible(f"{type(error).__name__}: {error}")
            found = {"text": "", "problem": problem, "unknown": [], "results": []}
        self.answer = {"n": asked.get("n", 0), **found}
