"""Of a long row the key and what is asked."""

from dataclasses import replace

import pytest

from graphs.pipeline.quoting.question import Part
from graphs.pipeline.quoting.row_text import row_text
from graphs.pipeline.quoting.units import units_of
from index.records import StoredPassage
from tests.graphs.fake_stages import hit

COLUMNS = "Number | Name | Colour | Weight | Warranty | Shelf"
ROW = "A10 | tent | dark green | 3 kg | 2 years | 4B"


def passage(text, title, start=0):
    return StoredPassage(
        chunk_id=start + 1, store_id="vs_1", file_id="file-1", filename="a.csv", title=title,
        text=text, char_start=start, char_end=start + len(text),
    )  # fmt: skip


def unit(text, title, start=0, before=None):
    one = passage(text, title, start)
    around = (one,) if before is None else (before, one)
    return units_of(replace(hit(1), **vars(one), around=around))[0]


def asked(text, one):
    return row_text(Part(text=text), one)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How long is the warranty of the tent?", "Number: A10; Name: tent; Warranty: 2 years"),
        ("What colour is it?", "Number: A10; Name: tent; Colour: dark green"),
        (
            "Which weight and which shelf has A10?",
            "Number: A10; Name: tent; Weight: 3 kg; Shelf: 4B",
        ),
    ],
)
def test_a_long_row_gives_its_key_and_the_columns_that_are_named(question, text):
    assert asked(question, unit(ROW, f"a.csv > {COLUMNS}")) == text


def test_a_row_of_which_no_column_is_named_is_whole():
    one = unit(ROW, f"a.csv > {COLUMNS}")
    assert asked("What do you know of the tent?", one) == one.text


def test_a_short_row_is_whole():
    assert asked("What colour?", unit("tent | green | 3", "a.csv > Name | Colour | Weight")) == (
        "Name: tent; Colour: green; Weight: 3"
    )


def test_the_second_part_of_a_row_begins_with_its_key():
    first = passage("A10 | tent | dark green", "a.csv > Number | Name | Colour")
    title = "a.csv > Number: A10; Name: tent > Weight | Warranty"
    one = unit("3 kg | 2 years", title, start=first.char_end + 3, before=first)
    assert asked("How long is the warranty?", one) == "Number: A10; Name: tent; Warranty: 2 years"
    assert asked("Tell me more.", one) == (
        "Number: A10; Name: tent; Weight: 3 kg; Warranty: 2 years"
    )


def test_a_heading_with_a_colon_is_no_key():
    one = unit("3 kg | 2 years", "Tents: our list > Weight | Warranty")
    assert asked("How long is the warranty?", one) == "Weight: 3 kg; Warranty: 2 years"


def test_the_fields_of_a_record_are_columns():
    record = "id: 7 | city: Arnby | mayor: Ida Rosk | seats: 12 | river: Velda"
    assert asked("Who is the mayor of Arnby?", unit(record, "towns.json")) == (
        "id: 7; city: Arnby; mayor: Ida Rosk"
    )


def test_what_is_no_row_is_as_it_is():
    assert asked("What colour?", unit("The tent is green.", "Guide")) == "The tent is green."
