"""Light stand-ins for the models, behind the real Gateway, Retriever and Ingester.

For tests of what happens around the models: kills, overload, many streams on two cores. They load
nothing and import no torch, so a replica starts in a second; answers are a pure function of the
request, so what two replicas wrote together can be compared with what one would have written.
Quality is not simulated.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import serve
from ray.serve import Application
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from chaos.simulated.generator import Generator, SimulatedGeneratorConfig, digest
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.embedder import Embeddings
from models.errors import InvalidInputError, check_limits
from models.personal_data import find_personal_data
from models.reranker import RerankScores
from models.safety import MODERATION_CATEGORIES, PERSONAL_DATA, Verdict

_DIM = 64
_FINGERPRINT = f"simulated/{_DIM}"
HARMFUL = "forbidden"  # the one word that the safety filter flags


@dataclass(frozen=True, kw_only=True)
class SimulatedModelConfig:
    """How a simulated model that writes nothing behaves.

    Attributes:
        work_s: seconds that a call takes, one after the other.
    """

    work_s: float = 0.0

    def __post_init__(self) -> None:
        """Checks the range."""
        check_limits(self, {"work_s": (0, 60)})


class _Model:
    """Works on one call at a time, for as long as its settings say."""

    def __init__(self) -> None:
        self._config = SimulatedModelConfig()
        self._is_free = asyncio.Lock()

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over the settings."""
        self._config = parse_config(SimulatedModelConfig, user_config)

    async def _work(self) -> None:
        if self._config.work_s:
            async with self._is_free:
                await asyncio.sleep(self._config.work_s)

    async def check_health(self) -> None:
        """Is healthy while its event loop runs."""


# Read by graphs/serve_config: the blocks that differ from those of `graphs.app:build`.
BLOCKS: Mapping[str, type[Any]] = {
    "Embedder": SimulatedModelConfig,
    "Reranker": SimulatedModelConfig,
    "SafetyFilter": SimulatedModelConfig,
    "Generator": SimulatedGeneratorConfig,
}


def build(args: dict[str, Any]) -> Application:
    """Binds the simulated deployments to the real Gateway.

    Args:
        args: those of `graphs.config.AppArgs`.

    Returns:
        The application, with the Gateway as its ingress.
    """
    # Here and not above: a replica of a simulated model must not wait for FastAPI and FAISS.
    from graphs.app import compose
    from graphs.config import AppArgs

    return compose(
        AppArgs.model_validate(args),
        {
            "embedder": (Embedder,),
            "reranker": (Reranker,),
            "safety_filter": (SafetyFilter,),
            "generator": (Generator,),
        },
    )


def _words(text: str) -> list[str]:
    return [word.strip(".,;:!?()[]\"'").lower() for word in text.split()]


@serve.deployment
class Embedder(_Model):
    """Embeds a text as the signs of its words' hashes, so that texts with common words are near."""

    async def embed(
        self,
        texts: Sequence[str],
        kind: str = "document",
        dimensions: int | None = None,
        fingerprint: str | None = None,
        weight: float = 1.0,
    ) -> Embeddings:
        """Embeds texts; see `models.embedder.Embedder`."""
        if not texts:
            msg = "texts must not be empty"
            raise InvalidInputError(msg)
        if dimensions not in (None, _DIM):
            msg = f"dimensions must be {_DIM}, got {dimensions}"
            raise InvalidInputError(msg)
        await self._work()
        rows = np.stack([_vector(text) for text in texts])
        counts = np.asarray([len(text.split()) for text in texts], dtype=np.int32)
        return Embeddings(vectors=rows, token_counts=counts, fingerprint=_FINGERPRINT)

    async def fingerprint(self, wanted: str | None = None) -> str:
        """Names the vectors."""
        return _FINGERPRINT

    async def tokenizer_json(self, fingerprint: str | None = None) -> str:
        """Gives a tokenizer that cuts at white space."""
        tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = WhitespaceSplit()
        text: str = tokenizer.to_str()
        return text

    async def describe(self) -> ReplicaDescription:
        """Tells where it runs."""
        return describe_replica("simulated:embedder")


def _vector(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    vector = np.full(_DIM, 1e-3, dtype=np.float32)
    for word in _words(text):
        bits = digest("embed", word)
        vector += np.asarray([1 if bits >> bit & 1 else -1 for bit in range(_DIM)], np.float32)
    unit: np.ndarray[Any, np.dtype[np.float32]] = vector / np.linalg.norm(vector)
    return unit


@serve.deployment
class Reranker(_Model):
    """Scores a document by the share of the query's words that it holds."""

    async def rerank(
        self, query: str, documents: Sequence[str], *, weight: float = 1.0
    ) -> RerankScores:
        """Scores every document; see `models.reranker.Reranker`."""
        wanted = set(_words(query))
        if not wanted or not documents:
            msg = f"query and documents must not be empty, got {len(documents)} documents"
            raise InvalidInputError(msg)
        await self._work()
        shares = [len(wanted & set(_words(document))) / len(wanted) for document in documents]
        return RerankScores(scores=np.asarray(shares, np.float32), num_tokens=len(wanted))

    async def judge(
        self, query: str, sentences: Sequence[str], *, weight: float = 1.0
    ) -> RerankScores:
        """Scores every sentence in the same way."""
        return await self.rerank(query, sentences)

    async def describe(self) -> ReplicaDescription:
        """Tells where it runs."""
        return describe_replica("simulated:reranker")


@serve.deployment
class SafetyFilter(_Model):
    """Flags texts that hold the word `HARMFUL`."""

    async def classify(self, texts: Sequence[str], *, weight: float = 1.0) -> tuple[Verdict, ...]:
        """Judges every text; see `models.safety.SafetyClassifier`."""
        if not texts:
            msg = "texts must not be empty"
            raise InvalidInputError(msg)
        await self._work()
        return tuple(_verdict(text) for text in texts)

    async def describe(self) -> ReplicaDescription:
        """Tells where it runs."""
        return describe_replica("simulated:safety")


def _verdict(text: str) -> Verdict:
    flagged = HARMFUL in _words(text)
    scores = dict.fromkeys(MODERATION_CATEGORIES, 0.0) | {"harassment": float(flagged)}
    scores[PERSONAL_DATA] = 1.0 if find_personal_data(text) else 0.0
    return Verdict(
        flagged=flagged, scores=scores, flagged_categories=("harassment",) if flagged else ()
    )
