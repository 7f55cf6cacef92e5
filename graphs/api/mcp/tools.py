"""The tools: `search` gives passages, `ask` an answer with the passages that it stands on.

Each result comes twice: as a text for the model, and structured for the program around it.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, Field, ValidationError

from graphs.api.border.bodies.strict_json import ClosedModel
from graphs.api.border.validation import explain
from graphs.api.chat.citations import title_of, url_of
from graphs.api.chat.reply import answer_of
from graphs.api.corpus.filters import FilterSpec
from graphs.api.corpus.vector_store_schema import Query, SearchBody
from graphs.api.corpus.vector_store_search import result_of, scope_of
from graphs.api.errors import BadRequestError
from graphs.api.mcp.resources import file_uri
from graphs.api.services import Services
from graphs.pipeline.events import ChatRequest, Message, Passage, Sampling
from graphs.pipeline.relevance import ScoredHit
from graphs.pipeline.trace import Trace
from index.searching.filters import parse_filter

_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

Store = Annotated[
    str | None, Field(description="Name or id of one vector store; not given: all of them.")
]
Filters = Annotated[
    FilterSpec | None,
    Field(
        description="Only files whose attributes pass, such as "
        '{"type": "eq", "key": "lang", "value": "en"}; types eq, ne, gt, gte, lt, lte, in, nin, '
        "and `and`, `or` with a list `filters`."
    ),
]


class SearchArguments(ClosedModel):
    """What is searched for."""

    query: Query = Field(description="What the passages should be about.")
    store: Store = None
    top_k: int = Field(default=5, ge=1, le=50, description="Most passages.")
    filters: Filters = None


class FoundPassage(BaseModel):
    """One passage; `uri` is the resource with the whole text of its file."""

    text: str
    filename: str
    file_id: str
    uri: str
    score: float
    attributes: dict[str, str | float | bool]


class SearchResults(BaseModel):
    """Passages, best first; `degraded` names what was left out because it failed."""

    results: list[FoundPassage]
    degraded: list[str]


class AskArguments(ClosedModel):
    """What is asked."""

    question: Query = Field(description="A whole question, understandable without a chat around.")
    store: Store = None
    filters: Filters = None


class CitedPassage(BaseModel):
    """The passage that a marker such as `[1]` in the answer points at."""

    marker: str
    title: str
    text: str
    filename: str
    file_id: str
    url: str


class CitedAnswer(BaseModel):
    """An answer with its passages; `degraded` names what was left out because it failed."""

    answer: str
    citations: list[CitedPassage]
    degraded: list[str]


async def _search(sent: SearchArguments, request: Request) -> CallToolResult:
    services = _services(request)
    body = SearchBody(query=sent.query, max_num_results=sent.top_k, filters=sent.filters)
    stores = _stores(sent.store, services)
    trace = Trace(request.state.request_id, caller=request.state.caller)
    scope = scope_of(request.state.caller, stores, body, services.config.retrieval)
    found = await services.pipeline.search([sent.query], scope, trace)
    results = SearchResults(results=[_found(one) for one in found], degraded=list(trace.degraded))
    texts = [f"{one.filename} ({one.uri})\n{one.text}" for one in results.results]
    return _result("\n\n".join(texts) or "Nothing was found.", results)


async def _ask(sent: AskArguments, request: Request) -> CallToolResult:
    services = _services(request)
    chat = ChatRequest(
        request_id=request.state.request_id,
        messages=(Message(role="user", content=sent.question),),
        stores=_stores(sent.store, services),
        sampling=Sampling(seed=secrets.randbits(63), seed_is_drawn=True),
        retrieval=services.config.retrieval,
        filters=parse_filter(sent.filters) if sent.filters else None,
        caller=request.state.caller,
    )
    async with aclosing(services.pipeline.answer(chat)) as events:
        answer = await answer_of(events)
    if answer.finished.refusal is not None:
        return CallToolResult(content=[TextContent(text=answer.finished.refusal)], is_error=True)
    cited = {citation.passage.number: _cited(citation.passage) for citation in answer.citations}
    told = CitedAnswer(
        answer=answer.text,
        citations=[cited[number] for number in sorted(cited)],
        degraded=list(answer.finished.degraded),
    )
    sources = [f"{one.marker} {one.title} - {one.url}" for one in told.citations]
    return _result("\n".join([answer.text, *sources]), told)


def _stores(store: str | None, services: Services) -> tuple[str, ...] | None:
    """The stores that are meant; those of the model `rag` where none is named."""
    chosen = store or services.config.http.default_store
    return None if chosen is None else (chosen,)


def _found(one: ScoredHit) -> FoundPassage:
    result = result_of(one)
    return FoundPassage(
        text=result.content[0].text,
        filename=result.filename,
        file_id=result.file_id,
        uri=file_uri(one.hit.store_id, one.hit.file_id),
        score=result.score,
        attributes=result.attributes or {},
    )


def _cited(passage: Passage) -> CitedPassage:
    return CitedPassage(
        marker=f"[{passage.number}]",
        title=title_of(passage),
        text=passage.text,
        filename=passage.filename,
        file_id=passage.file_id,
        url=url_of(passage),
    )


def _result(text: str, structured: BaseModel) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(text=text)], structured_content=structured.model_dump(mode="json")
    )


def _services(request: Request) -> Services:
    services = request.scope["app"].state.services
    assert isinstance(services, Services)
    return services


ArgumentsT = TypeVar("ArgumentsT", bound=ClosedModel)


class _Tool(Generic[ArgumentsT]):
    """One tool: how it is described, and what does it.

    Args:
        description: for the model that chooses among tools.
        run: does it, for the caller of the request.
    """

    def __init__(
        self,
        name: str,
        *,
        description: str,
        arguments: type[ArgumentsT],
        result: type[BaseModel],
        run: Callable[[ArgumentsT, Request], Awaitable[CallToolResult]],
    ) -> None:
        self.declaration = Tool(
            name=name,
            description=description,
            input_schema=arguments.model_json_schema(),
            output_schema=result.model_json_schema(),
            annotations=_READS,
        )
        self._arguments = arguments
        self._run = run

    async def call(self, sent: dict[str, Any], request: Request) -> CallToolResult:
        """Checks the arguments and does it.

        Raises:
            BadRequestError: an argument is not as the schema says.
        """
        try:
            arguments = self._arguments.model_validate(sent)
        except ValidationError as error:
            faults = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
            fault = explain(RequestValidationError(faults, body=sent))
            raise BadRequestError(fault.message, param=fault.param, code=fault.code) from error
        return await self._run(arguments, request)


TOOLS: Mapping[str, _Tool[Any]] = {
    "search": _Tool(
        "search",
        description="Finds passages of the documents by meaning and words, best first.",
        arguments=SearchArguments,
        result=SearchResults,
        run=_search,
    ),
    "ask": _Tool(
        "ask",
        description="Answers a question from the documents, with the passages that it stands on; "
        "says so when they do not hold the answer.",
        arguments=AskArguments,
        result=CitedAnswer,
        run=_ask,
    ),
}
