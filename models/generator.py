"""Chats to text: chat template, engine, detokenisation and stop strings."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.detokenizer import Detokenizer, StopScanner
from models.device import ALL_CPUS, Share
from models.errors import ContextLengthError, InvalidInputError
from models.generation import (
    Choices,
    EngineRequest,
    GenerationChunk,
    GenerationEngine,
    GenerationRequest,
    GeneratorProfile,
    Message,
    Sampling,
    TokenCounts,
)
from models.hub import is_pinned, resolve
from models.identity import ModelIdentity, hash_model, hash_template
from models.token_counter import SpecialTokens


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Which model is loaded, by which engine, and what a request gets that names nothing.

    Attributes:
        model: model id (models/hub.py), full precision or GPTQ.
        revision: commit of a hub model.
        engine: `transformers` (CPU or one GPU) or `vllm` (one or more GPUs).
        engine_options: fields of the engine's own configuration.
        context_tokens: most tokens of prompt and answer together; None: the model's own limit.
        max_answer_tokens: tokens of an answer when the request names none.
        temperature: 0 (greedy) to 2.
        top_p: nucleus mass in (0, 1].
        top_k: at most so many candidates; 0 means all.
        template_options: variables of the chat template (Qwen3: enable_thinking).
    """

    model: str
    revision: str | None = None
    engine: Literal["transformers", "vllm"] = "transformers"
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    context_tokens: int | None = None
    max_answer_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    template_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if self.engine not in ("transformers", "vllm"):
            msg = f"engine must be transformers or vllm, got {self.engine!r}"
            raise InvalidInputError(msg)
        if self.max_answer_tokens < 1:
            msg = f"max_answer_tokens must be at least 1, got {self.max_answer_tokens}"
            raise InvalidInputError(msg)
        check_sampling(Sampling(temperature=self.temperature, top_p=self.top_p, top_k=self.top_k))


def check_sampling(sampling: Sampling) -> None:
    """Checks the ranges of what is set.

    Raises:
        InvalidInputError: names the field, its value and its limits.
    """
    limits = {
        "max_tokens": (1, 2**31 - 1),
        "temperature": (0, 2),
        "top_p": (0, 1),
        "top_k": (0, 2**31 - 1),
        "seed": (-(2**63), 2**63 - 1),
    }
    for name, (low, high) in limits.items():
        value = getattr(sampling, name)
        if value is not None and not low <= value <= high:
            msg = f"{name} must be in {low}..{high}, got {value}"
            raise InvalidInputError(msg)
    if sampling.top_p == 0 or len(sampling.stop) > 4:
        msg = f"top_p must be above 0 and stop hold at most 4 strings, got {sampling}"
        raise InvalidInputError(msg)


