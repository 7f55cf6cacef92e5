import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from index.catalog.catalog import Catalog
from index.records import ChunkDraft

ROOT = Path(__file__).parents[3]
WRITER = """
import sys
import numpy as np
from index.catalog.catalog import Catalog
from index.records import ChunkDraft

url, store_id = sys.argv[1:3]
catalog = Catalog(url)
draft = ChunkDraft(text="words", title="", char_start=0, char_end=5, ordinal=0)
for _ in range(int(sys.argv[3])):
    file = catalog.create_file(filename="a.md", purpose="p", data=b"words")
    catalog.attach_file(store_id, file.id)
    job = catalog.claim_job("a", 60)
    head = catalog.complete_job(job, [draft], np.eye(1, 8, dtype=np.float32), "words@1")
    print(head, job.file_id, flush=True)
"""


def start_writers(url, store_id, count, num_files):
    command = [sys.executable, "-c", WRITER, url, store_id, str(num_files)]
    return [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]


def test_three_processes_number_the_log_densely(corpus, url):
    writers = start_writers(url, corpus.store(), count=3, num_files=5)
    lines = [writer.communicate()[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    numbers = [[int(line.split()[0]) for line in mine] for mine in lines]
    assert all(mine == sorted(mine) for mine in numbers)
    assert sorted(itertools.chain(*numbers)) == list(range(1, 16))
    assert [change.number for change in corpus.catalog.changes_since(0)] == list(range(1, 16))


def test_what_a_killed_writer_acknowledged_is_there_once(corpus, url):
    store_id = corpus.store()
    writers = start_writers(url, store_id, count=3, num_files=10_000)
    acknowledged = []
    for num_lines, writer in enumerate(writers, start=1):  # the others write on meanwhile
        acknowledged += [writer.stdout.readline() for _ in range(num_lines)]
        writer.kill()
        acknowledged += [
            line for line in writer.communicate()[0].splitlines(True) if line[-1] == "\n"
        ]
    assert [writer.returncode for writer in writers] == [-9, -9, -9]
    indexed = {change.file_id: change for change in corpus.catalog.changes_since(0, limit=10_000)}
    assert {line.split()[1] for line in acknowledged} <= set(indexed)
    numbers = sorted(change.number for change in indexed.values())
    assert numbers == list(range(1, corpus.catalog.head() + 1))  # one change a file, and no gap
    ids = [passage.chunk_id for change in indexed.values() for passage in change.passages]
    assert len(ids) == len(set(ids)) == len(indexed)
    assert len(acknowledged) <= len(indexed) <= len(acknowledged) + len(writers)


def test_two_catalogs_in_threads_number_the_log_densely_and_share_no_job(corpus, url, clock):
    corpus.catalog.create_store(name="docs", file_ids=[corpus.upload() for _ in range(10)])
    other = type(corpus)(Catalog(url, clock), clock)

    def work(one):
        return one.complete(one.claim(), ["x", "y"])

    with ThreadPoolExecutor(4) as pool:
        heads = list(pool.map(work, [corpus, other] * 5))
    other.catalog.close()
    assert sorted(heads) == list(range(1, 11))
    changes = corpus.catalog.changes_since(0)
    ids = [passage.chunk_id for change in changes for passage in change.passages]
    assert sorted(ids) == list(range(1, 21))


def test_changes_come_in_pages_without_gaps(corpus):
    store_id = corpus.store()
    for _ in range(5):
        corpus.add(store_id, ["words"])
    pages = [corpus.catalog.changes_since(number, limit=2) for number in (0, 2, 4, 5)]
    assert [[change.number for change in page] for page in pages] == [[1, 2], [3, 4], [5], []]


def test_an_upsert_carries_what_search_needs(corpus, vectors_of):
    store_id = corpus.store()
    vectors = vectors_of(2)
    file_id = corpus.add(store_id, ["one", "two"], vectors, lang="en")
    (change,) = corpus.catalog.changes_since(0)
    assert (change.kind, change.store_id, change.file_id) == ("upsert", store_id, file_id)
    assert (change.filename, change.attributes) == ("handbook.md", {"lang": "en"})
    assert [passage.text for passage in change.passages] == ["one", "two"]
    assert (change.vectors == vectors).all()


def test_a_transaction_that_fails_leaves_nothing(corpus, vectors_of):
    store_id, file_id = corpus.store(), corpus.upload()
    corpus.catalog.attach_file(store_id, file_id)
    job = corpus.claim()
    vectors = vectors_of(2)
    twice = [ChunkDraft(text="x", title="", char_start=0, char_end=1, ordinal=0)] * 2
    with pytest.raises(IntegrityError):  # after the first rows were written
        corpus.catalog.complete_job(job, twice, vectors, "words@1")
    assert (corpus.catalog.head(), corpus.catalog.store_file_text(store_id, file_id)) == (0, ())
