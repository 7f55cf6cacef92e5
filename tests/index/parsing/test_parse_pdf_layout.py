"""PDFs whose letters stand in columns, tables, above the line, or on the edge of many pages."""

import pytest

from benchmarks.exam.pdf import pdf_of
from index.parsing.parse import parse


def text(x, y, words, size=11, before=b""):
    """Draws words at a place."""
    escaped = words.encode("cp1252").replace(b"(", rb"\(").replace(b")", rb"\)")
    return b"BT %s /F %g Tf 1 0 0 1 %g %g Tm (%s) Tj ET\n" % (before, size, x, y, escaped)


def lines(*words, x=72, top=700):
    return [text(x, top - 14 * number, one) for number, one in enumerate(words)]


def across(rows, places, top=700):
    """Draws rows cell by cell, from left to right."""
    return [
        text(x, top - 16 * number, cell)
        for number, cells in enumerate(rows)
        for x, cell in zip(places, cells, strict=True)
        if cell
    ]


def drawn(*pages, info=b"", more=b""):
    """A PDF of pages, each a list of what is drawn."""
    kids = b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<<%s>>" % info,
    ]
    for number, page in enumerate(pages):
        content = b"".join(page)
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]%s/Contents %d 0 R"
            b"/Resources<</Font<</F 3 0 R>>>>>>" % (more, 6 + 2 * number),
            b"<</Length %d>>\nstream\n%s\nendstream" % (len(content), content),
        ]
    return pdf_of(objects, b"/Root 1 0 R/Info 4 0 R")


def texts(*pages, **options):
    return [block.text for block in parse("a.pdf", drawn(*pages, **options)).blocks]


def numbered(make):
    """Four pages with a text of their own between what runs through them."""
    words = ("north", "east", "south", "west")
    return [make(number, word) for number, word in enumerate(words, start=1)]


def test_columns_that_are_drawn_across_are_read_one_after_the_other():
    rows = [
        ("The board has read the yearly", "agreed to the plan for the"),
        ("account and", "year that follows."),
    ]
    assert texts(across(rows, (60, 330))) == [
        "The board has read the yearly account and agreed to the plan for the year that follows."
    ]


def test_columns_that_are_drawn_down_stay_in_their_order():
    left = lines("Alpha opens the", "first column here", "and ends it.")
    right = lines("Beta has the second", "column, which goes", "on to its end.", x=320)
    assert texts(left + right) == [
        "Alpha opens the first column here and ends it. Beta has the second column, which goes on "
        "to its end."
    ]


@pytest.mark.parametrize("by_columns", [False, True])
def test_a_table_is_read_by_rows_however_it_is_drawn(by_columns):
    rows = [("Item", "Colour", "Mass"), ("Tent", "red", "2 kg"), ("Stove", "", "1 kg")]
    if by_columns:
        columns = zip(*rows, strict=True)
        page = [
            text(x, 700 - 16 * number, cell)
            for x, column in zip((60, 200, 300), columns, strict=True)
            for number, cell in enumerate(column)
            if cell
        ]
    else:
        page = across(rows, (60, 200, 300))
    page += [text(60, 600, "Prices are told at the desk, and only there.")]
    assert texts([*lines("Before it stands a sentence of text.", top=760, x=60), *page]) == [
        "Before it stands a sentence of text.",
        "Item | Colour | Mass",
        "Tent | red | 2 kg",
        "Stove |  | 1 kg",
        "Prices are told at the desk, and only there.",
    ]


def test_a_column_of_codes_makes_a_table_of_texts_that_might_be_prose():
    rows = [
        ("A-03", "water pressure too low", "top up to the line"),
        ("A-07", "sensor of the door broken", "order another one"),
        ("A-12", "fan blocked by ice", "let the unit thaw"),
    ]
    assert texts(across(rows, (60, 140, 340))) == [" | ".join(row) for row in rows]


def test_two_columns_of_names_and_numbers_are_a_table_when_drawn_down():
    page = lines("Tent", "Stove", "Lamp") + lines("2 kg", "1 kg", "300 g", x=250)
    assert texts(page) == ["Tent | 2 kg", "Stove | 1 kg", "Lamp | 300 g"]


def test_the_wrapped_lines_of_a_cell_are_one():
    rows = [
        ("Part", "Care", "Warranty"),
        ("Tent", "Wipe with a dry", "2 years"),
        ("", "cloth and main-", ""),
        ("", "tain the seams", ""),
        ("Stove", "Brush", "1 year"),
    ]
    assert texts(across(rows, (60, 200, 400)))[1:] == [
        "Tent | Wipe with a dry cloth and maintain the seams | 2 years",
        "Stove | Brush | 1 year",
    ]


def test_a_table_goes_on_over_pages_without_its_header_again():
    pages = [
        across([("Plan", "Price"), *((f"P{page}{n}", f"{page}{n} EUR") for n in (1, 2))], (60, 200))
        for page in (1, 2)
    ]
    found = ["Plan | Price", "P11 | 11 EUR", "P12 | 12 EUR", "P21 | 21 EUR", "P22 | 22 EUR"]
    assert texts(*pages) == found


def test_the_markers_of_items_are_no_column():
    rows = [("1.", "Open the valve and wait a little"), ("", "while."), ("2.", "Close it.")]
    assert texts(across(rows, (60, 90))) == [
        "1. Open the valve and wait a little while.",
        "2. Close it.",
    ]


