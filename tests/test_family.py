"""The family's data and its picture hang together."""

import re

import pytest

from course_lib.family import BRANCHES, FAMILY
from course_lib.lessons import LESSONS


def test_every_parent_is_in_the_family_and_older():
    by_name = {member.name: member for member in FAMILY}
    assert len(by_name) == len(FAMILY)
    for member in FAMILY:
        for parent in member.parents:
            assert by_name[parent].year < member.year, (member.name, parent)


def test_every_member_has_a_date_a_branch_a_source_and_a_known_lesson():
    numbers = {lesson.number for lesson in LESSONS}
    for member in FAMILY:
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", member.date), member
        assert member.branch in BRANCHES and member.source, member
        assert member.lesson is None or member.lesson in numbers, member
        assert str(int(member.year)) == member.date[:4]


def test_lessons_are_numbered_in_order():
    assert [lesson.number for lesson in LESSONS] == [f"{n:02}" for n in range(15)]
    assert LESSONS[1].is_there()


@pytest.fixture
def drawn():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from course_lib.viz.family import family_map
    from course_lib.viz.style import rc

    with matplotlib.rc_context(rc()):
        ax = family_map()
        ax.figure.canvas.draw()
        yield ax
    import matplotlib.pyplot as plt

    plt.close(ax.figure)


def test_the_map_names_everyone_and_no_two_names_touch(drawn):
    names = [t for t in drawn.texts if t.get_text() and not t.get_text().isdigit()]
    assert {t.get_text().removesuffix(" (2013)") for t in names} == {member.name for member in FAMILY}
    boxes = [(t.get_text(), t.get_window_extent()) for t in names]
    inside = drawn.get_window_extent()
    for i, (name, box) in enumerate(boxes):
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1, name
        for other, other_box in boxes[i + 1 :]:
            assert not box.overlaps(other_box), (name, other)
