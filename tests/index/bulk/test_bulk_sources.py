import json
import os

import pytest

from index.bulk.bulk_reading import Failure, read_sources
from index.bulk.bulk_sources import (
    MAX_PARCEL_BYTES,
    FileSource,
    SourceError,
    find_sources,
    in_parcels,
)
from index.parsing.parse_limits import ParseLimits


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.md",
        "a.txt",
        "deep/c.html",
        "deep/x.png",
        ".hidden.md",
        ".git/d.md",
        "Makefile",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"This is {name}.")
    return tmp_path


def names(found):
    return [source.name for source in found.sources]


def read(*targets, **limits):
    return list(read_sources(find_sources(map(str, targets)).sources, ParseLimits(**limits)))


def lines(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_a_folder_stands_for_the_files_below_it_named_by_their_paths(folder):
    found = find_sources([str(folder)])
    assert names(found) == ["a.txt", "b.md", "deep/c.html"]
    assert found.left_out == {".png": 1, "no extension": 1}
    assert next(iter(read(folder))).data == b"This is a.txt."


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("*.md", ["b.md"]),
        ("**/*.html", ["deep/c.html"]),
        ("deep/*", ["c.html"]),
        ("deep/c.html", ["c.html"]),
        ("*/c.[h]tml", ["deep/c.html"]),
    ],
)
def test_a_pattern_stands_for_what_it_matches_named_from_its_first_fixed_folder(
    folder, monkeypatch, target, expected
):
    monkeypatch.chdir(folder)
    assert names(find_sources([target])) == expected
    assert names(find_sources([str(folder / target)])) == expected
    monkeypatch.chdir("/")
    assert len(list(read_sources(find_sources([str(folder / target)]).sources, ParseLimits()))) == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere", "'nowhere' is no file, no folder, and matches no file"),
        ("*.pdf", r"'\*.pdf' is no file"),
        ("deep/x.png", "nothing to load; left out: {'.png': 1}"),
    ],
)
def test_a_target_that_names_nothing_is_refused(folder, monkeypatch, target, message):
    monkeypatch.chdir(folder)
    with pytest.raises(SourceError, match=message):
        find_sources([target])


def test_two_files_with_one_name_are_refused(folder):
    (folder / "other").mkdir()
    (folder / "other" / "b.md").write_text("Other.")
    with pytest.raises(SourceError, match="two files would be documents of the name"):
        find_sources([str(folder / "b.md"), str(folder / "other")])
    assert names(find_sources([str(folder / "b.md"), str(folder / "b.md")])) == ["b.md"]


def test_a_line_of_json_is_a_document(tmp_path):
    path = lines(
        tmp_path / "a.jsonl",
        {"id": 7, "text": "Seven.", "attributes": {"year": 2024}},
        "",
        {"filename": "b.md", "text": "# B\n\nWords.\ud800"},
        {"id": "scan.pdf", "text": "Words."},
    )
    seven, markdown, scan = read(path)
    assert (seven.filename, seven.data, seven.attributes) == ("7.txt", b"Seven.", {"year": 2024})
    assert (markdown.filename, markdown.data) == ("b.md", "# B\n\nWords.\ufffd".encode())
    assert (markdown.attributes, scan.filename) == (None, "scan.pdf.txt")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "is not JSON: Expecting property name"),
        ("[1]", "is no JSON object but a list"),
        ({"text": "x"}, 'needs either "id" or "filename"'),
        ({"id": "a", "filename": "b", "text": "x"}, 'needs either "id" or "filename"'),
        ({"id": None, "text": "x"}, 'needs either "id" or "filename"'),
        ({"id": "a"}, "\"text\" must be a text, got 'None'"),
        ({"id": "a", "text": ""}, "'a.txt' is empty"),
        ({"id": "a", "text": "x", "url": "y"}, "unknown keys ['url']"),
        ({"id": "a", "text": "x", "attributes": [1]}, '"attributes" must be an object'),
        ({"id": "a", "text": "x", "attributes": {"k": None}}, "got None"),
        ({"id": "a\0", "text": "x"}, "NUL"),
        ('{"id": "\\ud800", "text": "x"}', "lone surrogate"),
    ],
)
def test_a_bad_line_is_one_failure_that_says_where(tmp_path, row, reason):
    path = lines(tmp_path / "a.jsonl", {"id": 1, "text": "x"}, row, {"id": 2, "text": "x"})
    one, bad, two = read(path)
    assert (one.filename, two.filename) == ("1.txt", "2.txt")
    assert isinstance(bad, Failure)
    assert bad.name == "a.jsonl, line 2"
    assert reason in bad.reason


def test_a_file_that_cannot_be_read_is_one_failure(folder):
    found = find_sources([str(folder)])
    (folder / "a.txt").unlink()
    (folder / "b.md").write_text("")
    gone, empty, good = read_sources(found.sources, ParseLimits())
    assert (gone.name, "No such file" in gone.reason) == ("a.txt", True)
    assert (empty.name, empty.reason) == ("b.md", "'b.md' is empty")
    assert good.filename == "deep/c.html"


def test_a_file_that_is_too_large_is_not_read(folder):
    with (folder / "a.txt").open("wb") as file:
        os.truncate(file.fileno(), 2 * 2**20)
    large, *_ = read(folder, max_file_mb=1)
    assert "has 2.0 MB, at most 1 MB are allowed" in large.reason


def test_a_file_in_a_folder_is_a_document_even_if_it_has_lines_of_json(folder):
    lines(folder / "a.jsonl", {"id": 1, "text": "x"})
    assert "a.jsonl" in names(find_sources([str(folder)]))


def sources_of(*sizes):
    return [FileSource(path=str(i), name=str(i), num_bytes=size) for i, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "num_workers", "expected"),
    [
        ([1] * 1000, 1, [64] * 15 + [40]),
        ([1] * 32, 2, [2] * 16),
        ([1] * 3, 2, [1, 1, 1]),
        ([MAX_PARCEL_BYTES, 1, 1, MAX_PARCEL_BYTES - 1, 1] + [1] * 40, 1, [1, 2, 2, 5] + [5] * 7),
    ],
)
def test_parcels_are_neither_too_many_nor_too_large(sizes, num_workers, expected):
    parcels = in_parcels(sources_of(*sizes), num_workers)
    assert [len(parcel) for parcel in parcels] == expected
    assert [one.name for parcel in parcels for one in parcel] == [str(i) for i in range(len(sizes))]
