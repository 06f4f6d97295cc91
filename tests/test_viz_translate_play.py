"""The translation playground, without a browser: its numbers, its answers, what it refuses, its size."""

import base64
import json
import re
import zlib
from html import unescape
from types import SimpleNamespace

import pytest
import torch
from stand_ins import translate

from course_lib.pretrained.trained import load_trained
from course_lib.viz import translate_playground
from course_lib.viz.translations import Interpreter, held_out_names, problem, translate_name

HOSTILE = "</script><img src=x onerror=alert(1)>"
TEXTS = ["woman cook", ("red heart", {"fr": "cœur rouge", "ko": "하트"})]


def state(view) -> dict:
    """What the frame holds."""
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    packed = re.search(r'id="packed">([^<]*)<', document)[1]
    return json.loads(json.loads(zlib.decompress(base64.b64decode(packed)))["data"])


@pytest.fixture(scope="module")
def view():
    return translate_playground(None, None, TEXTS, translate=translate, live=False)


def test_the_frame_holds_each_translation_with_its_alignment(view):
    first, second = state(view)["examples"]
    assert [one["text"] for one in first["results"]] == ["여자 요리사", "cuisinière femme"]
    for example in (first, second):
        for language, one in zip(("ko", "fr"), example["results"], strict=True):
            right = translate(None, None, example["text"], language)
            assert (one["source"], one["target"]) == (right.source, right.target)
            torch.testing.assert_close(torch.tensor(one["alignment"]), right.alignment, atol=6e-4, rtol=0)


def test_a_translation_is_compared_with_its_reference_if_there_is_one(view):
    first, second = state(view)["examples"]
    assert [one["right"] for one in first["results"]] == [None, None]
    assert [(one["right"], one["reference"]) for one in second["results"]] == [
        (False, "하트"),
        (True, "cœur rouge"),
    ]


def test_beams_and_languages_are_passed_on():
    view = translate_playground(
        None, None, ["red heart"], languages=["fr"], num_beams=3, translate=translate, live=False
    )
    (one,) = state(view)["examples"][0]["results"]
    expected = translate(None, None, "red heart", "fr", 3).alignment
    torch.testing.assert_close(torch.tensor(one["alignment"]), expected, atol=6e-4, rtol=0)
    assert repr(view) == "Translate it yourself: 'red heart' is French 'cœur rouge'"


def test_pieces_are_gathered_into_words_with_the_weights_they_have_together():
    def in_pieces(model, tokenizer, text, language, num_beams=1):
        return SimpleNamespace(
            text="뷁 하트",
            source=(" re", "d", " heart", "</s>"),
            target=(" \ufffd", "\ufffd", " 하트", "</s>"),
            alignment=torch.tensor(
                [[0.5, 0.1, 0.2, 0.2], [0.3, 0.3, 0.4, 0.0], [0.0, 0.1, 0.9, 0.0], [0.1, 0.0, 0.0, 0.7]]
            ),
            unknown=("red",),
        )

    view = translate_playground(None, None, ["Red heart"], languages=["ko"], translate=in_pieces, live=False)
    (one,) = state(view)["examples"][0]["results"]
    assert one["source"] == ["red", "heart", "</s>"] and one["target"] == ["뷁", "하트", "</s>"]
    # the first row by hand: ((0.5 + 0.1) + (0.3 + 0.3)) / 2, (0.2 + 0.4) / 2, (0.2 + 0.0) / 2
    assert one["alignment"] == [[0.6, 0.3, 0.1], [0.1, 0.9, 0.0], [0.1, 0.0, 0.7]]
    assert one["unknown"] == [0]


def test_an_alignment_of_another_shape_is_refused():
    def wrong(*args, **options):
        found = translate(*args, **options)
        found.alignment = found.alignment.T[:, :1]
        return found

    with pytest.raises(RuntimeError, match="an alignment of shape .3, 1. for 3 tokens written and 3 read"):
        translate_playground(None, None, ["red heart"], translate=wrong, live=False)


def test_capitals_become_those_of_training(monkeypatch):
    import course_lib.recipes.names as names

    monkeypatch.setattr(names, "translate", lambda model, tokenizer, text, language, beams: text)
    for typed, read in (
        ("Woman COOK", "woman cook"),
        ("south Korea", "South Korea"),
        ("Zorgl blarg", "Zorgl blarg"),
        ("korean people", "Korean people"),
    ):
        assert translate_name(None, None, typed, "fr") == read


def test_the_shipped_translator_translates_what_it_shows():
    model, tokenizer = load_trained("translator")
    reply = Interpreter(model, tokenizer, ["fr", "ko"], translate_name)
    found = reply("Pregnant person light skin tone")
    assert [one["text"] for one in found["results"]] == [
        "personne enceinte peau claire",
        "임신한 사람 하얀 피부",
    ]
    assert found["results"][0]["source"] == ["pregnant", "person", "light", "skin", "tone", "</s>"]
    assert found["results"][1]["target"] == ["임신한", "사람", "하얀", "피부", "</s>"]
    assert reply("quantum person")["unknown"] == ["quantum"]


