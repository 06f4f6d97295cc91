"""What an answer returned beside what was wanted, as two small tables of shades: where do they differ?

The inputs are drawn anew at each check, so the wanted numbers of one case are no answer to hand in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from course_lib.grading import compare

ROWS, COLUMNS = 10, 16  # a larger table would not fit beside another


@dataclass(frozen=True)
class Drawing:
    """Two tables of the same size.

    what: the returned value's name, and which slice of it.
    yours, wanted: rows of numbers; NaN and infinity as they are.  wrong: True where they differ.
    """

    what: str
    yours: list[list[float]]
    wanted: list[list[float]]
    wrong: list[list[bool]]

    def html(self) -> str:
        """Both tables side by side. It holds numbers alone, so there is nothing to escape but the name."""
        from course_lib.grading.hints import marked

        finite = [x for table in (self.yours, self.wanted) for row in table for x in row if abs(x) < 1e30]
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        tables = "".join(
            f"<div><span>{name}</span>{self._table(name, table, low, high)}</div>"
            for name, table in (("yours", self.yours), ("wanted", self.wanted))
        )
        scale = f"from {low:.3g} (empty) to {high:.3g} (full); an orange frame: differs"
        return f'<div class="grade-drawing"><p>{marked(self.what)}, {scale}</p><div>{tables}</div></div>'

    def _table(self, name: str, table: list[list[float]], low: float, high: float) -> str:
        cells = []
        for values, wrong in zip(table, self.wrong, strict=True):
            for value, differs in zip(values, wrong, strict=True):
                share = (value - low) / ((high - low) or 1) if abs(value) < 1e30 else 0
                text = "" if abs(value) < 1e30 else ("?" if value != value else "∞" if value > 0 else "-∞")
                mark = ' class="differs"' if differs else ""
                cells.append(f'<i{mark} style="--full:{100 * share:.0f}%" title="{value:.4g}">{text}</i>')
        size = f"grid-template-columns:repeat({len(table[0])},18px)"
        return f'<div class="grade-grid" role="img" aria-label="{name}" style="{size}">{"".join(cells)}</div>'


def draw(got: Any, want: Any, names: tuple[str, ...] = ()) -> Drawing | None:
    """The first tensor of the answer that differs, or None: alike, not a tensor, or too large to see.

    Args:
        got, want: of the same structure, as `compare.structure` says.  names: of the values of a tuple.
    """
    if isinstance(want, tuple):
        labels = names or tuple(f"value {i + 1}" for i in range(len(want)))
        for one, other, name in zip(got, want, labels):
            if compare.values(one, other):
                return draw(one, other, (name,))
        return None
    if not compare.is_tensor(got) or not isinstance(want, Tensor) or want.dim() == 0 or not want.numel():
        return None
    yours, wanted = got.detach().cpu().double(), want.detach().cpu().double()
    wrong = compare.far(yours, wanted)
    if not wrong.any():
        return None
    name, place = compare.short(names[0]) if names else "returned", ""
    if want.dim() > 2:
        first = tuple(wrong.nonzero()[0, :-2].tolist())
        place = f"[{', '.join(map(str, first))}]"
        yours, wanted, wrong = yours[first], wanted[first], wrong[first]
    elif want.dim() == 1:
        yours, wanted, wrong = yours[None], wanted[None], wrong[None]
    if wanted.shape[0] > ROWS or wanted.shape[1] > COLUMNS:
        return None
    return Drawing(f"`{name}{place}`", yours.tolist(), wanted.tolist(), wrong.tolist())