class Generator:
    """A loaded generator; answers many requests at once."""

    def __init__(self, config: GeneratorConfig, *, cache: Path, share: Share = ALL_CPUS) -> None:
        from transformers import AutoConfig, AutoTokenizer

        folder = resolve(config.model, config.revision, cache)
        self._config = config
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        model_limit = int(
            AutoConfig.from_pretrained(folder).get_text_config().max_position_embeddings
        )
        self.context_tokens = min(config.context_tokens or model_limit, model_limit)
        self._profile = self._make_profile(folder)
        self.identity = self._profile.identity
        self._special = SpecialTokens(self._profile.special_tokens)
        self._engine = _load_engine(config, folder, self.context_tokens, share)

    def profile(self) -> GeneratorProfile:
        """Gives what counts tokens elsewhere, and the limits of a prompt."""
        return self._profile

    def count_tokens(self, texts: Sequence[str]) -> TokenCounts:
        """Counts the tokens of every text, without template or special tokens."""
        encoded = self._tokenizer(
            [self._special.neutralise(text) for text in texts],
            add_special_tokens=False,
            verbose=False,
        )
        counts = [len(ids) for ids in encoded["input_ids"]]
        return TokenCounts(
            counts=np.asarray(counts, dtype=np.int32),
            context_tokens=self.context_tokens,
            max_answer_tokens=self._config.max_answer_tokens,
        )

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Writes an answer; closing the iterator stops it and frees its slot.

        Args:
            request: the chat, and the ids that were delivered before.

        Yields:
            Chunks whose positions meet; the last has a `finish_reason`.

        Raises:
            InvalidInputError: a sampling value is outside its limits.
            ContextLengthError: prompt and answer do not fit.
            EngineStoppedError: the engine died or was closed.
        """
        check_sampling(request.sampling)
        prompt_ids = self._prompt_ids(request.messages)
        engine_request = self._engine_request(request, prompt_ids)
        answer = _Answer(self._tokenizer, request, self.identity.digest)
        if (
            engine_request.max_tokens == 0
        ):  # the last id was delivered, but not that it was the last
            yield answer.extend((), "length", len(prompt_ids))
            return
        steps = self._engine.generate(engine_request)
        async with aclosing(steps):
            async for step in steps:
                chunk = answer.extend(step.token_ids, step.finish_reason, len(prompt_ids))
                yield chunk
                if chunk.finish_reason is not None:
                    return

    def check(self) -> None:
        """Raises EngineStoppedError when the engine cannot decode."""
        self._engine.check()

    def close(self) -> None:
        """Ends every request and frees the memory."""
        self._engine.close()

    def _prompt_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        turns = [
            {"role": turn.role, "content": self._special.neutralise(turn.content)}
            for turn in messages
        ]
        encoded = self._tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_dict=True, **self._config.template_options
        )
        return tuple(encoded["input_ids"])

    def _make_profile(self, folder: Path) -> GeneratorProfile:
        config = self._config
        return GeneratorProfile(
            identity=ModelIdentity(
                model=config.model,
                source=f"commit:{config.model}@{config.revision}"
                if is_pinned(config.model)
                else f"content:{hash_model(folder)}",
                template=hash_template(self._tokenizer.chat_template, config.template_options),
                engine=config.engine,
            ),
            tokenizer_json=self._tokenizer.backend_tokenizer.to_str(),
            special_tokens=_special_tokens(self._tokenizer),
            context_tokens=self.context_tokens,
            max_answer_tokens=config.max_answer_tokens,
        )

    def _engine_request(
        self, request: GenerationRequest, prompt_ids: tuple[int, ...]
    ) -> EngineRequest:
        sampling, num_delivered = request.sampling, len(request.delivered_token_ids)
        room = self.context_tokens - len(prompt_ids)
        wanted = sampling.max_tokens or min(self._config.max_answer_tokens, max(room, 1))
        if wanted > room:
            msg = (
                f"the context holds {self.context_tokens} tokens, but the prompt has "
                f"{len(prompt_ids)} and max_tokens is {wanted}"
            )
            raise ContextLengthError(msg)
        temperature = sampling.temperature
        return EngineRequest(
            prompt_ids=(*prompt_ids, *request.delivered_token_ids),
            max_tokens=max(wanted - num_delivered, 0),
            temperature=self._config.temperature if temperature is None else temperature,
            top_p=self._config.top_p if sampling.top_p is None else sampling.top_p,
            top_k=self._config.top_k if sampling.top_k is None else sampling.top_k,
            seed=sampling.seed or 0,
            choices=self._choices(request.choices, len(prompt_ids)),
        )

    def _choices(self, texts: Sequence[str], start: int) -> Choices | None:
        """Gives the ids of the texts, each as a start of line and as going on after a space."""
        if not texts:
            return None
        written = [form for text in texts for form in (text, f" {text}")]
        encoded = self._tokenizer(
            [self._special.neutralise(text) for text in written],
            add_special_tokens=False,
            verbose=False,
        )
        end = int(self._tokenizer.eos_token_id)
        return Choices(start=start, answers=tuple((*ids, end) for ids in encoded["input_ids"]))


class _Answer:
    """One answer on its way: ids to text, up to a stop string.

    Ids that were delivered before are played again, so that half a character or half a stop string
    at their end is known here; of their text only what the reader lacks is given.
    """

    def __init__(self, tokenizer: Any, request: GenerationRequest, identity: str) -> None:
        self._position = len(request.delivered_token_ids)
        self._attempt = request.attempt
        self._identity = identity
        self._detokenizer = Detokenizer(tokenizer)
        self._stops = StopScanner(request.sampling.stop)
        self._num_known_chars = request.num_delivered_chars
        played = (self._detokenizer.push((token_id,)) for token_id in request.delivered_token_ids)
        self._owed = self._unknown("".join(self._stops.push(text) for text in played))

    def extend(
        self, token_ids: tuple[int, ...], reason: Literal["stop", "length"] | None, num_prompt: int
    ) -> GenerationChunk:
        text = self._stops.push(self._detokenizer.push(token_ids))
        if reason is not None and not self._stops.stopped:
            text += self._stops.push(self._detokenizer.flush())
            text += self._stops.flush()
        text, self._owed = self._owed + self._unknown(text), ""
        chunk = GenerationChunk(
            position=self._position, token_ids=token_ids, text=text,
            finish_reason="stop" if self._stops.stopped else reason, num_prompt_tokens=num_prompt,
            attempt=self._attempt, identity=self._identity,
        )  # fmt: skip
        self._position += len(token_ids)
        return chunk

    def _unknown(self, text: str) -> str:
        """Leaves out what the reader has already."""
        num_known = min(self._num_known_chars, len(text))
        self._num_known_chars -= num_known
        return text[num_known:]


def _special_tokens(tokenizer: Any) -> tuple[str, ...]:
    added = tokenizer.added_tokens_decoder.values()
    return tuple(str(token.content) for token in added if token.special and len(token.content) > 1)


def _load_engine(
    config: GeneratorConfig, folder: Path, context_tokens: int, share: Share
) -> GenerationEngine:
    if config.engine == "vllm":
        from models.engines.vllm_engine import VllmEngine, VllmEngineConfig

        return VllmEngine(
            folder, VllmEngineConfig(**config.engine_options),
            context_tokens=context_tokens, share=share,
        )  # fmt: skip
    from models.engines.transformers_engine import TransformersEngine, TransformersEngineConfig

    return TransformersEngine(
        folder, TransformersEngineConfig(**config.engine_options),
        context_tokens=context_tokens, share=share,
    )  # fmt: skip
