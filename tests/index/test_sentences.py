"""Where sentences end, in the languages that documents come in, and what leads lists in."""

# ruff: noqa: RUF001 - letters and marks of other scripts are meant

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.sentences import Sentence, lead_in_of, sentences, split_sentences

# " | " where a sentence ends.
TEXTS = [
    "The walk takes approx. 45 minutes. | It is flat.",
    "The fair opens on Sept. 12 and ends on Oct. 3. | Bring a coat.",
    "Trams leave from stop No. 7 and B12. | Is it far? | No. | Visitors may walk.",
    "It is led by Prof. Lindqvist and Dr. He of St. Olaf. | He came in spring.",
    "Take the stairs to hall B. | The pump is there. | It runs at 5 V. | Use a fuse.",
    "Art. 12 and Sec. 4.2 rule this, see Fig. 3, vol. 2, p. 12 and pp. 4 ff. Nothing else does.",
    "Acme Inc. Norway pays ext. 204. | Mt. Baker is max. 5 miles from Main St. | The shop is near.",
    "J. R. R. Tolkien met John F. Kennedy. | So did I. | Ask for vitamin C. | Drink water.",
    "Version 4.2.1 is at example.org. | Open main.py. | Save it at 3.50 euros. | $5 is back.",
    "Wait... | The lamp was on … Nobody knew. | Really?! | Yes! | (See p. 5.) | Cut [...] Fine.",
    '"It stops." | Then it was dark. | He (Max) came (ca. 5 times). | Open 9 a.m. to 5 p.m. daily.',
    "The U.S. Navy sails, e.g. The Wasp. | He lives in the U.S. | In May he left.",
    "Wir öffnen z. B. Montag, d. h. Der Hof ist offen. | Am 3. Mai und im 2. Stock ist Markt.",
    "Der Kurs kostet max. 5 Euro inkl. Strom bzw. Wasser. | Abs. 2 gilt. | Bahnhofstr. 5 ist zu.",
    "Milch, Käse u. a. Waren, vgl. Kap. 3, Tel. 030 12. | Nur heute.",
    "M. Roy habite av. Foch no. 5. | Il dit : « Oui. » | Puis il part, cf. art. 4, env. 20 min.",
    "El Sr. García y la Sra. Ruiz ven núm. 5 y pág. 12. | ¿Abre? | ¡Sí! | La tienda abre.",
    "Il dott. Bianchi sta a pag. 3, tel. 06 12. | È aperto. | L'ing. Verdi no.",
    "Ver pág. 3, o Sr. Silva e av. Brasil n. 5. | O museu abre.",
    "Wejście z ul. Długiej, godz. 9, tel. 22 10, np. Anna. | Jest tanio.",
    "Bel dhr. Jansen, bijv. Maandag, tel. 020 5. | Het is open.",
    "Дом на ул. Ленина, д. 5, т. е. Рядом, открыт с 2024 г. до весны. | Вход 5 тыс. рублей.",
    "本店九点开门。|晚上八点关门！|他说「好。」|然后走了。|「はい。」と言った。|次の人。",
    "यह घर है। | वह बड़ा है।",
    "هل هو مفتوح؟ | نعم.",
    "1. Start the node. | Then wait.",
    "You need: 1. A rod. | 2. A hook.",
    "- a. Open it. | Close it.",
]


@pytest.mark.parametrize("text", TEXTS)
def test_sentences_end_where_readers_see_it(text):
    space = "" if "。" in text else " "
    wanted = [piece.strip() for piece in text.split("|")]
    assert split_sentences(space.join(wanted)) == wanted


@given(st.text('aB1.!?…。 \n"»)([-:'), st.text('aB1.!?…。 \n"»)([-:'))
def test_no_character_is_lost_or_said_twice(text, title):
    found = "".join(one.text for one in sentences(text, title))
    assert "".join(found.split()) == "".join(text.split())


@pytest.mark.parametrize(
    "unit",
    [".", ". ", "A. ", "a. ", ".)", "!? ", "。", "。と", "1. ", "« . »", ". «", "e.g.", "- ", ":"],
)
def test_the_time_is_linear_in_hostile_text(unit):
    """A square would take hours of these; the test's own time limit ends it."""
    text = unit * (200_000 // len(unit))
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
    assert len(lead_in_of(text + ":")) <= 200


def test_the_items_of_a_list_keep_what_leads_them_in():
    text = "Come early. You need:\n\n- a rod\n\n2. a hook. It is sharp.\n\nGo home."
    assert sentences(text) == [
        Sentence("Come early."),
        Sentence("You need:"),
        Sentence("- a rod", "You need:"),
        Sentence("2. a hook.", "You need:"),
        Sentence("It is sharp.", "You need:"),
        Sentence("Go home."),
    ]
    assert sentences(text)[2].whole == "You need: - a rod"


def test_a_passage_that_begins_within_a_list_is_led_in_by_its_title():
    assert sentences("- a hook\n\nGo home.", "Fishing > You need:") == [
        Sentence("- a hook", "You need:"),
        Sentence("Go home."),
    ]
    assert sentences("- a hook", "Fishing")[0].lead_in == ""
