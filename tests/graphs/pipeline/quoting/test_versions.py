"""Which of two files tells the newer state."""

from dataclasses import replace

import pytest

from graphs.pipeline.quoting.units import units_of
from graphs.pipeline.quoting.versions import are_versions, version_of
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
