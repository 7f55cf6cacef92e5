"""The simulated generator: answers that anybody can recompute, at a fixed speed."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import ray
from ray import serve
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from chaos.simulated.room import Room
from chaos.simulated.served import Served, write_served
from deployments.life.drain_watch import DrainWatch
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.constraints import check_sampling
from models.detokenizer import StopScanner
from models.errors import (
    ContextLengthError,
    EngineDrainingError,
    InvalidInputError,
    ModelChangedError,
    check_limits,
)
from models.generation import GenerationChunk, GenerationRequest, GeneratorProfile
from models.identity import ModelIdentity

_NUM_WORDS = 1000  # the vocabulary of the answers


def digest(*parts: object) -> int:
    """Hashes to 64 bits, alike in every process."""
    data = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


@dataclass(frozen=True, kw_only=True)
class SimulatedGeneratorConfig:
    """How the simulated generator behaves.

    Attributes:
        tokens_per_s: speed of every stream, however many there are.
        max_concurrent_requests: streams that decode at once; more wait.
        cache_tokens: of the prompts and answers of all streams; what finds no room waits.
        max_answer_tokens: tokens of an answer when the request names none.
        context_tokens: most tokens of prompt and answer together.
        temperature: what a request gets that names none; 0 is greedy.
        ledger: folder of files `PID.json`, each a `Served`, written when a stream begins or ends:
            they outlive the replica. None: none are written.
        version: stands for the weights: another one is another model and writes other words.
        first_word: of every answer; empty: made up as the others.
        repeats: whether it writes the words of the last turn in the place of made-up ones, as what
            keeps to its passages does.
        breaks: whether every answer ends with a fault of the model after its first word.
    """

    tokens_per_s: float = 10.0
    max_concurrent_requests: int = 8
    cache_tokens: int = 2**20
    max_answer_tokens: int = 32
    context_tokens: int = 16384
    temperature: float = 0.0
    ledger: str | None = None
    version: int = 0
    first_word: str = ""
    repeats: bool = False
    breaks: bool = False

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if not self.tokens_per_s > 0:
            msg = f"tokens_per_s must be above 0, got {self.tokens_per_s}"
            raise InvalidInputError(msg)
        sizes = ("max_concurrent_requests", "cache_tokens", "max_answer_tokens", "context_tokens")
        check_limits(self, dict.fromkeys(sizes, (1, inf)) | {"temperature": (0, 2)})

    def check_whole(self) -> None:
        """Raises RuntimeError, as a model with a fault does, if it is to break."""
        if self.breaks:
            msg = f"version {self.version} breaks, as it was told to"
            raise RuntimeError(msg)

    @property
    def identity(self) -> ModelIdentity:
        """Names the model that these settings stand for."""
        source = f"content:{self.version}"
        return ModelIdentity(
            model="simulated:generator", source=source, template="", engine="simulated"
        )


@serve.deployment
class Generator:
    """Writes one word a token, at a fixed speed; the n-th is a hash of prompt, seed and n.

    Duties: the protocol of `deployments.generator.Generator`, also when its node goes away; counts
    of what was served.
    """

    def __init__(self) -> None:
        self._config = SimulatedGeneratorConfig()
        self._room = _room(self._config)
        self._name = os.urandom(4).hex()
        self._active: list[str] = []
        self._num_requests = self._num_resumed = self._num_tokens = 0
        self._drain = DrainWatch()
        self._watching: asyncio.Task[None] | None = None

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over the settings; running streams keep the old ones."""
        self._config = parse_config(SimulatedGeneratorConfig, user_config)
        if self._watching is None and ray.is_initialized():
            self._watching = asyncio.create_task(self._drain.run())
        self._room = _room(self._config)
        await self._note()

    async def stream(self, request: GenerationRequest) -> AsyncIterator[GenerationChunk]:
        """Streams an answer from the first token that was not delivered.

        The first chunk is empty: it says that this replica has taken the request.

        Raises:
            InvalidInputError: a sampling value is outside its limits, or the answer is constrained.
            ContextLengthError: the prompt leaves no room for an answer.
            EngineDrainingError: the node goes away, so the rest has to be written elsewhere.
            ModelChangedError: another version has begun this answer.
        """
        self._check_drain()
        if request.identity not in {None, self._config.identity.digest}:
            msg = f"version {self._config.version} is not the one that began the answer"
            raise ModelChangedError(msg)
        check_sampling(request.sampling)
        if request.constraint is not None:
            msg = "the simulated generator answers freely: set `answers: free`"
            raise InvalidInputError(msg)
        answer = _Answer(request, self._config)
        config, room = self._config, self._room
        async with room.taken(answer.most_tokens):
            self._active.append(request.request_id)
            self._num_requests += 1
            self._num_resumed += bool(request.delivered_token_ids)
            try:
                await self._note()
                yield replace(answer.opening(), replica=self._name)
                start = time.monotonic()
                for index, chunk in enumerate(answer.chunks(), start=1):
                    await asyncio.sleep(start + index / config.tokens_per_s - time.monotonic())
                    self._num_tokens += len(chunk.token_ids)
                    yield chunk
                    if chunk.finish_reason is None:
                        self._check_drain()
                    config.check_whole()
            finally:
                self._active.remove(request.request_id)
                await self._note()

    async def _note(self) -> None:
        if self._config.ledger is not None:
            write_served(Path(self._config.ledger), await self.served())

    def _check_drain(self) -> None:
        if self._drain.is_over:
            msg = "the node of this generator goes away"
            raise EngineDrainingError(msg)

    async def profile(self) -> GeneratorProfile:
        """Gives a tokenizer that makes one token of every word."""
        tokenizer = Tokenizer(WordLevel({"word": 0}, unk_token="word"))  # a token, no password
        tokenizer.pre_tokenizer = WhitespaceSplit()
        return GeneratorProfile(
            identity=self._config.identity,
            tokenizer_json=tokenizer.to_str(),
            special_tokens=(),
            context_tokens=self._config.context_tokens,
            max_answer_tokens=self._config.max_answer_tokens,
        )

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Tells Serve's autoscaling how much there is to do."""
        return self._room.load()

    async def num_active_streams(self) -> int:
        """Counts the streams that hold a slot."""
        return len(self._active)

    async def served(self) -> Served:
        """Tells what this replica has done, so that retries can be counted."""
        return Served(
            pid=os.getpid(),
            active=list(self._active),
            slots=self._config.max_concurrent_requests,
            tokens_per_s=self._config.tokens_per_s,
            num_requests=self._num_requests,
            num_resumed=self._num_resumed,
            num_tokens=self._num_tokens,
        )

    async def describe(self) -> ReplicaDescription:
        """Tells where it runs."""
        identity = self._config.identity
        return describe_replica(identity.model, identity=identity.digest)

    async def check_health(self) -> None:
        """Is healthy while its event loop runs."""


