from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.labelled.questions import (
    DATA,
    PARAPHRASE,
    by_document,
    cut,
    read_documents,
    read_questions,
    relevant,
    shared_words,
)
from benchmarks.labelled.scores import DEPTH, MEASURES, interval, score
from benchmarks.retrieval import RERANKED, WAYS, Settings, ranking, run, summary
from graphs.config import RetrievalSettings
from index.records import Chunking
from models.bundled.prepare import minilm_folder
from models.embedder import EmbedderConfig
from models.reranker import RerankerConfig
from models.tokens import TokenSpans

CHUNKING = Chunking(max_chunk_tokens=48)  # local.yaml


def tokenizer_json():
    return (minilm_folder() / "tokenizer.json").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def documents():
    return read_documents()


@pytest.fixture(scope="module")
def passages(documents):
    return list(cut(documents, CHUNKING, TokenSpans(tokenizer_json())))


def test_the_set_has_300_questions_over_2000_passages(passages):
    questions = read_questions()
    assert len({one.question for one in questions}) == len(questions) >= 300
    assert len([one for one in questions if one.split == "test"]) >= 300
    assert len(passages) >= 2000


def test_every_span_stands_exactly_once_in_its_document(documents):
    spans = [one for question in read_questions() for one in question.evidence]
    assert spans
    for one in spans:
        assert documents[one.document].text.count(one.span) == 1, one


def test_every_question_has_a_passage_at_any_chunking(documents, passages):
    large = Chunking(max_chunk_tokens=400, chunk_overlap_tokens=80)  # cluster.yaml
    others = by_document(list(cut(documents, large, TokenSpans(tokenizer_json()))))
    passages = by_document(passages)
    for question in read_questions():
        assert relevant(question, documents, passages), question
        assert relevant(question, documents, others), question


def test_a_third_shares_few_words_with_its_passages_and_60_ask_by_identifier(documents, passages):
    questions = read_questions()
    grouped = by_document(passages)
    for question in questions:
        right = [passages[one] for one in relevant(question, documents, grouped)]
        shares_few = shared_words(question.question, right) <= PARAPHRASE
        assert question.paraphrase == shares_few, question
    others = [question for question in questions if question.source != "identifiers"]
    assert sum(question.paraphrase for question in others) >= len(others) / 3
    assert len(questions) - len(others) >= 60


def test_the_shipped_files_are_small_and_name_their_licences(documents):
    files = [file for file in DATA.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 1_600_000
    sources = {name.split("/")[0] for name in documents}
    assert {file.stem for file in (DATA / "licenses").iterdir()} == sources


def test_the_measures_are_those_of_the_books():
    ndcg, recall, reciprocal = score([7, 1, 2, 3], frozenset({1, 3, 9}))
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert ndcg == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / ideal)
    assert (recall, reciprocal) == (pytest.approx(2 / 3), 0.5)
    assert score(list(range(20)), frozenset({DEPTH})).tolist() == [0.0, 0.0, 0.0]


def test_an_interval_holds_its_mean_and_shrinks_with_more_questions():
    few = interval(np.array([0.0, 1.0] * 10))
    many = interval(np.array([0.0, 1.0] * 100))
    assert few.low < few.mean == 0.5 < few.high
    assert many.high - many.low < few.high - few.low


class WordEmbedder:
    """Counts words, hashed to a few places: texts that share words are near each other."""

    dim, fingerprint = 64, "words"

    def tokenizer_json(self):
        return tokenizer_json()

    def embed(self, texts, *, kind="document"):
        vectors = np.full((len(texts), self.dim), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, sum(word.encode()) % self.dim] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return SimpleNamespace(vectors=vectors / norms)


class KnowingReranker:
    """Knows the answers."""

    def __init__(self, spans):
        self.spans = spans

    def rerank(self, query, documents):
        knows = [any(span[:40] in text for span in self.spans) for text in documents]
        return SimpleNamespace(scores=np.array(knows, np.float32))


def test_it_runs_on_a_slice_and_a_reranker_that_knows_wins(documents):
    names = ("apache/mpm.html", "rust/nomicon-atomics.html", "django/faq-general.html")
    few = {name: documents[name] for name in names}
    questions = [one for one in read_questions() if {e.document for e in one.evidence} <= set(few)]
    result = run(
        Settings(
            chunking=CHUNKING,
            retrieval=RetrievalSettings(num_candidates=50),
            embedder=EmbedderConfig(model="bundled:embedder"),
            reranker=RerankerConfig(model="bundled:reranker"),
        ),
        few,
        questions,
        embedder=WordEmbedder(),
        reranker=KnowingReranker([e.span for one in questions for e in one.evidence]),
    )
    assert all(len(ranking(one, way, 50)) >= DEPTH for one in result.asked for way in WAYS)
    tables = summary(result.asked, 50)
    ways = next(iter(tables.values()))
    assert set(ways) == set(WAYS)
    assert max(ways, key=lambda way: ways[way][MEASURES[0]].mean) == RERANKED
