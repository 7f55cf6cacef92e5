"""What counts as a name of one thing, and which texts can be about it."""

import pytest

from index.identifiers import NONE, OTHER, fitness, holds, identifiers


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Does the KX-4412 need firmware v2.3.1?", ("kx4412", "v2p3p1")),
        ("ERR_0x80070005, E-0x1F; CVE-2024-1234!", ("err0x80070005", "e0x1f", "cve2024p1234")),
        ("order 90185, commit 3f2a9c1, host 10.0.0.1", ("90185", "3f2a9c1", "10p0p0p1")),
        ("room B12 and B12 again", ("b12",)),
        ("订单号ZX90185的包裹", ("zx90185",)),
        ("a 12-month plan of 5kg on 2024-05-01, 3.5.2024 or the 3rd at 10:30:00", ()),
        ("3.50 euros in 2024 for 100000 people, top-10, 10GB, 4K, Q3", ()),
        ("no name at all, -._ not even here", ()),
    ],
)
def test_identifiers_are_names_and_no_amounts(text, wanted):
    assert identifiers(text) == wanted


def test_an_identifier_is_no_part_of_another_but_may_have_more_behind_it():
    assert holds("the QX-17 is blue", "qx17")
    assert holds("the qx-17-b is blue", "qx17")
    assert not holds("the qx-170 is blue", "qx17")
    assert not holds("the aqx-17", "qx17")


def test_a_text_about_another_of_the_kind_does_not_fit():
    texts = ["KX-4412 costs 5.", "A kx4412.", "KX-4412-B is blue.", "KX-4413 costs 6.", "Blue."]
    assert fitness("What does KX-4412 cost?", texts) == [1.0, 1.0, 1.0, OTHER, NONE]


def test_where_nothing_is_named_only_another_of_the_kind_does_not_fit():
    assert fitness("What does KX-4419 cost?", ["KX-4412 costs 5.", "It is blue."]) == [OTHER, 1.0]
    assert fitness("What does it cost?", ["KX-4412 costs 5.", "It is blue."]) == [1.0, 1.0]


def test_versions_are_the_same_with_and_without_their_letter():
    texts = ["4.2.1 (2024): dark theme.", "v4.10.2: printing.", "Printing."]
    assert fitness("What is new in v4.2.1?", texts) == [1.0, OTHER, NONE]


def test_checksums_are_of_a_kind_by_their_length():
    asked, other = "ab12" * 10, "cd34" * 10
    texts = [f"Build 7 is {asked.upper()}.", f"Build 8 is {other}.", "cd34" * 16]
    assert fitness(f"Which build is {asked}?", texts) == [1.0, OTHER, NONE]


@pytest.mark.parametrize("unit", ["a", "1", "a-", "-", "1.", "v1", "A1-"])
def test_hostile_text_is_looked_through_in_linear_time(unit):
    text = unit * 200_000
    assert len(identifiers(text)) < 2
    assert len(fitness("KX-4412?", [text])) == 1
