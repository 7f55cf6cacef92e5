"""`POST /v1/vector_stores/{store_id}/search`: passages without an answer."""

from operator import attrgetter
from typing import Literal

from fastapi import APIRouter, Request, Response
from openai.types.vector_store_search_response import Content, VectorStoreSearchResponse
from pydantic import BaseModel

from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.replies import json_reply
from graphs.api.border.timing import server_timing
from graphs.api.corpus.vector_store_schema import RankingOptions, SearchBody
from graphs.api.services import InjectedServices
from graphs.caller import Caller
from graphs.config import RetrievalSettings
from graphs.pipeline.relevance import ScoredHit
from graphs.pipeline.retrieval import Scope
from graphs.pipeline.trace import Trace
from index.headings import headed_text
from index.searching.filters import parse_filter

router = APIRouter(tags=["vector stores"], prefix="/v1/vector_stores", route_class=JsonRoute)


class FoundPassage(VectorStoreSearchResponse):
    """A result with the passage itself that was found; `content` may hold what stands around it."""

    chunk_id: str
    passage: str


class SearchPage(BaseModel):
    """All results are on the one page; `degraded` names what was left out, as in a chat's reply."""

    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[FoundPassage]
    has_more: bool
    next_page: str | None
    degraded: list[str] | None = None


@router.post("/{store_id}/search", response_model=SearchPage, summary="Search a vector store")
async def search_store(
    request: Request, store_id: str, body: SearchBody, services: InjectedServices
) -> Response:
    """Finds passages by meaning and words; ranker "none" leaves them in the fused order."""
    queries = [body.query] if isinstance(body.query, str) else body.query
    trace = Trace(request.state.request_id, caller=request.state.caller)
    scope = scope_of(request.state.caller, (store_id,), body, services.config.retrieval)
    searching = services.pipeline.search(queries, scope, trace)
    found = await unless_disconnected(request.receive, searching)
    options = body.ranking_options or RankingOptions()
    threshold = options.score_threshold or 0.0
    # Scores of the search have another scale than those of a reranker that did not answer.
    measured = attrgetter("relevance" if "rerank" in trace.degraded else "score")
    page = SearchPage(
        object="vector_store.search_results.page",
        search_query=list(trace.queries),
        data=[result_of(one) for one in found if measured(one) >= threshold],
        has_more=False,
        next_page=None,
        **({"degraded": list(trace.degraded)} if trace.degraded else {}),
    )
    return json_reply(page, server_timing(trace.times))


def scope_of(
    caller: Caller,
    stores: tuple[str, ...] | None,
    body: SearchBody,
    configured: RetrievalSettings,
) -> Scope:
    """Gives by whom, where (None: everywhere) and how is searched, without the generator."""
    ranker = body.ranking_options and body.ranking_options.ranker
    rerank = None if ranker is None else ranker != "none"
    mode = None if body.rag is None else body.rag.mode
    options = {"top_k": body.max_num_results, "rerank": rerank, "mode": mode, "expand": "off"}
    settings = configured.overridden(options)
    most = settings.num_candidates if settings.rerank else 0
    settings = settings.overridden({"num_candidates": max(body.max_num_results, most)})
    filters = None if body.filters is None else parse_filter(body.filters)
    rewrites = bool(body.rewrite_query)
    return Scope(
        caller=caller, stores=stores, filters=filters, settings=settings, rewrites=rewrites
    )


def result_of(found: ScoredHit) -> FoundPassage:
    """Makes OpenAI's object of a hit."""
    hit = found.hit
    text = headed_text(hit.title, hit.context or hit.text, filename=hit.filename)
    return FoundPassage(
        file_id=hit.file_id,
        filename=hit.filename,
        score=found.score,
        attributes=hit.attributes,
        content=[Content(type="text", text=text)],
        chunk_id=str(hit.chunk_id),
        passage=hit.text,
    )
