"""Cohere's `/v1/embed` and `/v2/embed` (https://docs.cohere.com/reference/embed).

Its rerank is served by graphs/api/rerank.py, with that of others.
"""

import base64
import uuid
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.fields import ContentPart, Unsupported, joined
from graphs.api.border.replies import json_reply
from graphs.api.dialects.errors import COHERE_ERRORS
from graphs.api.embedding import Truncate, embedded
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import InjectedServices
from models.embedder import Embeddings

router = APIRouter(tags=["cohere"], route_class=JsonRoute, responses=COHERE_ERRORS)

Vectors = npt.NDArray[np.float32]
InputType = Literal["search_document", "search_query", "classification", "clustering"]
# int8 and uint8 are not among them: how far they reach would have to be measured for each model.
EmbeddingType = Literal["float", "base64", "binary", "ubinary"]
Texts = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class MixedInput(RequestModel):
    """An input made of parts, of which only text is taken."""

    content: Annotated[list[ContentPart], Field(min_length=1)]


class EmbedBodyV1(RequestModel):
    """The body of version 1, whose input type and embedding types may be left out."""

    model: str | None = None
    texts: Texts | None = None
    images: Unsupported = None
    input_type: InputType | None = None
    embedding_types: list[EmbeddingType] | None = None
    truncate: Truncate | None = None


class EmbedBodyV2(RequestModel):
    """The body of version 2."""

    model: str
    input_type: InputType
    texts: Texts | None = None
    inputs: Annotated[list[MixedInput], Field(min_length=1)] | None = None
    images: Unsupported = None
    max_tokens: Unsupported = None
    output_dimension: int | None = Field(None, ge=1)
    embedding_types: list[EmbeddingType] | None = None
    truncate: Truncate | None = None
    priority: int | None = Field(None, ge=0, le=999)


class EmbedMeta(BaseModel):
    """What Cohere's clients look for."""

    api_version: dict[str, str]
    billed_units: dict[str, int]
    warnings: list[str] | None = None


class EmbedReply(BaseModel):
    """Vectors by their types; of version 1 without types, the vectors alone."""

    id: str
    response_type: Literal["embeddings_by_type", "embeddings_floats"]
    embeddings: dict[EmbeddingType, list[Any]] | list[list[float]]
    texts: list[str]
    meta: EmbedMeta


@router.post("/v1/embed", response_model=EmbedReply, summary="Embed texts (Cohere, version 1)")
async def create_embed_v1(
    request: Request, body: EmbedBodyV1, services: InjectedServices
) -> Response:
    """Embeds texts; those that are too long are cut at their end unless `truncate` is NONE."""
    _check_model(body.model, services.config.served_names.embedder)
    texts = _required(body.texts)
    found = await _embedded(request, services, body, texts)
    return json_reply(_reply("1", texts, found, body.embedding_types))


@router.post("/v2/embed", response_model=EmbedReply, summary="Embed texts (Cohere, version 2)")
async def create_embed_v2(
    request: Request, body: EmbedBodyV2, services: InjectedServices
) -> Response:
    """Embeds texts; those that are too long are cut at their end unless `truncate` is NONE."""
    _check_model(body.model, services.config.served_names.embedder)
    if body.texts is not None and body.inputs is not None:
        msg = "send texts or inputs, not both"
        raise BadRequestError(msg, param="inputs")
    mixed = None if body.inputs is None else [joined(one.content) for one in body.inputs]
    texts = _required(body.texts if mixed is None else mixed)
    found = await _embedded(request, services, body, texts)
    return json_reply(_reply("2", texts, found, body.embedding_types or ["float"]))


def _check_model(name: str | None, served: str) -> None:
    if name not in {None, served}:
        raise unknown_model(str(name))


def _required(texts: list[str] | None) -> list[str]:
    if texts is None:
        msg = "texts is required"
        raise BadRequestError(msg, param="texts", code="missing_required_parameter")
    return texts


async def _embedded(
    request: Request,
    services: InjectedServices,
    body: EmbedBodyV1 | EmbedBodyV2,
    texts: list[str],
) -> Embeddings:
    return await embedded(
        request,
        services,
        texts,
        kind="query" if body.input_type == "search_query" else "document",
        truncate=body.truncate or "END",
        dimensions=body.output_dimension if isinstance(body, EmbedBodyV2) else None,
        param="texts",
    )


def _reply(
    version: str, texts: list[str], found: Embeddings, types: list[EmbeddingType] | None
) -> EmbedReply:
    meta: dict[str, Any] = {}
    if found.num_cut:
        meta["warnings"] = [f"{len(found.num_cut)} texts were too long and were cut at their end"]
    return EmbedReply(
        id=uuid.uuid4().hex,
        response_type="embeddings_by_type" if types else "embeddings_floats",
        embeddings=(
            {name: _of_type(found.vectors, name) for name in types}
            if types
            else found.vectors.tolist()
        ),
        texts=texts,
        meta=EmbedMeta(
            api_version={"version": version},
            billed_units={"input_tokens": found.num_tokens},
            **meta,
        ),
    )


def _of_type(vectors: Vectors, name: EmbeddingType) -> list[Any]:
    """Writes vectors as the type says; binary ones have a bit a number, eight of them in one."""
    if name == "base64":
        return [base64.b64encode(one.astype("<f4").tobytes()).decode("ascii") for one in vectors]
    if name == "float":
        numbers: list[Any] = vectors.tolist()
        return numbers
    bits = np.packbits(vectors > 0, axis=1).astype(np.int16)
    packed: list[Any] = (bits - 128 if name == "binary" else bits).tolist()
    return packed
