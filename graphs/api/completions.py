"""`POST /v1/completions`: a prompt instead of a chat, for clients of OpenAI's older API.

The generator is a chat model: a prompt is asked as the one turn of a user. One prompt may be
streamed; several are answered at once, each in choices of its own.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from openai.types.completion import Completion
from openai.types.completion_choice import CompletionChoice
from openai.types.completion_usage import CompletionUsage
from pydantic import Field

from graphs.api.accounting.billing import in_batch, once_of
from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.fields import UNLESS_NEUTRAL, Unsupported, only
from graphs.api.border.replies import json_reply
from graphs.api.border.sse import STREAMED, Frame
from graphs.api.chat.chat_target import RAG_MODEL, STORE_PREFIX, adapter_of
from graphs.api.chat.formats import FormatFields, constraint_of
from graphs.api.chat.logprobs import completion_logprobs
from graphs.api.chat.picking_fields import MAX_INT32, PickingFields, Whole, check_own_words
from graphs.api.chat.reply import Answer, Delivery, EventReply, answer_of
from graphs.api.chat.resume import Resumption, resumption_of
from graphs.api.error_replies import ErrorReply
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import InjectedServices, Services
from graphs.api.token_input import TextInput, texts_of
from graphs.config import GatewayConfig
from graphs.pipeline.events import (
    ChatRequest,
    Event,
    Finished,
    Message,
    Retrieved,
    Sampling,
    TextDelta,
    Usage,
    choice_of,
)
from graphs.together import together
from models.constraints import MAX_STOPS, MAX_TOP_LOGPROBS, Constraint

router = APIRouter(tags=["completions"], route_class=JsonRoute)

_MAX_PROMPTS = 128
_AT_ONCE = 4  # prompts of one request, so that it does not fill the queue alone
_DEFAULT_TOKENS = 16  # as OpenAI's API has it


class StreamOptions(RequestModel):
    """How a stream ends."""

    include_usage: bool | None = None
    include_obfuscation: Unsupported = None


class CompletionBody(FormatFields, PickingFields):
    """The body of a completion request."""

    model: str
    prompt: TextInput
    max_tokens: Annotated[Whole, Field(ge=1, le=MAX_INT32)] | None = _DEFAULT_TOKENS
    logprobs: Annotated[Whole, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    best_of: Annotated[int | None, only(1, name="best_of")] = 1
    user: str | None = Field(None, max_length=1024)
    echo: Annotated[bool | None, UNLESS_NEUTRAL] = False
    suffix: Annotated[str | None, UNLESS_NEUTRAL] = None
    prompt_logprobs: Annotated[object, only(name="prompt_logprobs")] = None
    use_beam_search: Unsupported = None
    length_penalty: Annotated[object, only(1, name="length_penalty")] = None
    bad_words: Unsupported = None
    truncate_prompt_tokens: Unsupported = None
    prompt_embeds: Unsupported = None
    add_special_tokens: Annotated[object, only(True, name="add_special_tokens")] = None


@router.post(
    "/v1/completions", response_model=Completion, responses=STREAMED, summary="Complete prompts"
)
async def create_completion(
    request: Request, body: CompletionBody, services: InjectedServices
) -> Response:
    """Answers prompts by the bare generator; streams if asked to."""
    adapter = _adapter(body.model, services)
    prompts = await _prompts(body, services)
    resumption = resumption_of(request.headers, await request.body(), request.state.caller)
    request.app.state.keys.check(resumption)
    asked = ChatRequest(
        request_id=request.state.request_id,
        messages=(Message(role="user", content=prompts[0]),),
        adapter=adapter,
        retrieves=False,
        sampling=_sampling(body, resumption),
        constraint=_constraint(body, services.config),
        retrieval=services.config.retrieval,
        identity=resumption.last.identity if resumption.last else None,
        caller=request.state.caller,
        once=once_of(request, resumption.once),
        in_batch=in_batch(request),
        num_choices=body.n or 1,
    )
    created = resumption.last.created if resumption.last else int(time.time())
    names = {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": created,
        "model": body.model,
    }
    if not body.stream:
        answers = _answers(asked, prompts, services)
        told = await unless_disconnected(request.receive, answers)
        return json_reply(_whole(names, told, logprobs=body.logprobs is not None))
    shape = CompletionShape(names, body)
    delivery = Delivery(
        request_id=asked.request_id,
        created=created,
        resumption=resumption,
        heartbeat_s=services.config.http.heartbeat_s,
        write_timeout_s=services.config.http.write_s,
        is_stream=True,
    )
    return EventReply(services.pipeline.answer(asked), shape, delivery)


class CompletionShape:
    """The chunks of one streamed completion. See `graphs.api.chat.reply.ReplyShape`."""

    def __init__(self, names: dict[str, Any], body: CompletionBody) -> None:
        options = body.stream_options
        self._names = names
        self._include_usage = bool(options and options.include_usage)
        self._logprobs = body.logprobs is not None
        self._num_choices = body.n or 1
        self._offsets = [0] * self._num_choices
        self._usages: list[Usage] = []

    def opening(self, retrieved: Retrieved) -> list[Frame]:
        """A completion has nothing before its text."""
        if self._include_usage:  # then null stands on every chunk but the last, else on none
            self._names |= {"usage": None}
        return []

    def event(self, event: Event) -> list[Frame]:
        """Makes the chunks of one event."""
        index, event = choice_of(event)
        match event:
            case TextDelta() if event.text or event.tokens:
                return [self._text(index, event)]
            case Finished():
                return self._end(index, event)
            case _:
                return []

    def closing(self) -> list[Frame]:
        """Says that the stream is complete."""
        return [Frame(data="[DONE]")]

    def error(self, error: ErrorReply) -> list[Frame]:
        """Sends the error in the place of a chunk, as OpenAI does."""
        return [Frame(data=error)]

    def whole(self, answer: Answer) -> Completion:
        """Makes the reply to a request that does not stream."""
        return _whole(self._names, [answer], logprobs=self._logprobs)

    def _text(self, index: int, delta: TextDelta) -> Frame:
        told = None
        if self._logprobs:
            told = completion_logprobs(delta.tokens, self._offsets[index])
            self._offsets[index] += sum(token.num_chars for token in delta.tokens)
        return self._chunk(index, delta.text, logprobs=told)

    def _end(self, index: int, finished: Finished) -> list[Frame]:
        self._usages.append(finished.usage)
        frames = [self._chunk(index, "", finish_reason=finished.finish_reason)]
        if self._include_usage and len(self._usages) == self._num_choices:
            fields = self._names | {"choices": [], "usage": _usage([self._usages])}
            frames.append(Frame(data=Completion.model_construct(**fields)))
        return frames

    def _chunk(self, index: int, text: str, **fields: Any) -> Frame:
        # model_construct: the type has no null for a finish reason that is not known yet.
        told = {"logprobs": None, "finish_reason": None} | fields
        choice = CompletionChoice.model_construct(index=index, text=text, **told)
        return Frame(data=Completion.model_construct(**self._names, choices=[choice]))


def _adapter(model: str, services: Services) -> str:
    """Gives the generator's adapter that the model names; empty: none."""
    if model == RAG_MODEL or model.startswith(STORE_PREFIX):
        msg = f"'{model}' answers chats: ask it at /v1/chat/completions"
        raise BadRequestError(msg, param="model", code="unsupported_value")
    adapter = adapter_of(model, services.config.served_names)
    if adapter is None:
        raise unknown_model(model)
    return adapter


