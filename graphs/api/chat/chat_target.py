"""Which vector stores a chat searches: from the model's name and the `rag` options to store ids."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from graphs.api.chat.chat_schema import ChatCompletionBody
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import Services
from graphs.caller import Caller
from graphs.corpus import StoreReads
from index.records import StoreRecord

RAG_MODEL = "rag"
_STORE_PREFIX = "rag:"
_PAGE_SIZE = 100


@dataclass(frozen=True, kw_only=True)
class ChatTarget:
    """Where a chat goes; `store_ids` None means the bare generator."""

    model: str
    store_ids: tuple[str, ...] | None


async def resolve_target(
    body: ChatCompletionBody, services: Services, caller: Caller
) -> ChatTarget:
    """Finds the stores of a chat.

    Raises:
        UnknownModelError: the name is neither the generator's nor one of ours.
        UnknownStoreError: the model or an option names no store.
        BadRequestError: the options contradict the model.
    """
    if body.model == services.config.served_names.generator:
        if body.rag is not None:
            msg = (
                f"rag needs the model '{RAG_MODEL}' or '{_STORE_PREFIX}<store>', got '{body.model}'"
            )
            raise BadRequestError(msg, param="rag")
        return ChatTarget(model=body.model, store_ids=None)
    chosen = body.rag.vector_store_ids if body.rag else None
    if body.model.startswith(_STORE_PREFIX):
        if chosen is not None:
            msg = f"rag.vector_store_ids needs the model '{RAG_MODEL}', got '{body.model}'"
            raise BadRequestError(msg, param="rag.vector_store_ids")
        chosen = [body.model.removeprefix(_STORE_PREFIX)]
    elif body.model != RAG_MODEL:
        raise unknown_model(body.model)
    return ChatTarget(model=body.model, store_ids=await _store_ids(chosen, services, caller))


async def _store_ids(
    chosen: list[str] | None, services: Services, caller: Caller
) -> tuple[str, ...]:
    corpus = services.corpus.of(caller)
    if chosen is None and services.config.http.default_store is not None:
        chosen = [services.config.http.default_store]
    if chosen is None:
        return tuple([store.id async for store in every_store(corpus)])
    stores = [await corpus.find_store(name) for name in dict.fromkeys(chosen)]
    return tuple(dict.fromkeys(store.id for store in stores))


async def every_store(corpus: StoreReads) -> AsyncIterator[StoreRecord]:
    """Walks all vector stores that have not expired, oldest first."""
    after = None
    while True:
        page = await corpus.list_stores(limit=_PAGE_SIZE, order="asc", after=after)
        for store in page.items:
            if store.status != "expired":
                yield store
        if not page.has_more:
            return
        after = page.items[-1].id
