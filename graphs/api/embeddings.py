"""`POST /v1/embeddings`."""

import base64
from typing import Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from openai.types.create_embedding_response import Usage
from pydantic import BaseModel, Field

from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.replies import json_reply
from graphs.api.embedding import Truncate, embedded
from graphs.api.errors import unknown_model
from graphs.api.services import InjectedServices
from graphs.api.token_input import TextInput, texts_of

router = APIRouter(tags=["embeddings"], route_class=JsonRoute)


class EmbeddingsBody(RequestModel):
    """The body of an embeddings request.

    `input_type` and `truncate` are extensions that Cohere and NVIDIA have too. Without them texts
    are documents, and one that is too long is refused, as OpenAI's API does.
    """

    input: TextInput
    model: str
    dimensions: int | None = Field(None, ge=1)
    encoding_format: Literal["float", "base64"] | None = "float"
    user: str | None = Field(None, max_length=1024)
    input_type: Literal["query", "document"] | None = None
    truncate: Truncate | None = None


class EmbeddedText(BaseModel):
    """One vector: numbers, or those of float32 in base64, which the openai package reads itself."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingsReply(BaseModel):
    """The vectors, in the order of the texts."""

    object: Literal["list"]
    data: list[EmbeddedText]
    model: str
    usage: Usage


@router.post("/v1/embeddings", response_model=EmbeddingsReply, summary="Embed texts")
async def create_embeddings(
    request: Request, body: EmbeddingsBody, services: InjectedServices
) -> Response:
    """Embeds texts, or cl100k_base token ids, which are decoded first."""
    if body.model != services.config.served_names.embedder:
        raise unknown_model(body.model)
    texts = await texts_of(body.input, services.config.http)
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
    reply = EmbeddingsReply.model_construct(
        object="list",
        data=[
            EmbeddedText.model_construct(
                object="embedding", index=index, embedding=_encoded(vector, body.encoding_format)
            )
            for index, vector in enumerate(embeddings.vectors)
        ],
        model=body.model,
        usage=Usage(prompt_tokens=num_tokens, total_tokens=num_tokens),
    )
    return json_reply(reply)


def _encoded(vector: npt.NDArray[np.float32], encoding_format: str | None) -> str | list[float]:
    if encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    numbers: list[float] = vector.tolist()  # at once: of 2,000 texts they are 800,000
    return numbers
