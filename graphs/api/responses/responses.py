"""`/v1/responses`: ask, read, follow, cancel, delete.

body -> items, context -> Question ----------------------> pipeline
             |                                                 | events
          record (what is kept)                                v
             |        not stored            -> EventReply(ResponseShape)
             |        stored before         -> what is kept under its Idempotency-Key
             |        stored, whole         -> the same, through Run.passing
             |        stored, streamed      -> Run; EventReply watches it
             '------- background            -> the catalog; a Run of any Gateway; FollowReply
"""

from contextlib import suppress
from typing import Literal

from fastapi import APIRouter, Request, Response
from openai.types.responses import ResponseItemList
from pydantic import BaseModel

from graphs.api.accounting.billing import in_batch
from graphs.api.accounting.limited import held
from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.replies import json_reply, list_reply, to_json
from graphs.api.border.sse import STREAMED
from graphs.api.chat.reply import Delivery, EventReply
from graphs.api.chat.resume import Resumption, resumption_of
from graphs.api.errors import BadRequestError
from graphs.api.responses.chat_of_items import turns_of
from graphs.api.responses.follow import FollowReply
from graphs.api.responses.items import as_json, items_of, read_items, shown
from graphs.api.responses.queries import PageQuery, ReadQuery
from graphs.api.responses.question import Question, answer, question_of
from graphs.api.responses.references import with_items
from graphs.api.responses.response_schema import RESULTS, ResponseBody
from graphs.api.responses.response_shape import RagResponse, ResponseShape, unix_time
from graphs.api.responses.run import Run
from graphs.api.responses.runs import Runs
from graphs.api.responses.stored import context_of, head_of, name_of, record_of, response_of
from graphs.api.services import InjectedCorpus, InjectedServices, Services
from graphs.caller import Caller
from graphs.corpus.protocols import Corpus
from index.catalog.answers.records import UNFINISHED, StoredResponse
from index.errors import (
    UnknownConversationError,
    UnknownCursorError,
    UnknownResponseError,
)

router = APIRouter(tags=["responses"], prefix="/v1/responses", route_class=JsonRoute)


