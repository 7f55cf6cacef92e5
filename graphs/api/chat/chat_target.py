"""Where a chat goes: the bare generator, or the vector stores that its model and options name.

Which stores there are is known where they are searched (`index.searching.fold`), so a question asks
nobody else.
"""

from dataclasses import dataclass

from graphs.api.chat.chat_schema import ChatCompletionBody, RagOptions, SystemMessage
from graphs.api.errors import BadRequestError, unknown_model
from graphs.config import GatewayConfig
from graphs.settings import ServedNames

RAG_MODEL = "rag"
STORE_PREFIX = "rag:"


@dataclass(frozen=True, kw_only=True)
class ChatTarget:
    """Where a chat goes.

    Attributes:
        model: as the client named it.
        retrieves: whether passages are searched for; the bare generator is asked otherwise.
        stores: names or ids of vector stores; None: all of them.
        store_param: the field that names them.
        adapter: the generator's LoRA adapter that answers; empty: the generator itself.
    """

    model: str
    retrieves: bool
    stores: tuple[str, ...] | None = None
    store_param: str = "model"
    adapter: str = ""


def adapter_of(model: str, names: ServedNames) -> str | None:
    """Reads the adapter from a name: `<generator>:<adapter>`.

    Returns:
        Empty: the generator itself. None: the name is not one of the generator's.
    """
    if model == names.generator:
        return ""
    prefix = f"{names.generator}:"
    return model.removeprefix(prefix) if model.startswith(prefix) else None


def target_of(body: ChatCompletionBody, config: GatewayConfig) -> ChatTarget:
    """Reads model and options.

    Raises:
        UnknownModelError: the name is neither the generator's nor one of ours.
        BadRequestError: the options contradict the model.
    """
    if body.data_sources is not None:
        return _target_of_sources(body, config)
    adapter = adapter_of(body.model, config.served_names)
    if adapter is not None:
        if body.rag is not None:
            msg = (
                f"rag needs the model '{RAG_MODEL}' or '{STORE_PREFIX}<store>', got '{body.model}'"
            )
            raise BadRequestError(msg, param="rag")
        return ChatTarget(model=body.model, retrieves=False, adapter=adapter)
    chosen = body.rag.vector_store_ids if body.rag else None
    if body.model.startswith(STORE_PREFIX):
        if chosen is not None:
            msg = f"rag.vector_store_ids needs the model '{RAG_MODEL}', got '{body.model}'"
            raise BadRequestError(msg, param="rag.vector_store_ids")
        chosen = [body.model.removeprefix(STORE_PREFIX)]
    elif body.model != RAG_MODEL:
        raise unknown_model(body.model)
    if chosen is None and config.http.default_store is not None:
        chosen = [config.http.default_store]
    stores = None if chosen is None else tuple(dict.fromkeys(chosen))
    is_model = body.model.startswith(STORE_PREFIX) or not (body.rag and body.rag.vector_store_ids)
    param = "model" if is_model else "rag.vector_store_ids"
    return ChatTarget(model=body.model, retrieves=True, stores=stores, store_param=param)


def with_sources(body: ChatCompletionBody) -> ChatCompletionBody:
    """Gives the body with what its `data_sources` ask for as options of `rag`."""
    if body.data_sources is None:
        return body
    if body.rag is not None:
        msg = "send data_sources or rag, not both"
        raise BadRequestError(msg, param="data_sources")
    source = body.data_sources[0]
    role = source.parameters.role_information
    first = [SystemMessage(role="system", content=role)] if role else []
    rag = RagOptions.model_validate(source.options())
    return body.model_copy(update={"rag": rag, "messages": [*first, *body.messages]})


def _target_of_sources(body: ChatCompletionBody, config: GatewayConfig) -> ChatTarget:
    """With data sources the passages are those of a store, whichever model was named for the text.

    Raises:
        UnknownModelError: the name is neither the generator's nor `rag`.
    """
    adapter = adapter_of(body.model, config.served_names)
    if body.model != RAG_MODEL and adapter is None:
        raise unknown_model(body.model)
    assert body.data_sources is not None
    return ChatTarget(
        model=body.model,
        retrieves=True,
        stores=(body.data_sources[0].parameters.index_name,),
        store_param="data_sources[0].parameters.index_name",
        adapter=adapter or "",
    )
