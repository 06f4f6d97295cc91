"""Views into models: explorers, bertviz without a network, figures.

Importing this is cheap; matplotlib, bertviz and torch are loaded by the view that needs them.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "explore": "explorer",
    "head_view": "bertviz_offline",
    "model_view": "bertviz_offline",
    "neuron_view": "bertviz_offline",
    "heatmap": "plots",
    "family_map": "family",
    "attention_playground": "playground",
    "use_style": "style",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
