"""English or not, for questions and passages."""

import pytest

from graphs.pipeline.quoting.language import is_foreign, tells_foreign
from models.bundled.english import english_words


@pytest.mark.parametrize(
    "text",
    [
        "Wie hoch ist die Anzahlung pro Person im Refuge des Aigles?",
        "Quel est le poids de la pompe Norrvik N9-6 ?",
        "¿Cuánto dura el período de prueba en Brightwater Foods?",
        "Quanto costa la tessera?",
        "Hoeveel kost een dagkaart?",
        "Qual é o prazo da garantia?",
        "Ile kosztuje bilet do muzeum?",
        "Сколько стоит билет?",
        "门票多少钱",
        "Und wann?",
        "Öffnungszeiten der Sauna",
        "cuanto cuesta el pan",
        "Ab 22:30 Uhr bitten wir um Ruhe, denn in der Lese stehen wir um 4:45 Uhr auf.",
    ],
)
def test_other_languages_are_told(text):
    assert is_foreign(text)


@pytest.mark.parametrize(
    "text",
    [
        "When is dinner at the Refuge des Aigles?",
        "What does Weingut Talberg pay for an empty bottle?",
        "fishing permitt lake vleda price",
        "torqe of the brake disk carow freihgter",
        "Is HK-4412 in stock?",
        "the Ω of a resistor",
        "Export as CSV",
        "no refund policy",
        "hat size chart",
        "van rental price",
        "fee per mile",
        "par value",
        "die cutting machine settings",
        "men as guests, no van",
        "sensors per M3-HUBMINI",
        "",
    ],
)
def test_english_with_foreign_names_is_english_and_so_is_what_tells_nothing(text):
    assert not is_foreign(text)


@pytest.mark.parametrize("text", ["Riesling: 9,80", "par value", "in Rot: 9,80", ""])
def test_what_tells_nothing_is_told_from_english(text):
    assert tells_foreign(text) is None
    assert tells_foreign("The room is left at noon.") is False


def test_common_words_have_a_low_rank():
    ranks = english_words()
    assert ranks["the"] < ranks["many"] < ranks["telescope"]
    assert "wich" not in ranks
    assert len(ranks) > 20_000
