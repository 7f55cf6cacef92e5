"""What words tell of how well a unit fits a question."""

from dataclasses import replace

import pytest

from graphs.pipeline.quoting.fitting import Fit, is_possible
from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.units import units_of
from tests.graphs.fake_stages import hit

LACKS, MISSING = 5, 6  # of the features
ROWS = "Service | Size | Price\n\nglaze | whole kiln | 118 euros\n\nraku | piece | 9 euros"


def units(text, title="Kiln"):
    return units_of(replace(hit(1), filename="kiln.md", title=title, text=text, char_end=len(text)))


def features(question, found):
    fit = Fit(Part(text=question), found)
    return [fit.features(unit, 0.0, 0.0) for unit in found]


def test_a_row_that_lacks_a_word_that_another_has_is_hardly_asked_for():
    found = units(ROWS, title="Prices > Service | Size | Price")
    asked = features("What is the price of raku for a whole kiln?", found)
    assert [one[MISSING] for one in asked] == [0.5, 0.5]
    asked = features("What is the price of glaze for a whole kiln?", found)
    assert [one[MISSING] for one in asked] == [0.0, 0.5]


def test_a_name_that_another_unit_has_counts_against_one_without_it():
    found = units("Paper and PVC bend. Card does not. The pump is blue.")
    asked = features("Does the laser cut PVC?", found)
    assert [one[MISSING] for one in asked] == [0.0, 0.5, 0.5]
    assert features("Does the laser cut Teflon?", found)[0][MISSING] == 1.0


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("It starts at 9.", True),
        ("It starts on 3 May.", True),
        ("It starts on Saturday.", True),
        ("It takes 2 hours.", False),
        ("It is in room 2.", False),
        ("It costs 20.50 euros.", True),  # as 20.50 may be a time of day
    ],
)
def test_when_is_answered_by_a_time_and_not_by_any_number(text, tells):
    (asked,) = features("When does it start?", units(text))
    assert bool(asked[LACKS]) is not tells


@pytest.mark.parametrize(
    ("question", "text", "tells"),
    [
        ("What does the saw cost?", "The saw weighs 6.8 kg.", False),
        ("What does the saw cost?", "The saw is 6.80 euros.", True),
        ("What does the saw cost?", "The saw is free.", True),
        ("What does the saw cost?", "Tool: saw; Price: 7", True),
        ("In which year was it built?", "It was built of 400 stones.", False),
        ("In which year was it built?", "It was built in 1871.", True),
    ],
)
def test_a_price_is_money_and_a_year_is_no_other_number(question, text, tells):
    (asked,) = features(
        question, units(text, title="Price list 1990" if "cost" in question else "K")
    )
    assert bool(asked[LACKS]) is not tells


@pytest.mark.parametrize(
    ("text", "tells"),
    [("The club has 40 members.", True), ("The club has 40 boats.", False)],
)
def test_another_number_is_not_that_of_what_is_counted(text, tells):
    (asked,) = features("How many members has the club?", units(text))
    assert bool(asked[LACKS]) is not tells


def test_the_name_of_a_file_is_read_in_words():
    one = replace(hit(1), filename="wave96-rates.json", title="", text="The slot is at noon.")
    (asked,) = features("Is the slot of Wave 96 at noon?", units_of(one))
    assert asked[MISSING] == 0.0


@pytest.mark.parametrize(
    ("question", "text", "can"),
    [
        ("Which pets are not allowed?", "Cats are allowed.", False),
        ("Which pets are not allowed?", "Snakes are forbidden.", True),
        ("When is it open on Fridays?", "It opens on Mondays at 9.", False),
        ("Is it open on Fridays?", "It opens on Mondays at 9.", True),
        ("When was the club founded?", "Edition of 2024", False),
        ("When is the fair?", "14 May 2023", True),
        ("What is the fair?", "14 May 2023", False),
        ("What is new in 4.2?", "Version 4.2 is blue.", True),
        ("What is new in 4.2?", "Version 4.3 is blue.", False),
        ("What does QX-17 cost?", "The QX-17 costs 4 euros.", True),
        ("What does QX-17 cost?", "The QX-170 costs 4 euros.", False),
    ],
)
def test_what_cannot_answer_is_known(question, text, can):
    assert is_possible(Part(text=question), units(text)[0]) is can
