"""The Embedder without Ray: several models at once, and settings that change."""

import asyncio

import numpy as np
import pytest

from deployments import embedder as module
from deployments.embedder import Embedder, ServedEmbedders
from deployments.user_config import parse_config
from models.embedder import Embeddings, Row
from models.errors import InvalidInputError

BLOCK = {"model": "a/b", "revision": "c" * 40, "also": [{"model": "./x", "engine": "onnx"}]}


class FakeModel:
    """Its vectors tell the model, the text and the kind apart."""

    def __init__(self, config):
        self.config = config
        self.batches = []
        self.dim = len(config.model)
        self.fingerprint = config.fingerprint(self.dim)

    def prefixed(self, text, kind):
        return text + "?" * (kind == "query")

    def cost(self, prefixed):
        return len(prefixed)

    def rows(self, prefixed):
        self.batches.append(list(prefixed))
        return [Row(np.full(self.dim, len(text), np.float32), 1) for text in prefixed]

    def joined(self, rows):
        vectors = np.stack([row.vector for row in rows])
        counts = np.asarray([row.num_tokens for row in rows], np.int32)
        return Embeddings(vectors=vectors, token_counts=counts, fingerprint=self.fingerprint)

    def cut(self, embeddings, dimensions):
        return embeddings

    def tokenizer_json(self):
        return f"tokens of {self.config.model}"


@pytest.fixture
def loads(monkeypatch):
    """The models that were loaded, in their order."""
    loaded = []

    async def load(_model_class, config):
        loaded.append(config.model)
        return FakeModel(config)

    monkeypatch.setattr(module, "load_model", load)
    return loaded


async def embedder_of(**block):
    made = Embedder.func_or_class()
    await change(made, **block)
    return made


async def change(embedder, **block):
    """Other settings, and the end of what they begin."""
    await embedder.reconfigure(block)
    await asyncio.gather(*embedder._life._tasks)


def test_the_main_model_and_the_others_are_typed():
    settings = parse_config(ServedEmbedders, BLOCK)
    main, other = settings.configs
    assert (main.model, main.engine, main.revision) == ("a/b", "torch", "c" * 40)
    assert (other.model, other.engine) == ("./x", "onnx")
    assert main.made(main.fingerprint(7))
    assert not main.made(other.fingerprint(7))
    assert not main.made("a/b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"also": [{"model": "./x", "engin": "onnx"}]},
            r"also.0: unknown key 'engin'; did you mean 'engine'\?",
        ),
        ({"also": [{"engine": "onnx"}]}, "also.0: missing key 'model'"),
        ({"also": [{"model": "./x", "also": []}]}, "also.0: unknown key 'also'"),
        ({"also": [{"model": "./x", "batch_size": 0}]}, "batch_size must be in 1..1024, got 0"),
        ({"also": [{"model": "a/b", "revision": "c" * 40}]}, "each embedder must be named once"),
    ],
)
def test_a_bad_block_is_refused(change, message):
    with pytest.raises(InvalidInputError, match=message):
        parse_config(ServedEmbedders, BLOCK | change)


async def test_queries_are_embedded_by_every_model_and_documents_by_one(loads):
    embedder = await embedder_of(**BLOCK)
    main, other = await embedder.served()
    asked = await embedder.embed(["a", "bc"], "query")
    assert (asked.fingerprint, asked.vectors[:, 0].tolist()) == (main, [2, 3])
    assert [one.fingerprint for one in asked.others] == [other]
    assert asked.others_of(1)[other].tolist() == [3, 3, 3]
    stored = await embedder.embed(["a"])
    assert (stored.fingerprint, stored.others) == (main, ())
    stored = await embedder.embed(["a"], "document", None, other)
    assert (stored.fingerprint, stored.vectors.shape) == (other, (1, 3))
    assert await embedder.fingerprint(other) == other
    assert await embedder.tokenizer_json(other) == "tokens of ./x"
    await embedder.check_health()


async def test_what_is_not_loaded_is_embedded_by_the_main_model(loads):
    embedder = await embedder_of(**BLOCK)
    (main, _) = await embedder.served()
    for wanted in (None, "gone@1/8"):
        assert await embedder.fingerprint(wanted) == main
        assert (await embedder.embed(["a"], "document", None, wanted)).fingerprint == main
        assert await embedder.tokenizer_json(wanted) == "tokens of a/b"


async def test_with_one_model_nothing_is_embedded_twice(loads):
    embedder = await embedder_of(model="./x")
    assert (await embedder.embed(["a"], "query")).others == ()
    assert list(await embedder.served()) == ["./x@local/3"]


async def test_models_that_stay_are_not_loaded_again(loads):
    embedder = await embedder_of(model="./x")
    await change(embedder, model="./x", also=[{"model": "./new"}])
    await change(embedder, model="./new", also=[{"model": "./x"}])
    assert (await embedder.describe()).model == "./new"
    await change(embedder, model="./new")
    assert loads == ["./x", "./new"]
    assert list(await embedder.served()) == ["./new@local/5"]
    await change(embedder, model="./new", batch_size=2)
    assert loads == ["./x", "./new", "./new"]


async def test_documents_are_embedded_some_at_a_time_and_come_back_in_their_order(loads):
    embedder = await embedder_of(model="./x", max_batch_tokens=4)
    texts = ["a" * length for length in (3, 1, 2, 9, 1)]
    found = await embedder.embed(texts)
    assert found.vectors[:, 0].tolist() == [3, 1, 2, 9, 1]
    assert found.token_counts.tolist() == [1] * 5
    [loaded] = await embedder._life.current()
    assert loaded.model.batches[1:] == [["aaa", "a"], ["aa"], ["a" * 9], ["a"]]
