"""The stages of a bulk load without Ray: a real corpus, real files and the bundled embedder."""

import pickle
import sqlite3
from dataclasses import replace

import pytest

from deployments import bulk_load
from deployments.bulk_load import (
    VALUE,
    Committer,
    Cutter,
    Destination,
    NewPassageEmbedder,
    Reader,
    row_of,
)
from index.access import Viewer, access_text
from index.bulk.bulk_sources import find_sources
from index.catalog.catalog import Catalog
from index.chunk import Cutting
from index.errors import CorpusUnavailableError
from index.parsing.parse_limits import ParseLimits
from index.records import Chunking
from models.embedder import EmbedderConfig
from models.tokens import TokenSpans

CUTTING = Cutting(chunking=Chunking(max_chunk_tokens=16), limits=ParseLimits())
EMBEDDER = EmbedderConfig(model="bundled:embedder")
TEXT = "The ferry leaves at nine in the morning.\n\nThe library lends {} books to every reader."


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('corpus')}/corpus.db"
    catalog = Catalog(url)
    to = Destination(database_url=url, store_id=catalog.create_store(name="docs").id)
    cutter = Cutter(to, CUTTING, EMBEDDER)
    yield (
        catalog,
        to,
        (Reader(CUTTING.limits), cutter, NewPassageEmbedder(to, EMBEDDER, 1), Committer(to)),
    )
    cutter._cutter.close()
    catalog.close()


def load(stages, folder):
    """Runs the stages one after the other, as Ray Data does."""
    _, _, (reader, cutter, embedder, committer) = stages
    rows = cutter(reader(row_of(find_sources([str(folder)]).sources)))
    (tally,) = [pickle.loads(committer(embedder(row))[VALUE]) for row in rows]
    return tally


def test_documents_are_loaded_and_of_a_changed_one_the_new_passages_are_embedded(stages, tmp_path):
    catalog, to, _ = stages
    (tmp_path / "a.md").write_text(TEXT.format("four"))
    (tmp_path / "bad.pdf").write_bytes(b"not a PDF")
    first = load(stages, tmp_path)
    assert (first.num_loaded, first.num_chunks, first.num_embedded) == (1, 2, 2)
    assert [one.name for one in first.failures] == ["bad.pdf"]
    assert set(first.seconds) == {"read", "parse", "chunk", "embed", "commit"}
    assert 0 < first.began <= first.ended

    again = load(stages, tmp_path)
    assert (again.num_loaded, again.num_present, again.num_embedded) == (0, 1, 0)

    (tmp_path / "a.md").write_text(TEXT.format("five"))
    changed = load(stages, tmp_path)
    assert (changed.num_loaded, changed.num_chunks, changed.num_embedded) == (1, 2, 1)
    (file,) = catalog.list_store_files(to.store_id).items
    assert "five" in catalog.store_file_text(to.store_id, file.file_id)[1]
    assert catalog.get_store(to.store_id).fingerprint == "bundled:embedder@local/384"


def test_the_tokenizer_that_is_read_cuts_as_that_of_the_loaded_model(stages):
    cutter, embedder = stages[2][1:3]
    spans = TokenSpans(embedder._model.tokenizer_json())
    text = "Ünïcode, ﬁgures 1,234.5 and 中文: naïve tokenizers (v2.60) don't—do they?\n\tdef f(x):"
    assert cutter._cutter._token_spans(text) == spans(text)


def test_a_database_that_is_locked_for_a_moment_is_waited_for(monkeypatch):
    monkeypatch.setattr(bulk_load, "_PAUSES_S", (0.0, 0.0))
    calls = iter([CorpusUnavailableError("locked"), CorpusUnavailableError("locked"), 7])

    def call():
        result = next(calls)
        if isinstance(result, Exception):
            raise result
        return result

    assert bulk_load.patiently(call) == 7


def test_a_database_that_stays_away_ends_the_load(monkeypatch, tmp_path):
    monkeypatch.setattr(bulk_load, "_PAUSES_S", (0.0,))
    url = f"sqlite:///{tmp_path}/corpus.db?timeout=0.01"
    catalog = Catalog(url)
    lock = sqlite3.connect(tmp_path / "corpus.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("index.catalog.engine.LOCK_TIMEOUT_MS", 10)
    with pytest.raises(CorpusUnavailableError, match="locked"):
        bulk_load.patiently(Catalog(url).head)
    lock.close()
    catalog.close()


def test_what_is_loaded_belongs_to_the_tenant_and_is_seen_by_whom_its_store_names(stages, tmp_path):
    catalog, to, (reader, *_, embedder, _) = stages
    acme = catalog.seen_by(Viewer(tenant="acme"))
    store = acme.create_store(name="docs", access=access_text(["group:sales"]))
    to = replace(to, store_id=store.id, tenant="acme")
    cutter, committer = Cutter(to, CUTTING, EMBEDDER), Committer(to)
    (tmp_path / "a.md").write_text(TEXT.format("six"))
    assert load((catalog, to, (reader, cutter, embedder, committer)), tmp_path).num_loaded == 1
    cutter._cutter.close()
    seen = {
        (tenant, group): len(
            catalog.seen_by(
                Viewer(tenant=tenant, principals=frozenset({f"group:{group}"}))
            ).list_files().items
        )
        for tenant in ("acme", "other") for group in ("sales", "hr")
    }  # fmt: skip
    assert seen == {
        ("acme", "sales"): 1, ("acme", "hr"): 0, ("other", "sales"): 0, ("other", "hr"): 0,
    }  # fmt: skip