def test_unknown_words_are_told():
    reply = Interpreter(None, None, ["ko", "fr"], translate)
    found = reply("  red   zebra ")
    assert found["text"] == "red zebra" and found["problem"] is None
    assert found["unknown"] == ["zebra"]  # once, though both languages say it


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Nothing to translate"),
        (" \t\n ", "Nothing to translate"),
        ("a" * 101, "101 letters; at most 100"),
        ("사과 하나", "“사과하나” is not English"),
        ("red яблоко", "“яблоко” is not English"),
        ("?!…", "“?!…” holds no word"),
        ("👩‍🚀", "holds no word"),
    ],
)
def test_what_is_no_english_text_gets_a_message_and_no_translation(text, says):
    found = Interpreter(None, None, ["ko"], translate)(text)
    assert says in found["problem"] and found["results"] == []


@pytest.mark.parametrize("text", ["café", "naïve façade", "10", "mother-in-law's", HOSTILE[:100]])
def test_latin_letters_and_digits_are_english_enough(text):
    assert problem(text) is None


def test_what_the_translator_refuses_becomes_the_message():
    def refuses(*args, **options):
        raise ValueError("70 tokens; this model reads 64: shorten the text")

    assert Interpreter(None, None, ["ko"], refuses)("red")["problem"] == (
        "70 tokens; this model reads 64: shorten the text"
    )
    with pytest.raises(ValueError, match="example 'red': 70 tokens"):
        translate_playground(None, None, ["red"], translate=refuses, live=False)


def test_hostile_texts_are_text():
    view = translate_playground(
        None,
        None,
        [(HOSTILE, {"fr": HOSTILE}), "a\u202eb $x$"],
        translate=translate,
        title=HOSTILE,
        live=False,
    )
    held = state(view)
    assert held["title"] == held["examples"][0]["text"] == HOSTILE
    assert held["examples"][0]["results"][1]["reference"] == HOSTILE
    assert held["examples"][1]["results"][0]["source"][0] == "a<U+202E>b"
    document = unescape(re.search(r'srcdoc="([^"]*)"', view.html)[1])
    assert "<img" not in document and "<img src=x" not in view.html


def test_the_view_is_small_and_the_same_each_time(view):
    again = translate_playground(None, None, TEXTS, translate=translate, live=False)
    assert again.html == view.html and len(view.html) < 120_000
    long = [" ".join(["red heart woman"] * 6)] * 24
    assert len(translate_playground(None, None, long, translate=translate, live=False).html) < 400_000


def test_a_picture_stands_in_for_the_frame(view):
    alt, data = re.search(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)"', view.html).groups()
    assert (
        unescape(alt)
        == "Translate it yourself: 'woman cook' is Korean '여자 요리사', French 'cuisinière femme'"
    )
    assert len(data) > 5000


def test_built_and_tested_lessons_keep_only_what_lives_without_a_kernel(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    view = translate_playground(None, None, TEXTS, translate=translate)
    assert not hasattr(view, "field") and "text/html" in view._repr_mimebundle_()


def test_the_field_answers_each_question_once():
    view = translate_playground(None, None, TEXTS, translate=translate, live=True)
    view.field.question = {"n": 1, "text": "red zebra"}
    assert view.field.answer["n"] == 1 and view.field.answer["unknown"] == ["zebra"]
    assert view.field.answer["results"][0]["text"] == "빨간색 zebra?"
    view.field.question = {"n": 2, "text": ""}
    assert view.field.answer["n"] == 2 and "Nothing to translate" in view.field.answer["problem"]


def test_the_field_says_what_broke_and_goes_on():
    def breaks(model, tokenizer, text, language, num_beams=1):
        if text == "red":
            raise RuntimeError(f"broken {HOSTILE}")
        return translate(model, tokenizer, text, language)

    view = translate_playground(None, None, ["woman"], translate=breaks, live=True)
    view.field.question = {"n": 1, "text": "red"}
    assert view.field.answer["problem"] == f"RuntimeError: broken {HOSTILE}"
    view.field.question = {"n": 2, "text": "woman"}
    assert view.field.answer["problem"] is None


def test_a_dozen_names_that_no_training_showed_are_the_examples():
    names = held_out_names(["fr", "ko"])
    assert len(names) == 12 and {said for _, _, said in names} == {"new composition", "new word in it"}
    from course_lib.data.emoji_names import emoji_names

    shown = dict(emoji_names("fr", "train"))
    assert not any(text in shown for text, _, _ in names)
    held_out = dict(emoji_names("fr", "compositions")) | dict(emoji_names("fr", "novel"))
    assert all(held_out[text] == references["fr"] and references["ko"] for text, references, _ in names)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"texts": []}, "0 texts; the view takes a list of 1 to 24"),
        ({"texts": "red"}, "the string 'red'"),
        ({"texts": ["red"] * 25}, "25 texts"),
        ({"texts": [("red", "rouge")]}, "example .'red', 'rouge'.: give a text, or a pair"),
        ({"texts": [""]}, "example '': Nothing to translate"),
        ({"languages": []}, r"languages \[\]; the view takes a list of 1 to 3"),
        ({"languages": "fr"}, "languages 'fr'"),
    ],
)
def test_what_does_not_fit_is_explained(change, says):
    with pytest.raises(ValueError, match=says):
        translate_playground(None, None, **{"texts": TEXTS, "translate": translate, "live": False} | change)
