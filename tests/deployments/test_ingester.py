"""The Ingester without Ray: a real catalog and a real sandbox, a fake embedder."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from deployments.ingester import Ingester
from index.access import OPERATOR


class Method:
    """A method of a deployment handle."""

    def __init__(self, function):
        self._function = function

    async def remote(self, *args):
        return self._function(*args)


class FakeEmbedder:
    """A handle; remembers what was embedded. `swap_after` calls it has another model."""

    def __init__(self, swap_after=None):
        self.calls = []
        self._swap_after = swap_after
        tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
        tokenizer.pre_tokenizer = Whitespace()
        self.tokenizer_json = Method(lambda _wanted: tokenizer.to_str())
        self.fingerprint = Method(self._fingerprint)
        self.embed = Method(self._embed)

    @property
    def embedded(self):
        return [text.split("\n", 1)[1] for texts in self.calls for text in texts]

    def _fingerprint(self, _wanted=None):
        is_swapped = self._swap_after is not None and len(self.calls) > self._swap_after
        return "twos@1" if is_swapped else "ones@1"

    def _embed(self, texts, kind, _dimensions, _fingerprint):
        assert kind == "document"
        self.calls.append(texts)
        value = 1 if self._fingerprint() == "ones@1" else 2
        vectors = np.full((len(texts), 1), value, np.float32)
        return SimpleNamespace(vectors=vectors, fingerprint=self._fingerprint())


@asynccontextmanager
async def running(folder, embedder, **settings):
    """An Ingester at work, and a store of its own."""
    ingester = Ingester.func_or_class(f"sqlite:///{folder}/corpus.db", embedder)
    await ingester.reconfigure(settings)
    yield ingester, await ingester.catalog(OPERATOR, "create_store", name="docs")
    await asyncio.to_thread(ingester._ingestion.close)
    ingester._catalog.close()


async def ingested(ingester, store_id, name, data):
    file = await ingester.catalog(
        OPERATOR, "create_file", filename=name, purpose="assistants", data=data
    )
    await ingester.catalog(OPERATOR, "attach_file", store_id, file.id)
    async with asyncio.timeout(60):
        while True:
            record = await ingester.catalog(OPERATOR, "get_store_file", store_id, file.id)
            if record.status != "in_progress":
                return record
            await asyncio.sleep(0.02)


async def test_a_hostile_file_fails_with_its_reason_and_the_next_is_read(tmp_path):
    limits = {"memory_mb": 192, "max_file_mb": 32}
    hungry = b'{"a":[' + b"{}," * 8_000_000 + b"1]}"
    failures = [
        ("hungry.json", hungry, "invalid_file", "needs more than 192 MB of memory"),
        ("large.txt", b"x" * (33 * 2**20), "invalid_file", "at most 32 MB are allowed"),
        ("zip.md", b"PK\x03\x04", "invalid_file", "is not text: it is a ZIP archive"),
        ("a.exe", b"MZ", "unsupported_file", "is not one of"),
    ]
    async with running(tmp_path, FakeEmbedder(), parse_limits=limits) as (ingester, store):
        for name, data, code, message in failures:
            failed = await ingested(ingester, store.id, name, data)
            assert (failed.status, failed.error_code) == ("failed", code)
            assert message in failed.error_message
            good = await ingested(ingester, store.id, "good.csv", b"Name,Unit\nmin,1\n")
            assert good.status == "completed"


async def test_of_changed_content_only_the_changed_passages_are_embedded(tmp_path):
    embedder = FakeEmbedder()
    settings = {"max_chunk_tokens": 4, "chunk_overlap_tokens": 0}
    old = b"One is here. Two is here. Three is here."
    new = old.replace(b"Two", b"2")
    async with running(tmp_path, embedder, **settings) as (ingester, store):
        await ingested(ingester, store.id, "a.txt", old)
        assert embedder.embedded == ["One is here.", "Two is here.", "Three is here."]
        embedder.calls.clear()
        again = await ingested(ingester, store.id, "a.txt", new)
        assert embedder.embedded == ["2 is here."]
        text = await ingester.catalog(OPERATOR, "store_file_text", store.id, again.file_id)
        assert text == ("One is here.", "2 is here.", "Three is here.")
        embedder.calls.clear()
        assert (await ingested(ingester, store.id, "a.txt", old)).status == "completed"
        assert embedder.embedded == []


async def test_vectors_of_a_model_that_was_swapped_meanwhile_are_not_mixed(tmp_path):
    embedder = FakeEmbedder(swap_after=1)
    settings = {"max_chunk_tokens": 2, "chunk_overlap_tokens": 0}
    words = " ".join(f"word{number}." for number in range(100)).encode()
    async with running(tmp_path, embedder, **settings) as (ingester, store):
        done = await ingested(ingester, store.id, "a.txt", words)
        assert done.status == "completed"
        (change,) = ingester._catalog.changes_since(0)
        assert change.fingerprint == "twos@1"
        assert set(change.vectors.ravel().tolist()) == {2.0}


class TwoModels(FakeEmbedder):
    """Has two models; `on_embed` is done while the first call after it was set is embedded."""

    on_embed = None

    def _fingerprint(self, wanted=None):
        return wanted if wanted in ("ones@1", "twos@1") else "ones@1"

    def _embed(self, texts, kind, _dimensions, fingerprint):
        self.calls.append(texts)
        if self.on_embed:
            self.on_embed, on_embed = None, self.on_embed
            on_embed()
        value = 1 if fingerprint == "ones@1" else 2
        vectors = np.full((len(texts), 1), value, np.float32)
        return SimpleNamespace(vectors=vectors, fingerprint=fingerprint)


async def test_a_document_gets_the_embedder_of_its_store_also_if_that_changes_meanwhile(tmp_path):
    embedder = TwoModels()
    async with running(tmp_path, embedder) as (ingester, store):
        await ingested(ingester, store.id, "a.txt", b"One is here.")
        catalog = ingester._catalog

        def switch():
            (chunk_id,) = catalog.chunk_ids(store.id)
            catalog.add_vectors("twos@1", [chunk_id], np.full((1, 1), 2, np.float32))
            assert catalog.switch_embedder(store.id, "twos@1")

        embedder.on_embed = switch
        assert (await ingested(ingester, store.id, "b.txt", b"Two.")).status == "completed"
        assert embedder.embedded == ["One is here.", "Two.", "Two."]
        assert (await ingested(ingester, store.id, "c.txt", b"Three.")).status == "completed"
        assert catalog.count_vectors(store.id) == {"ones@1": 1, "twos@1": 3}
        other = await ingester.catalog(OPERATOR, "create_store", name="new")
        await ingested(ingester, other.id, "d.txt", b"Four.")
        assert catalog.embedder_of(other.id) == "ones@1"


async def test_a_document_for_a_store_whose_embedder_is_not_served_is_refused(tmp_path):
    embedder = TwoModels()
    async with running(tmp_path, embedder) as (ingester, store):
        first = await ingested(ingester, store.id, "a.txt", b"One is here.")
        catalog = ingester._catalog
        ids = catalog.chunk_ids(store.id)
        catalog.add_vectors("gone@1", ids, np.ones((1, 1), np.float32))
        assert catalog.switch_embedder(store.id, "gone@1")
        refused = await ingested(ingester, store.id, "b.txt", b"Two.")
        assert (refused.status, refused.error_code) == ("failed", "server_error")
        assert "holds vectors of 'gone@1', dimension 1; got 'ones@1'" in refused.error_message
        await ingester.catalog(OPERATOR, "delete_file", first.file_id)
        assert (await ingested(ingester, store.id, "c.txt", b"Three.")).status == "completed"
        assert catalog.embedder_of(store.id) == "ones@1"
