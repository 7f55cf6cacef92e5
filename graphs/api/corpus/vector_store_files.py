"""`/v1/vector_stores/{store_id}/files`: which files a store holds, and how far they are indexed."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from openai.types.vector_stores.file_content_response import FileContentResponse
from openai.types.vector_stores.vector_store_file import VectorStoreFile
from openai.types.vector_stores.vector_store_file_deleted import VectorStoreFileDeleted
from pydantic import BaseModel

from graphs.api.accounting.billing import note_reading
from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.corpus.vector_store_schema import (
    AttachFileBody,
    ModifyFileBody,
    chunking_of,
    store_file_object,
)
from graphs.api.services import InjectedCorpus
from index.headings import headed_text
from index.records import StoredPassage, StoreFileRecord, StoreFileStatus

router = APIRouter(
    tags=["vector store files"], prefix="/v1/vector_stores/{store_id}/files", route_class=JsonRoute
)

# The OpenAI clients' `*_and_poll` methods wait so long between two looks; their default is 1000 ms.
POLL_AFTER_MS = 250


class PassageContent(FileContentResponse):
    """One passage: beside its text, which citation means it and where in the document it stands.

    `text` begins with `title`, unless that is the file's name; `char_start` and `char_end` bound
    the passage itself in the text that was read of the file, in characters.
    """

    chunk_id: str
    title: str
    char_start: int
    char_end: int
    page: int | None = None


class ContentPage(BaseModel):
    """The text of a file, passage by passage."""

    object: Literal["vector_store.file_content.page"]
    data: list[PassageContent]
    has_more: bool
    next_page: str | None


@router.post("", response_model=VectorStoreFile, summary="Put a file into a vector store")
async def attach_file(store_id: str, body: AttachFileBody, corpus: InjectedCorpus) -> Response:
    """Begins to index a file; its status tells the outcome."""
    record = await corpus.attach_file(
        store_id,
        body.file_id,
        attributes=body.attributes,
        chunking=chunking_of(body.chunking_strategy),
    )
    return _reply(record)


@router.get(
    "", response_model=ListPage[VectorStoreFile], summary="List the files of a vector store"
)
async def list_store_files(  # noqa: PLR0913, PLR0917 - one argument a query parameter
    store_id: str,
    corpus: InjectedCorpus,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
    before: str | None = None,
    status: Annotated[StoreFileStatus | None, Query(alias="filter")] = None,
) -> Response:
    """Gives one page."""
    page = await corpus.list_store_files(
        store_id, limit=limit, order=order, after=after, before=before, status=status
    )
    files = [store_file_object(record) for record in page.items]
    return list_reply(files, [file.id for file in files], has_more=page.has_more)


@router.get("/{file_id}", response_model=VectorStoreFile, summary="Describe a file of a store")
async def get_store_file(store_id: str, file_id: str, corpus: InjectedCorpus) -> Response:
    """Gives the status, and why indexing failed if it did."""
    return _reply(await corpus.get_store_file(store_id, file_id))


@router.post("/{file_id}", response_model=VectorStoreFile, summary="Set a file's attributes")
async def modify_store_file(
    store_id: str, file_id: str, body: ModifyFileBody, corpus: InjectedCorpus
) -> Response:
    """Replaces all attributes of the file in this store."""
    attributes = body.attributes or {}
    return _reply(await corpus.update_attributes(store_id, file_id, attributes))


@router.get("/{file_id}/content", response_model=ContentPage, summary="Read a file's passages")
async def get_store_file_content(
    request: Request, store_id: str, file_id: str, corpus: InjectedCorpus
) -> Response:
    """Gives the text as it was cut for search, each passage below its headings."""
    passages = await corpus.store_file_passages(store_id, file_id)
    note_reading(request, file_id, "read passages")
    page = ContentPage(
        object="vector_store.file_content.page",
        data=[_content(one) for one in passages],
        has_more=False,
        next_page=None,
    )
    return json_reply(page)


@router.delete("/{file_id}", response_model=VectorStoreFileDeleted, summary="Take a file out")
async def detach_file(store_id: str, file_id: str, corpus: InjectedCorpus) -> Response:
    """Takes a file out of the store; the upload stays."""
    await corpus.detach_file(store_id, file_id)
    return json_reply(
        VectorStoreFileDeleted(id=file_id, object="vector_store.file.deleted", deleted=True)
    )


def _reply(record: StoreFileRecord) -> Response:
    is_polled = record.status == "in_progress"
    headers = {"openai-poll-after-ms": str(POLL_AFTER_MS)} if is_polled else None
    return json_reply(store_file_object(record), headers)


def _content(passage: StoredPassage) -> PassageContent:
    content = PassageContent(
        type="text",
        text=headed_text(passage.title, passage.text, filename=passage.filename),
        chunk_id=str(passage.chunk_id),
        title=passage.title,
        char_start=passage.char_start,
        char_end=passage.char_end,
    )
    if passage.page is not None:  # only formats with pages have them
        content.page = passage.page
    return content
