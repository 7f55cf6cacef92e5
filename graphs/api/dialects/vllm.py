"""vLLM's `/score` (https://docs.vllm.ai): how well texts answer each other, pair by pair."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from graphs.api.accounting.billing import bill
from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.replies import json_reply
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.rerank import RerankUsage
from graphs.api.services import InjectedServices, Services
from graphs.together import together
from models.reranker import RerankScores

_AT_ONCE = 4

router = APIRouter(tags=["vllm"], route_class=JsonRoute)

Texts = str | Annotated[list[str], Field(min_length=1)]


class ScoreBody(RequestModel):
    """One text or several, with one text or as many."""

    model: str | None = None
    text_1: Texts
    text_2: Texts
    truncate_prompt_tokens: Literal[-1] | None = None


class PairScore(BaseModel):
    """The score of one pair, 0..1."""

    index: int
    object: Literal["score"]
    score: float


class ScoreReply(BaseModel):
    """The scores, in the order of `text_2`."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[PairScore]
    usage: RerankUsage


@router.post("/score", response_model=ScoreReply, summary="Score pairs of texts (vLLM)")
@router.post("/v1/score", response_model=ScoreReply, summary="Score pairs of texts (vLLM)")
async def create_score(request: Request, body: ScoreBody, services: InjectedServices) -> Response:
    """Scores pairs by the reranker; a pair that is too long is cut only where that is asked for."""
    model = services.config.served_names.reranker
    if body.model not in {None, model}:
        raise unknown_model(str(body.model))
    scoring = _scored(body, services)
    scores, num_tokens = await unless_disconnected(request.receive, scoring)
    bill(request, model, num_tokens)
    return json_reply(
        ScoreReply(
            id=f"score-{uuid.uuid4().hex}",
            object="list",
            created=int(time.time()),
            model=model,
            data=[
                PairScore(index=index, object="score", score=score)
                for index, score in enumerate(scores)
            ],
            usage=RerankUsage(prompt_tokens=num_tokens, total_tokens=num_tokens),
        )
    )


async def _scored(body: ScoreBody, services: Services) -> tuple[list[float], int]:
    """Gives the score of every pair, and the tokens of all."""
    queries, documents = _texts(body, services.config.http.max_documents)
    calls = (
        [(queries[0], documents)]
        if len(queries) == 1
        else [(query, [one]) for query, one in zip(queries, documents, strict=True)]
    )
    turn = asyncio.Semaphore(_AT_ONCE)  # chats want the reranker too

    async def rerank(query: str, texts: Sequence[str]) -> RerankScores:
        async with turn:
            return await services.reranker.rerank(query, texts)

    async with together() as group:
        tasks = [group.create_task(rerank(*call)) for call in calls]
    found = [task.result() for task in tasks]
    cut = [index for index, one in enumerate(found) if one.cut]
    if cut and body.truncate_prompt_tokens is None:
        place = found[0].cut[0] if len(queries) == 1 else cut[0]
        most = max(one.max_tokens for one in found)
        msg = (
            f"text_2[{place}] and its text_1 have more than {most} tokens, the most that the "
            "reranker reads of both: send less, or `truncate_prompt_tokens: -1`"
        )
        raise BadRequestError(msg, param="text_2", code="context_length_exceeded")
    scores = [float(score) for one in found for score in one.scores]
    return scores, sum(one.num_tokens for one in found)


def _texts(body: ScoreBody, most: int) -> tuple[list[str], list[str]]:
    queries = [body.text_1] if isinstance(body.text_1, str) else body.text_1
    documents = [body.text_2] if isinstance(body.text_2, str) else body.text_2
    if len(queries) not in {1, len(documents)}:
        msg = f"text_1 must have 1 or {len(documents)} texts as text_2 has, got {len(queries)}"
        raise BadRequestError(msg, param="text_1")
    if len(documents) > most:
        msg = f"text_2 must have 1..{most} texts, got {len(documents)}"
        raise BadRequestError(msg, param="text_2")
    if not all(query.strip() for query in queries):
        msg = "text_1 must not be blank"
        raise BadRequestError(msg, param="text_1", code="empty_query")
    return queries, documents
