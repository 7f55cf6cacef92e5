"""`POST /v1/completions`: a prompt instead of a chat, for clients of OpenAI's older API.

The generator is a chat model: a prompt is asked as the one turn of a user. One prompt may be
streamed; several are answered at once, each in its own choice.
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

from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.fields import Unsupported, only
from graphs.api.border.json_body import JsonRoute, RequestModel
from graphs.api.border.replies import json_reply
from graphs.api.border.sse import Frame
from graphs.api.chat.chat_target import RAG_MODEL, STORE_PREFIX
from graphs.api.chat.picking_fields import MAX_INT32
from graphs.api.chat.reply import Answer, Delivery, EventReply
from graphs.api.chat.resume import resumption_of
from graphs.api.error_replies import ErrorReply
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import InjectedServices, Services
from graphs.api.token_input import TextInput, texts_of
from graphs.pipeline.events import (
    ChatRequest,
    Event,
    Finished,
    Message,
    Retrieved,
    Sampling,
    TextDelta,
    Usage,
)
from graphs.pipeline.together import together
from models.constraints import MAX_STOPS

router = APIRouter(tags=["completions"], route_class=JsonRoute)

_MAX_PROMPTS = 128
_AT_ONCE = 4  # prompts of one request, so that it does not fill the queue alone
_DEFAULT_TOKENS = 16  # as OpenAI's API has it


class StreamOptions(RequestModel):
    """How a stream ends."""

    include_usage: bool | None = None
    include_obfuscation: Unsupported = None


class CompletionBody(RequestModel):
    """The body of a completion request."""

    model: str
    prompt: TextInput
    max_tokens: int | None = Field(None, ge=1, le=MAX_INT32)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[object, only(1, name="n")] = None
    best_of: Annotated[object, only(1, name="best_of")] = None
    echo: Unsupported = None
    suffix: Unsupported = None
    logprobs: Annotated[object, only(None, name="logprobs")] = None
    logit_bias: Unsupported = None
    frequency_penalty: Unsupported = None
    presence_penalty: Unsupported = None


@router.post("/v1/completions", response_model=Completion, summary="Complete prompts")
async def create_completion(
    request: Request, body: CompletionBody, services: InjectedServices
) -> Response:
    """Answers prompts by the bare generator; streams if asked to."""
    _check_model(body.model, services)
    prompts = await _prompts(body, services)
    resumption = resumption_of(request.headers, await request.body(), request.state.caller)
    request.app.state.keys.check(resumption)
    asked = ChatRequest(
        request_id=request.state.request_id,
        messages=(Message(role="user", content=prompts[0]),),
        retrieves=False,
        sampling=_sampling(body, resumption.seed),
        retrieval=services.config.retrieval,
        identity=resumption.last.identity if resumption.last else None,
        caller=request.state.caller,
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
        return json_reply(_whole(names, await unless_disconnected(request.receive, answers)))
    options = body.stream_options
    shape = CompletionShape(names, include_usage=bool(options and options.include_usage))
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

    def __init__(self, names: dict[str, Any], *, include_usage: bool) -> None:
        self._names = names
        self._include_usage = include_usage

    def opening(self, retrieved: Retrieved) -> list[Frame]:
        """A completion has nothing before its text."""
        if self._include_usage:  # then null stands on every chunk but the last, else on none
            self._names |= {"usage": None}
        return []

    def event(self, event: Event) -> list[Frame]:
        """Makes the chunks of one event."""
        match event:
            case TextDelta() if event.text:
                return [self._chunk(event.text)]
            case Finished():
                last = [self._chunk("", event.finish_reason)]
                if self._include_usage:
                    fields = self._names | {"choices": [], "usage": _usage([event.usage])}
                    last.append(Frame(data=Completion.model_construct(**fields)))
                return last
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
        return _whole(self._names, [(answer.text, answer.finished)])

    def _chunk(self, text: str, finish_reason: str | None = None) -> Frame:
        # model_construct: the type has no null for a finish reason that is not known yet.
        choice = CompletionChoice.model_construct(
            index=0, text=text, logprobs=None, finish_reason=finish_reason
        )
        return Frame(data=Completion.model_construct(**self._names, choices=[choice]))


def _check_model(model: str, services: Services) -> None:
    if model == RAG_MODEL or model.startswith(STORE_PREFIX):
        msg = f"'{model}' answers chats: ask it at /v1/chat/completions"
        raise BadRequestError(msg, param="model", code="unsupported_value")
    if model != services.config.served_names.generator:
        raise unknown_model(model)


async def _prompts(body: CompletionBody, services: Services) -> list[str]:
    prompts = await texts_of(body.prompt, services.config.http, param="prompt")
    most = 1 if body.stream else _MAX_PROMPTS
    if len(prompts) > most:
        msg = f"prompt must have at most {most} prompts{' with stream' * bool(body.stream)}"
        raise BadRequestError(f"{msg}, got {len(prompts)}", param="prompt")
    return prompts


def _sampling(body: CompletionBody, seed: int | None) -> Sampling:
    only_best = body.top_p == 0  # no mass but that of the best token
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return Sampling(
        max_tokens=body.max_tokens or _DEFAULT_TOKENS,
        temperature=0 if only_best else body.temperature,
        top_p=None if only_best else body.top_p,
        seed=seed if body.seed is None else body.seed,
        stop=tuple(one for one in stops if one),
    )


async def _answers(
    asked: ChatRequest, prompts: Sequence[str], services: Services
) -> list[tuple[str, Finished]]:
    """Answers every prompt, in the same order."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def answer(prompt: str) -> tuple[str, Finished]:
        one = replace(asked, messages=(Message(role="user", content=prompt),))
        text = ""
        async with turn, aclosing(services.pipeline.answer(one)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    text += event.text
        assert isinstance(event, Finished)
        return text, event

    async with together() as group:
        tasks = [group.create_task(answer(prompt)) for prompt in prompts]
    return [task.result() for task in tasks]


def _whole(names: dict[str, Any], answers: Sequence[tuple[str, Finished]]) -> Completion:
    choices = [
        CompletionChoice(
            index=index, text=text, logprobs=None, finish_reason=finished.finish_reason
        )
        for index, (text, finished) in enumerate(answers)
    ]
    usage = _usage([finished.usage for _, finished in answers])
    return Completion(**names, choices=choices, usage=usage)


def _usage(usages: Sequence[Usage]) -> CompletionUsage:
    num_prompt = sum(usage.num_prompt_tokens for usage in usages)
    num_completion = sum(usage.num_completion_tokens for usage in usages)
    return CompletionUsage(
        prompt_tokens=num_prompt,
        completion_tokens=num_completion,
        total_tokens=num_prompt + num_completion,
    )
