"""Which of two files tells the newer state."""

from dataclasses import replace

import pytest

from graphs.pipeline.quoting.units import units_of
from graphs.pipeline.quoting.versions import (
    are_versions,
    is_of_number,
    named_numbers,
    tells_only_when,
    tells_only_which,
    version_of,
)
from tests.graphs.fake_stages import hit


def unit(filename, title="Fees", file="a", **attributes):
    one = replace(
        hit(1), filename=filename, title=title, file_id=file, attributes=attributes,
        text="The fee is 3 euros.",
    )  # fmt: skip
    return units_of(one)[0]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"filename": "fees-2023.md"}, {"filename": "fees-2024.md"}),
        ({"filename": "fees_v2.txt"}, {"filename": "fees_v10.txt"}),
        ({"filename": "fees.md"}, {"filename": "fees (2024-03-01).md"}),
        (
            {"filename": "a.pdf", "title": "Rules, version 1 (May 2020) > Pay"},
            {"filename": "b.pdf", "title": "Rules, version 2 (April 2021) > Pay"},
        ),
        (
            {"filename": "fees-old.md", "date": "2020-01-01"},
            {"filename": "fees-new.md", "date": "2020-01-02"},
        ),
        (
            {"filename": "quill-3.4.md", "title": "Quill 3.4 notes > New"},
            {"filename": "quill-4.0.md", "title": "Quill 4.0 notes > New"},
        ),
        ({"filename": "minutes 12 March 2024.txt"}, {"filename": "minutes 3 April 2024.txt"}),
    ],
)  # fmt: skip
def test_names_titles_and_attributes_tell_which_is_newer(older, newer):
    one, other = unit(**older), unit(**newer, file="b")
    assert are_versions(one, other)
    assert version_of(one).age < version_of(other).age
    assert version_of(other).label


def test_files_of_other_names_or_without_dates_are_no_versions():
    assert not are_versions(unit("fees-2023.md"), unit("rules-2024.md", title="Rules", file="b"))
    assert not are_versions(unit("fees.md"), unit("fees.txt", file="b"))
    assert not are_versions(unit("fees-2023.md"), unit("fees-2024.md"))


def test_a_line_that_only_names_a_version_or_a_date_is_known():
    assert tells_only_which("Edition of 2024")
    assert tells_only_when("14 May 2023")
    assert not tells_only_which("14 May 2023")
    assert not tells_only_when("The edition of 2024 costs 7 euros.")


def test_a_named_number_is_held_by_a_text_or_is_that_of_its_version():
    assert named_numbers("What is new in v4.0, what does 3.50 mean?") == ["4.0", "3.50"]
    assert is_of_number(unit("quill-v4.md"), "4.0")
    assert is_of_number(unit("a.md", title="Since 4.0"), "4.0")
    assert not is_of_number(unit("quill-v4.md"), "4.1")
    assert not is_of_number(unit("a.md", title="Since 14.0"), "4.0")
