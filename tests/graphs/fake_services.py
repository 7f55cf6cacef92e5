"""Fakes of what the HTTP layer calls, around the real catalog and search."""

import asyncio
import zlib
from functools import partial

import numpy as np

from graphs.caller import Caller
from graphs.corpus_client import CallerCorpus
from index.searching.fold import Fold
from models.embedder import Embeddings
from models.errors import InvalidInputError
from models.reranker import RerankScores
from models.safety import MODERATION_CATEGORIES, Verdict

DIM = 64
MAX_TOKENS = 100  # words that the fakes of embedder and reranker read
FINGERPRINT = f"words/{DIM}"


def word_vector(text):
    """Hashes every word to one of DIM places: texts that share words are near each other."""
    vector = np.full(DIM, 1e-3, dtype=np.float32)
    for word in text.lower().split():
        vector[zlib.crc32(word.strip(".,?!").encode()) % DIM] += 1
    return vector / np.linalg.norm(vector)


class FakeEmbedder:
    def __init__(self):
        self.calls = []
        self.error = None

    async def embed(self, texts, *, kind="document", dimensions=None):
        if dimensions not in {None, 16, 32, DIM}:
            msg = f"dimensions must be one of (16, 32, {DIM}), got {dimensions}"
            raise InvalidInputError(msg)
        self.calls.append((list(texts), kind))
        if self.error is not None:
            raise self.error
        vectors = np.stack([word_vector(text) for text in texts])[:, :dimensions]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        counts = [len(text.split()) for text in texts]
        return Embeddings(
            vectors=vectors,
            token_counts=np.minimum(counts, MAX_TOKENS).astype(np.int32),
            fingerprint=FINGERPRINT,
            num_cut={at: num - MAX_TOKENS for at, num in enumerate(counts) if num > MAX_TOKENS},
        )


class FakeReranker:
    """Scores the share of the query's words that a document has."""

    async def rerank(self, query, documents):
        words = set(query.lower().split())
        scores = [len(words & set(text.lower().split())) / len(words) for text in documents]
        counts = [len(text.split()) for text in documents]
        return RerankScores(
            scores=np.array(scores, dtype=np.float32),
            num_tokens=sum(min(num, MAX_TOKENS) for num in counts),
            max_tokens=min(max(counts), MAX_TOKENS),
            cut=tuple(at for at, num in enumerate(counts) if num > MAX_TOKENS),
        )


class FakeSafety:
    async def classify(self, texts):
        return tuple(self._verdict(text) for text in texts)

    def _verdict(self, text):
        scores = dict.fromkeys((*MODERATION_CATEGORIES, "prompt-injection", "pii"), 0.01)
        flagged = tuple(name for name in ("violence", "pii") if name in text)
        scores |= dict.fromkeys(flagged, 0.97)
        return Verdict(flagged=bool(flagged), scores=scores, flagged_categories=flagged)


class FakePipeline:
    """Plays `script`: events are given, numbers are slept, errors are raised.

    An `asyncio.Event` is waited for.
    """

    def __init__(self):
        self.script = []
        self.requests = []
        self.stages = {"generator": True, "safety": True}
        self.retrieval = None
        self.num_open = 0
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()

    async def answer(self, request):
        self.requests.append(request)
        self.num_open += 1
        self.opened.set()
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        finally:
            self.num_open -= 1
            self.closed.set()

    async def ready(self):
        return self.stages

    async def search(self, queries, scope, trace):
        """Searches as the real pipeline does, with the fakes of the models."""
        trace.queries = tuple(query.lower() if scope.rewrites else query for query in queries)
        return await self.retrieval.search(trace.queries, scope, trace)


class FoldRetriever:
    """The real search, without a deployment around it."""

    def __init__(self, catalog):
        self._fold = Fold(catalog)

    async def search(self, request):
        return self._fold.search(request)


class FakeCorpora:
    """The real catalog behind the real client, without a deployment between them."""

    def __init__(self, catalog):
        self._catalog = catalog

    def of(self, caller):
        assert isinstance(caller, Caller)
        return CallerCorpus(partial(self._call, caller.viewer))

    async def _call(self, viewer, method, *args, **kwargs):
        return getattr(self._catalog.seen_by(viewer), method)(*args, **kwargs)
