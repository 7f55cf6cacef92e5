"""The resources: every vector store, and the text of every file in it.

    ragfleet://stores/{store}                what the store is, as JSON
    ragfleet://stores/{store}/files/{file}   the text of a file as it was cut for search

They are listed by age of the stores, each store before its files. The cursor is the last address of
a page, so a page begins at the same place whichever Gateway gives it.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from fastapi import Request
from mcp_types import (
    ListResourcesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from graphs.api.accounting.billing import note_reading
from graphs.api.corpus.vector_store_schema import store_object
from graphs.api.errors import BadRequestError
from graphs.corpus.protocols import Corpus
from index.records import Page, StoreFileRecord, StoreRecord

_PAGE = 100  # resources on one
_ADDRESS = re.compile(r"ragfleet://stores/(?P<store>[^/]+)(?:/files/(?P<file>[^/]+))?")
_TEXT, _JSON = "text/plain", "application/json"

TEMPLATES = (
    ResourceTemplate(
        name="store",
        uri_template="ragfleet://stores/{store}",
        description="A vector store: its name, state and numbers of files.",
        mime_type=_JSON,
    ),
    ResourceTemplate(
        name="file",
        uri_template="ragfleet://stores/{store}/files/{file}",
        description="The text of a file in a vector store.",
        mime_type=_TEXT,
    ),
)

T = TypeVar("T")


def store_uri(store_id: str) -> str:
    """Gives the address of a store."""
    return f"ragfleet://stores/{store_id}"


def file_uri(store_id: str, file_id: str) -> str:
    """Gives the address of a file in a store."""
    return f"{store_uri(store_id)}/files/{file_id}"


async def list_resources(corpus: Corpus, cursor: str | None) -> ListResourcesResult:
    """Gives one page; None begins at the oldest store.

    Raises:
        BadRequestError: the cursor is none that a page ended with.
        UnknownCursorError: what the last page ended with is gone.
    """
    found: list[Resource] = []
    async with aclosing(_resources(corpus, cursor)) as resources:
        async for resource in resources:
            if len(found) == _PAGE:
                return ListResourcesResult(resources=found, next_cursor=found[-1].uri)
            found.append(resource)
    return ListResourcesResult(resources=found)


async def read_resource(request: Request, corpus: Corpus, uri: str) -> ReadResourceResult:
    """Gives what lies at an address, and notes which document that is.

    Raises:
        BadRequestError: nothing of ours has such an address.
        UnknownStoreError: there is no such store.
        UnknownStoreFileError: the store has no such file.
    """
    store_id, file_id = _ids(uri, "uri")
    if file_id is None:
        store = store_object(await corpus.get_store(store_id))
        text, kind = store.model_dump_json(), _JSON
    else:
        passages = await corpus.store_file_text(store_id, file_id)
        note_reading(request, file_id, "read passages")
        text, kind = "\n\n".join(passages), _TEXT
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=kind, text=text)])


async def _resources(corpus: Corpus, after: str | None) -> AsyncGenerator[Resource, None]:
    """Gives all that follow an address, page by page of the corpus."""
    last_store: str | None = None
    if after is not None:
        last_store, last_file = _ids(after, "cursor")
        store = await corpus.get_store(last_store)
        async for resource in _files(corpus, store, last_file):
            yield resource
    list_stores = partial(corpus.list_stores, limit=_PAGE, order="asc")
    async for store in _pages(
        lambda last: list_stores(after=last), last_store, key=lambda one: one.id
    ):
        yield Resource(
            name=store.name or store.id,
            uri=store_uri(store.id),
            description=store.description or f"Vector store of {store.file_counts.total} files.",
            mime_type=_JSON,
        )
        async for resource in _files(corpus, store, None):
            yield resource


async def _files(
    corpus: Corpus, store: StoreRecord, after: str | None
) -> AsyncGenerator[Resource, None]:
    if not store.file_counts.completed:
        return
    list_files = partial(
        corpus.list_store_files, store.id, limit=_PAGE, order="asc", status="completed"
    )

    def key(one: StoreFileRecord) -> str:
        return one.file_id

    async for file in _pages(lambda last: list_files(after=last), after, key=key):
        yield Resource(
            name=file.filename,
            uri=file_uri(store.id, file.file_id),
            description=f"Text of a file in the vector store {store.name or store.id}.",
            mime_type=_TEXT,
        )


async def _pages(
    fetch: Callable[[str | None], Awaitable[Page[T]]],
    after: str | None,
    *,
    key: Callable[[T], str],
) -> AsyncGenerator[T, None]:
    """Gives the items of all pages that follow an id."""
    while True:
        page = await fetch(after)
        for item in page.items:
            yield item
        if not page.has_more:
            return
        after = key(page.items[-1])


def _ids(address: str, param: str) -> tuple[str, str | None]:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        wanted = "ragfleet://stores/{store} or ragfleet://stores/{store}/files/{file}"
        raise BadRequestError(f"{param} must be {wanted}, got {address[:100]!r}", param=param)
    return match["store"], match["file"]