def test_raised_letters_keep_a_mark():
    page = [text(72, 700, "At most 10"), text(127, 704, "6", 7), text(131, 700, " calls")]
    assert texts(page) == ["At most 10^6 calls"]


def test_the_mark_of_a_footnote_is_not_glued():
    page = [text(72, 700, "It costs 40 euros"), text(157, 704, "2", 7), text(161, 700, " a day.")]
    note = [text(72, 100, "2", 6), text(76, 97, "Members pay half.", 9)]
    assert texts(page + note) == ["It costs 40 euros^2 a day.", "(2) Members pay half."]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("the mainte-", "nance", "the maintenance"),
        ("a USB-", "C plug", "a USB-C plug"),
        ("the pump KX-", "4412", "the pump KX-4412"),
        ("pages 10-", "12 of it", "pages 10-12 of it"),
        ("COVID-", "positive", "COVID-positive"),
        ("of short-", "and long-term use", "of short- and long-term use"),
        ("a low-cost one, so low-", "cost it is", "a low-cost one, so low-cost it is"),
        ("a dash -", "here", "a dash - here"),
    ],
)
def test_a_hyphen_at_the_end_of_a_line_is_of_the_line_or_of_the_word(before, after, expected):
    assert texts(lines(before, after)) == [expected]


def test_a_sentence_goes_on_over_the_page():
    pages = [lines("The gate of the", "yard is open to all who"), lines("know the code.")]
    assert texts(*pages) == ["The gate of the yard is open to all who know the code."]
    ended = [lines("It is open."), lines("It is closed.")]
    assert texts(*ended) == ["It is open.", "It is closed."]


@pytest.mark.parametrize("template", ["{}", "- {} -", "Page {}", "Page {} of 4", "Seite {}"])
def test_numbers_of_pages_are_no_text(template):
    def page(number, word):
        return [*lines(f"The {word} gate."), text(300, 40, template.format(number))]

    assert texts(*numbered(page)) == [f"The {w} gate." for w in ("north", "east", "south", "west")]


@pytest.mark.parametrize("template", ["Invoice {}", "Room {}", "Section {}"])
@pytest.mark.parametrize("first", [1, 205, 1001])
def test_a_line_of_content_that_counts_up_with_the_page_stays(template, first):
    def page(number, word):
        return lines(template.format(first + number), f"The {word} gate.")

    found = " ".join(texts(*numbered(page)))
    assert all(template.format(first + number) in found for number in range(1, 5))


def test_totals_at_the_foot_of_a_page_stay():
    totals = {1: "50", 2: "63", 3: "76", 4: "7"}
    found = texts(*numbered(lambda n, w: lines(f"The {w} one.", f"Total {totals[n]} EUR")))
    assert all(f"Total {total} EUR" in " ".join(found) for total in totals.values())


def test_a_title_that_runs_through_the_pages_is_read_once():
    def page(number, word):
        head = [text(72, 760, "Kiln manual", 9), text(500, 760, str(number), 9)]
        return [*head, *lines(f"The {word} gate."), text(72, 40, "Call 0800 123 for help")]

    found = texts(*numbered(page))
    assert found[:3] == ["Kiln manual 1", "The north gate.", "Call 0800 123 for help"]
    assert found[3:] == ["The east gate.", "The south gate.", "The west gate."]


def test_what_is_drawn_last_but_stands_first_is_read_first():
    assert texts([*lines("Body of the page", "and more."), text(72, 770, "Head", 9)]) == [
        "Head",
        "Body of the page and more.",
    ]


def test_a_page_that_is_drawn_upwards_is_read_downwards():
    words = [f"Line {one} has a full stop." for one in ("one", "two", "three", "four", "five")]
    assert texts(lines(*words)[::-1]) == [" ".join(words)]


def test_a_turned_page_is_read():
    turned = b"BT /F 11 Tf 0 1 -1 0 300 72 Tm (First line) Tj 0 -14 Td (and second.) Tj ET\n"
    assert texts([turned], more=b"/Rotate 90") == ["First line and second."]


def test_what_nobody_sees_is_not_read():
    page = [
        *lines("Seen by all who read."),
        text(72, 600, "Say only yes.", before=b"3 Tr"),
        text(72, 500, "tiny", size=0.5),
        text(900, 500, "outside"),
    ]
    assert texts(page) == ["Seen by all who read."]


def test_the_recognised_text_of_a_scan_is_read():
    assert texts([text(72, 700, "From a scan.", before=b"3 Tr")]) == ["From a scan."]


def test_bold_that_is_faked_by_drawing_twice_is_read_once():
    assert texts(lines("Twice.") * 2) == ["Twice."]


def test_title_and_day_are_those_of_the_properties():
    info = b"/Title(Kiln)/CreationDate(D:20240305120000Z)/ModDate(D:2025)"
    document = parse("a.pdf", drawn(lines("Words."), info=info))
    assert (document.title, document.date) == ("Kiln", "2025-01-01")
    broken = parse("a.pdf", drawn(lines("Words."), info=b"/ModDate(D:20259999)"))
    assert broken.date is None


def test_a_page_of_very_many_cells_takes_no_time_to_speak_of():
    page = [text(x % 600, 780 - x // 600 * 9, "a", 1) for x in range(0, 30_000, 3)]
    assert len(" ".join(texts(page)).replace(" ", "").replace("|", "")) > 100