def _room(config: SimulatedGeneratorConfig) -> Room:
    return Room(config.max_concurrent_requests, config.cache_tokens)


class _Answer:
    """One answer: what was delivered is played again, as `models.generator` does."""

    def __init__(self, request: GenerationRequest, config: SimulatedGeneratorConfig) -> None:
        self._request = request
        self._identity = config.identity.digest
        self._first_word = config.first_word
        self._read = request.messages[-1].text.split() if config.repeats else []
        self._num_prompt = sum(len(turn.text.split()) for turn in request.messages)
        room = config.context_tokens - self._num_prompt
        if room < 1:
            msg = (
                f"the context holds {config.context_tokens} tokens, but the prompt has "
                f"{self._num_prompt}"
            )
            raise ContextLengthError(msg)
        self._max_tokens = min(request.sampling.max_tokens or config.max_answer_tokens, room)
        temperature = request.sampling.temperature
        is_sampled = (config.temperature if temperature is None else temperature) > 0
        seed = (request.sampling.seed or 0) if is_sampled else "greedy"
        turns = [part for turn in request.messages for part in (turn.role, turn.text)]
        self._key = digest(config.version, seed, *turns)
        self._stops = StopScanner(request.sampling.stop)

    @property
    def most_tokens(self) -> int:
        """Of prompt and answer together."""
        return self._num_prompt + self._max_tokens

    def opening(self) -> GenerationChunk:
        """Gives the chunk that comes before the first token."""
        return GenerationChunk(
            position=len(self._request.delivered_token_ids), token_ids=(), text="",
            finish_reason=None, num_prompt_tokens=self._num_prompt, attempt=self._request.attempt,
            identity=self._identity,
        )  # fmt: skip

    def chunks(self) -> Iterator[GenerationChunk]:
        """Gives one chunk a token; the last has a `finish_reason`."""
        delivered = self._request.delivered_token_ids
        text = "".join(self._stops.push(self._word(token_id)) for token_id in delivered)
        owed = text[self._request.num_delivered_chars :]
        if len(delivered) >= self._max_tokens:
            yield self._chunk(len(delivered), (), owed + self._stops.flush())
            return
        for position in range(len(delivered), self._max_tokens):
            token_id = self._token_id(position)
            owed += self._stops.push(self._word(token_id))
            if position == self._max_tokens - 1 and not self._stops.stopped:
                owed += self._stops.flush()
            yield self._chunk(position, (token_id,), owed)
            owed = ""
            if self._stops.stopped:
                return

    def _chunk(self, position: int, token_ids: tuple[int, ...], text: str) -> GenerationChunk:
        is_full = position + len(token_ids) >= self._max_tokens
        return GenerationChunk(
            position=position,
            token_ids=token_ids,
            text=text,
            finish_reason="stop" if self._stops.stopped else "length" if is_full else None,
            num_prompt_tokens=self._num_prompt,
            attempt=self._request.attempt,
            identity=self._identity,
        )

    def _token_id(self, position: int) -> int:
        """Below `_NUM_WORDS`: made up; that itself: the first word; above: of the last turn."""
        if position == 0 and self._first_word:
            return _NUM_WORDS
        if self._read:
            return _NUM_WORDS + 1 + position % len(self._read)
        return digest(self._key, position) % _NUM_WORDS

    def _word(self, token_id: int) -> str:
        if token_id > _NUM_WORDS:
            return f"{self._read[token_id - _NUM_WORDS - 1]} "
        return f"{self._first_word} " if token_id == _NUM_WORDS else f"w{token_id} "
