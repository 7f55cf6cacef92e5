"""`/v1/vector_stores/{store_id}/file_batches`: files put into a store together, and how they do."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from openai.types.vector_stores.vector_store_file import VectorStoreFile
from openai.types.vector_stores.vector_store_file_batch import VectorStoreFileBatch

from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.corpus.vector_store_files import POLL_AFTER_MS
from graphs.api.corpus.vector_store_schema import (
    CreateFileBatchBody,
    file_batch_object,
    store_file_object,
)
from graphs.api.services import InjectedCorpus
from index.records import FileBatchRecord, StoreFileStatus

router = APIRouter(
    tags=["vector store file batches"],
    prefix="/v1/vector_stores/{store_id}/file_batches",
    route_class=JsonRoute,
)


@router.post("", response_model=VectorStoreFileBatch, summary="Put files into a vector store")
async def create_file_batch(
    store_id: str, body: CreateFileBatchBody, corpus: InjectedCorpus
) -> Response:
    """Begins to index the files; an unknown one refuses them all."""
    return _reply(await corpus.create_file_batch(store_id, body.attachments()))


@router.get("/{batch_id}", response_model=VectorStoreFileBatch, summary="Describe a file batch")
async def get_file_batch(store_id: str, batch_id: str, corpus: InjectedCorpus) -> Response:
    """Gives the status, and how many files are in which state."""
    return _reply(await corpus.get_file_batch(store_id, batch_id))


@router.post(
    "/{batch_id}/cancel", response_model=VectorStoreFileBatch, summary="Cancel a file batch"
)
async def cancel_file_batch(store_id: str, batch_id: str, corpus: InjectedCorpus) -> Response:
    """Stops the files that are not indexed yet; the others stay in the store."""
    return _reply(await corpus.cancel_file_batch(store_id, batch_id))


@router.get(
    "/{batch_id}/files",
    response_model=ListPage[VectorStoreFile],
    summary="List the files of a file batch",
)
async def list_batch_files(  # noqa: PLR0913, PLR0917 - one argument a query parameter
    store_id: str,
    batch_id: str,
    corpus: InjectedCorpus,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
    before: str | None = None,
    status: Annotated[StoreFileStatus | None, Query(alias="filter")] = None,
) -> Response:
    """Gives one page."""
    page = await corpus.list_batch_files(
        store_id, batch_id, limit=limit, order=order, after=after, before=before, status=status
    )
    files = [store_file_object(record) for record in page.items]
    return list_reply(files, [file.id for file in files], has_more=page.has_more)


def _reply(record: FileBatchRecord) -> Response:
    is_polled = record.file_counts.in_progress > 0
    headers = {"openai-poll-after-ms": str(POLL_AFTER_MS)} if is_polled else None
    return json_reply(file_batch_object(record), headers)
