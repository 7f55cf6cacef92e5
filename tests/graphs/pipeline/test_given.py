"""Documents that come with the question: cut, ranked, reranked and cited as passages of a store."""

import numpy as np
import pytest

from graphs.pipeline.events import GivenDocument
from graphs.pipeline.expansion import Query
from graphs.pipeline.given import ranked
from tests.graphs.fake_services import FINGERPRINT, FakeEmbedder, word_vector
from tests.graphs.fake_stages import FakeStages, chat, events_of, text_of

LONG = " ".join(f"Sentence number {n} tells of thing {n} and of nothing else." for n in range(40))
DOCUMENTS = (
    GivenDocument(id="a", title="Pumps", text="Pumps hum.\n\nA pump is blue."),
    GivenDocument(id="b", title="", text=LONG),
)


def query(text):
    return Query(text=text, vector=word_vector(text), fingerprint=FINGERPRINT)


async def found(text, *, limit=100, reach=0, documents=DOCUMENTS):
    return await ranked(documents, (query(text),), FakeEmbedder(), limit=limit, reach=reach)


async def test_pieces_are_whole_sentences_and_nothing_is_lost():
    hits = sorted(await found("x"), key=lambda hit: hit.chunk_id)
    assert [hit.text for hit in hits if hit.file_id == "a"] == ["Pumps hum.", "A pump is blue."]
    pieces = [hit.text for hit in hits if hit.file_id == "b"]
    assert " ".join(pieces) == LONG
    assert all(len(piece) <= 240 and piece.endswith(".") for piece in pieces)
    for hit in hits:
        text = next(one.text for one in DOCUMENTS if one.id == hit.file_id)
        assert text[hit.char_start : hit.char_end].strip() == hit.text


async def test_very_many_short_blocks_are_joined_and_a_long_title_is_not_repeated_whole():
    document = GivenDocument(id="c", title="T" * 9000, text="a\n\n" * 60_000 + "The end.")
    hits = await found("x", limit=10_000, documents=(document,))
    assert len(hits) < 1100
    assert sum(hit.text.count("a") for hit in hits) == 60_000
    assert max(len(hit.title) for hit in hits) == 240


async def test_the_nearest_come_first_and_no_more_than_asked():
    hits = await found("A pump is blue.", limit=3)
    assert (len(hits), hits[0].text) == (3, "A pump is blue.")
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert np.isclose(hits[0].dense_score, hits[0].score)


async def test_a_hit_knows_the_pieces_around_it_of_its_own_document():
    hit = next(hit for hit in await found("Pumps hum.", reach=4) if hit.text == "Pumps hum.")
    assert [one.text for one in hit.around] == ["Pumps hum.", "A pump is blue."]
    assert [one.chunk_id for one in hit.around] == [1, 2]


@pytest.mark.parametrize("text", ["", " \n\n "])
async def test_a_document_without_text_is_no_passage(text):
    assert await found("x", documents=(GivenDocument(id="a", title="T", text=text),)) == ()


async def test_a_chat_is_answered_from_its_documents_and_no_store_is_searched():
    fake = FakeStages()
    request = chat("What hums?", documents=DOCUMENTS[:1])
    events = await events_of(fake, request)
    assert {one.file_id for one in events[0].passages} == {"a"}
    assert fake.searches == []
    assert text_of(events)
