"""A small cache on disk, fixed draws for splits, and a clear sentence when a package is missing.

What is expensive to build is built once and kept as JSON in `.course/cache`, or in `cache` under the folder
that COURSE_HOME names. A file's name holds a digest of the versions it was built from and of the code that
built it, so an upgrade builds anew. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from course_lib.paths import course_home


def cache_folder() -> Path:
    """Where built data sets are kept. It may not be there yet."""
    return course_home() / "cache"


def package_folder(package: str, data_set: str) -> Path:
    """Where a package lies, found without importing it.

    Raises:
        ModuleNotFoundError: it is not installed; the message says how to get it.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"the data set '{data_set}' is read from the package '{package}', which is not "
            "installed here: run `python start.py` in the course's folder, which installs all that it needs",
            name=package,
        )
    return Path(next(iter(spec.submodule_search_locations)))


def draw(*parts: object) -> int:
    """A fixed number below 2**32 for some words, random to look at: the same on every machine."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:4], "big")


def versions(*distributions: str) -> dict[str, str]:
    """The installed version of each distribution, "missing" where there is none."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def cached(name: str, built_from: dict[str, str], code: str, build: Callable[[], object]) -> object:
    """`build()`, which gives something JSON can hold, from the cache if it is there.

    Args:
        name: begins the file's name.
        built_from: what the result depends on, by versions.
        code: the `__file__` of the module that builds it, or its folder: its digest is part of the key.

    A cache that cannot be read is built again; one that cannot be written is done without.
    """
    digest = hashlib.sha256(json.dumps(built_from, sort_keys=True).encode())
    where = Path(code)
    for source in sorted(where.iterdir()) if where.is_dir() else [where]:
        if source.suffix in (".py", ".txt"):
            digest.update(source.read_bytes())
    digest.update(Path(__file__).read_bytes())
    file = cache_folder() / f"{name}-{digest.hexdigest()[:16]}.json"
    with contextlib.suppress(OSError, ValueError):
        return json.loads(file.read_text(encoding="utf-8"))
    result = build()
    with contextlib.suppress(OSError):
        _write_whole(file, json.dumps(result, ensure_ascii=False))
    return result


def _write_whole(file: Path, text: str) -> None:
    """Write all of a file or none: whoever reads meanwhile sees the old one or the new one."""
    if not file.parent.is_dir():
        file.parent.mkdir(parents=True)
        ignore = file.parent.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
        os.replace(part, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