async def _prompts(body: CompletionBody, services: Services) -> list[str]:
    prompts = await texts_of(body.prompt, services.config.http, param="prompt")
    most = 1 if body.stream else _MAX_PROMPTS
    if len(prompts) > most:
        msg = f"prompt must have at most {most} prompts{' with stream' * bool(body.stream)}"
        raise BadRequestError(f"{msg}, got {len(prompts)}", param="prompt")
    return prompts


def _constraint(body: CompletionBody, config: GatewayConfig) -> Constraint | None:
    found = constraint_of(body)
    asked = body.for_own_words() + ["logprobs"] * (body.logprobs is not None)
    check_own_words([found[0]] if found else asked, config)
    return found[1] if found else None


def _sampling(body: CompletionBody, resumption: Resumption) -> Sampling:
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return body.sampling(
        max_tokens=body.max_tokens or _DEFAULT_TOKENS,
        **resumption.seed_of(body.seed),
        stop=tuple(one for one in stops if one),
        top_logprobs=body.logprobs,
    )


async def _answers(asked: ChatRequest, prompts: Sequence[str], services: Services) -> list[Answer]:
    """Answers every prompt, in the same order."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def answer(index: int, prompt: str) -> Answer:
        once = asked.once and f"{asked.once}/{index}"
        one = replace(asked, messages=(Message(role="user", content=prompt),), once=once)
        async with turn, aclosing(services.pipeline.answer(one)) as events:
            return await answer_of(events)

    async with together() as group:
        tasks = [group.create_task(answer(*numbered)) for numbered in enumerate(prompts)]
    return [task.result() for task in tasks]


def _whole(names: dict[str, Any], answers: Sequence[Answer], *, logprobs: bool) -> Completion:
    by_prompt = [(answer, *answer.others) for answer in answers]
    choices = [
        CompletionChoice(
            index=index,
            text=one.text,
            logprobs=completion_logprobs(one.tokens) if logprobs else None,
            finish_reason=one.finished.finish_reason,  # type: ignore[arg-type]  # no tools here
        )
        for index, one in enumerate(one for choices in by_prompt for one in choices)
    ]
    usage = _usage([[one.finished.usage for one in choices] for choices in by_prompt])
    return Completion(**names, choices=choices, usage=usage)


def _usage(usages: Sequence[Sequence[Usage]]) -> CompletionUsage:
    """Adds up what prompts cost; the choices of one have read the same."""
    num_prompt = sum(max(one.num_prompt_tokens for one in choices) for choices in usages)
    num_completion = sum(one.num_completion_tokens for choices in usages for one in choices)
    return CompletionUsage(
        prompt_tokens=num_prompt,
        completion_tokens=num_completion,
        total_tokens=num_prompt + num_completion,
    )
