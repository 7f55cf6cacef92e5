"""What becomes of every field that OpenAI documents: the one table, and the page made of it.

    honoured     the answer is as it asks; a value outside its limits is refused by its name
    one value    its neutral value is taken, any other is refused by its name
    refused      400 by its name, whatever it is set to
    no effect    it is checked and taken, and changes no answer

Tests send what stands here and compare (`tests/graphs/api/test_documented.py`); they fail for a
field of the `openai` package that is not here. `python -m graphs.api.documented` prints the page
(`graphs/api/FIELDS.md`).
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from graphs.api.engine_fields import section

Fate = Literal["honoured", "one value", "refused", "no effect"]


@dataclass(frozen=True)
class Field:
    """What becomes of a field.

    Attributes:
        example: a value that is honoured, refused, or without effect.
        why: the reason, or what else is to be known.
    """

    fate: Fate
    example: object = None
    why: str = ""


def _yes(example: object = None, why: str = "") -> Field:
    return Field("honoured", example, why)


def _one(example: object, why: str) -> Field:
    return Field("one value", example, why)


def _no(example: object, why: str) -> Field:
    return Field("refused", example, why)


def _idle(example: object, why: str) -> Field:
    return Field("no effect", example, why)


_CACHE = "a generator keeps the prompts that it has room for"
_CACHE_KEY = (
    "up to 1,024 characters; requests with the same one meet the same replica of the generator, "
    "unless it is much busier than others (docs/cluster.md); tenants share none"
)
_NOBODY = "who asks is known by the API key; the name is not kept"
_TIER = "a class of service up to that of the key (`auto`); the reply tells which"
_TEXT_ONLY = "the models read and write text alone"
_NO_PADDING = "true: events are not padded to one length"
_METADATA = {"team": "search"}
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
_FREE = "`answers: free`"
_TOOLS = [{"type": "function", "function": {"name": "clock"}}]

CHAT: dict[str, Field] = {
    "model": _yes(),
    "messages": _yes(
        why="parts of a question that are no text are refused by their place, those of earlier "
        "turns left out; `name` has no place in what models read"
    ),
    "stream": _yes(True),
    "stream_options": _yes({"include_usage": True}, f"`include_obfuscation`: {_NO_PADDING}"),
    "max_completion_tokens": _yes(5, "an upper bound: no room is kept for it"),
    "max_tokens": _yes(5, "an upper bound: no room is kept for it"),
    "temperature": _yes(0.5),
    "top_p": _yes(0.5),
    "seed": _yes(-5),
    "stop": _yes(["END"]),
    "n": _yes(2, f"{_FREE}; choices share prompt and passages"),
    "logprobs": _yes(True, _FREE),
    "top_logprobs": _yes(why="with `logprobs: true`"),
    "logit_bias": _yes({"5": 10}, _FREE),
    "frequency_penalty": _yes(0.5, _FREE),
    "presence_penalty": _yes(0.5, _FREE),
    "response_format": _yes(
        _SCHEMA,
        f"{_FREE}; held to, `strict` or not, its `name` and `description` not read; "
        "citations stand beside the JSON",
    ),
    "service_tier": _yes("flex", _TIER),
    "verbosity": _one("low", "`medium`: instructions say how long an answer is"),
    "modalities": _one(["audio"], _TEXT_ONLY),
    "function_call": _one({"name": "f"}, "`none` and `auto`: see `functions`"),
    "tool_choice": _yes(why=f"`auto` and `none`; to make it call: {_FREE}"),
    "tools": _yes(
        _TOOLS,
        "functions, held to their parameters, `strict` or not; what only quotes "
        "calls none (`degraded: tools`)",
    ),
    "functions": _one([{"name": "f"}], "no functions are called"),
    "reasoning_effort": _yes("high", f"{_FREE}, and a model that thinks first"),
    "store": _one(True, "false: `/v1/responses` keeps answers, chats are not kept"),
    "audio": _no({"voice": "alloy", "format": "mp3"}, _TEXT_ONLY),
    "moderation": _no({}, "the server's own filter judges every question and answer"),
    "prediction": _no({"type": "content", "content": "x"}, "nothing is decoded ahead"),
    "web_search_options": _no({}, "the web is not searched"),
    "metadata": _idle(_METADATA, "what it would be found by, `store`, is not served"),
    "parallel_tool_calls": _yes(why="false: at most one call"),
    "user": _idle("someone", _NOBODY),
    "safety_identifier": _idle("someone", _NOBODY),
    "prompt_cache_key": _yes("k", _CACHE_KEY),
    "prompt_cache_retention": _idle("24h", _CACHE),
    "prompt_cache_options": _idle({"mode": "implicit"}, _CACHE),
}

COMPLETIONS: dict[str, Field] = {
    "model": _yes(why="the generator"),
    "prompt": _yes(why="texts or ids of cl100k_base; several without `stream`"),
    "stream": _yes(True),
    "stream_options": _yes({"include_usage": True}, f"`include_obfuscation`: {_NO_PADDING}"),
    "max_tokens": _yes(5),
    "temperature": _yes(0.5),
    "top_p": _yes(0.5),
    "seed": _yes(5),
    "stop": _yes("END"),
    "n": _yes(2, _FREE),
    "logprobs": _yes(2, f"{_FREE}; 0 to 20"),
    "logit_bias": _yes({"5": 10}, _FREE),
    "frequency_penalty": _yes(0.5, _FREE),
    "presence_penalty": _yes(0.5, _FREE),
    "best_of": _one(2, "1: all choices are given"),
    "echo": _one(True, "false: the prompt is a turn of a chat, not the start of a text"),
    "suffix": _one("end", "null: nothing is written between two texts"),
    "user": _idle("someone", _NOBODY),
}

RESPONSES: dict[str, Field] = {
    "model": _yes(),
    "input": _yes(
        why="text, messages, and what an earlier response has put out, or its id "
        "(`item_reference`); `status` and `phase` of items are not read"
    ),
    "instructions": _yes("Be brief."),
    "previous_response_id": _yes(),
    "conversation": _yes(),
    "store": _yes(False),
    "background": _yes(),
    "stream": _yes(True),
    "max_output_tokens": _yes(5, "an upper bound: no room is kept for it"),
    "max_tool_calls": _yes(3, "one search is made"),
    "temperature": _yes(0.5),
    "top_p": _yes(0.5),
    "truncation": _yes("auto"),
    "metadata": _yes(_METADATA),
    "include": _yes(["message.output_text.logprobs"]),
    "tools": _yes(why="`file_search` and functions; others are refused by their place"),
    "tool_choice": _yes(why=f"the search is made whatever it says; to make it call: {_FREE}"),
    "text": _yes(why=f"`format` (json_schema, json_object): {_FREE}; `verbosity`: `medium`"),
    "top_logprobs": _yes(2, f"{_FREE}; with `include: message.output_text.logprobs`"),
    "service_tier": _yes("flex", _TIER),
    "reasoning": _yes(
        {"effort": "high"},
        f"`effort`: {_FREE}, and a model that thinks first; `summary`: `auto`; "
        "`context`: `auto`, `current_turn`; `mode`: `standard`",
    ),
    "stream_options": _one({"include_obfuscation": True}, _NO_PADDING),
    "access_programs": _no({"cyber": "standard"}, "there are none"),
    "context_management": _no([{"type": "compaction"}], "`truncation` shortens a chat"),
    "image": _no({"context_compression": "auto"}, _TEXT_ONLY),
    "moderation": _no({"model": "m"}, "the server's own filter judges every question and answer"),
    "prompt": _no({"id": "p"}, "prompts are not kept"),
    "prompt_cache_options": _idle({"mode": "explicit"}, _CACHE),
    "parallel_tool_calls": _yes(why="false: at most one call of a function"),
    "user": _idle("someone", _NOBODY),
    "safety_identifier": _idle("someone", _NOBODY),
    "prompt_cache_key": _yes("k", _CACHE_KEY),
    "prompt_cache_retention": _idle("24h", _CACHE),
}

EMBEDDINGS: dict[str, Field] = {
    "model": _yes(),
    "input": _yes(why="texts or ids of cl100k_base; one that is too long is refused, or cut as the "
                      "extension `truncate` says, and `usage` counts what was read"),
    "dimensions": _yes(why="those that the model was trained for"),
    "encoding_format": _yes("base64"),
    "user": _idle("someone", _NOBODY),
}  # fmt: skip
MODERATIONS: dict[str, Field] = {
    "model": _yes(why="OpenAI's own names too, which the reply corrects"),
    "input": _yes(why="texts and text parts; images are refused by their place"),
}
_PAGES: dict[str, Field] = {
    "limit": _yes(1), "order": _yes("asc"), "after": _yes(), "before": _yes(),
}  # fmt: skip
FILES: dict[str, Field] = {
    "file": _yes(), "purpose": _yes("user_data"), "expires_after": _yes(),
}  # fmt: skip
UPLOADS: dict[str, Field] = {
    "filename": _yes(), "purpose": _yes(), "bytes": _yes(), "mime_type": _yes(),
    "expires_after": _yes(), "part_ids": _yes(), "md5": _yes(), "data": _yes(),
}  # fmt: skip
BATCHES: dict[str, Field] = {
    "input_file_id": _yes(), "metadata": _yes(_METADATA), "output_expires_after": _yes(),
    "endpoint": _yes(why="chat, completions, embeddings, responses, moderations"),
    "completion_window": _one("1h", "`24h`, as at OpenAI"),
}  # fmt: skip
STORES: dict[str, Field] = {
    "name": _yes("docs"),
    "description": _yes("Manuals."),
    "file_ids": _yes(),
    "expires_after": _yes({"anchor": "last_active_at", "days": 7}),
    "chunking_strategy": _yes({"type": "auto"}),
    "metadata": _yes(_METADATA),
}
STORE_FILES: dict[str, Field] = {
    "file_id": _yes(), "file_ids": _yes(), "files": _yes(), "attributes": _yes(),
    "chunking_strategy": _yes(), "filter": _yes("completed"),
}  # fmt: skip
SEARCH: dict[str, Field] = {
    "query": _yes(),
    "max_num_results": _yes(1),
    "filters": _yes(),
    "ranking_options": _yes({"ranker": "none"}),
    "rewrite_query": _yes(True, "by a generator that writes; else misspelt words are corrected"),
}
CONVERSATIONS: dict[str, Field] = {
    "items": _yes(), "metadata": _yes(_METADATA), "include": _yes(),
}  # fmt: skip

# The name of a group, and what its requests have.
GROUPS: Mapping[str, dict[str, Field]] = {
    "Chat completions": CHAT,
    "Completions": COMPLETIONS,
    "Responses": RESPONSES,
    "Conversations": CONVERSATIONS | {name: _PAGES[name] for name in ("limit", "order", "after")},
    "Embeddings": EMBEDDINGS,
    "Moderations": MODERATIONS,
    "Files": FILES | _PAGES,
    "Uploads": UPLOADS,
    "Batches": BATCHES | {name: _PAGES[name] for name in ("limit", "after")},
    "Vector stores": STORES | _PAGES,
    "Files of vector stores": STORE_FILES | _PAGES,
    "Search in vector stores": SEARCH,
}


def page() -> str:
    """Writes the table as Markdown."""
    parts = [
        "# What becomes of every documented field",
        "",
        "Made by `python -m graphs.api.documented`.",
    ]
    for group, fields in GROUPS.items():
        rows = [f"| `{name}` | {one.fate} | {one.why} |" for name, one in fields.items()]
        parts += ["", f"## {group}", "", "| field | | |", "|---|---|---|", *rows]
    parts += section()
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
