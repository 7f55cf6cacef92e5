"""Text Embeddings Inference: `/embed`, `/info`, `/health`.

Its `/rerank` is served by graphs/api/rerank.py, with that of others. See https://huggingface.github.io/text-embeddings-inference.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, TypeAdapter

from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.fields import only
from graphs.api.border.replies import json_reply
from graphs.api.dialects.errors import TEI_ERRORS
from graphs.api.embedding import embedded
from graphs.api.health import get_readiness
from graphs.api.services import InjectedServices
from graphs.api.token_input import TextInput, texts_of

router = APIRouter(tags=["text embeddings inference"], route_class=JsonRoute, responses=TEI_ERRORS)

_VECTORS = TypeAdapter(list[list[float]])


class EmbedBody(RequestModel):
    """The body of an embed request; vectors always have unit norm."""

    inputs: TextInput
    normalize: Annotated[object, only(True, name="normalize")] = None
    truncate: bool | None = None
    truncation_direction: Annotated[object, only("Right", "right", name="truncation_direction")] = (
        None
    )
    prompt_name: Literal["query", "document"] | None = None
    dimensions: int | None = None


class Info(BaseModel):
    """What is served."""

    model_id: str
    served_model_name: str
    max_client_batch_size: int
    auto_truncate: bool


@router.post("/embed", response_model=list[list[float]], summary="Embed texts (TEI)")
async def create_embed(request: Request, body: EmbedBody, services: InjectedServices) -> Response:
    """Gives the bare vectors; texts that are too long are cut unless `truncate` is false."""
    texts = await texts_of(body.inputs, services.config.http, param="inputs")
    found = await embedded(
        request,
        services,
        texts,
        kind=body.prompt_name or "document",
        truncate="NONE" if body.truncate is False else "END",
        dimensions=body.dimensions,
        param="inputs",
        is_list=isinstance(body.inputs, list) and not isinstance(body.inputs[0], int),
    )
    return Response(_VECTORS.dump_json(found.vectors.tolist()), media_type="application/json")


@router.get("/info", response_model=Info, summary="Describe the embedder (TEI)")
async def get_info(services: InjectedServices) -> Response:
    """Tells which embedder is served, and how many texts a request may have."""
    name = services.config.served_names.embedder
    return json_reply(
        Info(
            model_id=name,
            served_model_name=name,
            max_client_batch_size=services.config.http.max_inputs,
            auto_truncate=True,
        )
    )


@router.get("/health", response_class=Response, summary="Can it answer? (TEI)")
async def get_health(services: InjectedServices) -> Response:
    """Answers 200 without a body when `/readyz` does, else 503."""
    ready = await get_readiness(services)
    return Response() if ready.status_code == 200 else ready
