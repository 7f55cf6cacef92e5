"""`POST /rerank`, `/v1/rerank`, `/v2/rerank`: one route for Cohere, Jina, vLLM and TEI clients."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SerializeAsAny, TypeAdapter

from graphs.api.accounting.billing import bill
from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.fields import Unsupported, only
from graphs.api.border.replies import json_reply
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import InjectedServices
from models.reranker import RerankScores

router = APIRouter(tags=["rerank"], route_class=JsonRoute)

# Cohere bills one search unit for a query with up to so many documents.
_DOCUMENTS_PER_UNIT = 100


class Document(RequestModel):
    """A document as an object; other fields are ignored."""

    text: str


class RerankBody(RequestModel):
    """The union of the dialects: `documents` (Cohere, Jina, vLLM) or `texts` (TEI)."""

    query: str
    documents: list[str | Document] | None = None
    model: str | None = None
    top_n: int | None = Field(None, ge=1)
    return_documents: bool | None = None
    rank_fields: Annotated[object, only(["text"], name="rank_fields")] = None
    max_tokens_per_doc: int | None = Field(None, ge=1)
    max_chunks_per_doc: Annotated[object, only(1, name="max_chunks_per_doc")] = None
    truncate_prompt_tokens: Annotated[object, only(-1, name="truncate_prompt_tokens")] = None
    priority: int | None = Field(None, ge=0, le=999)
    texts: list[str] | None = None
    return_text: bool | None = None
    raw_scores: Unsupported = None
    truncate: bool | None = None
    truncation_direction: Annotated[object, only("Right", "right", name="truncation_direction")] = (
        None
    )


class DocumentText(BaseModel):
    """The text of a ranked document."""

    text: str


class RankedDocument(BaseModel):
    """One result; `index` is the place of the document in the request."""

    index: int
    relevance_score: float
    document: DocumentText | None = None


class RerankUsage(BaseModel):
    """Tokens of all query-document pairs."""

    prompt_tokens: int
    total_tokens: int


class ApiVersion(BaseModel):
    """Cohere's version of this reply."""

    version: str


class BilledUnits(BaseModel):
    """Cohere's measure of work."""

    search_units: int


class RerankMeta(BaseModel):
    """What Cohere's clients look for."""

    api_version: ApiVersion
    billed_units: BilledUnits
    warnings: list[str] | None = None


class RerankReply(BaseModel):
    """The superset of the Cohere, Jina and vLLM replies."""

    id: str
    object: Literal["list"]
    model: str
    results: list[RankedDocument]
    usage: RerankUsage
    meta: RerankMeta


class RankedText(BaseModel):
    """One result of TEI, whose reply is a bare list of these."""

    index: int
    score: float
    text: str | None = None


_RANKED_TEXTS = TypeAdapter(list[SerializeAsAny[RankedText]])


@router.post("/rerank", response_model=RerankReply | list[RankedText], summary="Rank documents")
@router.post("/v1/rerank", response_model=RerankReply | list[RankedText], summary="Rank documents")
@router.post("/v2/rerank", response_model=RerankReply | list[RankedText], summary="Rank documents")
async def create_rerank(request: Request, body: RerankBody, services: InjectedServices) -> Response:
    """Orders documents by their relevance to the query, best first, scores in 0..1."""
    model = services.config.served_names.reranker
    if body.model not in {None, model}:
        raise unknown_model(str(body.model))
    documents = _documents(body, services.config.http.max_documents)
    work = services.reranker.rerank(body.query, documents)
    ranked = await unless_disconnected(request.receive, work)
    _check_cuts(body, ranked)
    bill(request, model, ranked.num_tokens)
    scores = [float(score) for score in ranked.scores]
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: body.top_n]
    if body.texts is not None:
        return _tei_reply(order, scores, documents if body.return_text else None)
    shows_text = body.return_documents
    if shows_text is None:  # v2 has no such field and never returns texts
        shows_text = not request.url.path.endswith("/v2/rerank")
    reply = RerankReply(
        id=f"rerank-{uuid.uuid4().hex}",
        object="list",
        model=model,
        results=[_result(index, scores, documents if shows_text else None) for index in order],
        usage=RerankUsage(prompt_tokens=ranked.num_tokens, total_tokens=ranked.num_tokens),
        meta=RerankMeta(
            api_version=ApiVersion(version="2"),
            billed_units=BilledUnits(search_units=-(-len(documents) // _DOCUMENTS_PER_UNIT)),
            **({"warnings": [_cut_warning(ranked)]} if ranked.cut else {}),
        ),
    )
    return json_reply(reply)


def _documents(body: RerankBody, max_documents: int) -> list[str]:
    name = "documents" if body.texts is None else "texts"
    if body.documents is not None and body.texts is not None:
        msg = "send documents or texts, not both"
        raise BadRequestError(msg, param="texts")
    given = body.documents if body.texts is None else body.texts
    if not given:
        msg = f"{name} must have 1..{max_documents} entries, got 0"
        raise BadRequestError(msg, param=name)
    if len(given) > max_documents:
        msg = f"{name} must have 1..{max_documents} entries, got {len(given)}"
        raise BadRequestError(msg, param=name)
    if not body.query.strip():
        msg = "query must not be blank"
        raise BadRequestError(msg, param="query", code="empty_query")
    return [one if isinstance(one, str) else one.text for one in given]


def _check_cuts(body: RerankBody, ranked: RerankScores) -> None:
    """Refuses what was cut against the will of the client.

    Raises:
        BadRequestError: a document was cut though `truncate` is false, or would have to be shorter.
    """
    if ranked.cut and body.truncate is False:
        where = f"{'documents' if body.texts is None else 'texts'}[{ranked.cut[0]}]"
        msg = (
            f"{where} and the query have more than {ranked.max_tokens} tokens, the most that the "
            "reranker reads of both: send less, or `truncate: true`"
        )
        raise BadRequestError(msg, param=where, code="context_length_exceeded")
    least = ranked.max_tokens
    if body.max_tokens_per_doc is not None and body.max_tokens_per_doc < least:
        msg = (
            f"max_tokens_per_doc must be at least {least}, the tokens of the longest document and "
            f"the query as they are read, got {body.max_tokens_per_doc}"
        )
        raise BadRequestError(msg, param="max_tokens_per_doc", code="unsupported_value")


def _cut_warning(ranked: RerankScores) -> str:
    return (
        f"{len(ranked.cut)} documents are longer than the {ranked.max_tokens} tokens that the "
        "reranker reads with the query: what lies beyond was not read"
    )


def _result(index: int, scores: list[float], documents: list[str] | None) -> RankedDocument:
    if documents is None:
        return RankedDocument(index=index, relevance_score=scores[index])
    text = DocumentText(text=documents[index])
    return RankedDocument(index=index, relevance_score=scores[index], document=text)


def _tei_reply(order: list[int], scores: list[float], texts: list[str] | None) -> Response:
    results = [
        RankedText(index=index, score=scores[index])
        if texts is None
        else RankedText(index=index, score=scores[index], text=texts[index])
        for index in order
    ]
    body = _RANKED_TEXTS.dump_json(results, exclude_unset=True)
    return Response(body, media_type="application/json")
