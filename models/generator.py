"""Chats to text: chat template, engine, detokenisation and stop strings."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

from models.chat_template import TurnWriter
from models.constraints import Constraint, check_ids, check_sampling
from models.detokenizer import AnswerText
from models.device import ALL_CPUS, Share, has_gpu
from models.engines.loading import load_engine
from models.engines.mask_maker import MaskMaker
from models.engines.masks import forced_rest
from models.engines.token_bytes import TokenBytes
from models.errors import (
    ContextLengthError,
    InvalidInputError,
    check_limits,
    check_load_timeout,
)
from models.generation import (
    EngineRequest,
    EngineStep,
    GenerationChunk,
    GenerationRequest,
    GeneratorProfile,
    Message,
    Sampling,
    TokenMask,
)
from models.hub import check_model, is_pinned, resolve
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
        allow_cpu: whether the CPU serves where `num_gpus` is set and torch sees no GPU.
        load_timeout_s: a load that takes longer, downloads included, has failed.
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
    allow_cpu: bool = False
    load_timeout_s: float = field(default=3600.0, compare=False)  # no reason to load anew

    def __post_init__(self) -> None:
        """Checks the model id and the ranges."""
        check_model(self.model, self.revision)
        if self.engine not in ("transformers", "vllm"):
            msg = f"engine must be transformers or vllm, got {self.engine!r}"
            raise InvalidInputError(msg)
        check_limits(self, {"context_tokens": (1, inf), "max_answer_tokens": (1, inf)})
        check_load_timeout(self.load_timeout_s)
        check_sampling(Sampling(temperature=self.temperature, top_p=self.top_p, top_k=self.top_k))


class Generator:
    """A loaded generator; answers many requests at once."""

    def __init__(self, config: GeneratorConfig, *, cache: Path, share: Share = ALL_CPUS) -> None:
        from transformers import AutoConfig, AutoTokenizer

        folder = resolve(config.model, config.revision, cache)
        self._config = config
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        text_config = AutoConfig.from_pretrained(folder).get_text_config()
        model_limit = int(text_config.max_position_embeddings)
        self._vocabulary_size = int(text_config.vocab_size)
        self.context_tokens = min(config.context_tokens or model_limit, model_limit)
        self._profile = self._make_profile(folder)
        self.identity = self._profile.identity
        self._special = SpecialTokens(self._profile.special_tokens)
        self._turns = TurnWriter(self._tokenizer.chat_template, self._special)
        self._masks = MaskMaker(
            self._profile.tokenizer_json, self._encode,
            end_id=int(self._tokenizer.eos_token_id), vocabulary_size=self._vocabulary_size,
        )  # fmt: skip
        self._bytes = TokenBytes(self._profile.tokenizer_json, self._vocabulary_size)
        has_gpu(share)  # told before minutes of loading
        self._engine = load_engine(
            config.engine, config.engine_options, folder,
            context_tokens=self.context_tokens, share=share,
        )  # fmt: skip

    def profile(self) -> GeneratorProfile:
        """Gives what counts tokens elsewhere, and the limits of a prompt."""
        return self._profile

    async def prepare(self, request: GenerationRequest) -> EngineRequest:
        """Settles all of a request, so that what is wrong with it is told before it is taken.

        Raises:
            InvalidInputError: a value, the constraint or a delivered id is outside its limits.
            ContextLengthError: the prompt leaves no room for an answer.
        """
        self._check(request)
        if request.sampling.top_logprobs is not None:
            await self._bytes.read()
        settled = self._engine_request(request, self._prompt_ids(request.messages))
        if request.constraint is None:
            return settled
        mask = await self._mask(request.constraint)
        mask.check(request.delivered_token_ids)
        return replace(settled, mask=mask)

    def _check(self, request: GenerationRequest) -> None:
        """Refuses what is outside its limits, or what the engine would not honour."""
        sampling, size = request.sampling, self._vocabulary_size
        check_sampling(sampling)
        check_ids("delivered_token_ids", request.delivered_token_ids, size)
        check_ids("stop_token_ids", sampling.stop_token_ids, size)
        check_ids("logit_bias", tuple(token_id for token_id, _ in sampling.logit_bias), size)
        for name in self._engine.unserved:
            if sampling.asks_for(name):
                value = getattr(sampling, name)
                msg = f"the {self._config.engine} engine does not serve {name}, got {value}"
                raise InvalidInputError(msg)
        for name in ("ignore_eos", "min_tokens") if request.constraint is not None else ():
            if sampling.asks_for(name):
                msg = f"{name} does not go with a constraint, which says when the answer ends"
                raise InvalidInputError(msg)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Writes an answer; closing the iterator stops it and frees its slot.

        Args:
            request: the chat, and the ids that were delivered before.

        Yields:
            Chunks whose positions meet; the last has a `finish_reason`.

        Raises:
            InvalidInputError: a sampling value or a delivered id is outside its limits, or the
                engine does not serve the constraint.
            ContextLengthError: the prompt leaves no room for an answer.
            EngineStoppedError: the engine died or was closed.
        """
        engine_request = await self.prepare(request)
        num_prompt = engine_request.answer_start
        answer = AnswerText(self._tokenizer, request, self.identity.digest, self._bytes.written)
        if (
            engine_request.max_tokens == 0
        ):  # the last id was delivered, but not that it was the last
            yield answer.extend(EngineStep(token_ids=(), finish_reason="length"), num_prompt)
            return
        steps = self._steps(engine_request)
        async with aclosing(steps):
            async for step in steps:
                chunk = answer.extend(step, num_prompt)
                yield chunk
                if chunk.finish_reason is not None:
                    return

    async def _steps(self, request: EngineRequest) -> AsyncGenerator[EngineStep, None]:
        """Decodes until only one answer is left: its rest needs no model."""
        written = list(request.prompt_ids[request.answer_start :])
        # What no model writes has no probability to be told.
        mask = request.mask if request.sampling.top_logprobs is None else None
        end = len(written) + request.max_tokens
        if (last := forced_rest(mask, written, end)) is not None:
            self.check()
            yield last
            return
        async with aclosing(self._engine.generate(request)) as steps:
            async for step in steps:
                written += step.token_ids
                if step.finish_reason == "stop" and request.mask is not None:
                    request.mask.check(written)
                yield step
                last = None if step.finish_reason else forced_rest(mask, written, end)
                if last is not None:
                    yield last
                    return

    async def warm_up(self) -> None:
        """Decodes one token, so that a model that cannot is found out before anybody asks it.

        A checkpoint whose kernels this machine does not have may load, and end its engine when it
        is used first.

        Raises:
            EngineStoppedError: nothing can be decoded.
        """
        request = EngineRequest(
            prompt_ids=(0,), answer_start=1, max_tokens=1, temperature=0.0, top_p=1.0, top_k=0,
            seed=0,
        )  # fmt: skip
        async with aclosing(self._engine.generate(request)) as steps:
            async for _ in steps:
                pass

    def check(self) -> None:
        """Raises EngineStoppedError when the engine cannot decode."""
        self._engine.check()

    def close(self) -> None:
        """Ends every request and frees the memory."""
        self._engine.close()

    def _prompt_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        encoded = self._tokenizer.apply_chat_template(
            self._turns.write(messages),
            add_generation_prompt=True,
            return_dict=True,
            **self._config.template_options,
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
        if room < 1:
            msg = (
                f"the context holds {self.context_tokens} tokens, but the prompt has "
                f"{len(prompt_ids)}"
            )
            raise ContextLengthError(msg)
        wanted = min(sampling.max_tokens or self._config.max_answer_tokens, room)
        temperature = sampling.temperature
        return EngineRequest(
            prompt_ids=(*prompt_ids, *request.delivered_token_ids),
            answer_start=len(prompt_ids),
            max_tokens=max(wanted - num_delivered, 0),
            temperature=self._config.temperature if temperature is None else temperature,
            top_p=self._config.top_p if sampling.top_p is None else sampling.top_p,
            top_k=self._config.top_k if sampling.top_k is None else sampling.top_k,
            seed=sampling.seed or 0,
            sampling=sampling,
        )

    async def _mask(self, constraint: Constraint) -> TokenMask:
        if constraint.kind not in self._engine.constraints:
            msg = (
                f"the {self._config.engine} engine cannot hold an answer to a constraint of kind "
                f"{constraint.kind}; it serves {sorted(self._engine.constraints)}"
            )
            raise InvalidInputError(msg)
        return await self._masks.mask(constraint)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Gives the ids of texts, control tokens broken, without template or special tokens."""
        safe = [self._special.neutralise(text) for text in texts]
        encoded = self._tokenizer(safe, add_special_tokens=False, verbose=False)
        ids: list[list[int]] = encoded["input_ids"]
        return ids


def _special_tokens(tokenizer: Any) -> tuple[str, ...]:
    added = tokenizer.added_tokens_decoder.values()
    return tuple(str(token.content) for token in added if token.special and len(token.content) > 1)
