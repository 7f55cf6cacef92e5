"""Each rule of the judge, on a transcript that keeps it and on one that breaks it."""

from dataclasses import replace

import pytest

from benchmarks.exam.judge import is_decline, judge, num_words, states
from benchmarks.exam.questions import Question

PRICE = Question(
    id="versions-dev-99",
    kind="versions",
    half="dev",
    turns=("what is a day in the sauna",),
    documents=("new.md",),
    also=("old.md",),
    facts=(("14 euros",), ("four hours", "4 hours")),
    wrong=("12 euros",),
    labels=("2023",),
)
MISS = Question(id="near_miss-dev-99", kind="near_miss", half="dev", turns=("?",), expect="decline")
THANKS = replace(MISS, id="follow_up-dev-99", expect="chat")
RIGHT = "It costs 14 euros [1] for 4 hours [2]."


def test_all_facts_with_the_asked_document_cited_are_right():
    verdict = judge(PRICE, RIGHT, ["new.md", "new.md"])
    assert verdict.right
    assert verdict.complete
    assert verdict.cited
    assert not verdict.false
    assert not verdict.declined


@pytest.mark.parametrize("answer", ["It costs 14 euros [1].", "Four hours. [1]", ""])
def test_an_answer_that_lacks_a_fact_is_not_right(answer):
    verdict = judge(PRICE, answer, ["new.md"])
    assert not verdict.right
    assert not verdict.complete
    assert not verdict.false


@pytest.mark.parametrize("cited", [[], ["old.md"], ["new.md", "other.md"], ["unknown", "new.md"]])
def test_a_missing_or_foreign_citation_is_not_right(cited):
    verdict = judge(PRICE, RIGHT, cited)
    assert not verdict.right
    assert not verdict.cited
    assert verdict.complete


def test_what_may_be_cited_beside_the_asked_document_does_no_harm():
    assert judge(PRICE, RIGHT, ["new.md", "old.md"]).right


def test_each_of_two_documents_must_be_cited():
    both = replace(PRICE, documents=("new.md", "old.md"), also=())
    assert judge(both, RIGHT, ["new.md", "old.md"]).right
    assert not judge(both, RIGHT, ["new.md"]).right


def test_a_false_alternative_is_false_even_beside_all_facts():
    verdict = judge(PRICE, RIGHT + " It costs 12 euros.", ["new.md"])
    assert verdict.false
    assert not verdict.right


def test_a_false_alternative_under_its_label_is_true():
    assert judge(PRICE, RIGHT + " In 2023 it was 12 euros.", ["new.md"]).right


def test_a_label_excuses_no_answer_without_the_facts():
    assert judge(PRICE, "Since 2023 it is 12 euros. [1]", ["new.md"]).false


@pytest.mark.parametrize(("extra", "right"), [(112, True), (113, False)])
def test_more_than_120_words_are_not_right(extra, right):
    assert num_words(RIGHT) == 7
    answer = f"{RIGHT} so {'very ' * extra}"
    assert num_words(answer) == 8 + extra
    assert judge(PRICE, answer, ["new.md"]).right == right


def test_declining_what_can_be_answered_is_neither_right_nor_false():
    verdict = judge(PRICE, "I don't know. 12 euros?", [])
    assert verdict.declined
    assert not verdict.right
    assert not verdict.false


def test_a_near_miss_is_right_when_declined_and_false_when_answered():
    assert judge(MISS, "I don\u2019t know.", []).right
    assert not judge(MISS, "I don't know.", []).false
    verdict = judge(MISS, "The sauna is 90 degrees hot. [1]", ["new.md"])
    assert verdict.false
    assert not verdict.right


def test_silence_is_no_decline():
    verdict = judge(MISS, "", [])
    assert not verdict.right
    assert not verdict.false


def test_thanks_are_answered_without_a_citation():
    assert judge(THANKS, "You are welcome!", []).right
    assert judge(THANKS, "A day costs 14 euros. [1]", ["new.md"]).false
    assert not judge(THANKS, "I don't know.", []).right


@pytest.mark.parametrize(
    "answer",
    [
        "I don't know.",
        "I do not know, I am afraid.",
        "The passages do not say how deep the lake is. They speak of boats.",
        "The documents provided don't contain the warranty of this machine.",
        "There is no information about that.",
        "This is not mentioned in the guide.",
        "Das weiß ich nicht.",
        "Je ne sais pas.",
    ],
)
def test_declines_are_known_in_other_words(answer):
    assert is_decline(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Breakfast is not included.",
        "Drivers do not sell tickets.",
        "Two hours. The documents do not say more.",
        "We know the town.",
        "Chewing gum is not permitted.",
        "",
    ],
)
def test_answers_that_deny_something_are_no_declines(answer):
    assert not is_decline(answer)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("It is **14 Euro**", "14 euros"),
        ("It is €14.00.", "14 euros"),
        ("14,50 €", "14.5 euros"),
        ("EUR 1,200", "1200 euros"),
        ("1\u202f200\u00a0euros", "1,200 euros"),
        ("a rate of 7.5 %", "7.5%"),
        ("Day: 310.00.", "310"),
        ("ask for `NV\u20112281`", "nv-2281"),
        ("four\nhours", "Four hours"),
        ("14 euros[2]", "14 euros"),
    ],
)
def test_a_fact_is_found_however_it_is_set(text, fact):
    assert states(text, [fact])


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("114 euros", "14 euros"),
        ("2.14 euros", "14 euros"),
        ("1,200 euros", "200 euros"),
        ("version 5.12", "5.1"),
        ("version 5.10", "5.1"),
        ("at 17:00", "7:00"),
        ("at 7:30", "7"),
        ("unpaid", "paid"),
        ("paid out", "out of"),
        ("14 dollars", "14 euros"),
    ],
)
def test_a_part_of_a_word_or_number_is_no_fact(text, fact):
    assert not states(text, [fact])


def test_no_spelling_is_never_stated():
    assert not states("anything", [])
