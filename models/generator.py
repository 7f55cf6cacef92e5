"""Chats to text: chat template, engine, detokenisation and stop strings."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

from models.adapters.held import AdapterRoom, HeldAdapters, check_adapters
from models.chat.families import syntax_of
from models.chat.prompting import Prompting, control_tokens
from models.chat.thinking import marks_of
from models.constraints import check_sampling
from models.detokenizer import AnswerText
from models.device import ALL_CPUS, Share, has_gpu
from models.engines.answer_masks import AnswerMasks
from models.engines.end_ids import end_ids_of
from models.engines.loading import computing_of, load_engine
from models.engines.mask_maker import MaskMaker
from models.engines.masks import forced_rest
from models.engines.measuring import Activity, Measuring
from models.engines.settling import check_request, settled
from models.engines.token_bytes import TokenBytes
from models.errors import InvalidInputError, check_limits, check_load_timeout
from models.generation import (
    EngineRequest,
    EngineStep,
    GenerationChunk,
    GenerationRequest,
    GeneratorProfile,
    Sampling,
)
from models.hub import check_model, is_pinned, resolve
from models.identity import ModelIdentity, hash_computing, hash_model, hash_template


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
        tool_parser: how the model writes calls of tools, one of `models.chat.families`; None: as
            its chat template tells.
        reasoning_parser: the marks around its thoughts, one of `models.chat.thinking`; None: as its
            chat template tells.
        max_reasoning_tokens: most tokens of thoughts; None: half of the answer's.
        allow_cpu: whether the CPU serves where `num_gpus` is set and torch sees no GPU.
        adapters: name -> folder of a LoRA adapter, as peft writes it; a change of them loads and
            unloads adapters alone.
        max_adapters: how many of them requests decoded together may use (`vllm`); 0: none are
            served.
        max_adapter_rank: the highest rank of their matrices.
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
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    max_reasoning_tokens: int | None = None
    allow_cpu: bool = False
    max_adapters: int = 0
    max_adapter_rank: int = 16
    adapters: Mapping[str, str] = field(default_factory=dict, compare=False)  # likewise
    load_timeout_s: float = field(default=3600.0, compare=False)  # no reason to load anew

    def __post_init__(self) -> None:
        """Checks the model id and the ranges."""
        check_model(self.model, self.revision)
        if self.engine not in ("transformers", "vllm"):
            msg = f"engine must be transformers or vllm, got {self.engine!r}"
            raise InvalidInputError(msg)
        sizes = ("context_tokens", "max_answer_tokens", "max_reasoning_tokens")
        check_limits(self, dict.fromkeys(sizes, (1, inf)))
        if self.tool_parser is not None:
            syntax_of(self.tool_parser)
        if self.reasoning_parser is not None:
            marks_of(self.reasoning_parser)
        check_limits(self, {"max_adapters": (0, 64)})
        if self.max_adapters and self.engine != "vllm":
            msg = f"max_adapters needs the vllm engine, got {self.max_adapters} on {self.engine}"
            raise InvalidInputError(msg)
        check_adapters(self.adapters, self.adapter_room)
        check_load_timeout(self.load_timeout_s)
        check_sampling(Sampling(temperature=self.temperature, top_p=self.top_p, top_k=self.top_k))

    @property
    def adapter_room(self) -> AdapterRoom | None:
        """How many adapters there is room for; None: they are not served."""
        if not self.max_adapters:
            return None
        return AdapterRoom(num=self.max_adapters, rank=self.max_adapter_rank)

    @property
    def template_variables(self) -> dict[str, object]:
        """All that an answer's form depends on beside its template."""
        names = ("tool_parser", "reasoning_parser", "max_reasoning_tokens")
        chosen = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**self.template_options, **chosen}


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
        check_limits(config, {"context_tokens": (1, model_limit)})
        self.context_tokens = config.context_tokens or model_limit
        computing = computing_of(
            config.engine, config.engine_options, context_tokens=self.context_tokens, share=share
        )
        self._profile = self._make_profile(folder, hash_computing(computing))
        self.identity = self._profile.identity
        self._prompting = Prompting(
            self._tokenizer, config.template_options, model=config.model,
            tool_parser=config.tool_parser, reasoning_parser=config.reasoning_parser,
        )  # fmt: skip
        self._bytes = TokenBytes(self._profile.tokenizer_json, self._vocabulary_size)
        has_gpu(share)  # told before minutes of loading
        self._engine = load_engine(
            config.engine, config.engine_options, folder,
            context_tokens=self.context_tokens, share=share, adapters=config.adapter_room,
        )  # fmt: skip
        self.adapters = HeldAdapters(self.identity, folder, self._engine, config.adapter_room)
        self._measuring = Measuring()
        end_id, *more_end_ids = end_ids_of(folder, self._tokenizer, self._vocabulary_size)
        self._masks = AnswerMasks(
            self._prompting, MaskMaker(
                self._profile.tokenizer_json, self._prompting.encode, end_id=end_id,
                vocabulary_size=self._vocabulary_size, more_end_ids=tuple(more_end_ids),
            ),
            engine=config.engine, kinds=self._engine.constraints,
            max_thought_tokens=config.max_reasoning_tokens,
        )  # fmt: skip

    def profile(self) -> GeneratorProfile:
        """Gives what counts tokens elsewhere, and the limits of a prompt."""
        return replace(self._profile, adapters=self.adapters.identities)

    async def prepare(self, request: GenerationRequest) -> EngineRequest:
        """Settles all of a request, so that what is wrong with it is told before it is taken.

        Raises:
            InvalidInputError: a value, the constraint or a delivered id is outside its limits.
            ContextLengthError: the prompt leaves no room for an answer.
            UnknownAdapterError: no adapter has the name that it asks for.
            ModelChangedError: no adapter that is held here has begun this answer.
        """
        check_request(
            request, self._engine, self._config, name=self._config.engine,
            vocabulary_size=self._vocabulary_size,
        )  # fmt: skip
        adapter = self.adapters.digest_for(request.adapter, request.identity)
        if request.sampling.top_logprobs is not None:
            await self._bytes.read()
        prompt_ids = self._prompting.ids(request.messages, request.tools, request.effort)
        asked = settled(request, prompt_ids, self._config, context_tokens=self.context_tokens)
        asked = replace(asked, adapter=adapter)
        num_tokens = asked.max_tokens + len(request.delivered_token_ids)
        mask = await self._masks.mask(request, prompt_ids, max_tokens=num_tokens)
        if mask is None:
            return asked
        mask.check(request.delivered_token_ids)
        return replace(asked, mask=mask)

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
        prompt_ids = engine_request.prompt_ids[:num_prompt]
        form = self._prompting.form(
            prompt_ids, request.tools, is_free=request.constraint is None
        )  # fmt: skip
        answer = AnswerText(
            self._tokenizer, request, self.adapters.identity_of(engine_request.adapter),
            self._bytes.written,
            form=form, hidden_ids=self._prompting.hidden_ids(form),
        )  # fmt: skip
        if engine_request.max_tokens == 0:  # all ids were delivered, but not that they are all
            yield answer.extend(EngineStep(token_ids=(), finish_reason="length"), num_prompt)
            return
        with self.adapters.in_use(engine_request.adapter):
            async with aclosing(self._steps(engine_request)) as steps:
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
        engine_steps = self._measuring.measured(request, self._engine.generate(request))
        async with aclosing(engine_steps) as steps:
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

    def activity(self) -> Activity:
        """Tells how busy the engine is, and what it has done since this was asked last."""
        return self._measuring.take(self._engine.stats())

    def load(self) -> tuple[int, float]:
        """Gives the tokens of all streams, and the share of the KV cache that they hold."""
        return self._measuring.num_tokens, self._engine.stats().cache_use

    def check(self) -> None:
        """Raises EngineStoppedError when the engine cannot decode."""
        self._engine.check()

    def close(self) -> None:
        """Ends every request and frees the memory."""
        self._engine.close()

    def _make_profile(self, folder: Path, computing: str) -> GeneratorProfile:
        config = self._config
        return GeneratorProfile(
            identity=ModelIdentity(
                model=config.model,
                source=f"commit:{config.model}@{config.revision}"
                if is_pinned(config.model)
                else f"content:{hash_model(folder)}",
                template=hash_template(self._tokenizer.chat_template, config.template_variables),
                engine=config.engine,
                computing=computing,
            ),
            tokenizer_json=self._tokenizer.backend_tokenizer.to_str(),
            special_tokens=control_tokens(self._tokenizer),
            context_tokens=self.context_tokens,
            max_answer_tokens=config.max_answer_tokens,
        )