class ResponseDeleted(BaseModel):
    """That a response is gone."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


@router.post(
    "", response_model=RagResponse, responses=STREAMED, summary="Answer, and keep the answer"
)
async def create_response(
    request: Request, body: ResponseBody, services: InjectedServices, corpus: InjectedCorpus
) -> Response:
    """Answers with `rag`, `rag:<vector store>`, or the generator with or without `file_search`."""
    _refuse_contradictions(body)
    with_results = RESULTS in (body.include or ())
    asked = await _asked(request)
    if asked.has_key and body.store is not False:
        with suppress(UnknownResponseError):
            kept = await corpus.get_response(request.state.caller.tenant, name_of(asked))
            return _again(kept, body, corpus, services, with_results=with_results)
    record, question = await _read(request, body, services, corpus, asked)
    runs: Runs = request.app.state.runs
    if body.background:
        await corpus.create_response(record, keep_s=runs.keeping().kept_s)
        runs.wake()
        if question.streams:
            return FollowReply(record, corpus, services.config.http, with_results=with_results)
        return json_reply(response_of(record, with_results=with_results))
    request_id = request.state.request_id
    chat = question.chat(
        services.config, request.state.caller,
        request_id=request_id, once=record.id, in_batch=in_batch(request),
    )  # fmt: skip
    events = answer(services.pipeline, chat, shortens=question.shortens)
    clock = unix_time
    if body.store is not False:
        run = Run(
            record=record,
            shape=ResponseShape(head_of(record), with_results=True),
            corpus=corpus,
            keeping=runs.keeping(),
            is_new=True,
            streams=question.streams,
        )
        events = runs.watched(run, events) if question.streams else run.passing(events)
        clock = run.completed_at
    shape = ResponseShape(head_of(record), with_results=with_results, clock=clock)
    http = services.config.http
    delivery = Delivery(
        request_id=request_id,
        created=record.created_at,
        resumption=None,
        heartbeat_s=http.heartbeat_s,
        write_timeout_s=http.write_s,
        is_stream=question.streams,
    )
    return EventReply(events, shape, delivery)


@router.get(
    "/{response_id}", response_model=RagResponse, responses=STREAMED, summary="Read a response"
)
async def get_response(
    request: Request,
    response_id: str,
    services: InjectedServices,
    corpus: InjectedCorpus,
    query: ReadQuery,
) -> Response:
    """Gives a response as it stands, or its stream, after the event that the client has."""
    if query.starting_after is not None and not query.stream:
        raise BadRequestError("starting_after needs stream=true", param="starting_after")
    record = await corpus.get_response(request.state.caller.tenant, response_id)
    if not query.stream:
        return json_reply(response_of(record, with_results=query.with_results))
    return FollowReply(
        record,
        corpus,
        services.config.http,
        with_results=query.with_results,
        starting_after=-1 if query.starting_after is None else query.starting_after,
        held=held(request),
    )


@router.delete("/{response_id}", response_model=ResponseDeleted, summary="Delete a response")
async def delete_response(request: Request, response_id: str, corpus: InjectedCorpus) -> Response:
    """Deletes a response; one that runs ends."""
    await corpus.delete_response(request.state.caller.tenant, response_id)
    request.app.state.runs.drop(response_id)
    return json_reply(ResponseDeleted(id=response_id, object="response", deleted=True))


@router.post("/{response_id}/cancel", response_model=RagResponse, summary="Cancel a response")
async def cancel_response(request: Request, response_id: str, corpus: InjectedCorpus) -> Response:
    """Ends a response that waits or runs, and gives it; one that has ended stays as it is."""
    tenant = request.state.caller.tenant
    record = await corpus.get_response(tenant, response_id)
    if record.status in UNFINISHED:
        cancelled = response_of(record, with_results=True)
        cancelled.status = "cancelled"
        record = await corpus.cancel_response(tenant, response_id, to_json(cancelled))
        request.app.state.runs.drop(response_id)
    return json_reply(response_of(record, with_results=False))


@router.get(
    "/{response_id}/input_items",
    response_model=ResponseItemList,
    summary="List the input of a response",
)
async def list_input_items(
    request: Request,
    response_id: str,
    corpus: InjectedCorpus,
    query: PageQuery,
) -> Response:
    """Gives one page of the input, that of the responses before it included."""
    chain = await corpus.response_chain(request.state.caller.tenant, response_id)
    values = [*items_of(chain[:-1]), *map(as_json, chain[-1].items)]
    if query.order == "desc":
        values.reverse()
    ids = [value["id"] for value in values]
    if query.after is not None and query.after not in ids:
        raise UnknownCursorError(f"no such `after`: {query.after}")
    start = 0 if query.after is None else ids.index(query.after) + 1
    end = start + query.limit
    page = [shown(value, with_results=query.with_results) for value in values[start:end]]
    return list_reply(page, ids[start:end], has_more=end < len(values))


async def _asked(request: Request) -> Resumption:
    """Reads the `Idempotency-Key`.

    Raises:
        KeyReusedError: it came with another body before.
    """
    caller = request.state.caller
    asked = resumption_of(request.headers, await request.body(), caller, resumes=False)
    request.app.state.keys.check(asked)
    return asked


def _again(
    kept: StoredResponse,
    body: ResponseBody,
    corpus: Corpus,
    services: Services,
    *,
    with_results: bool,
) -> Response:
    """Tells what is kept to who asks the same again: as it stands, or its stream from the start."""
    if body.stream:
        return FollowReply(kept, corpus, services.config.http, with_results=with_results)
    return json_reply(response_of(kept, with_results=with_results))


async def _read(
    request: Request, body: ResponseBody, services: Services, corpus: Corpus, asked: Resumption
) -> tuple[StoredResponse, Question]:
    """Reads what is asked, with what goes before it."""
    caller: Caller = request.state.caller
    given = await with_items(body.input, corpus, caller.tenant)
    items = read_items(given, param="input")
    try:
        context = await context_of(body, items, corpus, caller.tenant)
    except UnknownConversationError as err:
        raise BadRequestError(str(err), param="conversation", code=err.code) from err
    turns = turns_of((*context, *map(as_json, items)), body.instructions)
    question = question_of(body, turns, services.config, seed=asked.seed)
    request.state.store_param = question.store_param
    return record_of(body, question, items, caller, name=name_of(asked)), question


def _refuse_contradictions(body: ResponseBody) -> None:
    if body.conversation is not None and body.previous_response_id is not None:
        msg = "send either conversation or previous_response_id"
        raise BadRequestError(msg, param="conversation", code="mutually_exclusive_parameters")
    if body.store is False:
        for name in ("background", "conversation"):
            if getattr(body, name):
                raise BadRequestError(f"{name} needs store to be true", param=name)
