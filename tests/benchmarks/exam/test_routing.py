"""The table of routing, and the lessons that the router learns from."""

from dataclasses import replace

from benchmarks.exam.routing import Judged, lessons, table
from graphs.choosing.asked import Asked
from graphs.router_weights import FEATURES

EASY = Asked(
    question_words=5, parts=1, wants_list=0, is_yes_no=0, names_identifier=0, turns=1, passages=1,
    passage_chars=90, best_score=0.99, margin=0.99, documents=1,
)  # fmt: skip
HARD = replace(EASY, parts=2, passages=3, documents=3, margin=0.0)


def judged(number, asked, *, large, small):
    return Judged(id=f"q{number}", asked=asked, large=large, small=small)


FOUND = [
    judged(0, EASY, large=True, small=True),
    judged(1, EASY, large=False, small=False),
    judged(2, HARD, large=True, small=False),
    judged(3, None, large=True, small=True),
]


def test_the_table_has_a_row_for_each_way():
    told = table(FOUND).splitlines()[2:]
    assert told[0] == "| large alone | 0 % | 3 of 4 | 75.0 | 0.0 |"
    assert told[1] == "| small alone | 75 % | 2 of 4 | 50.0 | 25.0 |"
    for row, way in zip(told[2:], ("rule", "trained"), strict=True):
        assert row == f"| {way} | 50 % | 3 of 4 | 75.0 | 0.0 |"


def test_a_lesson_is_a_question_that_was_written():
    found = lessons(FOUND)
    assert [one["id"] for one in found] == ["q0", "q1", "q2"]
    assert [one["as_good"] for one in found] == [True, True, False]
    assert {len(one["features"]) for one in found} == {len(FEATURES)}
