"""Which hits a reranker's scores are believed of."""

from dataclasses import replace

import numpy as np
import pytest

from graphs.config import RetrievalSettings
from graphs.pipeline.relevance import Relevance
from graphs.pipeline.trace import Trace
from graphs.settings import DeadlineSettings
from models.reranker import RerankScores
from tests.graphs.fake_stages import hit


class SureReranker:
    """Takes all for the answer, the first most."""

    async def rerank(self, question, documents):
        scores = np.linspace(0.99, 0.9, len(documents), dtype=np.float32)
        return RerankScores(scores=scores, num_tokens=1)


async def ranked(question, *texts):
    hits = [replace(hit(number), text=text) for number, text in enumerate(texts, start=1)]
    relevance = Relevance(DeadlineSettings(), SureReranker(), SureReranker())
    found = await relevance.by_passage(question, hits, RetrievalSettings(), Trace("request"))
    return {one.hit.chunk_id: one.score for one in found}


async def test_a_passage_about_another_identifier_does_not_answer():
    found = await ranked("What is KX-4412?", "KX-4413 is a seal.", "It is.", "KX-4412 is a pump.")
    assert list(found) == [3, 2, 1]
    assert found[3] == pytest.approx(0.9)
    assert found[1] < 0.1


async def test_an_identifier_that_no_passage_holds_is_not_answered_by_another():
    found = await ranked("What is KX-4419?", "KX-4412 is a pump.", "KX-4413 is a seal.")
    assert max(found.values()) < 0.1
