"""Processes killed or paused at random moments: what was acknowledged is found, whole and once.

The full form, with the services themselves, is `python -m benchmarks.durability`.
"""

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryFile

import pytest
from sqlalchemy import select

from chaos import processes
from chaos.ledger import Ledger, parts_of
from index.catalog.catalog import Catalog
from index.catalog.schema import changes, jobs
from index.searching.fold import Fold
from index.searching.request import SearchRequest
from tests.index.corpus_process import ingest_one

ROOT = Path(__file__).parents[3]
ROLES = ("writer", "writer", "ingester", "ingester", "searcher")
LEASE_S = 1.0
PATIENCE_S = 120.0
NUM_KILLS = 20


@dataclass
class Crowd:
    """Processes over one corpus; each that is killed is followed by another in its role."""

    url: str
    store_id: str
    running: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    num_kills: int = 0

    def start(self, role):
        output = TemporaryFile("w+")  # noqa: SIM115 - close() does
        name = f"{role}{len(self.outputs)}"
        words = (role, self.url, self.store_id, name, str(LEASE_S))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.index.corpus_process", *words], cwd=ROOT, stdout=output
        )
        self.outputs.append(output)
        self.running.append((role, name, process))
        return name, process

    def kill(self, index):
        """SIGKILLs one and proves that it ran until then and is gone now."""
        role, _, process = self.running.pop(index)
        assert process.poll() is None, f"a {role} ended by itself"
        processes.kill([process.pid])
        assert process.wait() == -9
        self.num_kills += 1
        return role

    def kill_all(self):
        while self.running:
            self.kill(0)

    def close(self):
        for _, _, process in self.running:
            process.kill()
            process.wait()
        for output in self.outputs:
            output.close()

    def lines(self):
        """What all of them have said, in whole lines."""
        for output in self.outputs:
            output.seek(0)
            yield from (line for line in output if line.endswith("\n"))

    def ledger(self):
        ledger = Ledger()
        for line in self.lines():
            if line.split()[0] in ("attempted", "acknowledged", "deleting", "deleted"):
                ledger.note(line)
        return ledger


@pytest.fixture
def crowd(corpus, url):
    made = Crowd(url, corpus.store())
    yield made
    made.close()


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def work_off(catalog):
    """Does what is left, when the leases of the dead have run out."""

    def is_done():
        while ingest_one(catalog, "survivor", LEASE_S):
            continue
        with catalog._read() as connection:
            return connection.execute(select(jobs.c.id).limit(1)).first() is None

    until(is_done)


def found(catalog, store_id, ledger):
    """The passages that searches for every document give, and all that the index holds."""
    fold = Fold(catalog)
    fold.catch_up()
    for document in sorted(ledger.attempted):
        request = SearchRequest(stores=(store_id,), text=document, mode="lexical", top_k=9)
        texts = sorted(hit.text for hit in fold.search(request))
        assert texts in ([], sorted(parts_of(document)))
    chunk_ids = fold.indexes[store_id].chunk_ids.tolist()
    passages = catalog.read_passages(chunk_ids)
    return [passages[chunk_id].passage.text for chunk_id in chunk_ids]


def logged(catalog):
    """The log as it was written: (number, kind, file id)."""
    with catalog._read() as connection:
        rows = connection.execute(select(changes).order_by(changes.c.number)).all()
    return [(row.number, row.kind, row.file_id) for row in rows]


def check(catalog, crowd):
    work_off(catalog)
    ledger = crowd.ledger()
    verdict = ledger.judge(found(catalog, crowd.store_id, ledger))
    assert verdict.is_clean, verdict
    log = logged(catalog)
    assert [number for number, _, _ in log] == list(range(1, catalog.head() + 1))
    upserts = [file_id for _, kind, file_id in log if kind == "upsert"]
    assert len(upserts) == len(set(upserts)), "a file was committed twice"
    assert not has_said(crowd, "torn")
    return verdict


def test_what_killed_processes_acknowledged_is_found_whole_and_once(crowd, url):
    chance = Random(7)
    for role in ROLES:
        crowd.start(role)
    catalog = Catalog(url)  # with the real clock, as the processes have
    until(lambda: catalog.head() > 5)
    while crowd.num_kills < NUM_KILLS:
        time.sleep(chance.uniform(0, 0.5))
        crowd.start(crowd.kill(chance.randrange(len(crowd.running))))
    head = catalog.head()
    until(lambda: catalog.head() > head)  # those that are left still work
    crowd.kill_all()
    verdict = check(catalog, crowd)
    assert verdict.num_deleted
    catalog.close()


def test_a_writer_and_an_ingester_that_were_paused_lose_and_double_nothing(crowd, url):
    catalog = Catalog(url)
    for role in ("writer", "ingester", "searcher"):
        crowd.start(role)
    _, writer = crowd.start("writer")
    name, ingester = crowd.start("ingester")
    while not has_said(crowd, "refused"):  # it was late: another has taken its job over
        until(lambda: holds_job(catalog, name))
        for process in (ingester, writer):  # perhaps inside a transaction, for which all then wait
            processes.freeze(process.pid)
        time.sleep(2 * LEASE_S)
        for process in (writer, ingester):
            processes.thaw(process.pid)
        head = catalog.head()
        until(lambda head=head: catalog.head() > head or has_said(crowd, "refused"))
    crowd.kill_all()
    check(catalog, crowd)
    catalog.close()


def has_said(crowd, word):
    return any(line.startswith(word) for line in crowd.lines())


def holds_job(catalog, name):
    with catalog._read() as connection:
        owners = connection.execute(select(jobs.c.lease_owner).where(jobs.c.lease_owner == name))
        return owners.first() is not None
