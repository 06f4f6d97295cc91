"""The family of Transformers on a time line, drawn from `course_lib.family`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_lib.family import BRANCHES, FAMILY, Member
from course_lib.viz.style import BLUE, GREEN, GREY, INK, MUTED, PURPLE, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIRST_YEAR = 2016.6  # what is older stands at this edge, with its year
COLOR = dict(zip(BRANCHES, (GREY, BLUE, PURPLE, VERMILLION, GREEN)))
LANE = {"before": 5.0, "encoder": 3.75, "encoder-decoder": 2.5, "decoder": 1.25, "images": 0.0}
TITLE = {
    "before": "before",
    "encoder": "encoders",
    "encoder-decoder": "encoder-\ndecoders",
    "decoder": "decoders",
    "images": "with images",
}
# Lifts within a lane, so that members close in time do not touch.
LIFT = {
    "BERT": 0.05,
    "RoBERTa": 0.36,
    "XLNet": 0.05,
    "UniLM": -0.3,
    "MiniLM": -0.15,
    "BART": 0.3,
    "T5": -0.25,
    "InstructGPT": 0.3,
    "ChatGPT": -0.12,
    "GPT-4": 0.28,
    "Llama": -0.28,
    "SmolLM2": -0.28,
    "GPT-5": 0.28,
    "ViT": 0.2,
    "CLIP": -0.2,
    "Latent diffusion": 0.1,
}
NAME_LEFT = {
    "BERT",
    "ChatGPT",
    "InstructGPT",
    "Transformer",
    "UniLM",
}  # where an arrow or a neighbour needs the right side


def place(member: Member) -> tuple[float, float]:
    """Where a member stands: year, height."""
    return max(member.year, FIRST_YEAR), LANE[member.branch] + LIFT.get(member.name, 0.0)


def family_map(ax: Axes | None = None) -> Axes:
    """Draw everyone in `FAMILY`: time to the right, one lane a branch, an arrow from parent to child.

    A filled disc is built or used in a lesson, whose number it carries; an empty one is only named.
    """
    import matplotlib.patheffects as effects

    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(10.5, 5.4))
    at = {member.name: place(member) for member in FAMILY}
    for branch in BRANCHES:
        ax.axhspan(LANE[branch] - 0.56, LANE[branch] + 0.56, color=COLOR[branch], alpha=0.06, lw=0)
    line = {"arrowstyle": "-|>", "color": "#AEB7C2", "lw": 1.1, "shrinkA": 8, "shrinkB": 8}
    for member in FAMILY:
        for parent in member.parents:
            ax.annotate("", at[member.name], at[parent], zorder=1, arrowprops=line)
        x, y = at[member.name]
        color = COLOR[member.branch]
        ax.scatter(x, y, s=180, color=color if member.lesson else "white", edgecolor=color, lw=1.6, zorder=3)
        ax.annotate(member.lesson or "", (x, y), color="white", size=7.5, ha="center", va="center", zorder=4)
        early = member.year < FIRST_YEAR
        left = member.name in NAME_LEFT
        ax.annotate(
            f"{member.name} ({int(member.year)})" if early else member.name,
            (x, y),
            xytext=(-10 if left else 10, -0.5),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            color=INK,
            size=9.5,
            zorder=5,
            path_effects=[effects.withStroke(linewidth=3, foreground="white")],
        )
    ax.set(xlim=(FIRST_YEAR - 0.2, 2026.4), ylim=(-0.62, 5.62), xlabel="year of the paper or release")
    ax.set_xticks(range(2017, 2027))
    ax.set_yticks([LANE[b] for b in BRANCHES], [TITLE[b] for b in BRANCHES], weight="bold", size=10)
    for label, branch in zip(ax.get_yticklabels(), BRANCHES):
        label.set_color(COLOR[branch])
    ax.grid(axis="y", visible=False)
    ax.tick_params(length=0)
    ax.tick_params(axis="x", labelcolor=MUTED)
    ax.spines["left"].set_visible(False)
    return ax
