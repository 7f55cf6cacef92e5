"""`/v1/conversations`: the conversations and their items."""

from fastapi import APIRouter, Request, Response
from openai.types.conversations import (
    Conversation,
    ConversationDeletedResource,
    ConversationItem,
    ConversationItemList,
)

from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.replies import json_reply, list_reply
from graphs.api.responses.items import as_json, read_items, shown
from graphs.api.responses.queries import IncludeParameters, IncludeQuery, PageQuery
from graphs.api.responses.response_schema import (
    ConversationBody,
    ItemsBody,
    MetadataBody,
)
from graphs.api.services import InjectedCorpus
from index.catalog.answers.records import ConversationRecord, Item

router = APIRouter(tags=["conversations"], prefix="/v1/conversations", route_class=JsonRoute)


@router.post("", response_model=Conversation, summary="Create a conversation")
async def create_conversation(
    request: Request, body: ConversationBody, corpus: InjectedCorpus
) -> Response:
    """Creates a conversation with its first items."""
    record = await corpus.create_conversation(
        request.state.caller.tenant,
        metadata=body.metadata or {},
        items=read_items(body.items or [], param="items"),
        keep_s=request.app.state.runs.keeping().kept_s,
    )
    return json_reply(_object(record))


@router.get("/{conversation_id}", response_model=Conversation, summary="Read a conversation")
async def get_conversation(
    request: Request, conversation_id: str, corpus: InjectedCorpus
) -> Response:
    """Gives all but the items."""
    tenant = request.state.caller.tenant
    return json_reply(_object(await corpus.get_conversation(tenant, conversation_id)))


@router.post("/{conversation_id}", response_model=Conversation, summary="Change a conversation")
async def update_conversation(
    request: Request, conversation_id: str, body: MetadataBody, corpus: InjectedCorpus
) -> Response:
    """Replaces the metadata."""
    record = await corpus.update_conversation(
        request.state.caller.tenant, conversation_id, metadata=body.metadata or {}
    )
    return json_reply(_object(record))


@router.delete(
    "/{conversation_id}",
    response_model=ConversationDeletedResource,
    summary="Delete a conversation",
)
async def delete_conversation(
    request: Request, conversation_id: str, corpus: InjectedCorpus
) -> Response:
    """Deletes a conversation with its items; responses stay."""
    await corpus.delete_conversation(request.state.caller.tenant, conversation_id)
    return json_reply(
        ConversationDeletedResource(id=conversation_id, object="conversation.deleted", deleted=True)
    )


@router.post(
    "/{conversation_id}/items",
    response_model=ConversationItemList,
    summary="Add items to a conversation",
)
async def create_items(
    request: Request,
    conversation_id: str,
    body: ItemsBody,
    corpus: InjectedCorpus,
    query: IncludeQuery,
) -> Response:
    """Appends items, and gives them as they are kept."""
    items = read_items(body.items, param="items")
    await corpus.add_conversation_items(request.state.caller.tenant, conversation_id, items)
    return _list(items, query, has_more=False)


@router.get(
    "/{conversation_id}/items",
    response_model=ConversationItemList,
    summary="List the items of a conversation",
)
async def list_items(
    request: Request,
    conversation_id: str,
    corpus: InjectedCorpus,
    query: PageQuery,
) -> Response:
    """Gives one page."""
    page = await corpus.list_conversation_items(
        request.state.caller.tenant,
        conversation_id,
        limit=query.limit,
        order=query.order,
        after=query.after,
    )
    return _list(page.items, query, has_more=page.has_more)


@router.get(
    "/{conversation_id}/items/{item_id}", response_model=ConversationItem, summary="Read an item"
)
async def get_item(
    request: Request,
    conversation_id: str,
    item_id: str,
    corpus: InjectedCorpus,
    query: IncludeQuery,
) -> Response:
    """Gives one item."""
    tenant = request.state.caller.tenant
    item = await corpus.get_conversation_item(tenant, conversation_id, item_id)
    return json_reply(shown(as_json(item), with_results=query.with_results))


@router.delete(
    "/{conversation_id}/items/{item_id}", response_model=Conversation, summary="Delete an item"
)
async def delete_item(
    request: Request, conversation_id: str, item_id: str, corpus: InjectedCorpus
) -> Response:
    """Takes an item out, and gives the conversation."""
    tenant = request.state.caller.tenant
    record = await corpus.delete_conversation_item(tenant, conversation_id, item_id)
    return json_reply(_object(record))


def _object(record: ConversationRecord) -> Conversation:
    return Conversation(
        id=record.id,
        object="conversation",
        created_at=record.created_at,
        metadata=record.metadata,
    )


def _list(items: tuple[Item, ...], query: IncludeParameters, *, has_more: bool) -> Response:
    values = [shown(as_json(item), with_results=query.with_results) for item in items]
    return list_reply(values, [item.id for item in items], has_more=has_more)
