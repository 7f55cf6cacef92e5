"""Rows as text and in words."""

import pytest

from index.rows import columns_of, join_cells, readable_row, split_cells


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        (["Pump", "", "Hall 3"], "Pump |  | Hall 3"),
        (["", "", "c", "", ""], "|  | c"),
        (["a | b", "|", "c|d"], r"a \| b | \| | c|d"),
        ([], ""),
    ],
)
def test_a_row_is_split_into_the_cells_that_it_was_joined_from(cells, row):
    assert join_cells(cells) == row
    kept = split_cells(row)
    assert kept == (cells[: len(kept)] or [""])
    assert not any(cells[len(kept) :])


@pytest.mark.parametrize(
    ("columns", "row", "words"),
    [
        ("Plan | Price | Seats", "Team | 30 EUR | 10", "Plan: Team; Price: 30 EUR; Seats: 10"),
        ("Plan | Price | Seats", "Team |  | 10", "Plan: Team; Seats: 10"),
        ("| Basic | Team", "Price | 12 | 30", "Price; Basic: 12; Team: 30"),
        ("Plan | Price", "Plan | Price", "Plan | Price"),
        ("Plan | Price", "Prices are without tax.", "Prices are without tax."),
        ("Contact", "Phone: | 555", "Phone: 555"),
        ("", "Phone | 555", "Phone: 555"),
        ("", "id: 7 | name: pump", "id: 7; name: pump"),
        ("Notes", "a | b | c", "a | b | c"),
        (r"Size \| kind | Price", "M | 3", "Size | kind: M; Price: 3"),
        ("", "", ""),
    ],
)
def test_a_row_in_words_names_the_column_of_each_value(columns, row, words):
    assert readable_row(columns, row) == words


def test_the_columns_are_the_last_part_of_a_title():
    assert columns_of("Prices > Norway > Plan | Price") == "Plan | Price"
    assert columns_of("prices.csv") == "prices.csv"
