"""Misspelt words of a question, and words that only look so."""

from dataclasses import replace

import pytest

from graphs.pipeline.quoting.spelling import corrected
from tests.graphs.fake_stages import hit

TEXT = """The agency plan has unlimited devices. The night shift at Brightwater gets a bonus.
Cider is pressed; the campsite of Lake Velda is quiet at night. Rowing boats cost 8 euros. Carrow
Freighter: tighten the brake disk with a torque of 6 Nm."""
HITS = (replace(hit(1), text=TEXT, title="Plans: early or ended"),)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("how meny devises in the agensy plan", "how many devices in the agency plan"),
        ("Brighwater bonus for the nite shift", "Brightwater bonus for the night shift"),
        ("campsight of lake vleda", "campsite of lake velda"),
        ("price of a rowing bote", "price of a rowing boat"),
        ("torqe of the brake disk carow freihgter", "torque of the brake disk carrow freighter"),
        ("wich bonus, and wen?", "which bonus, and when?"),
        ("the lgiht of the boathuose", "the light of the boathuose"),
    ],
)
def test_what_is_spelt_or_sounds_like_a_known_word_is_that_word(asked, meant):
    found = corrected(asked, HITS)
    # A form of a word that is there needs no correction: boat and boats have one stem.
    assert found.replace("boats", "boat") == meant


@pytest.mark.parametrize(
    "asked",
    [
        "Is there a sauna, and what is the warranty?",  # rare words, near to fauna and warrant
        "Which cider press is dearer?",
        "What does my lamp cost when it is mended, and the yearly fee?",  # ended, early
        "Does Mr Okoro know Toolshed Marlow?",  # names that the passages do not hold
        "error E-41 of part HK-4412 in EPUB",
        "what doesnt work",
        "Wie hoch ist die Miete im Garten?",
        "你好",
        "",
    ],
)
def test_right_and_foreign_words_and_names_and_identifiers_stay(asked):
    assert corrected(asked, HITS) == asked


def test_a_question_of_other_words_than_the_passages_stays_without_passages():
    assert corrected("the legionella quokka", ()) == "the legionella quokka"


def test_only_the_beginning_of_a_long_question_is_looked_through():
    asked = "agensy " * 2000
    found = corrected(asked, HITS)
    assert found.startswith("agency agency")
    assert found.endswith("agensy agensy ")
