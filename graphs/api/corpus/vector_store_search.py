"""`POST /v1/vector_stores/{store_id}/search`: passages without an answer."""

from dataclasses import replace
from typing import Literal

from fastapi import APIRouter, Request, Response
from openai.types.vector_store_search_response import Content, VectorStoreSearchResponse
from pydantic import BaseModel

from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.json_body import JsonRoute
from graphs.api.border.replies import json_reply
from graphs.api.corpus.vector_store_schema import RankingOptions, SearchBody
from graphs.api.services import InjectedServices, Services
from index.records import titled_text
from index.searching.filters import parse_filter
from index.searching.request import Hit, SearchRequest

router = APIRouter(tags=["vector stores"], prefix="/v1/vector_stores", route_class=JsonRoute)


class SearchPage(BaseModel):
    """All results are on the one page."""

    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[VectorStoreSearchResponse]
    has_more: bool
    next_page: str | None


@router.post("/{store_id}/search", response_model=SearchPage, summary="Search a vector store")
async def search_store(
    request: Request, store_id: str, body: SearchBody, services: InjectedServices
) -> Response:
    """Finds passages by meaning and words; ranker "none" leaves them in the fused order."""
    await services.corpus.of(request.state.caller).get_store(store_id)
    queries = [body.query] if isinstance(body.query, str) else body.query
    hits = await unless_disconnected(request.receive, _search(services, store_id, queries, body))
    page = SearchPage(
        object="vector_store.search_results.page",
        search_query=queries,
        data=[_result(hit) for hit in hits],
        has_more=False,
        next_page=None,
    )
    return json_reply(page)


async def _search(
    services: Services, store_id: str, queries: list[str], body: SearchBody
) -> list[Hit]:
    """Searches for every query and keeps the best score of each passage."""
    filters = None if body.filters is None else parse_filter(body.filters)
    options = body.ranking_options or RankingOptions()
    embeddings = await services.embedder.embed(queries, kind="query")
    retrieval = services.config.retrieval
    rerank = retrieval.rerank if options.ranker is None else options.ranker != "none"
    num_candidates = max(body.max_num_results, retrieval.num_candidates if rerank else 0)
    best: dict[int, Hit] = {}
    for number, query in enumerate(queries):
        found = await services.retriever.search(
            SearchRequest(
                stores=(store_id,),
                text=query,
                vector=embeddings.vectors[number],
                top_k=num_candidates,
                mode=retrieval.mode,
                lexical_weight=retrieval.lexical_weight,
                filters=filters,
                fingerprint=embeddings.fingerprint,
                others=embeddings.others_of(number),
            )
        )
        for hit in await _scored(services, query, found, rerank=rerank):
            if hit.chunk_id not in best or best[hit.chunk_id].score < hit.score:
                best[hit.chunk_id] = hit
    threshold = options.score_threshold or 0.0
    kept = [hit for hit in best.values() if hit.score >= threshold]
    return sorted(kept, key=lambda hit: -hit.score)[: body.max_num_results]


async def _scored(
    services: Services, query: str, hits: tuple[Hit, ...], *, rerank: bool
) -> list[Hit]:
    """Puts the reranker's scores in place of the fused ones, where it is wanted."""
    if not hits or not rerank:
        return list(hits)
    ranked = await services.reranker.rerank(query, [titled_text(hit) for hit in hits])
    return [
        replace(hit, score=float(score)) for hit, score in zip(hits, ranked.scores, strict=True)
    ]


def _result(hit: Hit) -> VectorStoreSearchResponse:
    return VectorStoreSearchResponse(
        file_id=hit.file_id,
        filename=hit.filename,
        score=hit.score,
        attributes=hit.attributes,
        content=[Content(type="text", text=hit.text)],
    )
