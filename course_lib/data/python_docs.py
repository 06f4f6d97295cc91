"""English that is on the learner's disk already: the docs of numpy, matplotlib, scikit-learn and torch.

Docstrings are read from the source files, by their syntax tree: nothing is imported or run. They repeat each
other (inherited methods, parameters described in the same words), so a random split would leak. Here whole
sub-modules are held out, and what still stands in two places is kept once, on the training side first.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import unicodedata
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from course_lib.data.card import Card
from course_lib.data.store import cached, draw, package_folder, versions

SPLITS = ("train", "validation", "test")
PACKAGES = {"numpy": "numpy", "matplotlib": "matplotlib", "sklearn": "scikit-learn", "torch": "torch"}
VALIDATION = {
    "numpy.polynomial", "matplotlib.patches", "matplotlib.ticker", "sklearn.gaussian_process",
    "sklearn.manifold",
    "torch.profiler", "torch.package", "torch.sparse",
}  # fmt: skip
TEST = {
    "numpy.linalg", "numpy.ma", "matplotlib.colors", "matplotlib.widgets", "sklearn.cluster",
    "sklearn.covariance",
    "torch.distributions", "torch.optim",
}  # fmt: skip
NOT_DOCS = {"tests", "_vendor", "vendored", "externals", "_internal", "testing", "distutils", "__pycache__"}
FIRST_READING = "Reading the Python docs from disk, once: about a minute."
GRAM = 8  # words; two texts that share this many in a row were copied from each other
COPIED_INSIDE = 0.5  # a piece is dropped when this share of its 8-grams stood before in its own split …
COPIED_ACROSS = 0.1  # … or this share in another split


def python_docs(split: str = "train") -> list[str]:
    """The documents of a split, each the docstring of one module, class or function, or one help topic.

    Args:
        split: "train", "validation" or "test".

    Raises:
        ValueError: no such split.
        ModuleNotFoundError: one of the four packages is not installed.
    """
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not a split: choose one of {', '.join(SPLITS)}")
    return list(_splits()[split])


@functools.cache
def _splits() -> dict[str, list[str]]:
    for package in PACKAGES:
        package_folder(package, "Python docs")
    built_from = {**versions(*PACKAGES.values()), "python": ".".join(map(str, sys.version_info[:3]))}
    return cached("python_docs", built_from, __file__, _build)


def _build() -> dict[str, list[str]]:
    print(FIRST_READING, file=sys.stderr, flush=True)
    documents: dict[str, list[str]] = {split: [] for split in SPLITS}
    for module, text in _read():
        documents[split_of(module)].append(text)
    grams: set[int] = set()
    result = {}
    for split, texts in documents.items():  # train first: what a held-out text shares with it is dropped
        mine: set[int] = set()
        kept = (_without_copies(text, mine, grams) for text in texts)
        result[split] = [text for text in kept if len(text.split()) >= 5]
        grams |= mine
    return result


def split_of(module: str) -> str:
    """The split of a sub-module ("numpy.linalg") or of a help topic ("topics.lambda")."""
    if module.startswith("topics."):
        return {0: "validation", 1: "test"}.get(draw(module) % 16, "train")
    return "validation" if module in VALIDATION else "test" if module in TEST else "train"


def _read() -> Iterator[tuple[str, str]]:
    """(sub-module, text) of every docstring, in a fixed order."""
    from pydoc_data.topics import topics

    for package in PACKAGES:
        folder = package_folder(package, "Python docs")
        for file in sorted(folder.rglob("*.py"), key=lambda file: file.relative_to(folder).parts):
            parts = file.relative_to(folder).with_suffix("").parts
            if not NOT_DOCS & set(parts):
                for text in docstrings(file):
                    yield f"{package}.{parts[0]}", text
    for name, text in sorted(topics.items()):
        yield f"topics.{name}", text


def docstrings(file: Path) -> list[str]:
    """The docstrings of a source file, and those that it gives to compiled functions through `add_docstr`."""
    source = file.read_bytes()
    if b'"""' not in source:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in other people's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []  # written for another Python
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((getattr(node, "lineno", 0), ast.get_docstring(node) or ""))
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.lstrip("_") in ("add_docstr", "add_newdoc"):
                texts = (leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant))
                found += [
                    (node.lineno, inspect.cleandoc(t)) for t in texts if isinstance(t, str) and len(t) > 80
                ]
    return [text for _, text in sorted(found) if text]


def pieces(text: str) -> list[tuple[str, str]]:
    """A text cut at blank lines and before each entry of a list of parameters: (piece, what joins it on)."""
    found: list[tuple[list[str], str]] = []
    joint, indented = "\n\n", False
    for line in text.splitlines():
        if not line.strip():
            joint, indented = "\n\n", False
            continue
        if joint or (indented and not line[0].isspace()):
            found.append(([], joint or "\n"))
        found[-1][0].append(line.rstrip())
        joint, indented = "", line[0].isspace()
    return [("\n".join(lines), joint) for lines, joint in found]


def grams_of(text: str) -> set[int]:
    """Hashes of all runs of 8 words, or of all words where there are fewer. All numbers are one word."""
    words = [
        zlib.crc32(word.encode()) for word in re.findall(r"[^\W\d]+|\d+", re.sub(r"\d+", "0", text.lower()))
    ]
    return {hash(tuple(words[i : i + GRAM])) for i in range(max(1, len(words) - GRAM + 1))}


def _without_copies(text: str, mine: set[int], others: set[int]) -> str:
    """The pieces of a text that are language and are new; their 8-grams are added to `mine`."""
    kept = ""
    for piece, joint in pieces(unicodedata.normalize("NFC", text)):
        letters = sum(c.isalpha() or c == " " for c in piece)
        if letters < 0.65 * len(piece):
            continue  # a table, an array, a formula
        grams = grams_of(piece)
        if len(grams & others) > COPIED_ACROSS * len(grams) or len(grams & mine) > COPIED_INSIDE * len(grams):
            continue
        mine |= grams
        kept += (joint if kept else "") + piece
    return kept


def card() -> Card:
    """The data card."""
    found = versions(*PACKAGES.values())
    texts = {split: python_docs(split) for split in SPLITS}
    return Card(
        name="Python docs",
        what="the documentation of one module, class, function or language topic, in English",
        source=", ".join(f"{name} {version}" for name, version in found.items())
        + f", and the help topics of Python {'.'.join(map(str, sys.version_info[:3]))}",
        licence="BSD-3-Clause (numpy, scikit-learn, torch), Matplotlib's, PSF (topics); read in place",
        size=", ".join(
            f"{split} {len(docs):,} documents of {sum(len(t.encode()) for t in docs) / 1e6:.2f} MB"
            for split, docs in texts.items()
        ),
        quirks=(
            "Another version of a package gives another text: compare only runs with equal cards.",
            "Sub-modules are held out whole: " + ", ".join(sorted(VALIDATION | TEST)) + ".",
            "Pieces that repeat are dropped, so some documents lack their parameters or their ending.",
            "Markup (reStructuredText, {placeholders} of torch) and short code examples are left in.",
        ),
    )
