"""What a generator that answers freely reads for a question of several parts."""

import numpy as np

from graphs.pipeline.events import Retrieved
from models.reranker import RerankScores
from tests.graphs.fake_stages import FakeStages, chat, events_of


class OfTwo(FakeStages):
    """Finds another passage for each part of a question, and a third for all of it."""

    async def rerank(self, query, documents):
        wanted = "Title 1" if "open" in query else "Title 3"
        scores = [0.9 if wanted in text else 0.6 for text in documents]
        return RerankScores(scores=np.asarray(scores, np.float32), num_tokens=1)


async def test_a_free_answer_reads_what_is_best_for_each_part_of_the_question():
    fake = OfTwo()
    request = chat("When does the fair open and how many boats can I rent?")
    events = await events_of(fake, request, retrieval={"top_k": 2}, answers="free")
    (retrieved,) = [event for event in events if isinstance(event, Retrieved)]
    assert [one.filename for one in retrieved.passages] == ["1.md", "3.md"]
    assert fake.queries == [
        "When does the fair open and how many boats can I rent?",
        "When does the fair open?",
        "how many boats can I rent?",
    ]
