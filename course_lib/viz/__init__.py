"""Views into models: explorers, bertviz without a network, figures.

Importing this is cheap; matplotlib, bertviz and torch are loaded by the view that needs them.
"""

from course_lib.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "explore": "explorer",
        "explore_live": "explorer_live",
        "head_view": "bertviz_offline",
        "model_view": "bertviz_offline",
        "neuron_view": "bertviz_offline",
        "heatmap": "plots",
        "live_plot": "live",
        "token_strips": "strips",
        "family_map": "family",
        "attention_playground": "playground",
        "temperature_playground": "temperature",
        "tokenizer_playground": "tokenizer_play",
        "fill_mask": "fill_play",
        "sampler_playground": "sampler_play",
        "noise_playground": "noise_play",
        "mask_playground": "mask_play",
        "prompt_playground": "prompt_play",
        "prompt_table": "prompt_scores",
        "prompt_view": "prompt_play",
        "translate_playground": "translate_play",
        "use_style": "style",
    },
)
