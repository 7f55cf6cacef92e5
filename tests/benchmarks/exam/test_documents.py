"""The files of the exam: built from their sources, the server reads in them what was written."""

import pytest

from benchmarks.exam.documents import DOCUMENTS, WRITERS, build
from benchmarks.exam.sources import read_source
from index.parsing.parse import parse

SOURCE = """<!-- modified 2025-03-01 -->
# The (small) kiln

## Firing
Heat it slowly, at most 90 degrees an hour: it is made of böhmisch clay.
- First item.
- Second item.

## Cones
| Cone | Degrees | Share | From |
|---|---|---|---|
| C-06 | 998 | 7.5% | 2025-01-02 |
| C-10 | 1285 | 12.0% | 2025-02-03 |
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return build(tmp_path_factory.mktemp("exam"))


def test_every_document_becomes_a_file_of_its_own_name(files):
    names = [file.name for file in files]
    assert len(set(names)) == len(names) > 12
    assert not [name for name in names if any(f"{suffix}.md" in name for suffix in WRITERS)]


def test_the_first_exam_has_twelve_documents_of_its_own(tmp_path):
    assert len(build(tmp_path, DOCUMENTS / "single")) == 12


def test_a_folder_that_holds_a_document_of_the_same_name_is_refused(tmp_path):
    build(tmp_path)
    with pytest.raises(ValueError, match="two documents"):
        build(tmp_path)


def test_a_source_is_read_into_sections_of_blocks():
    source = read_source(SOURCE)
    assert (source.title, source.modified.year) == ("The (small) kiln", 2025)
    assert [section.heading for section in source.sections] == ["Firing", "Cones"]
    text, first, second = source.sections[0].blocks
    assert [text.is_item, first.is_item, second.text] == [False, True, "Second item."]
    (table,) = source.sections[1].blocks
    assert [row[0] for row in table.table] == ["Cone", "C-06", "C-10"]


@pytest.mark.parametrize("text", ["# No date\n", "<!-- modified 2025-03-01 -->\nno title\n"])
def test_a_source_without_date_or_title_is_refused(text):
    with pytest.raises(ValueError, match="must come first"):
        read_source(text)


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".pdf"])
def test_a_built_file_holds_every_word_of_its_source(suffix):
    document = parse(f"kiln{suffix}", WRITERS[suffix](read_source(SOURCE)))
    text = " ".join(word for block in document.blocks for word in (*block.heading_path, block.text))
    for part in ("The (small) kiln", "böhmisch clay", "Second item.", "C-06", "1285", "2025-02-03"):
        assert part in text


def test_cells_of_a_workbook_are_numbers_percentages_and_dates():
    import io

    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(WRITERS[".xlsx"](read_source(SOURCE))))
    assert book.sheetnames == ["Firing", "Cones"]
    row = [(cell.value, cell.number_format) for cell in book["Cones"][2]]
    assert row[:3] == [("C-06", "General"), (998, "General"), (0.075, "0.0%")]
    assert row[3][0].isoformat()[:10] == "2025-01-02"
    assert row[3][1] == "yyyy-mm-dd"


def test_a_sheet_holds_every_line_of_its_section():
    import io

    import openpyxl

    source = read_source("<!-- modified 2025-01-02 -->\n# Kiln\n\n## Rules\nOne.\nTwo.\nThree.\n")
    sheet = openpyxl.load_workbook(io.BytesIO(WRITERS[".xlsx"](source)))["Rules"]
    assert [row[0] for row in sheet.iter_rows(values_only=True)] == ["One.", "Two.", "Three."]


def test_a_long_pdf_has_pages_with_a_running_title_and_numbers():
    long = SOURCE + "".join(f"\n## Part {n}\nParagraph of part {n}.\n" for n in range(60))
    data = WRITERS[".pdf"](read_source(long))
    assert data.count(b"/Type/Page/") >= 4
    document = parse("kiln.pdf", data)
    assert "Paragraph of part 59." in [block.text for block in document.blocks]
