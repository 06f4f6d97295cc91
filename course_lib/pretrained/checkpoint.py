"""Find a model's files (packaged, in a folder, in the cache, on the hub) and read them without pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from course_lib.pretrained.gguf import llama_from_gguf, read_gguf
from course_lib.pretrained.packaged import FILES as PACKAGED
from course_lib.pretrained.packaged import packaged_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

    from course_lib.models.hf import Model

    AnyModel = TypeVar("AnyModel", bound=Model)

_WEIGHTS, _SHARDS = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def load(cls: type[AnyModel], name_or_path: str | Path) -> AnyModel:
    """A trained model of class `cls`, ready to use (`cls.from_pretrained` is this).

    Args:
        name_or_path: "minilm" or "smollm2", which need no network; a folder with config.json and
            model.safetensors; a .gguf file; or a name on the Hugging Face hub such as "gpt2".

    Raises:
        ValueError: another architecture, weights that do not fit, a damaged file, a pickle.
        FileNotFoundError: no such folder, package or model.
        ConnectionError: the hub is needed and cannot be reached.
    """
    config, state = read_checkpoint(name_or_path)
    kind = config.get("model_type")
    if kind not in cls.hf_types:
        readers = {theirs: c.__name__ for c in _family() for theirs in c.hf_types}
        way_out = (
            f"load it with {readers[kind]}.from_pretrained"
            if kind in readers
            else f"the architectures built here are {', '.join(readers)}"
        )
        raise ValueError(f"{name_or_path} is of architecture {kind!r}, {cls.__name__} is another: {way_out}")
    try:
        with _no_drawing():
            return cls.from_state(config, state)
    except KeyError as error:
        raise ValueError(f"{name_or_path}: config.json does not say {error}: fetch it again") from None
    except ValueError as error:
        raise ValueError(f"{name_or_path}: {error}") from None


def _no_drawing() -> AbstractContextManager:
    """Leave new weights undrawn: 100 M random numbers take as long as reading the trained ones."""
    from torch.nn import init
    from torch.overrides import TorchFunctionMode

    class NoDrawing(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function in (init.normal_, init.uniform_, init.kaiming_uniform_):
                return args[0] if args else kwargs["tensor"]
            return function(*args, **(kwargs or {}))

    return NoDrawing()


def _family() -> tuple[type[Model], ...]:
    from course_lib import models

    return models.Bert, models.GPT, models.Bart, models.T5, models.Llama


def load_tokenizer(name_or_path: str | Path) -> Tokenizer:
    """The tokenizer that belongs to `load(…, name_or_path)`; errors as there."""
    from tokenizers import Tokenizer

    path = _packaged_or_local(name_or_path)
    if path is not None and path.suffix == ".gguf":
        from course_lib.pretrained.gguf_tokenizer import tokenizer_from_gguf

        return tokenizer_from_gguf(read_gguf(path, tensors=False).metadata)
    file = _find(name_or_path, path, ["tokenizer.json"])
    if file is None:
        raise FileNotFoundError(f"{name_or_path} holds no tokenizer.json: save one there with tokenizer.save")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"{file} is damaged ({error}): fetch it again") from None
    tokenizer.no_truncation()  # some files cut and pad by themselves: say so where you want it
    tokenizer.no_padding()
    return tokenizer


def read_checkpoint(name_or_path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """config.json as a dict, and tensors under Hugging Face's names; arguments and errors as in `load`."""
    path = _packaged_or_local(name_or_path)
    if path is not None and path.suffix == ".gguf":
        return llama_from_gguf(read_gguf(path))
    config = _find(name_or_path, path, ["config.json"])
    if config is None:
        raise FileNotFoundError(f"{name_or_path} holds no config.json, so the sizes of the model are unknown")
    weights = _find(name_or_path, path, [_WEIGHTS, _SHARDS])
    if weights is None:
        pickle = _find(name_or_path, path, _PICKLES)
        raise (
            FileNotFoundError(f"{name_or_path} holds no {_WEIGHTS}")
            if pickle is None
            else _refused(f"{name_or_path}/{pickle.name}")
        )
    if weights.name != _SHARDS:
        return _json(config), _tensors(weights)
    state = {}
    for shard in sorted(set(_json(weights)["weight_map"].values())):
        if Path(shard).name != shard:
            raise ValueError(
                f"{weights} points to {shard!r}, outside of its own folder: do not trust this model"
            )
        file = _find(name_or_path, path, [shard])
        if file is None:
            raise FileNotFoundError(f"{name_or_path} lacks {shard}, which {_SHARDS} lists: fetch it again")
        state |= _tensors(file)
    return _json(config), state


def _packaged_or_local(name_or_path: str | Path) -> Path | None:
    """A folder, or a .gguf file, or None if the model must come from the cache or the hub."""
    if name_or_path in PACKAGED:
        path = packaged_file(name_or_path)
        return path if path.suffix == ".gguf" else path.parent
    path = Path(name_or_path).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == ".gguf"):
        return path
    if path.is_file() and path.suffix == ".safetensors":
        raise ValueError(f"{path} is one file: give its folder, {path.parent}, which also holds config.json")
    if path.is_file():
        raise _refused(path)
    return None


def _find(name: str | Path, folder: Path | None, files: Sequence[str]) -> Path | None:
    """The first of `files` that exists in the folder, or else in the cache, or else on the hub."""
    if folder is not None:
        return next((folder / file for file in files if (folder / file).is_file()), None)
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RemoteEntryNotFoundError

    name = str(name)
    try:
        for file in files:
            if isinstance(cached := try_to_load_from_cache(name, file), str):
                return Path(cached)
        _require_hub(name)
        for file in files:
            try:
                return Path(hf_hub_download(name, file))
            except RemoteEntryNotFoundError:
                continue
    except HFValidationError:
        raise FileNotFoundError(
            f"there is no folder or file {name!r}, and no model on the hub is called so"
        ) from None
    except HfHubHTTPError as error:
        raise FileNotFoundError(
            f"no folder {name!r} here, and the hub gives no such model: check the spelling ({error})"
        ) from None
    return None


def _require_hub(name: str) -> None:
    """One short question, because a download without a network repeats itself for 20 seconds."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=5)
    except Exception:  # the hub's transport, and with it the error, changes between its versions
        raise ConnectionError(
            f"{name!r} is no folder here, it is not in the Hugging Face cache, and the hub is out of reach. "
            f"Without a network, load {', '.join(PACKAGED)} or a folder with config.json and {_WEIGHTS}"
        ) from None


def _refused(file: str | Path) -> ValueError:
    return ValueError(
        f"{file} is not opened: only safetensors and GGUF are read, because a pickle can run any code. Ask "
        "its author for safetensors"
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): fetch it again") from None


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or cut off ({error}): fetch it again") from None
