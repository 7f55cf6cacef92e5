"""What is quoted, with the reranker's scores given."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from graphs.errors import StageUnavailableError
from graphs.pipeline.events import Citation
from graphs.pipeline.quoting.words import words_of
from models.constraints import Choices
from models.reranker import RerankScores
from tests.graphs.fake_stages import FakeStages, chat, events_of, hit, text_of

QUOTE = {"answers": "quote", "retrieval": {"focus": "sentence", "top_k": 6}}


class Echo(FakeStages):
    """Scores by shared words, and writes the only answer that is let through."""

    reranked: ClassVar[set[str]] = set()

    async def rerank(self, query, documents):
        self.reranked.update(documents)
        words = set(words_of(query))
        shares = [len(words & set(words_of(text))) / len(words) for text in documents]
        scores = np.asarray([0.95 + share / 25 if share > 0.3 else 0.01 for share in shares])
        return RerankScores(scores=scores.astype(np.float32), num_tokens=1)

    async def stream(self, request):
        assert isinstance(request.constraint, Choices)
        (text,) = request.constraint.texts
        self.answer = tuple(text[start : start + 7] for start in range(0, len(text), 7))
        async for chunk in super().stream(request):
            yield chunk


def stages(*passages):
    """Each passage is of a file of its own: (file name, title, text)."""
    return Echo(
        hits=tuple(
            replace(hit(n), filename=name, title=title, text=text, char_end=len(text))
            for n, (name, title, text) in enumerate(passages, start=1)
        )
    )


async def asked(fake, question):
    events = await events_of(fake, chat(question), **QUOTE)
    cited = [event for event in events if isinstance(event, Citation)]
    text = text_of(events)
    assert all(text[c.start : c.end] == f"[{c.passage.number}]" for c in cited)
    return text, [c.passage.filename for c in cited]


async def test_two_questions_get_two_sentences_each_with_its_citation():
    fake = stages(
        ("fair.md", "Fair > Hours", "The fair will open at 9 in the morning."),
        ("fair2.md", "Fair > Prices", "The fair does cost 4 euros."),
    )
    text, cited = await asked(fake, "When does the fair open and what does the fair cost?")
    assert text == "The fair will open at 9 in the morning. [1] The fair does cost 4 euros. [2]"
    assert cited == ["fair.md", "fair2.md"]


async def test_a_list_is_quoted_whole_behind_its_lead_in():
    fake = stages(("kit.md", "Kit", "The kit needs these tools:\n\n- a saw\n\n- a file\n\n- glue"))
    text, cited = await asked(fake, "Which tools does the kit need?")
    assert text == "The kit needs these tools:\n- a saw\n- a file\n- glue [1]"
    assert cited == ["kit.md"]


async def test_the_newer_of_two_versions_is_quoted_and_says_so():
    fake = stages(
        ("fees-2023.md", "Fees", "The fee for a boat is 3 euros."),
        ("fees-2024.md", "Fees", "The fee for a boat is 5 euros."),
    )
    text, cited = await asked(fake, "What is the fee for a boat?")
    assert text == "As of 2024: The fee for a boat is 5 euros. [1]"
    assert cited == ["fees-2024.md"]
    text, cited = await asked(fake, "What was the old fee for a boat?")
    assert text == "As of 2023: The fee for a boat is 3 euros. [1]"
    assert cited == ["fees-2023.md"]
    text, _ = await asked(fake, "What is the fee for a boat in 2023?")
    assert text == "The fee for a boat is 3 euros. [1]"


async def test_another_identifier_is_no_answer():
    fake = stages(("parts.csv", "Parts", "Part: QX-18; Price: 4 euros"))
    assert (await asked(fake, "What is the price of part QX-18 ?"))[0].startswith("Part: QX-18")
    assert await asked(fake, "What is the price of part QX-17 ?") == ("I don't know.", [])


async def test_a_heading_that_holds_the_answer_is_quoted():
    fake = stages(("log.md", "Log > 4.2 (2024-05-01)", "Added a dark theme for version pages."))
    text, _ = await asked(fake, "When was version 4.2 added ?")
    assert text == "4.2 (2024-05-01): Added a dark theme for version pages. [1]"


async def test_without_a_reranker_the_generator_chooses_from_one_passage():
    fake = FakeStages(
        hits=(replace(hit(1), text="One. Two."), hit(2)),
        failing={"rerank": StageUnavailableError("lost")},
    )
    await events_of(fake, chat("What is two?"), **QUOTE)
    assert fake.prompts[-1].constraint == Choices(texts=("One. [1]", "Two. [1]"))


async def test_what_is_not_so_is_answered_by_a_sentence_that_says_not():
    fake = stages(
        ("a.md", "Pets", "Dogs are pets and allowed outdoors."),
        ("b.md", "Pets", "Cats are not allowed anywhere."),
    )
    question = chat("Which pets are not allowed?")
    assert text_of(await events_of(fake, question, **QUOTE)).startswith("Cats are not")


async def test_a_misspelt_question_is_searched_for_again_and_judged_as_it_was_meant():
    fake = stages(("plans.md", "Lumen > Plans", "The agency plan has unlimited devices."))
    text, cited = await asked(fake, "agensy plan devises")
    assert text == "The agency plan has unlimited devices. [1]"
    assert cited == ["plans.md"]
    assert [search.text for search in fake.searches] == [
        "agensy plan devises",
        "agency plan devices",
    ]


async def test_a_newer_version_in_other_words_leads_where_it_has_the_same_heading():
    fake = stages(
        ("mail-v1.md", "Mail rules > Letters", "The old letters are kept for two years."),
        (
            "mail-v2.md",
            "Mail rules > Letters",
            "Years after, old letters are burnt; none are kept.",
        ),
        ("mail-v3.md", "Mail rules > Parcels", "The parcels are kept open for one day."),
    )
    text, cited = await asked(fake, "For how many years are old letters kept?")
    assert text == "As of version 2: Years after, old letters are burnt; none are kept. [1]"
    assert cited == ["mail-v2.md"]
    text, _ = await asked(fake, "For how many years are old letters kept in version 1.0 ?")
    assert text == "The old letters are kept for two years. [1]"


async def test_rows_with_a_yes_in_the_column_that_is_asked_for_are_meant():
    rows = "soup | yes | 4\n\ntoast | no | 5\n\nsalad | yes | 6"
    fake = stages(("menu.csv", "Menu > dishes | vegan | price", rows))
    text, _ = await asked(fake, "Which dishes on the menu are vegan?")
    soup, salad = "dishes: soup; vegan: yes; price: 4", "dishes: salad; vegan: yes; price: 6"
    assert text == f"Menu:\n{soup}\n{salad} [1]"


async def test_a_list_of_which_nothing_tells_one_item_is_quoted_whole():
    fake = stages(
        ("tour.pptx", "Before a tour", "Fetch the radio\n\nCount heads\n\nLock the door twice")
    )
    text, _ = await asked(fake, "What is done before a tour?")
    assert text == "Before a tour:\nFetch the radio\nCount heads\nLock the door twice [1]"
    text, _ = await asked(fake, "Which door is locked before a tour?")
    assert text == "Lock the door twice [1]"


async def test_what_is_not_allowed_is_not_what_is():
    fake = stages(
        ("rules.md", "Pets", "Pets that are allowed are cats."),
        ("rules.md", "Pets", "Snakes are forbidden."),
    )
    text, _ = await asked(fake, "Which pets are not allowed ?")
    assert text.startswith("Snakes are forbidden.") or "Pets: Snakes" in text


async def test_of_paragraphs_with_numbers_the_one_that_is_asked_for_is_quoted():
    long = "and then everybody talked about it for an hour without any further result at all"
    text = (
        f"1. Water: the pump starts in May {long}.\n\n2. Bees: what bees need is two hives {long}."
    )
    fake = stages(("minutes.md", "Minutes", text))
    answer, _ = await asked(fake, "What do the bees need ?")
    assert answer.startswith("2. Bees") or "2. Bees" in answer
    assert "pump" not in answer


async def test_a_day_that_no_text_tells_of_is_not_answered_by_others():
    fake = stages(("a.md", "Hall", "The hall opens on Wednesdays at 9."))
    text, _ = await asked(fake, "When does the hall open on Fridays ?")
    assert text == "I don't know."


async def test_a_table_row_goes_on_with_the_row_that_was_the_answer_before():
    rows = "mug | 3 euros | 30 cents\n\nbowl | 5 euros | 70 cents"
    fake = stages(
        ("kiln.md", "Kiln > Item | Price | Deposit", rows),
        ("hall.md", "Hall > Room | Use", "Iron | for a deposit"),
    )
    said = "Item: bowl; Price: 5 euros; Deposit: 70 cents [1]"
    turns = chat("What is the price of a bowl?", said, "And the deposit?")
    settings = QUOTE | {"retrieval": QUOTE["retrieval"] | {"condense": "join"}}
    text = text_of(await events_of(fake, turns, **settings))
    assert text.startswith("Item: bowl")


async def test_a_second_question_is_rather_answered_by_another_sentence():
    fake = stages(
        ("key.md", "Key", "The key is kept in the vault by day. Only Ann may read the key.")
    )
    text, _ = await asked(fake, "Where is the key kept by day, and who may read it by day?")
    assert text == "The key is kept in the vault by day. Only Ann may read the key. [1]"


async def test_a_question_that_asks_which_version_is_told_its_heading():
    fake = stages(("log.md", "Lumen > 4.2 (2024-05-01)", "Added a dark theme."))
    text, _ = await asked(fake, "Which version of Lumen added a dark theme?")
    assert text == "4.2 (2024-05-01): Added a dark theme. [1]"


async def test_the_models_read_the_question_that_a_text_answers_and_the_name_of_its_file():
    fake = stages(("saw-hire.txt", "saw-hire.txt", "May I hire a saw?\n\nYes, for 4 euros."))
    await asked(fake, "Do you hire a saw out?")
    assert "saw hire\nMay I hire a saw? Yes, for 4 euros." in fake.reranked
