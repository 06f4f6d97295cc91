"""The data sets but Tiny Town: size, splits that leak nothing, the same bytes everywhere, clear sentences."""

import hashlib
import importlib
import json
import lzma
import os
import re
import subprocess
import sys
import time
import unicodedata
from collections import Counter

import pytest
import torch

from course_lib import data
from course_lib.data import country_names, digits, emoji_names, numbers, python_docs, store, tiny_town

LIGHT = ("country_names", "digits", "emoji_names", "numbers", "tiny_town")
HANGUL = re.compile(r"[가-힣]")


def forget(module):
    """Empty the caches in memory, so that the next call reads the disk."""
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


# What all have in common


@pytest.mark.parametrize("name", LIGHT)
def test_every_card_is_filled_in(name):
    card = importlib.import_module(f"course_lib.data.{name}").card()
    for part in (card.name, card.what, card.source, card.licence, card.size, *card.quirks):
        assert len(part) > 3 and "missing" not in part
    assert len(card.quirks) >= 2
    assert str(card).startswith(card.name) and card.quirks[-1] in str(card)


def test_importing_the_package_reads_no_data_and_no_torch():
    code = (
        "import sys, course_lib.data as data; data.emoji_names.LANGUAGES\n"
        "print('torch' in sys.modules, 'babel' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    with pytest.raises(AttributeError, match="has no attribute 'imagenet'"):
        data.imagenet  # noqa: B018


DIGEST = """
import hashlib
from course_lib.data import country_names, digits, emoji_names, numbers, tiny_town
digest = hashlib.sha256()
for split in emoji_names.SPLITS:
    digest.update(repr(emoji_names.emoji_table(split)).encode())
for split in numbers.SPLITS:
    digest.update(repr([numbers.number_words(language, split) for language in numbers.LANGUAGES]).encode())
for split in country_names.SPLITS:
    for kind in country_names.KINDS:
        digest.update(repr(country_names.country_names("ko", kind, split)).encode())
    digest.update(b"".join(part.numpy().tobytes() for part in digits.digits(split)))
    for task in TASKS:
        digest.update(repr(getattr(tiny_town, task)(split)).encode())
print(digest.hexdigest())
"""


def digest_in_another_process(home, seed, tasks):
    code = f"TASKS = {tasks!r}\n{DIGEST}"
    env = {**os.environ, "COURSE_HOME": str(home), "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def same_everywhere(tmp_path, tasks):
    one = digest_in_another_process(tmp_path / "a", "1", tasks)
    two = digest_in_another_process(tmp_path / "b", "2", tasks)
    cached = digest_in_another_process(tmp_path / "a", "3", tasks)
    assert len(one) == 64 and one == two == cached


def test_two_processes_build_the_same_bytes_and_the_cache_gives_them_back(tmp_path):
    same_everywhere(tmp_path, ["sentiment", "next_sentence", "plurals"])


@pytest.mark.slow
def test_two_processes_build_the_same_tiny_town(tmp_path):
    same_everywhere(tmp_path, [*tiny_town.TASKS, "sentences"])


@pytest.mark.parametrize(
    ("module", "package", "load"),
    [
        (emoji_names, "emoji", emoji_names.emoji_names),
        (country_names, "babel", country_names.country_names),
        (numbers, "num2words", numbers.number_words),
        (digits, "sklearn", digits.digits),
        (python_docs, "matplotlib", python_docs.python_docs),
    ],
)
def test_a_missing_package_is_named_with_the_way_to_get_it(module, package, load, monkeypatch):
    find = store.importlib.util.find_spec
    monkeypatch.setattr(
        store.importlib.util, "find_spec", lambda name: None if name == package else find(name)
    )
    forget(module)
    with pytest.raises(
        ModuleNotFoundError, match=f"'{package}', which is not installed here: run `python start.py`"
    ):
        load()
    forget(module)


@pytest.mark.parametrize("name", LIGHT)
def test_load_times(name, capsys):
    module = importlib.import_module(f"course_lib.data.{name}")
    module.card()
    for part in (
        [module] if name != "tiny_town" else [sys.modules[m] for m in sys.modules if ".data.tiny_town" in m]
    ):
        forget(part)
    start = time.perf_counter()
    module.card()
    took = time.perf_counter() - start
    with capsys.disabled():
        print(f" [{name} from the cache: {took:.2f} s]", end="")
    assert took < 20  # a bound for a busy machine; under 2 s on an idle one


# The cache


def test_a_cache_file_is_whole_or_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    calls = []

    def build():
        calls.append(1)
        return {"words": ["사과", "é"]}

    def get():
        return store.cached("demo", {"x": "1"}, __file__, build)

    assert get() == get() == {"words": ["사과", "é"]} and len(calls) == 1
    (file,) = (tmp_path / "cache").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])  # torn
    assert get() == {"words": ["사과", "é"]} and len(calls) == 2
    assert file.read_bytes() == whole

    def killed(*_):
        raise KeyboardInterrupt

    file.unlink()
    monkeypatch.setattr(store.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        get()
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_version_of_a_package_builds_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert store.cached("demo", {"x": "1"}, __file__, lambda: 1) == 1
    assert store.cached("demo", {"x": "2"}, __file__, lambda: 2) == 2
    assert store.cached("demo", {"x": "1"}, __file__, lambda: 3) == 1


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    assert store.cached("demo", {}, __file__, lambda: [1]) == [1]


# Emoji names


def emoji(split):
    return emoji_names.emoji_table(split)


def test_emoji_names_are_many_and_whole():
    sizes = {split: len(emoji(split)) for split in emoji_names.SPLITS}
    assert sum(sizes.values()) > 3_500 and sizes["train"] > 2_400
    assert sizes["compositions"] == 400 and sizes["validation"] == 200 and sizes["novel"] > 300
    for split in emoji_names.SPLITS:
        for row in emoji(split):
            for language in emoji_names.LANGUAGES:
                name = row[language]
                assert name and name == name.strip() == unicodedata.normalize("NFC", name)
                assert ":" not in name and "_" not in name and "  " not in name
            assert HANGUL.search(row["ko"]) or not re.search("[^a-z0-9! ]", row["ko"])
    table = {row["emoji"]: row for split in emoji_names.SPLITS for row in emoji(split)}
    assert table["🍎"]["fr"] == "pomme rouge" and table["🍎"]["ko"] == "빨간 사과"


def test_no_english_emoji_name_is_in_two_splits_and_languages_are_aligned():
    every = [row["en"] for split in emoji_names.SPLITS for row in emoji(split)]
    assert len(set(every)) == len(every)
    pairs = emoji_names.emoji_names("ko", "novel")
    assert pairs == [(row["en"], row["ko"]) for row in emoji("novel")]
    assert emoji_names.emoji_names("en", "novel", source="ko") == [(b, a) for a, b in pairs]


@pytest.mark.parametrize("split", ["compositions", "validation"])
def test_every_word_of_a_composition_was_seen_in_training_in_every_language(split):
    for language in ("en", "fr", "ko", "es", "de"):
        seen = {word for row in emoji("train") for word in re.findall(r"\w+", row[language])}
        for row in emoji(split):
            assert set(re.findall(r"\w+", row[language])) <= seen
    seen = set("".join(row["ja"] for row in emoji("train")))
    assert all(set(row["ja"]) <= seen for row in emoji(split))
    assert all(" " in row["en"] for row in emoji(split))


def test_every_novel_name_has_a_word_that_no_other_split_has_in_any_form():
    elsewhere = [row["en"] for split in ("train", "validation", "compositions") for row in emoji(split)]
    seen = {word for name in elsewhere for word in re.findall(r"\w+", name)}
    stems = {emoji_names.stem(word) for word in seen}
    for row in emoji("novel"):
        new = [w for w in re.findall(r"\w+", row["en"]) if w not in seen and emoji_names.stem(w) not in stems]
        assert new, row["en"]


def test_holding_out_takes_no_word_away_from_training(monkeypatch):
    """Names of words so rare that all would be held out, were they not counted down."""
    colours, things = (
        ("teal", "pink", "ruby", "jade", "gold"),
        ("cup", "hat", "owl", "fox", "elk", "ant", "yak"),
    )
    names = [f"{colour} {thing}" for colour in colours for thing in things]
    monkeypatch.setattr(
        emoji_names,
        "_read",
        lambda: [dict.fromkeys(("emoji", *emoji_names.LANGUAGES), name) for name in names],
    )
    splits = emoji_names._build()
    held_out = [row["en"] for row in splits["compositions"]]
    seen = {word for row in splits["train"] for word in row["en"].split()}
    assert len(held_out) >= 5 and {word for name in held_out for word in name.split()} <= seen


def test_stems_join_the_forms_of_a_word():
    for forms in (
        ("biking", "bike", "bikes"),
        ("running", "run"),
        ("cat", "cats"),
        ("dance", "dancing", "dancer"),
    ):
        assert len({emoji_names.stem(form) for form in forms}) == 1
    assert emoji_names.stem("king") == "king" and emoji_names.stem("red") == "red"


def test_flags_of_countries_are_left_out():
    names = {row["en"] for split in emoji_names.SPLITS for row in emoji(split)}
    assert not names & {"france", "south korea", "scotland"}
    assert "pirate flag" in names


def test_an_unknown_emoji_language_is_named():
    with pytest.raises(ValueError, match="'tlh' is not here: choose one of en, fr, ko"):
        emoji_names.emoji_names("tlh")


# Countries, numbers, digits


def test_countries_languages_and_currencies():
    korean = dict(country_names.country_names("ko") + country_names.country_names("ko", split="test"))
    assert korean["Germany"] == "독일" and korean["Türkiye"] == "튀르키예"  # Unicode CLDR 48
    french = {
        a: b for s in country_names.SPLITS for a, b in country_names.country_names("fr", "languages", s)
    }
    assert french["Korean"] == "coréen" and french["Basque"] == "basque"
    for kind, least in (("countries", 240), ("languages", 500), ("currencies", 150)):
        rows = [
            row for split in country_names.SPLITS for row in country_names.country_names("ko", kind, split)
        ]
        assert len(rows) > least and len({a for a, _ in rows}) == len(rows)
        for _, name in rows:
            assert HANGUL.search(name) or name.isupper(), name
            assert name == unicodedata.normalize("NFC", name)


def test_names_with_the_same_last_word_are_held_out_together():
    for kind in country_names.KINDS:
        last = [
            {a.split()[-1].lower() for a, _ in country_names.country_names("fr", kind, split)}
            for split in country_names.SPLITS
        ]
        assert not last[0] & last[1] and not last[0] & last[2] and not last[1] & last[2]


def test_an_unknown_locale_is_named():
    with pytest.raises(ValueError, match="babel has no language 'zz': try 'fr'"):
        country_names.country_names("zz")


@pytest.mark.parametrize(
    ("n", "en", "fr", "ko"),
    [  # from grammars of the three languages
        (0, "zero", "zéro", "영"),
        (21, "twenty-one", "vingt et un", "이십일"),
        (71, "seventy-one", "soixante et onze", "칠십일"),
        (80, "eighty", "quatre-vingts", "팔십"),
        (99, "ninety-nine", "quatre-vingt-dix-neuf", "구십구"),
    ],
)
def test_numbers_in_three_languages(n, en, fr, ko):
    for language, words in (("en", en), ("fr", fr), ("ko", ko)):
        assert dict(number_words_of(language, "train"))[str(n)] == words


def number_words_of(language, split):
    return numbers.number_words(language, split)


def test_number_splits_share_nothing_and_begin_where_they_should():
    by_split = {split: [int(n) for n, _ in numbers.number_words("ko", split)] for split in numbers.SPLITS}
    every = [n for found in by_split.values() for n in found]
    assert len(set(every)) == len(every) > 8_000
    assert set(range(100)) <= set(by_split["train"]) and max(by_split["test"]) < 100_000
    assert min(by_split["longer"]) >= 100_000
    for language in numbers.LANGUAGES:
        words = [w for split in numbers.SPLITS for _, w in numbers.number_words(language, split)]
        assert len(set(words)) == len(words) and all(words)


def test_every_number_word_is_seen_in_training():
    for language in ("en", "fr"):
        seen = {w for _, name in numbers.number_words(language) for w in re.findall(r"\w+", name)}
        for split in ("validation", "test", "longer"):
            for _, name in numbers.number_words(language, split):
                assert set(re.findall(r"\w+", name)) <= seen


def test_native_korean_numerals():
    """Against num2words' ordinals, which are native from 20 on: 스물한 번째 drops a sound before a noun."""
    from num2words import num2words

    assert (numbers.native_korean(1), numbers.native_korean(21), numbers.native_korean(99)) == (
        "하나", "스물하나", "아흔아홉",
    )  # fmt: skip
    for n in (26, 35, 48, 57, 69, 78, 85, 96):
        assert num2words(n, lang="ko", to="ordinal") == f"{numbers.native_korean(n)} 번째"
    with pytest.raises(ValueError, match="100 has no native Korean name"):
        numbers.native_korean(100)


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    theirs = load_digits()
    ours = [digits.digits(split) for split in digits.SPLITS]
    images, labels = (torch.cat([part[i] for part in ours]) for i in (0, 1))
    assert images.shape == (1797, 8, 8) and images.min() == 0 and images.max() == 1
    known = Counter((image.tobytes(), label) for image, label in zip(theirs.images, theirs.target.tolist()))
    found = Counter(((i.double() * 16).numpy().tobytes(), label) for i, label in zip(images, labels.tolist()))
    assert known == found
    for _, part in ours:
        assert min(Counter(part.tolist()).values()) >= 0.06 * len(part)  # each of the ten is there


def test_no_test_digit_is_a_training_digit():
    train, test = digits.digits("train")[0].flatten(1), digits.digits("test")[0].flatten(1)
    assert torch.cdist(test, train).min() > 0.3  # in grey levels of 0 to 1 over 64 pixels


def test_patches_tile_the_image_in_reading_order():
    image = torch.arange(64.0).reshape(1, 8, 8)
    tokens = digits.patches(image, 4)
    assert tokens.shape == (1, 4, 16)
    assert tokens[0, 1, :5].tolist() == [4, 5, 6, 7, 12]  # top right: its first row, then its second
    assert torch.equal(digits.unpatch(tokens), image)
    assert torch.equal(digits.unpatch(digits.patches(image)), image)
    with pytest.raises(ValueError, match="patches of 3 x 3 do not tile an image of 8 x 8"):
        digits.patches(image, 3)


# Python docs: how they are read


SOURCE = '''"""A module that says something."""

def f():
    """First paragraph of f.

    Parameters
    ----------
    x : int
        Something about it.
    y : int
        Something else.
    """

raise RuntimeError("never imported")
add_newdoc("m", "g", """
    A text of more than eighty characters, given to a compiled function by add_newdoc and no docstring.
    """)
'''


def test_docstrings_are_read_without_running_anything(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(SOURCE, encoding="utf-8")
    found = python_docs.docstrings(file)
    assert found[0] == "A module that says something." and found[1].startswith(
        "First paragraph of f.\n\nParam"
    )
    assert found[2].startswith("A text of more than eighty") and len(found) == 3
    file.write_text('"""A docstring.""" and a syntax error (', encoding="utf-8")
    assert python_docs.docstrings(file) == []


def test_texts_are_cut_at_blank_lines_and_at_each_parameter():
    text = "First.\n\nParameters\n----------\nx : int\n    Of x.\ny : int\n    Of y.\n    More.\n\nLast."
    assert python_docs.pieces(text) == [
        ("First.", "\n\n"),
        ("Parameters\n----------\nx : int\n    Of x.", "\n\n"),
        ("y : int\n    Of y.\n    More.", "\n"),
        ("Last.", "\n\n"),
    ]


def test_what_was_copied_is_dropped_and_what_is_new_stays():
    seen, others = set(), set()
    first = "The number of threads used for the computation, which is one unless told otherwise."
    assert python_docs._without_copies(first, seen, others) == first
    again = f"{first}\n\nA paragraph of its own that stands nowhere else in all of this text."
    assert python_docs._without_copies(again, seen, others) == again.split("\n\n")[1]
    assert python_docs._without_copies(first.upper(), set(), seen) == ""  # across splits, whatever the case
    assert python_docs._without_copies("| 1 | 2 | 3 |\n| 4 | 5 | 6 |", seen, others) == ""


def test_submodules_are_held_out_whole():
    assert python_docs.split_of("torch.optim") == "test" and python_docs.split_of("torch.nn") == "train"
    assert not python_docs.TEST & python_docs.VALIDATION
    topics = Counter(python_docs.split_of(f"topics.{i}") for i in range(1_000))
    assert topics["train"] > 800 and topics["test"] > 30 and topics["validation"] > 30


# Python docs: what was read (a minute where the cache is empty)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_python_docs_have_the_promised_size():
    megabytes = {
        split: sum(len(d.encode()) for d in python_docs.python_docs(split)) / 1e6
        for split in python_docs.SPLITS
    }
    assert 6 < megabytes["train"] < 14 and 0.2 < megabytes["validation"] < 1 and 0.2 < megabytes["test"] < 1
    for split in python_docs.SPLITS:
        docs = python_docs.python_docs(split)
        assert all(len(doc.split()) >= 5 for doc in docs)
        assert sum(len(doc) for doc in docs) / len(docs) > 200
    for part in (python_docs.card().size, python_docs.card().source, python_docs.card().licence):
        assert part


@pytest.mark.slow
def test_held_out_docs_share_few_runs_of_thirteen_words_with_training():
    """As GPT-3 counted its leaks (Brown et al. 2020, appendix C); by tuples of words, not by our hashes."""

    def runs(docs):
        for doc in docs:
            words = re.findall(r"[a-z]+", doc.lower())
            yield from (tuple(words[i : i + 13]) for i in range(len(words) - 12))

    train = set(runs(python_docs.python_docs("train")))
    for split in ("validation", "test"):
        held_out = list(runs(python_docs.python_docs(split)))
        assert sum(run in train for run in held_out) < 0.01 * len(held_out)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_training_text_hardly_helps_to_compress_the_held_out_text(capsys):
    """lzma primed with the training text; 0.57 of the size for a random split with all copies left in."""
    window = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 25}]

    def size(text):
        return len(lzma.compress(text.encode(), format=lzma.FORMAT_RAW, filters=window))

    train, test = ("\n\n".join(python_docs.python_docs(split)) for split in ("train", "test"))
    alone, primed = size(test), size(train + test) - size(train)
    bits = 8 / len(test.encode())
    with capsys.disabled():
        print(f" [lzma bits per byte alone {bits * alone:.2f}, primed {bits * primed:.2f}]", end="")
    assert primed > 0.8 * alone


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_read_the_same_docs(tmp_path):
    code = (
        "import hashlib, json\nfrom course_lib.data.python_docs import SPLITS, python_docs\n"
        "print(hashlib.sha256(json.dumps([python_docs(s) for s in SPLITS]).encode()).hexdigest())"
    )
    env = {**os.environ, "COURSE_HOME": str(tmp_path), "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    here = json.dumps([python_docs.python_docs(split) for split in python_docs.SPLITS])
    assert done.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()
