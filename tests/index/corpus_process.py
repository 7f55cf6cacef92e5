"""`python -m tests.index.corpus_process ROLE URL STORE_ID NAME LEASE_S`.

A writer adds documents, deletes some again, and says on its standard output what it was told. An
ingester works off jobs. A searcher follows the log as a replica does, and says when a document is
there in part. All go on until they are killed, or whoever started them is gone.
"""

import os
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from random import Random

import numpy as np

from chaos.ledger import NUM_PARTS, markdown_of, parts_of
from index.catalog.catalog import Catalog
from index.errors import CorpusUnavailableError, LostLeaseError, UnknownFileError
from index.records import ChunkDraft
from index.searching.fold import Fold
from index.searching.request import SearchRequest

DIM = 8
PARENT = os.getppid()
PAUSE_S = 0.02  # of an ingester over a document, and of the others between two
MAX_UNREAD = 20  # documents that wait for an ingester


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def write(catalog, store_id, name, _lease_s):
    chance = Random(name)
    kept = deque()
    number = 0
    while os.getppid() == PARENT:
        time.sleep(PAUSE_S)
        if catalog.get_store(store_id).file_counts.in_progress > MAX_UNREAD:
            continue
        document = f"{name}x{number}"
        number += 1
        say("attempted", document)
        data = markdown_of(document).encode()
        with suppress(CorpusUnavailableError):  # then it is not known whether it is there
            file = catalog.create_file(filename=f"{document}.md", purpose="assistants", data=data)
            catalog.attach_file(store_id, file.id)
            say("acknowledged", document)
            kept.append((document, file.id))
            if chance.random() < 0.2:
                gone, file_id = kept.popleft()  # perhaps not indexed yet, or just now
                say("deleting", gone)
                catalog.delete_file(file_id)
                say("deleted", gone)


def ingest(catalog, _store_id, name, lease_s):
    while os.getppid() == PARENT:
        with suppress(CorpusUnavailableError):
            if not ingest_one(catalog, name, lease_s):
                time.sleep(PAUSE_S)


def ingest_one(catalog, name, lease_s):
    job = catalog.claim_job(name, lease_s)
    if job is None:
        return False
    try:
        document = catalog.get_file(job.file_id).filename.removesuffix(".md")
        assert catalog.file_content(job.file_id) == markdown_of(document).encode()
        time.sleep(PAUSE_S)
        catalog.complete_job(job, drafts_of(document), vectors_of(document), "words@1")
        say("completed", document)
    except (LostLeaseError, UnknownFileError):
        say("refused", job.id)
    return True


def drafts_of(document):
    return [
        ChunkDraft(text=text, title=document, char_start=at, char_end=at + 1, ordinal=at)
        for at, text in enumerate(parts_of(document))
    ]


def vectors_of(document):
    vectors = np.random.default_rng(list(document.encode())).normal(size=(NUM_PARTS, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def search(catalog, store_id, _name, _lease_s):
    fold = Fold(catalog)
    request = SearchRequest(stores=(store_id,), text="part", mode="lexical", top_k=1000)
    while os.getppid() == PARENT:
        time.sleep(PAUSE_S)
        whole = Counter(hit.file_id for hit in fold.search(request))
        if set(whole.values()) - {NUM_PARTS} and sum(whole.values()) < request.top_k:
            say("torn", dict(whole))


ROLES = {"writer": write, "ingester": ingest, "searcher": search}


if __name__ == "__main__":
    role, url, store_id, name, lease_s = sys.argv[1:]
    ROLES[role](Catalog(url), store_id, name, float(lease_s))
