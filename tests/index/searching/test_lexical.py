"""BM25 with masks of many files, and over several updates."""

import numpy as np
import pytest

from index.searching import lexical
from index.searching.lexical import LexicalIndex
from tests.index.searching.passages import passage

FILES = 400


@pytest.fixture(scope="module")
def index():
    """Each file has two passages; all say "common", every fifth file "rare", as often as a score
    needs to tell them apart."""
    made = LexicalIndex()
    made.update(
        [],
        [
            (
                key,
                passage(2 * key + i, "common " + "rare " * (key % 5 == 0) + "filler " * (key % 7)),
            )
            for key in range(FILES)
            for i in range(2)
        ],
    )
    made.publish()
    return made


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("limit", [5, 100])
def test_a_mask_acts_before_the_limit(index, share, limit):
    allowed = np.random.default_rng(4).random(FILES) < share
    everything = index.search("common rare", 2 * FILES)
    expected = [(i, pytest.approx(s)) for i, s in everything.items() if allowed[i // 2]]
    found = index.search("common rare", limit, allowed)
    assert [score for _, score in expected[:limit]] == list(found.values())
    assert all(allowed[chunk_id // 2] for chunk_id in found)


def test_a_mask_on_files_without_the_best_words_still_finds_others(index):
    allowed = np.arange(FILES) % 5 != 0
    assert len(index.search("rare common", 100, allowed)) == 100
    assert index.search("rare", 100, allowed) == {}
    assert index.search("rare", 100, np.zeros(FILES, bool)) == {}


@pytest.mark.parametrize(("keep_from", "merge_from"), [(1, 1000), (1, 1), (1000, 1000)])
def test_updates_are_found_when_they_are_published(monkeypatch, keep_from, merge_from):
    monkeypatch.setattr(lexical, "KEEP_WRITER_FROM", keep_from)
    monkeypatch.setattr(lexical, "MERGE_FROM", merge_from)
    index = LexicalIndex()
    for number in range(30):
        index.update([number - 1], [(number, passage(number, f"word w{number}"))])
        assert index.search(f"w{number}", 5) == {}
        index.publish()
        assert list(index.search("word", 5)) == [number]
