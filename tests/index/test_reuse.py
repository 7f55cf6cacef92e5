from types import SimpleNamespace

import numpy as np

from index.records import ChunkDraft, content_hash
from index.reuse import embed_new, plan_embedding


def drafts_of(*texts):
    return [
        ChunkDraft(text=text, title="T", char_start=i, char_end=i + 1, ordinal=i)
        for i, text in enumerate(texts)
    ]


def vector_of(number):
    return np.full(2, number, np.float32)


def test_only_new_content_is_to_be_embedded_and_each_content_once():
    drafts = drafts_of("a", "b", "a", "c", "b")
    known = {content_hash(drafts[0]): vector_of(1)}
    plan = plan_embedding(drafts, lambda asked: {one: known[one] for one in asked if one in known})
    assert plan.texts == ["T\nb", "T\nc"]
    vectors = plan.vectors(np.stack([vector_of(2), vector_of(3)]))
    assert vectors.dtype == np.float32
    assert vectors[:, 0].tolist() == [1, 2, 1, 3, 2]


def test_nothing_is_to_be_embedded_when_all_is_known():
    drafts = drafts_of("a", "b")
    plan = plan_embedding(drafts, lambda asked: {one: vector_of(7) for one in asked})
    assert plan.texts == []
    assert plan.vectors([]).tolist() == [[7, 7], [7, 7]]


def test_the_same_words_under_another_title_are_other_content():
    one, two = drafts_of("a")[0], ChunkDraft(**(vars(drafts_of("a")[0]) | {"title": "Other"}))
    assert plan_embedding([one, two], lambda asked: {}).texts == ["T\na", "Other\na"]


class Swapped:
    """Was "old@1" when it was asked for its name, and is "new@1" from its first answer on."""

    def __init__(self):
        self.calls = []

    def embed(self, texts, fingerprint):
        self.calls.append((list(texts), fingerprint))
        for text in texts:  # a part each
            yield SimpleNamespace(vectors=np.full((1, 2), len(text)), fingerprint="new@1")


def test_vectors_of_a_model_that_was_swapped_meanwhile_are_not_mixed_with_known_ones():
    drafts, embeds = drafts_of("a", "bb", "a"), Swapped()
    known = {("old@1", content_hash(drafts[0])): vector_of(9)}

    def find_known(fingerprint, hashes):
        return {one: known[fingerprint, one] for one in hashes if (fingerprint, one) in known}

    made = embed_new(drafts, "old@1", find_known, embeds)
    assert embeds.calls == [(["T\nbb"], "old@1"), (["T\na", "T\nbb"], "new@1")]
    assert (made.fingerprint, made.num_new) == ("new@1", 2)
    assert made.vectors[:, 0].tolist() == [3, 4, 3]


def test_an_embedder_is_not_asked_when_all_is_known():
    embeds = Swapped()
    made = embed_new(drafts_of("a"), "old@1", lambda _, asked: {asked[0]: vector_of(7)}, embeds)
    assert (made.num_new, made.fingerprint, embeds.calls) == (0, "old@1", [])
