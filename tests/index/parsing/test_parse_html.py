import pytest

from index.parsing.parse import parse


def texts(page, name="a.html"):
    return [block.text for block in parse(name, page.encode()).blocks]


def placed(page):
    return [(block.heading_path, block.text) for block in parse("a.html", page.encode()).blocks]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("up to 10<sup>9</sup> rows", "up to 10^9 rows"),
        ("an area of 40 m<sup>2</sup>.", "an area of 40 m^2."),
        ("the 3<sup>rd</sup> of May", "the 3rd of May"),
        ("CO<sub>2</sub>, v<sub>max</sub>", "CO2, v_max"),
        ("only $19<sup>95</sup>", "only $19.95"),
        ("Free entry.<sup>2</sup> Bring tea", "Free entry. (2) Bring tea"),
        ("Kilo<sup>TM</sup> scales", "Kilo™ scales"),
        ("now <s>20</s> 15 euros", "now ~~20~~ 15 euros"),
        ("<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>です", "漢字です"),
        ("一行目の\n  続き", "一行目の続き"),
        ("<a href='https://x.org/f'>here</a> or <a href=/g>the form</a>",
         "here (https://x.org/f) or the form"),
        ("<img alt='A red valve' src=x.png>", "A red valve"),
        ("<math alttext='x^2'><mi>x</mi></math> grows", "x^2 grows"),
    ],
)  # fmt: skip
def test_inline_markup_keeps_numbers_and_words_apart(page, text):
    assert texts(f"<p>{page}</p>") == [text]


@pytest.mark.parametrize(
    "note",
    [
        "<ol><li id=n1>Only after six. <a href='#r1'>↩</a></li></ol>",
        "<p id=n1><sup><a href='#r1'>1</a></sup> Only after six.</p>",
    ],
)
def test_a_note_is_told_where_its_mark_stands(note):
    page = f"<p>Parking is free.<sup><a id=r1 href='#n1'>1</a></sup> Turn left.</p>{note}"
    first, last = texts(page)
    assert first == "Parking is free (note: Only after six). Turn left."
    assert last.endswith("Only after six.")


def test_marks_of_literature_go():
    page = (
        "<p>Ice floats.<sup class=reference><a href='#c'>[1]</a></sup></p><p id=c>Smith 1990, p. 4"
    )
    assert texts(page)[0] == "Ice floats."


def test_cells_hold_blocks_spans_and_no_end_tags():
    page = (
        "<table><caption>Fees</caption><thead><tr><th><p>Line<th>Who<th>Fee</thead>"
        "<tr><td rowspan=2>Coast<td>adult<td><div>9</div><div>euros</div>"
        "<tr><td>child<td>4<br>euros</table>after"
    )
    blocks = parse("a.html", page.encode()).blocks
    assert [block.text for block in blocks] == [
        "Line | Who | Fee",
        "Coast | adult | 9 euros",
        "Coast | child | 4 euros",
        "after",
    ]
    assert blocks[1].columns == "Line | Who | Fee"
    assert blocks[1].heading_path == ("Fees",)


def test_a_table_of_layout_is_no_table():
    page = "<table><tr><td><h2>Hours</h2><p>Nine.</p><table><tr><td>Mo<td>9<tr><td>Tu<td>8</table>"
    blocks = parse("a.html", page.encode()).blocks
    assert [(block.kind, block.text) for block in blocks] == [
        ("prose", "Nine."),
        ("row", "Mo | 9"),
        ("row", "Tu | 8"),
    ]


def test_what_a_click_opens_stands_under_what_is_clicked():
    page = (
        "<form><h2>FAQ</h2><div><div>"
        "<button aria-expanded=false aria-controls=a>Is it warm?</button>"
        "</div><div id=a hidden>Yes.</div></div><p>All else.</p><button>Send</button>"
        "<details><summary>Tax</summary>Nine percent.</details>End.</form>"
    )
    assert placed(page) == [
        (("FAQ", "Is it warm?"), "Yes."),
        (("FAQ",), "All else."),
        (("FAQ", "Tax"), "Nine percent."),
        (("FAQ",), "End."),
    ]


def test_lists_keep_their_numbers_and_terms():
    page = (
        "<ol start=4><li>Stir.<li value=9>Rest.<ul><li>Cover it.</ul><li>Bake.</ol>"
        "<ol type=a><li>One.</ol><dl><dt>Torque<dd>30 Nm<dt>Oil<dt>Grease<dd>yearly<dt>Spare</dl>"
    )
    assert texts(page) == [
        "4. Stir.", "9. Rest.", "- Cover it.", "10. Bake.", "a. One.", "Torque: 30 Nm",
        "Oil, Grease: yearly", "Spare",
    ]  # fmt: skip


def test_furniture_goes_and_notices_stay():
    page = (
        "<nav>Menu</nav><noscript>Enable it</noscript><select><option>Pick</select>"
        "<aside>Ads</aside><aside class='note'>Keep dry.</aside><dialog>Cookies?</dialog>"
        "<article>Text.<footer>By Ann.</footer></article><footer>Imprint</footer>"
    )
    assert texts(page) == ["Keep dry.", "Text.", "By Ann."]


def test_an_empty_main_does_not_hide_the_page():
    assert texts("<main></main><p>Words.") == ["Words."]


def test_title_and_day_are_those_of_the_page():
    page = "<meta property=article:modified_time content=2025-02-03T10:00:00Z><h1>Pumps</h1>x"
    document = parse("a.html", page.encode())
    assert (document.title, document.date) == ("Pumps", "2025-02-03")
    assert parse("a.html", b"<meta name=date content=2025-02-31>x").date is None


def test_a_heading_that_never_ends_loses_nothing():
    assert (
        "the last word" in parse("a.html", b"<h1>A" + b"<p>long text" * 99 + b"the last word").text
    )


def test_a_listing_keeps_its_lines():
    assert texts("<pre><div>a</div><div>  b</div>c<br>d</pre>e") == ["a\n  b\nc\nd", "e"]


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<ul><li>", "<x-y>", "<span><button>x?", "<sup>"])
def test_a_hundred_thousand_levels_are_read(tag):
    assert any("the end" in text for text in texts(tag * 100_000 + "the end"))
