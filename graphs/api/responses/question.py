"""What a response asks of the pipeline: read from its body, kept as JSON until it is answered."""

import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel

from graphs.api.chat.chat_target import RAG_MODEL, STORE_PREFIX
from graphs.api.chat.picking_fields import check_own_words
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.responses.response_schema import (
    FileSearch,
    JsonObjectForm,
    JsonSchemaForm,
    Ranking,
    ResponseBody,
)
from graphs.api.services import Pipeline
from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.pipeline.events import ChatRequest, Event, Message, Sampling
from index.searching.filters import parse_filter
from models.constraints import JSON_OBJECT, JsonSchema
from models.errors import ContextLengthError, InvalidInputError

_STORES = "tools[0].vector_store_ids"


class Question(BaseModel):
    """All that an answer depends on; whoever works on it comes to the same one.

    Attributes:
        turns: the whole chat as (role, text), oldest first.
        store_param: the field that names the vector stores.
        options: what it changes of the configured retrieval.
        seed: of the sampling; set, so that another Gateway can go on with the answer.
        shortens: whether a chat that does not fit loses its oldest turns.
        streams: whether its events are kept as they come.
        schema_text: a JSON schema that the answer is held to; None: any text.
        top_logprobs: so many likely tokens are told beside each; None: no probabilities are.
    """

    turns: list[tuple[Literal["system", "developer", "user", "assistant"], str]]
    retrieves: bool
    stores: list[str] | None
    store_param: str
    options: dict[str, Any]
    filters: dict[str, Any] | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    seed: int
    shortens: bool
    streams: bool
    schema_text: str | None = None
    top_logprobs: int | None = None

    def chat(
        self, config: GatewayConfig, caller: Caller, *, request_id: str, identity: str | None
    ) -> ChatRequest:
        """Makes the request for the pipeline; `identity` is that of the model which began it."""
        configured = config.retrieval
        settings = configured.overridden(self.options)
        if settings.top_k > settings.num_candidates:
            settings = settings.overridden({"num_candidates": settings.top_k})
        only_best = self.top_p == 0  # no mass but that of the best token
        return ChatRequest(
            request_id=request_id,
            messages=tuple(Message(role=role, content=text) for role, text in self.turns),
            retrieves=self.retrieves,
            stores=None if self.stores is None else tuple(self.stores),
            sampling=Sampling(
                max_tokens=self.max_tokens,
                temperature=0 if only_best else self.temperature,
                top_p=None if only_best else self.top_p,
                seed=self.seed,
                top_logprobs=self.top_logprobs,
            ),
            constraint=None if self.schema_text is None else JsonSchema(schema=self.schema_text),
            retrieval=settings,
            filters=None if self.filters is None else parse_filter(self.filters),
            identity=identity,
            caller=caller,
        )


def question_of(body: ResponseBody, turns: Sequence[Message], config: GatewayConfig) -> Question:
    """Reads model, tools and sampling.

    Raises:
        UnknownModelError: the name is neither the generator's nor one of ours.
        BadRequestError: tools and model contradict each other.
    """
    search = body.tools[0] if body.tools else None
    if body.tool_choice not in (None, "auto", "none") and search is None:
        raise BadRequestError("tool_choice needs a tool", param="tool_choice")
    is_bare = body.model == config.served_names.generator
    if body.tool_choice == "none":
        if not is_bare:
            msg = f"'none' needs the model '{config.served_names.generator}', got '{body.model}'"
            raise BadRequestError(msg, param="tool_choice")
        search = None
    stores = _stores(body, search, config)
    return Question(
        turns=[(turn.role, turn.text) for turn in turns],  # type: ignore[misc]  # no tool's
        retrieves=search is not None or not is_bare,
        stores=stores,
        store_param="model" if search is None else _STORES,
        options=_options(search),
        filters=search.filters if search else None,
        max_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=secrets.randbits(63),
        shortens=body.truncation == "auto",
        streams=bool(body.stream),
        schema_text=_schema_text(body, config),
        top_logprobs=body.num_logprobs,
    )


def _schema_text(body: ResponseBody, config: GatewayConfig) -> str | None:
    """Reads the form of the answer; refuses what a server that only quotes cannot honour."""
    form = body.text.format if body.text else None
    asked = ["text.format"] if form is not None and form.type != "text" else []
    check_own_words(asked + ["include"] * (body.num_logprobs is not None), config)
    match form:
        case JsonObjectForm():
            return JSON_OBJECT.schema
        case JsonSchemaForm():
            try:
                return JsonSchema(schema=json.dumps(form.schema_)).schema
            except InvalidInputError as err:
                raise BadRequestError(str(err), param="text.format.schema") from err
        case _:
            return None


async def answer(
    pipeline: Pipeline, chat: ChatRequest, *, shortens: bool
) -> AsyncGenerator[Event, None]:
    """Answers a chat; with `shortens`, one that does not fit is asked again with fewer turns.

    Raises:
        ContextLengthError: even the question alone does not fit, or nothing may be left out.
    """
    while True:
        async with aclosing(pipeline.answer(chat)) as events:
            try:
                first = await anext(events)
            except ContextLengthError:
                shorter = _without_oldest(chat.messages)
                if not shortens or shorter == chat.messages:
                    raise
                chat = replace(chat, messages=shorter)
                continue
            yield first
            async for event in events:
                yield event
            return


def _without_oldest(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Leaves out the older half of what was said before the question."""
    said = [turn for turn in messages[:-1] if turn.role in {"user", "assistant"}]
    gone = {id(turn) for turn in said[: (len(said) + 1) // 2]}
    return tuple(turn for turn in messages if id(turn) not in gone)


def _stores(
    body: ResponseBody, search: FileSearch | None, config: GatewayConfig
) -> list[str] | None:
    if body.model.startswith(STORE_PREFIX):
        if search is not None:
            msg = f"file_search needs the model '{RAG_MODEL}' or the generator, got '{body.model}'"
            raise BadRequestError(msg, param="tools")
        return [body.model.removeprefix(STORE_PREFIX)]
    if body.model not in (RAG_MODEL, config.served_names.generator):
        raise unknown_model(body.model)
    if search is not None:
        return list(dict.fromkeys(search.vector_store_ids))
    default = config.http.default_store
    return None if default is None or body.model != RAG_MODEL else [default]


def _options(search: FileSearch | None) -> dict[str, Any]:
    """Gives the settings of the retrieval that a tool changes, by their names."""
    if search is None:
        return {}
    ranking = search.ranking_options or Ranking()
    options: dict[str, Any] = {
        "top_k": search.max_num_results,
        "rerank": None if ranking.ranker is None else ranking.ranker != "none",
        "score_threshold": ranking.score_threshold,
    }
    if weights := ranking.hybrid_search:
        if weights.text_weight == 0:
            options["mode"] = "dense"
        elif weights.embedding_weight == 0:
            options["mode"] = "lexical"
        else:
            options["mode"] = "hybrid"
            options["lexical_weight"] = weights.text_weight / weights.embedding_weight
    return options
