"""The memory that an index says it takes, beside what FAISS and tantivy write of the same."""

import faiss
import numpy as np
import pytest
import tantivy

from index.records import titled_text
from index.searching.dense_flat import FlatVectors
from index.searching.dense_inverted import InvertedVectors
from index.searching.lexical import (
    ANALYZER,
    WRITER_BYTES,
    LexicalIndex,
    lexical_schema,
    word_analyzer,
)
from index.searching.words import indexed_words
from tests.index.searching.passages import passage
from tests.ray_environment import ROOT

NUM, DIM = 4_000, 64


@pytest.fixture(scope="module")
def vectors():
    made = np.random.default_rng(7).standard_normal((NUM, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["flat", "inverted"])
def test_vectors_take_what_faiss_writes_of_them(vectors, kind):
    index = FlatVectors(DIM) if kind == "flat" else InvertedVectors(vectors, 32)
    rows = np.arange(NUM)
    index.add(rows, vectors)
    written = len(faiss.serialize_index(index._index))
    spare = 0 if kind == "flat" else index._list_of.num_bytes  # beside FAISS
    assert index.num_bytes == pytest.approx(written + spare, rel=0.02)
    whole = index.num_bytes
    index.remove(rows[: NUM // 2])
    assert index.num_bytes < 0.6 * whole


def passages_of_docs():
    texts = [path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))]
    pieces = [text[at : at + 800] for text in texts for at in range(0, len(text), 800)]
    return [passage(number, piece) for number, piece in enumerate(pieces)]


def test_words_take_about_what_tantivy_writes_of_them(tmp_path):
    passages = passages_of_docs()
    index = LexicalIndex()
    index.update([], [(one.chunk_id // 10, one) for one in passages])
    index.publish()
    kept = tantivy.Index(lexical_schema(), path=str(tmp_path))
    kept.register_tokenizer(ANALYZER, word_analyzer())
    writer = kept.writer(WRITER_BYTES, num_threads=1)
    for one in passages:
        body = indexed_words(titled_text(one))
        writer.add_document(
            tantivy.Document(chunk_id=one.chunk_id, file_key=one.chunk_id // 10, body=body)
        )
    writer.commit()
    writer.wait_merging_threads()
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert index.num_bytes == pytest.approx(written, rel=0.35)
    index.update(range(1 + len(passages) // 10), [])
    index.publish()
    assert index.num_bytes == 0
