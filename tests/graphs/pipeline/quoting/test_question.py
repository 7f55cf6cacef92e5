"""What a question asks for, read from its words alone."""

import time

import pytest

from graphs.pipeline.quoting.question import MAX_PARTS, Part, parts_of
from graphs.pipeline.quoting.words import stem


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("When does the fair open?", ["When does the fair open?"]),
        (
            "When does the fair open and what does it cost?",
            ["When does the fair open?", "what does the fair cost?"],
        ),
        (
            "Mill Fair: when does it open, and how do I get there?",
            ["Mill Fair: when does it open?", "Mill Fair: how do I get there?"],
        ),
        (
            "When does the bus leave, and from which stop?",
            ["When does the bus leave?", "When does the bus leave from which stop?"],
        ),
        (
            "When does Marlow open and when Talberg?",
            ["When does Marlow open?", "When does open when Talberg?"],
        ),
        (
            "What does a hut cost and for how many people is that?",
            ["What does a hut cost?", "for how many people is a hut?"],
        ),
        (
            "How long was the ride in 2021, and how long is it in 2022?",
            ["How long was the ride in 2021?", "how long is the ride in  in 2022?"],
        ),
        (
            "Compare the tent with the hut",
            ["Compare the tent", "Compare the hut"],
        ),
        (
            "Is the tent or the hut cheaper in May?",
            ["Is the tent in May?", "Is the hut cheaper in May?"],
        ),
        ("Are cats allowed in the bus and on the boat?",
         ["Are cats allowed in the bus", "Are cats allowed on the boat?"]),
        (
            "By how much did the fee rise from 2021 to 2022?",
            ["How much was the fee in 2021?", "How much was the fee in 2022?"],
        ),
        (
            "In the mill, when is the fair and who pays for it?",
            ["In the mill, when is the fair?", "In the mill, who pays for the fair?"],
        ),
        (
            "What's the price of the blue room and how many fit into it?",
            ["What's the price of the blue room?", "how many fit into the blue room?"],
        ),
        (
            "How often is the key rotated, and who may read it?",
            ["How often is the key rotated?", "who may read the key?"],
        ),
        (
            "Which guarantee is longer, that of the bike or that on tyres?",
            ["What is the guarantee of the bike?", "What is the guarantee on tyres?"],
        ),
        (
            "compare the notice for a lesson at Lea with the one for a room at Anvil",
            ["What is the notice for a lesson at Lea?", "What is the notice for a room at Anvil?"],
        ),
        ("Where and when is the fair?", ["Where and when is the fair?"]),
        ("I lost my key, what do I do?", ["I lost my key, what do I do?"]),
    ],
)  # fmt: skip
def test_a_question_falls_into_what_it_asks(question, parts):
    assert [part.text for part in parts_of(question)] == parts


def test_a_question_has_few_parts_however_long_it_is():
    question = "when is it and " * 20_000 + "a b c d"
    began = time.process_time()
    assert len(parts_of(question)) <= MAX_PARTS
    assert time.process_time() - began < 2
    assert parts_of("") == [Part(text="")]


@pytest.mark.parametrize(
    ("question", "is_wanted"),
    [
        ("Which tools do I need?", True),
        ("What is in the box?", True),
        ("What must I bring along?", True),
        ("What does the fair cost?", False),
        ("What is the fee?", False),
        ("When is it?", False),
    ],
)
def test_a_list_is_wanted_by_a_plural_or_by_what_something_holds(question, is_wanted):
    assert Part(text=question).wants_list is is_wanted


def test_words_of_one_stem_are_one():
    assert {stem(word) for word in ("rent", "rents", "rented", "renting")} == {"rent"}


@pytest.mark.parametrize(
    ("question", "is_negated"),
    [
        ("Which pets are not allowed?", True),
        ("What can't I borrow?", True),
        ("Where may dogs not go?", True),
        ("Who does not have to pay?", True),
        ("What happens if I don't pay?", False),
        ("Why doesn't the pump start?", False),
        ("What do I do when it does not start?", False),
        ("Isn't it free?", False),
    ],
)
def test_what_is_not_so_is_asked_by_the_main_clause(question, is_negated):
    assert Part(text=question).asks_what_is_not is is_negated


def test_a_comparison_with_all_of_another_thing_asks_for_both():
    parts = parts_of("Compare the fee for Otters at the school with an hour on the mill.")
    assert [part.text for part in parts] == [
        "What is the fee for Otters at the school?",
        "What is an hour on the mill?",
    ]


def test_they_are_what_was_counted_and_it_is_the_subject_without_its_verb():
    parts = parts_of("How many crackers does the recipe make and how long do they keep?")
    assert parts[1].text == "how long do the crackers keep?"
    parts = parts_of("How does the sauna work and what does it cost?")
    assert parts[1].text == "what does the sauna cost?"


def test_readers_of_sentences_are_asked_without_the_year_of_the_document():
    assert (
        Part(text="How many rounds did it have in 2019?").timeless == "How many rounds did it have?"
    )


@pytest.mark.parametrize(
    ("question", "word"),
    [("How old must runners be?", "age"), ("how many people fit in", "persons")],
)
def test_a_measure_is_known_by_the_name_that_tables_give_it(question, word):
    assert stem(word) in Part(text=question).stems


@pytest.mark.parametrize(
    ("question", "sort"),
    [
        ("What does a hut cost?", "money"),
        ("How much do I have to pay?", "money"),
        ("How much time do I have to pay?", "number"),
        ("Is it fine to pay later?", "number"),
        ("In which year was it built?", "year"),
        ("How heavy is it?", "number"),
    ],
)
def test_what_an_answer_must_hold_is_told_by_the_question(question, sort):
    assert Part(text=question).sort == sort


@pytest.mark.parametrize(
    ("question", "earlier", "counted"),
    [
        ("What was the old fee?", True, ""),
        ("What was it before?", True, ""),
        ("How old is it?", False, ""),
        ("When must I be there before it opens?", False, ""),
        ("How many bobbins come with it?", False, "bobbin"),
        ("How many days does it take?", False, ""),
        ("How many of them are there?", False, ""),
    ],
)
def test_what_was_before_and_what_is_counted_are_known(question, earlier, counted):
    part = Part(text=question)
    assert (part.asks_earlier, part.counted) == (earlier, counted)
