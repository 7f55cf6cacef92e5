"""`/v1/vector_stores`: the stores themselves; their files and search have their own modules."""

from types import EllipsisType
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from openai.types.vector_store import VectorStore
from openai.types.vector_store_deleted import VectorStoreDeleted

from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.corpus.access_lists import access_of
from graphs.api.corpus.vector_store_schema import (
    CreateStoreBody,
    ModifyStoreBody,
    chunking_of,
    store_object,
)
from graphs.api.services import InjectedCorpus

router = APIRouter(tags=["vector stores"], prefix="/v1/vector_stores", route_class=JsonRoute)


@router.post("", response_model=VectorStore, summary="Create a vector store")
async def create_store(body: CreateStoreBody, corpus: InjectedCorpus) -> Response:
    """Creates a store and begins to index its files."""
    record = await corpus.create_store(
        name=body.name or "",
        description=body.description,
        metadata=body.metadata,
        chunking=chunking_of(body.chunking_strategy),
        expires_after_days=body.expires_after.days if body.expires_after else None,
        file_ids=tuple(dict.fromkeys(body.file_ids or ())),
        access=access_of(body.access),
    )
    return json_reply(store_object(record))


@router.get("", response_model=ListPage[VectorStore], summary="List the vector stores")
async def list_stores(
    corpus: InjectedCorpus,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
    before: str | None = None,
) -> Response:
    """Gives one page."""
    page = await corpus.list_stores(limit=limit, order=order, after=after, before=before)
    stores = [store_object(record) for record in page.items]
    return list_reply(stores, [store.id for store in stores], has_more=page.has_more)


@router.get("/{store_id}", response_model=VectorStore, summary="Describe a vector store")
async def get_store(store_id: str, corpus: InjectedCorpus) -> Response:
    """Gives the store with its file counts."""
    return json_reply(store_object(await corpus.get_store(store_id)))


@router.post("/{store_id}", response_model=VectorStore, summary="Modify a vector store")
async def modify_store(store_id: str, body: ModifyStoreBody, corpus: InjectedCorpus) -> Response:
    """Changes what is sent; a null `expires_after`, `metadata` or `access` takes it away."""
    days: int | EllipsisType | None = ...
    if "expires_after" in body.model_fields_set:
        days = body.expires_after.days if body.expires_after else None
    record = await corpus.update_store(
        store_id,
        name=... if body.name is None else body.name,
        metadata=(body.metadata or {}) if "metadata" in body.model_fields_set else ...,
        expires_after_days=days,
        access=access_of(body.access) if "access" in body.model_fields_set else ...,
    )
    return json_reply(store_object(record))


@router.delete("/{store_id}", response_model=VectorStoreDeleted, summary="Delete a vector store")
async def delete_store(store_id: str, corpus: InjectedCorpus) -> Response:
    """Deletes a store and its passages; the files stay."""
    await corpus.delete_store(store_id)
    return json_reply(VectorStoreDeleted(id=store_id, object="vector_store.deleted", deleted=True))
