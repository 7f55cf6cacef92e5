"""vLLM's `/tokenize` and `/detokenize` (https://docs.vllm.ai): how the generator cuts texts.

Control tokens in a text are broken, as in every text that the generator reads here, so that the
count is the one that is billed. How a chat is framed is known to the generator alone: `messages`
are refused.
"""

import asyncio

from fastapi import APIRouter, Response
from pydantic import BaseModel

from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.fields import Unsupported
from graphs.api.border.replies import json_reply
from graphs.api.chat.chat_target import adapter_of
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import InjectedServices, Services
from models.errors import InvalidInputError
from models.token_counter import TokenCounter

router = APIRouter(tags=["vllm"], route_class=JsonRoute)


class TokenizeBody(RequestModel):
    """A text to be cut."""

    model: str | None = None
    prompt: str
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None
    messages: Unsupported = None


class TokenizeReply(BaseModel):
    """The ids of the text."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class DetokenizeBody(RequestModel):
    """Ids to be read."""

    model: str | None = None
    tokens: list[int]


class DetokenizeReply(BaseModel):
    """The text of the ids."""

    prompt: str


@router.post("/tokenize", response_model=TokenizeReply, summary="Cut a text to tokens (vLLM)")
async def tokenize(body: TokenizeBody, services: InjectedServices) -> Response:
    """Gives the ids of a text, as the generator counts it."""
    counter = await _counter(body.model, services)
    ids, names = await asyncio.to_thread(
        counter.encode, body.prompt, add_special_tokens=body.add_special_tokens is not False
    )
    reply = TokenizeReply(count=len(ids), max_model_len=counter.profile.context_tokens, tokens=ids)
    if body.return_token_strs:
        reply.token_strs = names
    return json_reply(reply)


@router.post("/detokenize", response_model=DetokenizeReply, summary="Read tokens (vLLM)")
async def detokenize(body: DetokenizeBody, services: InjectedServices) -> Response:
    """Gives the text of ids."""
    counter = await _counter(body.model, services)
    try:
        text = await asyncio.to_thread(counter.decode, body.tokens)
    except InvalidInputError as err:
        raise BadRequestError(str(err), param="tokens") from err
    return json_reply(DetokenizeReply(prompt=text))


async def _counter(model: str | None, services: Services) -> TokenCounter:
    if model is not None and adapter_of(model, services.config.served_names) is None:
        raise unknown_model(model)
    assert services.tokens is not None
    return await services.tokens.tokens()
