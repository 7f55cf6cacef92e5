"""What can be quoted of a passage."""

from dataclasses import replace

from graphs.pipeline.quoting.units import same_list, units_around, units_of, whole_unit
from index.records import StoredPassage
from tests.graphs.fake_stages import hit


def found(*texts, title="Guide > Start", chosen=0, gap=2):
    """A hit whose file holds these passages one after the other."""
    passages, start = [], 0
    for number, text in enumerate(texts, start=1):
        one = StoredPassage(
            chunk_id=number, store_id="vs_1", file_id="file-1", filename="1.md", title=title,
            text=text, char_start=start, char_end=start + len(text),
        )  # fmt: skip
        passages.append(one)
        start = one.char_end + gap
    return replace(hit(1), **vars(passages[chosen]), around=tuple(passages))


def test_items_stand_behind_what_leads_them_in_across_passages():
    one = found("You need:\n\n- a pump", "- a hose\n\nThen begin.", chosen=1)
    assert [unit.whole for unit in units_of(one)] == ["You need: - a hose", "Then begin."]
    around = units_around(one)
    assert [unit.text for unit in same_list(around, around[0])] == ["- a pump", "- a hose"]
    assert [unit.text for unit in same_list(around, around[2])] == ["- a pump", "- a hose"]
    assert list(same_list(around, around[3])) == []


def test_rows_are_in_words_and_their_header_is_none():
    one = found("Code | Light\n\nE1 | red\n\nE2 | 2 times green", title="Guide > Code | Light")
    assert [unit.text for unit in units_of(one)] == [
        "Code: E1; Light: red", "Code: E2; Light: 2 times green",
    ]  # fmt: skip
    assert units_of(one)[0].path == ("Guide",)


def test_a_sentence_that_goes_on_takes_the_one_before_it_along():
    units = units_of(found("The hut is shut in May. It opens in June. Bring wood."))
    assert [unit.whole for unit in units] == [
        "The hut is shut in May.", "The hut is shut in May. It opens in June.", "Bring wood.",
    ]  # fmt: skip
    assert units[0].after == "It opens in June."


def test_what_was_cut_is_one_again():
    one = found("id: A1; note: the lamp", "is switched off; keeper: Ann", chosen=1, gap=1)
    around = units_around(one)
    assert [unit.text for unit in whole_unit(around, around[1])] == [
        "id: A1; note: the lamp", "is switched off; keeper: Ann",
    ]  # fmt: skip


def test_a_passage_of_another_heading_is_not_around():
    other = replace(found("- one", "- two"), title="Guide > End")
    around = tuple(replace(one, title="Guide > End") for one in other.around[:1])
    mixed = replace(other, around=(*around, other.around[1]))
    assert [unit.text for unit in units_around(mixed)] == ["- one"]


def test_headings_are_not_quoted_as_if_they_were_sentences():
    assert units_of(found("Start")) == []
    assert units_of(replace(hit(1), text="", title="")) == []


def test_three_lines_that_stand_together_are_a_list():
    kinds = [unit.kind for unit in units_of(found("Fetch the radio\n\nCount heads\n\nLock up"))]
    assert kinds == ["item"] * 3
    assert [unit.kind for unit in units_of(found("Count heads.\n\nLock up."))] == ["sentence"] * 2


def test_a_short_line_over_a_text_heads_it_and_is_no_unit():
    text = "Rehearsals\n\nWe meet on Wednesdays. In May we rest.\n\nFees\n\nStudents pay 6 euros."
    assert [(unit.path[-1], unit.text) for unit in units_of(found(text))] == [
        ("Rehearsals", "We meet on Wednesdays."),
        ("Rehearsals", "In May we rest."),
        ("Fees", "Students pay 6 euros."),
    ]


def test_a_question_goes_before_its_answer_and_is_no_unit():
    units = units_of(found("When do we have to go?\n\nBy 10:30. Your bags may stay."))
    assert [unit.whole for unit in units] == [
        "When do we have to go? By 10:30.",
        "Your bags may stay.",
    ]


def test_paragraphs_of_a_sentence_are_no_list():
    units = units_of(found("On. Off.\n\nThe pump is on.\n\nFires are forbidden.\n\nBring salad."))
    assert {unit.kind for unit in units} == {"sentence"}


def test_sentences_that_are_lines_of_a_slide_are_a_list():
    units = units_of(found("Open the dome.\n\nTake the cap off.\n\nWrite the names down."))
    assert {unit.kind for unit in units} == {"item"}


def test_lines_are_no_part_of_a_numbered_list_behind_them():
    units = units_of(found("Ann Lee\n\nBen Moor\n\n3 May\n\n1. The pump is on.\n\n2. No fires."))
    assert [unit.text for unit in same_list(units, units[-1])] == [
        "1. The pump is on.", "2. No fires.",
    ]  # fmt: skip
