"""What a response asks of the pipeline: read from its body, kept as JSON until it is answered."""

import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from graphs.api.chat.chat_target import RAG_MODEL, STORE_PREFIX, adapter_of
from graphs.api.chat.picking_fields import check_own_words
from graphs.api.chat.turns import Turns
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.responses.response_schema import JsonObjectForm, JsonSchemaForm, ResponseBody
from graphs.api.responses.response_tools import FileSearch, Ranking, functions_of
from graphs.api.services import Pipeline
from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.pipeline.events import ChatRequest, Event, Message, Sampling
from index.searching.filters import parse_filter
from models.chat.tools import ToolUse
from models.constraints import JSON_OBJECT, JsonSchema
from models.errors import ContextLengthError, InvalidInputError
from models.generation import Effort


class Question(BaseModel):
    """All that an answer depends on; whoever works on it comes to the same one.

    Attributes:
        turns: the whole chat, oldest first; the last is the question.
        exchange: calls of functions since the question, and their results.
        store_param: the field that names the vector stores.
        options: what it changes of the configured retrieval.
        seed: of the sampling; set, so that another Gateway can go on with the answer.
        shortens: whether a chat that does not fit loses its oldest turns.
        streams: whether its events are kept as they come.
        tools: the functions that may be called.
        effort: how long a reasoning model may think.
        adapter: the generator's LoRA adapter that answers.
        schema_text: a JSON schema that the answer is held to; None: any text.
        top_logprobs: so many likely tokens are told beside each; None: no probabilities are.
        may_be_logged: whether the quality log may keep it.
        cache_key: what the client names requests by that begin alike; empty: the chat tells.
    """

    turns: list[Message]
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
    may_be_logged: bool = True
    exchange: list[Message] = []
    tools: ToolUse | None = None
    effort: Effort | None = None
    adapter: str = ""
    cache_key: str = ""

    def chat(
        self,
        config: GatewayConfig,
        caller: Caller,
        *,
        request_id: str,
        once: str,
        in_batch: bool = False,
        identity: str | None = None,
    ) -> ChatRequest:
        """Makes the request for the pipeline.

        Args:
            config: the settings.
            caller: who asks.
            request_id: appears in the log.
            once: names the response, which is paid once however often it is begun.
            in_batch: whether it is a line of a batch.
            identity: that of the model which began it.
        """
        settings = config.retrieval.overridden(self.options)
        if settings.top_k > settings.num_candidates:
            settings = settings.overridden({"num_candidates": settings.top_k})
        return ChatRequest(
            request_id=request_id,
            messages=tuple(self.turns),
            exchange=tuple(self.exchange),
            tools=self.tools,
            effort=self.effort,
            adapter=self.adapter,
            retrieves=self.retrieves,
            stores=None if self.stores is None else tuple(self.stores),
            sampling=self._sampling(),
            constraint=None if self.schema_text is None else JsonSchema(schema=self.schema_text),
            retrieval=settings,
            filters=None if self.filters is None else parse_filter(self.filters),
            identity=identity,
            caller=caller,
            once=once,
            in_batch=in_batch,
            may_be_logged=self.may_be_logged,
            cache_key=self.cache_key,
        )

    def _sampling(self) -> Sampling:
        only_best = self.top_p == 0  # no mass but that of the best token
        return Sampling(
            max_tokens=self.max_tokens,
            temperature=0 if only_best else self.temperature,
            top_p=None if only_best else self.top_p,
            seed=self.seed,
            seed_is_drawn=True,
            top_logprobs=self.top_logprobs,
        )


def question_of(
    body: ResponseBody, turns: Turns, config: GatewayConfig, *, seed: int | None
) -> Question:
    """Reads model, tools and sampling; `seed`: None: any.

    Raises:
        UnknownModelError: the name is neither the generator's nor one of ours.
        BadRequestError: tools and model contradict each other.
    """
    search = body.search
    if body.tool_choice not in (None, "auto", "none") and not body.tools:
        raise BadRequestError("tool_choice needs a tool", param="tool_choice")
    adapter = adapter_of(body.model, config.served_names)
    is_bare = adapter is not None
    schema_text, tools = _schema_text(body, config), _tools(body, config)
    if body.tool_choice == "none":
        if not is_bare and (search is not None or not body.tools):
            msg = f"'none' needs the model '{config.served_names.generator}', got '{body.model}'"
            raise BadRequestError(msg, param="tool_choice")
        search = None
    stores = _stores(body, search, config)
    return Question(
        turns=list(turns.messages),
        exchange=list(turns.exchange),
        tools=tools if tools is None else replace(tools, answer=schema_text),
        effort=body.reasoning.effort if body.reasoning else None,
        adapter=adapter or "",
        retrieves=search is not None or not is_bare,
        stores=stores,
        store_param="model" if search is None else _store_param(body),
        options=_options(search),
        filters=search.filters if search else None,
        max_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=secrets.randbits(63) if seed is None else seed,
        shortens=body.truncation == "auto",
        streams=bool(body.stream),
        schema_text=None if tools else schema_text,
        top_logprobs=body.num_logprobs,
        may_be_logged=body.store is not False,
        cache_key=body.prompt_cache_key or "",
    )


def _store_param(body: ResponseBody) -> str:
    at = next(at for at, one in enumerate(body.tools or ()) if one is body.search)
    return f"tools[{at}].vector_store_ids"


def _tools(body: ResponseBody, config: GatewayConfig) -> ToolUse | None:
    """Reads which functions may be called; refuses what a server that only quotes cannot do."""
    parallel = body.parallel_tool_calls is not False
    use = functions_of(body.tools, body.tool_choice, parallel=parallel)
    thinks = body.reasoning is not None and body.reasoning.effort not in {None, "none"}
    asked = ["tool_choice"] if use is not None and use.is_forced else []
    check_own_words(asked + ["reasoning.effort"] * thinks, config)
    return use


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
    said = [turn for turn in messages[:-1] if turn.role not in {"system", "developer"}]
    num_gone = (len(said) + 1) // 2
    while num_gone < len(said) and said[num_gone].role == "tool":  # its call is gone
        num_gone += 1
    gone = {id(turn) for turn in said[:num_gone]}
    return tuple(turn for turn in messages if id(turn) not in gone)


def _stores(
    body: ResponseBody, search: FileSearch | None, config: GatewayConfig
) -> list[str] | None:
    if body.model.startswith(STORE_PREFIX):
        if search is not None:
            msg = f"file_search needs the model '{RAG_MODEL}' or the generator, got '{body.model}'"
            raise BadRequestError(msg, param="tools")
        return [body.model.removeprefix(STORE_PREFIX)]
    if body.model != RAG_MODEL and adapter_of(body.model, config.served_names) is None:
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
