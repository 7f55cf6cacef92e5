import pytest

from index.parsing.parse import parse


def texts(text, name="a.md"):
    return [block.text for block in parse(name, text.encode()).blocks]


def test_cells_keep_the_lines_that_are_broken_within_them():
    assert texts("| Day | Open |\n|---|---|\n| Mo | 8-11<br>13-17<br/>x |") == [
        "Day | Open",
        "Mo | 8-11 13-17 x",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nThe code is 4417.\n\n---\n\nGo home.",
        "---\nThe code is 4417.\n---\nGo home.",
        "---\nNote: the code is 4417\n---\n\nGo home.",
        "---\n- the code is 4417\n---\n\nGo home.",
    ],
)
def test_text_between_two_rules_is_no_front_matter(text):
    document = parse("a.md", text.encode())
    assert "4417" in document.text + str(document.blocks[0].heading_path)
    assert "Go home." in document.text


@pytest.mark.parametrize(
    "front",
    [
        "---\ntitle: Boilers\ndate: 2024-05-06\nauthor: Ann\ntags: [x]\n---\n",
        "---\ntitle: Boilers\nlayout: a: b\ndate: 2024-05-06 10:00:00\nauthor: Ann\n...\n",
        '+++\ntitle = "Boilers"\ndate = 2024-05-06T10:00:00Z\nauthor = "Ann"\n[e]\nz = 1\n+++\n',
    ],
)
def test_front_matter_gives_title_day_and_author(front):
    document = parse("a.md", (front + "\nDrain them.").encode())
    assert (document.title, document.date) == ("Boilers", "2024-05-06")
    assert [block.text for block in document.blocks] == [
        "Date: 2024-05-06", "Author: Ann", "Drain them.",
    ]  # fmt: skip
    assert {block.heading_path for block in document.blocks} == {("Boilers",)}


def test_a_title_that_the_text_begins_with_is_not_told_twice():
    document = parse("a.md", b"---\ntitle: Boilers\n---\n# Boilers\nDrain them.")
    assert [block.heading_path for block in document.blocks] == [("Boilers",)]


@pytest.mark.parametrize(
    "bomb", ["a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "t: " + "[" * 9000]
)
def test_hostile_front_matter_hurts_nobody(bomb):
    assert texts(f"---\ntitle: T\n{bomb}\n---\nText.")[-1] == "Text."


def test_placeholders_are_words_and_comments_are_not():
    assert texts("Call <your name> of List<int>. <!-- no --> Go.") == [
        "Call <your name> of List<int>. Go."
    ]
    assert texts("<!-- no\n\nend -->\n\n<script>no()</script>\n\n<title>yes") == ["<title>yes"]


def test_notes_lists_links_and_powers_read_well():
    text = (
        "Tea is free[^x]. It has 10<sup>3</sup> tips.\n\n[^x]: Before noon only.\n\n"
        "- [x] boiled\n- [here](https://x.org/a)\n\n"
        "One line  \nand its break\n\n3. three\n4. four\n"
    )
    assert texts(text) == [
        "Tea is free (note: Before noon only). It has 10^3 tips.", "- [x] boiled",
        "- here (https://x.org/a)", "One line", "and its break", "3. three", "4. four",
        "1. Before noon only.",
    ]  # fmt: skip


def test_lines_of_chinese_are_joined_without_blanks():
    assert texts("所有商品可以凭\n收据退货。") == ["所有商品可以凭收据退货。"]


def test_components_of_mdx_are_left_out_and_their_words_stay():
    text = 'import A from "./a"\n\n# Pumps\n\n<Tabs label="x">\n\nText.\n\n</Tabs>\n'
    assert texts(text, "a.mdx") == ["Text."]
