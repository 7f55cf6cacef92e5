"""`POST /v1/chat/completions`: the border between a chat of OpenAI's API and the pipeline.

    body, caller, request id        Idempotency-Key, Last-Event-ID
              |                                   |
         ChatRequest                         Resumption                  resume.py
              |                                   |
          pipeline  ------- events ------->  EventReply -----> client    reply.py
                                              |      ^
                                           events  frames, or one body
                                              v      |
                                             ChatShape                   chat_shape.py

What may stand in a body says chat_schema.py, what its messages become turns.py, and which stores
are meant chat_target.py.
"""

import time
import uuid

from fastapi import APIRouter, Request, Response

from graphs.api.accounting.billing import in_batch, once_of
from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.sse import STREAMED
from graphs.api.chat.chat_schema import ChatCompletionBody, RagOptions
from graphs.api.chat.chat_shape import ChatShape, RagCompletion, ReplyHead
from graphs.api.chat.chat_target import ChatTarget, target_of, with_sources
from graphs.api.chat.formats import constraint_of
from graphs.api.chat.picking_fields import check_own_words
from graphs.api.chat.reply import Delivery, EventReply
from graphs.api.chat.resume import Resumption, resumption_of
from graphs.api.chat.tool_fields import tools_of
from graphs.api.chat.turns import turns_of
from graphs.api.services import InjectedServices
from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.pipeline.events import ChatRequest, Sampling
from index.searching.filters import parse_filter
from models.constraints import Constraint

router = APIRouter(tags=["chat"], route_class=JsonRoute)


@router.post(
    "/v1/chat/completions",
    response_model=RagCompletion,
    responses=STREAMED,
    summary="Answer a chat",
)
async def create_chat_completion(
    request: Request, body: ChatCompletionBody, services: InjectedServices
) -> Response:
    """Answers with `rag`, `rag:<vector store>`, or the bare generator; streams if asked to."""
    body = with_sources(body)
    turns = turns_of(body.messages)
    target = target_of(body, services.config)
    request.state.store_param = target.store_param
    resumption = resumption_of(request.headers, await request.body(), request.state.caller)
    request.app.state.keys.check(resumption)
    options = body.rag or RagOptions()
    held = _held(body, services.config)
    chat = ChatRequest(
        request_id=request.state.request_id,
        messages=turns.messages,
        exchange=turns.exchange,
        tools=tools_of(body, held, services.config),
        effort=body.reasoning_effort,
        adapter=target.adapter,
        retrieves=target.retrieves,
        stores=target.stores,
        sampling=_sampling(body, resumption),
        constraint=None if held is None or _may_call(body) else held[1],
        retrieval=options.settings(services.config.retrieval),
        filters=parse_filter(options.filters) if options.filters else None,
        identity=resumption.last.identity if resumption.last else None,
        caller=request.state.caller,
        once=once_of(request, resumption.once),
        in_batch=in_batch(request),
        num_choices=body.n or 1,
        may_be_logged=options.quality_log,
        cache_key=body.prompt_cache_key or "",
        tells_moves=options.debug and bool(body.stream) and (body.n or 1) == 1,
    )
    head = _head(body, target, resumption, request.state.caller)
    delivery = Delivery(
        request_id=chat.request_id,
        created=head.created,
        resumption=resumption,
        heartbeat_s=services.config.http.heartbeat_s,
        write_timeout_s=services.config.http.write_s,
        is_stream=bool(body.stream),
    )
    return EventReply(services.pipeline.answer(chat), ChatShape(head), delivery)


def _held(body: ChatCompletionBody, config: GatewayConfig) -> tuple[str, Constraint] | None:
    """Reads the form of the answer, and the field that says it.

    Raises:
        BadRequestError: a server that only quotes cannot honour it, or another field.
    """
    found = constraint_of(body)
    check_own_words([found[0]] if found else body.for_own_words(), config)
    return found


def _may_call(body: ChatCompletionBody) -> bool:
    return bool(body.tools) and body.tool_choice != "none"


def _head(
    body: ChatCompletionBody, target: ChatTarget, resumption: Resumption, caller: Caller
) -> ReplyHead:
    options = body.stream_options
    name = resumption.fingerprint.hex()[:32] if resumption.has_key else uuid.uuid4().hex
    return ReplyHead(
        id=f"chatcmpl-{name}",
        created=resumption.last.created if resumption.last else int(time.time()),
        model=target.model,
        is_rag=target.retrieves,
        include_usage=bool(options and options.include_usage),
        debug=bool(body.rag and body.rag.debug),
        num_choices=body.n or 1,
        logprobs=bool(body.logprobs),
        tier=None if body.service_tier is None else caller.service_class,
    )


def _sampling(body: ChatCompletionBody, resumption: Resumption) -> Sampling:
    return body.sampling(
        max_tokens=body.max_completion_tokens or body.max_tokens,
        **resumption.seed_of(body.seed),
        stop=tuple(body.stop or ()),
        top_logprobs=body.top_logprobs or 0 if body.logprobs else None,
    )
