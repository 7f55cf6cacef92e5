"""`POST /v1/embeddings`."""

import asyncio
import base64
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from openai.types.create_embedding_response import CreateEmbeddingResponse, Usage
from openai.types.embedding import Embedding
from pydantic import Discriminator, Field, Tag

from graphs.api.border.json_body import JsonRoute, RequestModel
from graphs.api.border.replies import json_reply
from graphs.api.embedding import Truncate, embedded
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import InjectedServices
from graphs.api.token_input import decode_inputs
from graphs.config import HttpSettings

router = APIRouter(tags=["embeddings"], route_class=JsonRoute)

Text = Annotated[str, Field(min_length=1)]
TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, fail_fast=True)]


def _input_tag(value: object) -> str:
    """Tells the four shapes apart by the first element: faults are then told for that one only."""
    if not isinstance(value, list):
        return "text"
    first = value[0] if value else ""
    if isinstance(first, list):
        return "token_lists"
    return "tokens" if isinstance(first, int) else "texts"


EmbeddingInput = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[list[Text], Field(min_length=1, fail_fast=True), Tag("texts")]
    | Annotated[TokenIds, Tag("tokens")]
    | Annotated[list[TokenIds], Field(fail_fast=True), Tag("token_lists")],
    Discriminator(_input_tag),
]


class EmbeddingsBody(RequestModel):
    """The body of an embeddings request.

    `input_type` and `truncate` are extensions that Cohere and NVIDIA have too. Without them texts
    are documents, and one that is too long is refused, as OpenAI's API does.
    """

    input: EmbeddingInput
    model: str
    dimensions: int | None = Field(None, ge=1)
    encoding_format: Literal["float", "base64"] | None = None
    input_type: Literal["query", "document"] | None = None
    truncate: Truncate | None = None


@router.post("/v1/embeddings", response_model=CreateEmbeddingResponse, summary="Embed texts")
async def create_embeddings(
    request: Request, body: EmbeddingsBody, services: InjectedServices
) -> Response:
    """Embeds texts, or cl100k_base token ids, which are decoded first."""
    if body.model != services.config.served_names.embedder:
        raise unknown_model(body.model)
    texts = await _texts(body.input, services.config.http)
    embeddings = await embedded(
        request,
        services,
        texts,
        kind=body.input_type or "document",
        truncate=body.truncate or "NONE",
        dimensions=body.dimensions,
        is_list=isinstance(body.input, list) and not isinstance(body.input[0], int),
    )
    num_tokens = embeddings.num_tokens
    reply = CreateEmbeddingResponse.model_construct(
        object="list",
        data=[
            Embedding.model_construct(
                object="embedding", index=index, embedding=_encoded(vector, body.encoding_format)
            )
            for index, vector in enumerate(embeddings.vectors)
        ],
        model=body.model,
        usage=Usage(prompt_tokens=num_tokens, total_tokens=num_tokens),
    )
    return json_reply(reply)


async def _texts(
    value: str | list[str] | list[int] | list[list[int]], settings: HttpSettings
) -> list[str]:
    given = [value] if isinstance(value, str) else value
    texts = [one for one in given if isinstance(one, str)]
    token_lists = [one for one in given if isinstance(one, list)]
    if not texts and not token_lists:
        token_lists = [[one for one in given if isinstance(one, int)]]
    count = len(texts) + len(token_lists)
    if count > settings.max_inputs:
        msg = f"input must have at most {settings.max_inputs} texts, got {count}"
        raise BadRequestError(msg, param="input")
    if token_lists and settings.token_input == "reject":
        msg = "input must be text: token ids are not accepted here"
        raise BadRequestError(msg, param="input")
    # On a thread, since the first call of a process loads the vocabulary.
    return texts or await asyncio.to_thread(decode_inputs, token_lists)


def _encoded(vector: npt.NDArray[np.float32], encoding_format: str | None) -> str | list[float]:
    if encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    numbers: list[float] = vector.tolist()  # at once: of 2,000 texts they are 800,000
    return numbers
