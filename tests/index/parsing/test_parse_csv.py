"""Tables as text, as people and programs write them."""

import pytest

from index.parsing.parse import parse


def rows(text, name="a.csv"):
    return [block.text for block in parse(name, text.encode()).blocks]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('id,note\n1,"a; b; c; d"\n2,"e; f; g; h"\n', ["id | note", "1 | a; b; c; d"]),
        ('id;note\n1;"a, b\nc, d"\n2;e\n', ["id | note", "1 | a, b c, d"]),
        ("sep=;\nPart;Price\nTap;3,20\n", ["Part | Price", "Tap | 3,20"]),
        ('"SEP=|"\nPart|Price\nTap|3,20\n', ["Part | Price", "Tap | 3,20"]),
        ("Part\tPrice\nTap\t3,20\nLid\t1,10\n", ["Part | Price", "Tap | 3,20"]),
        ("3,20;1,10\n4,20;1,30\n", ["3,20 | 1,10", "4,20 | 1,30"]),
        ("remark\nlikes plums, pears\nhates figs, dates\n", ["remark", "likes plums, pears"]),
        ("remark\na, b, c\nx, y\none\n", ["remark", "a, b, c"]),
        ('remark\n"said ""no"", left"\n', ["remark", 'said "no", left']),
        ("town\nOslo\nBirk\n", ["town", "Oslo"]),
        ("Stock of May\n\nPart;Hall\nTap;B\nLid;C\n", ["Stock of May", "Part | Hall", "Tap | B"]),
        ('part, note\n1, "a, b"\n', ["part | note", "1 | a, b"]),
        ('part,note\n1,"say \\"hi\\", go"\n', ["part | note", '1 | say "hi", go']),
        ("# made by hand\npart,hall,rack\n1,B,7\n", ["# made by hand", "part | hall | rack"]),
        ("a,b,c\n1,2\n3,4,5,6\n7,8,9\n", ["a | b | c", "1 | 2", "3 | 4 | 5 | 6"]),
        ('part,size\npipe,3" wide\nlid,2" wide\n', ["part | size", 'pipe | 3" wide']),
        ("part,hall\nx\0y,B\n".replace("\0", ""), ["part | hall", "xy | B"]),
    ],
)
def test_rows_are_split_where_their_author_meant(text, expected):
    assert rows(text)[: len(expected)] == expected


def test_a_quote_that_never_ends_takes_no_other_row():
    lines = "".join(f"{number},hall {number}\n" for number in range(3000))
    found = rows(f'id,place\n7,"gate\n{lines}')
    assert found[:3] == ["id | place", "7 | gate", "0 | hall 0"]
    assert found[-1] == "2999 | hall 2999"


def test_quotes_that_never_end_take_linear_time():
    found = rows("id,place\n" + '"x,"y\n' * 50_000)
    assert len(found) > 25_000


def test_a_table_of_tabs_by_its_name_may_hold_none():
    assert rows("a,b\n1,2\n", "a.tsv") == ["a | b", "1 | 2"]


def test_columns_of_a_table_below_its_title_are_known():
    block = parse("a.csv", b"Stock of May\nPart;Hall;Rack\nTap;B;7\n").blocks[-1]
    assert (block.heading_path, block.columns) == (("Stock of May",), "Part | Hall | Rack")
