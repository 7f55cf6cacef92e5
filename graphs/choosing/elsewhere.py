"""An OpenAI-compatible endpoint that writes answers while no generator of ours runs.

Prompt, question and passages leave the house with every such answer. What comes back is text like
any other: the safety filter judges it, and its markers are checked against the passages.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    AsyncStream,
    BadRequestError,
    RateLimitError,
    omit,
)
from openai.types.chat import ChatCompletionChunk

from graphs.deadline import allowed_s, time_left_s
from graphs.errors import DeadlineError, OverloadedError, StageUnavailableError
from graphs.settings import FallbackSettings
from models.errors import ModelChangedError
from models.generation import GenerationChunk, GenerationRequest, Message, StopReason

logger = logging.getLogger(__name__)

# Fields of `Sampling` that such endpoints know under the same names, and those that few of them do.
_SAMPLING = (
    "max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty",
)  # fmt: skip
_UNSERVED = (
    "top_k", "min_p", "stop_token_ids", "ignore_eos", "min_tokens", "repetition_penalty",
    "logit_bias",
)  # fmt: skip
_ROLES = {"developer": "system"}  # which not every server knows
_NO_KEY = "none"  # the client insists on one, and does not send this one
# Who names no seed has one of 63 bits from us: it says nothing there, and many servers refuse it.
_MAX_SEED = 2**31 - 1
# What has come of a reply that is none: no JSON, no UTF-8, other types, nested without end.
_ODD = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


class Elsewhere:
    """Writes with another server's model. See `graphs.pipeline.stages.AnswerStage`.

    Args:
        settings: where it is, and how long it may take.
        api_key: sent to it, and to nobody else; None: none is.
    """

    def __init__(self, settings: FallbackSettings, api_key: str | None) -> None:
        self._settings = settings
        self._num_running = 0
        name = f"elsewhere\0{settings.url}\0{settings.model}"
        self.identity = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._api_key = api_key or _NO_KEY
        # The client's own, from an environment that is meant for somebody else.
        withheld = (
            "OpenAI-Organization",
            "OpenAI-Project",
            *(() if api_key else ("Authorization",)),
        )
        self._headers = dict.fromkeys(withheld, omit)
        self._certificates = httpx2.create_ssl_context()  # reading them takes a while

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Streams an answer; its first chunk has text, so an endpoint that fails has not begun.

        Raises:
            StageUnavailableError: it does not answer, refuses, breaks off, or cannot write this.
            OverloadedError: it has too much to do, or too many answers are written there.
            DeadlineError: the client's time has passed.
            ModelChangedError: somebody else began the answer, or its rest is asked for.
        """
        self._check(request)
        self._num_running += 1
        try:
            async with aclosing(self._chunks(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except TimeoutError as err:
            if isinstance(err, DeadlineError):
                raise
            if time_left_s() <= 0:
                raise DeadlineError("the deadline of the request has passed") from err
            raise StageUnavailableError("the fallback was silent for too long") from None
        except (APIError, httpx2.HTTPError, *_ODD) as err:
            raise _told(err) from None  # its message may hold the key or the prompt
        finally:
            self._num_running -= 1

    def _check(self, request: GenerationRequest) -> None:
        if request.identity not in {None, self.identity} or request.delivered_token_ids:
            raise ModelChangedError("the answer was begun by a generator, which does not run")
        if lacking := _unserved(request):
            msg = f"no generator runs, and the fallback cannot serve {', '.join(lacking)}"
            raise StageUnavailableError(msg)
        if self._num_running >= self._settings.max_running:
            msg = f"the fallback writes {self._settings.max_running} answers, its most"
            raise OverloadedError(msg)

    def _client(self) -> AsyncOpenAI:
        """Makes a connection for one answer, so that none is left when settings change."""
        settings = self._settings
        timeout = httpx2.Timeout(None, connect=settings.connect_s)  # `_chunks` has the others
        # A redirect would take question and key to somebody whom no settings name.
        http = httpx2.AsyncClient(
            follow_redirects=False, timeout=timeout, verify=self._certificates
        )
        return AsyncOpenAI(
            base_url=settings.url, api_key=self._api_key, max_retries=0, timeout=timeout,
            http_client=http,
        )  # fmt: skip

    async def _chunks(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        answer = _Answer(model=self._settings.model, identity=self.identity)
        began, first_s = time.monotonic(), self._settings.first_token_s
        async with self._client() as client:
            async with asyncio.timeout(allowed_s(first_s)):
                pieces = await self._opened(client, request)
            async with pieces:
                while True:
                    left_s = max(first_s - (time.monotonic() - began), 0.0)
                    wait_s = self._settings.next_token_s if answer.num_pieces else left_s
                    async with asyncio.timeout(allowed_s(wait_s)):
                        piece = await anext(pieces, None)
                    if piece is None:
                        break
                    if text := answer.next(piece):
                        yield text
        yield answer.end()

    async def _opened(
        self, client: AsyncOpenAI, request: GenerationRequest
    ) -> AsyncStream[ChatCompletionChunk]:
        body = _body(request, self._settings)
        create: Any = client.chat.completions.create
        while True:
            try:
                opened: AsyncStream[ChatCompletionChunk] = await create(
                    **body, extra_headers=self._headers
                )
            except BadRequestError as err:
                if not _is_changed(body, err.message):
                    raise
                continue
            return opened


def _unserved(request: GenerationRequest) -> list[str]:
    sampling = request.sampling
    asked = {
        "a form of the answer": request.constraint is not None,
        "tools": request.tools is not None or any(one.role == "tool" for one in request.messages),
        "adapters": request.adapter,
        "logprobs": sampling.top_logprobs is not None,
        **{name: sampling.asks_for(name) for name in _UNSERVED},
    }
    return [name for name, is_asked in asked.items() if is_asked]


def _body(request: GenerationRequest, settings: FallbackSettings) -> dict[str, Any]:
    sampling = request.sampling
    given = {name: getattr(sampling, name) for name in _SAMPLING if sampling.asks_for(name)}
    given.setdefault("max_tokens", settings.max_answer_tokens)
    if sampling.seed is not None and abs(sampling.seed) <= _MAX_SEED:
        given["seed"] = sampling.seed
    if sampling.stop:
        given["stop"] = list(sampling.stop)
    messages = [_turn(one) for one in request.messages]
    fixed = {"stream": True, "stream_options": {"include_usage": True}}
    return {"model": settings.model, "messages": messages, **fixed, **given}


def _is_changed(body: dict[str, Any], refusal: str) -> bool:
    """Takes out, once each, what a server does not know; says whether there was anything."""
    for name in ("stream_options", "seed", "max_tokens"):  # without the first, pieces are counted
        if name in body and name in refusal:
            value = body.pop(name)
            if name == "max_tokens":  # models that think
                body["max_completion_tokens"] = value
            return True
    return False


def _turn(message: Message) -> Mapping[str, str]:
    return {"role": _ROLES.get(message.role, message.role), "content": message.text}


def _told(err: Exception) -> Exception:
    """Says what is wrong in our words: theirs may repeat what was sent."""
    if isinstance(err, RateLimitError):
        return OverloadedError("the fallback has too much to do")
    if isinstance(err, APIStatusError):
        logger.error("the fallback answered with status %d", err.status_code)
        return StageUnavailableError(f"no generator runs, and the fallback said {err.status_code}")
    what = "cannot be reached" if isinstance(err, APIConnectionError) else "broke off"
    logger.error("the fallback %s: %s", what, type(err).__name__)
    return StageUnavailableError(f"no generator runs, and the fallback {what}")


def _count(told: object) -> int:
    """Reads a number of tokens; what is none tells nothing."""
    return told if isinstance(told, int) and told > 0 else 0


@dataclass(kw_only=True)
class _Answer:
    """What has come of one answer; servers leave out or repeat nearly everything of a piece."""

    model: str
    identity: str
    num_pieces: int = 0
    num_prompt: int = 0
    num_written: int = 0
    finish_reason: StopReason | None = None

    def next(self, piece: ChatCompletionChunk) -> GenerationChunk | None:
        """Takes a piece; None where it has no text: usage, a role, thoughts.

        Raises:
            StageUnavailableError: the server's filter cut the answer.
        """
        if piece.usage:
            self.num_prompt = _count(piece.usage.prompt_tokens)
            self.num_written = _count(piece.usage.completion_tokens)
        if not piece.choices:
            return None
        choice = piece.choices[0]
        if choice.finish_reason == "content_filter":
            raise StageUnavailableError("the filter of the fallback ended the answer")
        if choice.finish_reason:
            self.finish_reason = "length" if choice.finish_reason == "length" else "stop"
        if not choice.delta or not choice.delta.content:
            return None
        text = choice.delta.content.encode(errors="replace").decode()  # half a surrogate pair
        self.num_pieces += 1
        return self._chunk(self.num_pieces, text)

    def end(self) -> GenerationChunk:
        """Gives the last chunk.

        Raises:
            StageUnavailableError: the answer is not whole.
        """
        if self.finish_reason is None:
            raise StageUnavailableError("the fallback broke off")
        return self._chunk(self.num_written or self.num_pieces, "")

    def _chunk(self, position: int, text: str) -> GenerationChunk:
        return GenerationChunk(
            position=position, token_ids=(), text=text,
            finish_reason=None if text else self.finish_reason,
            num_prompt_tokens=self.num_prompt, identity=self.identity, model=self.model,
        )  # fmt: skip
