"""Tiny Town in two languages: English sentences and the same in Korean.

The order of words differs (Korean puts the verb last), and so does what is said: Korean has no articles, and
marks who does what to what by particles, whose form follows the last sound of the word before.
"""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

from course_lib.data.tiny_town.events import Event, draw_event, text
from course_lib.data.tiny_town.splits import SIZES, check_split, fill
from course_lib.data.tiny_town.world import ADJECTIVES, CHAINS, MEETING, PEOPLE, PLACES, TIMES, VERBS, listed

NAMES = dict(
    zip(
        PEOPLE,
        listed(
            "민아 준 소라 민호 유나 지수 하나 서준 다혜 태민 엠마 레오 노라 오스카 클라라 휴고 앨리스 펠릭스 "
            "로사 맥스 이다 오토 베라 테오"
        ),
    )
)
NOUNS = dict(
    zip(
        CHAINS,
        listed(
            "푸들 비글 테리어 참새 앵무새 울새 송어 연어 잉어 배 자두 복숭아 당근 양파 순무 망치 삽 사다리 "
            "연 인형 퍼즐 플루트 바이올린 트럼펫 소설 지도책 일기장 목도리 외투 장갑"
        ),
    )
)
ADJECTIVE = dict(zip(ADJECTIVES, listed("빨간 파란 초록색 작은 큰 오래된 새")))
PLACE = dict(zip(PLACES, listed("부엌 시장 정원 학교 다리_위 호수_근처 다락방 역 헛간_뒤 도서관")))
TIME = dict(
    zip(
        TIMES,
        listed(
            "어제 월요일에 화요일에 금요일에 일요일에 지난주에 오늘_아침에 정오에 점심_식사_후에 동트기_전에"
        ),
    )
)
VERB = dict(
    zip(
        [verb.base for verb in (*VERBS, *MEETING)],
        listed(
            "샀다 찾았다 그렸다 보았다 씻었다 숨겼다 골랐다 먹었다 요리했다 고쳤다 잃어버렸다 망가뜨렸다 "
            "쫓았다 먹였다 도왔다 불렀다 맞이했다 가르쳤다"
        ),
    )
)


class Translation(NamedTuple):
    """A sentence in English and in Korean."""

    english: str
    korean: str


def translations(split: str = "train") -> list[Translation]:
    """Sentence pairs; the test has new pairs of verb and noun."""
    check_split(split)
    return list(_translations()[split])


def particle(word: str, kind: str) -> str:
    """A word with its particle: particle("배", "을/를") is 배를, particle("삽", "을/를") is 삽을.

    Args:
        kind: the form after a final consonant, a slash, the form after a vowel.

    Raises:
        ValueError: the word does not end in a Hangul syllable.
    """
    closed, open_ = kind.split("/")
    code = (
        ord(word[-1]) - 0xAC00
    )  # Unicode 3.12: syllables stand in blocks of 28, the first of each has no coda
    if not 0 <= code < 11172:
        raise ValueError(f"{word!r} does not end in a Hangul syllable, so its particle cannot be told")
    return word + (closed if code % 28 else open_)


def korean(event: Event) -> str:
    """An event in Korean: when, who, where, what, did."""
    if event.noun in NAMES:
        patient = NAMES[event.noun]
    else:
        patient = f"{ADJECTIVE[event.adjective]} {NOUNS[event.noun]}"
    place = f"{PLACE[event.place]}에서"
    words = (TIME[event.time], particle(NAMES[event.agent], "은/는"), place, particle(patient, "을/를"))
    return " ".join((*words, VERB[event.verb.base], ".")).replace("_", " ")


@functools.cache
def _translations() -> dict[str, list[Translation]]:
    def make(rng: random.Random) -> tuple[Translation, str] | None:
        event = draw_event(rng, rng.choice((VERBS, VERBS, VERBS, MEETING)))
        if event.verb.base == "feed":
            return None  # Korean wants to know what it was fed
        form = rng.choice(("active", "time first", "place first"))
        return Translation(text(event, form), korean(event)), event.split

    return fill("translations", Translation, make, lambda pair: None, 1, SIZES)
