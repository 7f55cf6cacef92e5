"""`/v1/models`: everything that can stand in the field `model`."""

from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import APIRouter, Response
from openai.types.model import Model

from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.chat.chat_target import RAG_MODEL, STORE_PREFIX
from graphs.api.error_replies import ErrorReply
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import InjectedCorpus, InjectedServices, Services
from graphs.corpus.protocols import Corpus, StoreReads
from graphs.model_reports import ModelReport
from index.records import StoreRecord

router = APIRouter(tags=["models"], prefix="/v1/models")

_OWNER = "ragfleet"
_PAGE_SIZE = 100


@router.get("", response_model=ListPage[Model], summary="List the models")
async def list_models(services: InjectedServices, corpus: InjectedCorpus) -> Response:
    """Gives `rag`, one `rag:<vector store>` a store, the generator, and the other models.

    The LoRA adapters of a generator are models, too: `<generator>:<adapter>`.
    A generator that only quotes is none to chat with, so it is not listed.
    """
    models = await _models(services, corpus)
    return list_reply(models, [model.id for model in models], has_more=False)


@router.get("/{model_id:path}", response_model=Model, summary="Describe a model")
async def get_model(model_id: str, services: InjectedServices, corpus: InjectedCorpus) -> Response:
    """Gives one model; ids may hold slashes and colons."""
    for model in await _models(services, corpus):
        if model.id == model_id:
            return json_reply(model)
    raise unknown_model(model_id)


@router.delete(
    "/{model_id:path}",
    status_code=400,
    response_model=ErrorReply,
    response_description="No model is deleted.",
    summary="Refuse to delete a model",
)
async def delete_model(
    model_id: str, services: InjectedServices, corpus: InjectedCorpus
) -> Response:
    """Models are those of the configuration, so they are not deleted by requests."""
    model = next((one for one in await _models(services, corpus) if one.id == model_id), None)
    if model is None:
        raise unknown_model(model_id)
    how = (
        "it goes with its vector store"
        if model_id.startswith(STORE_PREFIX)
        else "which models are served says the configuration of the server"
    )
    msg = f"The model '{model_id}' cannot be deleted: {how}"
    raise BadRequestError(msg, param="model", code="model_not_deletable")


async def _models(services: Services, corpus: Corpus) -> list[Model]:
    names = services.config.served_names
    writers = [] if services.config.answers == "quote" else [names.generator]
    served = [RAG_MODEL, *writers, names.embedder, names.reranker, names.safety]
    models = {name: _model(name, services.started_at) for name in served}
    roles = {
        names.generator: "generator", names.embedder: "embedder", names.reranker: "reranker",
        names.safety: "safety_filter",
    }  # fmt: skip
    for role, report in (await services.reports.fresh()).items():
        for name in [name for name in models if roles.get(name) == role]:
            models[name] = _model(name, services.started_at, report)
            for adapted in (f"{name}:{adapter}" for adapter in report.adapters):
                models[adapted] = _model(adapted, services.started_at)
    async for store in _every_store(corpus):
        name = f"{STORE_PREFIX}{store.name or store.id}"
        if name in models:  # the older store has the name; this one still has its id
            name = f"{STORE_PREFIX}{store.id}"
        models[name] = _model(name, store.created_at)
    return list(models.values())


async def _every_store(corpus: StoreReads) -> AsyncIterator[StoreRecord]:
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


def _model(name: str, created: int, report: ModelReport | None = None) -> Model:
    """A model as OpenAI shows one; `served` tells what of it runs where, when that is known."""
    shown = {"id": name, "object": "model", "created": created, "owned_by": _OWNER}
    return Model.model_validate(shown | ({"served": asdict(report)} if report else {}))
