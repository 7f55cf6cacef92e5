"""Cohere's `/v2/chat`: answers from documents that come with the question, or from vector stores.

model      documents   answers from
generator  none        itself
rag        none        all vector stores; `rag:<store>`: one
any        some        these
"""

import time

from fastapi import APIRouter, Request, Response

from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.sse import STREAMED
from graphs.api.chat.chat_target import ChatTarget, target_of
from graphs.api.chat.formats import constraint_of
from graphs.api.chat.picking_fields import check_own_words
from graphs.api.chat.reply import Delivery, EventReply
from graphs.api.chat.tool_fields import tools_of
from graphs.api.chat.turns import turns_of
from graphs.api.dialects.cohere_chat_reply import CohereChatReply
from graphs.api.dialects.cohere_chat_schema import CohereChatBody
from graphs.api.dialects.cohere_chat_shape import CohereShape
from graphs.api.dialects.errors import COHERE_ERRORS
from graphs.api.services import InjectedServices
from graphs.pipeline.events import ChatRequest

router = APIRouter(tags=["cohere"], route_class=JsonRoute, responses=COHERE_ERRORS)


@router.post(
    "/v2/chat",
    response_model=CohereChatReply,
    responses=STREAMED,
    summary="Answer a chat (Cohere)",
)
async def create_cohere_chat(
    request: Request, body: CohereChatBody, services: InjectedServices
) -> Response:
    """Answers with citations of the documents; streams if asked to."""
    config = services.config
    asked = body.as_openai()
    turns = turns_of(asked.messages)
    target: ChatTarget = target_of(asked, config)
    request.state.store_param = target.store_param
    given = body.given(services.config.http.max_documents)
    form = constraint_of(asked)
    check_own_words([form[0]] if form else asked.for_own_words(), config)
    tools = tools_of(asked, form, config)
    chat = ChatRequest(
        request_id=request.state.request_id,
        messages=turns.messages,
        exchange=turns.exchange,
        tools=tools,
        retrieves=target.retrieves or bool(given),
        stores=target.stores,
        documents=tuple(document for document, _ in given.values()),
        sampling=asked.sampling(
            max_tokens=body.max_tokens, seed=body.seed, stop=tuple(asked.stop or ())
        ),
        constraint=form[1] if form and tools is None else None,
        retrieval=config.retrieval,
        caller=request.state.caller,
    )
    shape = CohereShape(
        {name: shown for name, (_, shown) in given.items()},
        cites=body.cites,
        at_the_end=body.cites_at_the_end,
        verbatim=form is not None,
    )
    delivery = Delivery(
        request_id=chat.request_id,
        created=int(time.time()),
        resumption=None,
        heartbeat_s=config.http.heartbeat_s,
        write_timeout_s=config.http.write_s,
        is_stream=bool(body.stream),
    )
    return EventReply(services.pipeline.answer(chat), shape, delivery)
