"""One look for every figure of the course.

Figures are opaque white cards: they read the same in JupyterLab's light and dark theme, on GitHub and on
paper. Colours are Okabe and Ito's (2008), told apart with any common colour blindness.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GREY = "#E69F00", "#56B4E9", "#6B7280"
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY)
INK, MUTED, RULE = "#1F2933", "#52606D", "#D5DAE1"

_RC = {
    "axes.unicode_minus": True,  # the package of the Korean font switches it off
    "figure.figsize": (6.4, 3.8),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "savefig.dpi": 200,
    "font.size": 10.5,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlecolor": INK,
    "axes.labelsize": 10.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E9ECF0",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "image.cmap": "Blues",
}


def rc() -> dict:
    """The style as matplotlib's settings, for `matplotlib.rc_context`."""
    from cycler import cycler

    return _RC | {"font.family": _fonts(), "axes.prop_cycle": cycler(color=COLORS)}


def use_style() -> None:
    """Give every following figure the course's look; call it once, at the top of a notebook.

    In a notebook, figures become crisp on high-density screens as well.
    """
    import warnings

    import matplotlib

    matplotlib.rcParams.update(rc())
    # An emoji without a glyph shows as a box, which says enough.
    warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
    if "IPython" in sys.modules:
        from IPython import get_ipython

        if get_ipython() is not None:
            # Importing the backend sets its own PNG writer; ours has to come after.
            import matplotlib_inline.backend_inline  # noqa: F401
            from matplotlib.figure import Figure

            get_ipython().display_formatter.formatters["image/png"].for_type(Figure, notebook_png)


def notebook_png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """The figure at two device pixels per CSS pixel, in 256 colours: crisp, a third of the usual size."""
    from course_lib.viz.frame import png, png_size

    picture = png(figure, dpi=2 * figure.dpi, colors=256, bbox_inches="tight")
    width, height = png_size(picture)
    return picture, {"width": width // 2, "height": height // 2}


def _fonts() -> list[str]:
    """DejaVu Sans, and NanumGothic for what it lacks: Hangul."""
    from matplotlib import font_manager

    # The font's package changes settings when imported; find_spec only tells where it lies.
    spec = find_spec("koreanize_matplotlib")
    if spec is None:
        return ["DejaVu Sans"]
    known = {(font.name, font.weight) for font in font_manager.fontManager.ttflist}
    for file, weight in (("NanumGothic.ttf", 400), ("NanumGothicBold.ttf", 700)):
        if ("NanumGothic", weight) not in known:
            path = Path(spec.origin).parent / "fonts" / file
            # Not addfont: the bold file calls itself 600, and every bold title would warn of that.
            font_manager.fontManager.ttflist.append(
                font_manager.FontEntry(fname=str(path), name="NanumGothic", weight=weight)
            )
    return ["DejaVu Sans", "NanumGothic"]
