"""Questions of the judge's training: as people type them, and about another thing."""

import random

from training.encoders.judge_questions import about_another, as_typed, names_of
from training.encoders.judge_tables import draw_rows

NAMES = names_of(["When does the Pinwheel league meet?", "Is the Larkspur open?"])


def test_another_code_number_or_name_is_asked_for():
    rng = random.Random(1)
    code = about_another("What does E18 mean?", "Washer\nE18: it does not drain.", NAMES, rng)
    assert code not in (None, "What does E18 mean?")
    zone = about_another("How much is zone 3?", "Fares\nIn zone 3 it is 4 euros.", NAMES, rng)
    assert zone.startswith("How much is zone ")
    assert zone != "How much is zone 3?"
    name = about_another("Who runs the Velda?", "Velda: rules\nAnn runs it.", NAMES, rng)
    assert name in ("Who runs the Pinwheel?", "Who runs the Larkspur?")


def test_a_question_that_names_nothing_of_the_text_is_left_alone():
    rng = random.Random(1)
    assert about_another("What does it cost?", "Fares\nIt is 4 euros.", NAMES, rng) is None
    assert about_another("What is E7?", "Washer\nE18: it does not drain.", NAMES, rng) is None


def test_talk_around_a_question_keeps_its_words():
    rng = random.Random(3)
    typed = [as_typed("How do I open it?", rng) for _ in range(200)]
    assert "How do I open it?" in typed
    assert any("how do i open it" in one.lower() and len(one) > 20 for one in typed)


def test_rows_of_part_numbers_are_asked_for_ones_that_differ_by_a_digit():
    rows = [row for seed in range(40) for row in draw_rows(random.Random(seed))]
    coded = [row for row in rows if "-" in row.text.split(";")[0]]
    keys = {row.text.split(": ")[1].split(";")[0] for row in coded}
    assert any(one[:-1] == other[:-1] for one in keys for other in keys if one != other)
    for row in coded:
        assert row.text.split(": ")[1].split(";")[0] not in row.unanswered[-1]
