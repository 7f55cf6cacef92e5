"""The fields of a chat that say how tokens are picked, OpenAI's and vLLM's, and those refused.

A field is honoured, or refused by its name; none that would change the answer is dropped.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field

from graphs.api.border.fields import Unsupported, only
from graphs.api.border.json_body import RequestModel
from models.constraints import (
    MAX_BIASES,
    MAX_STOP_IDS,
)

MAX_INT32 = 2**31 - 1  # what the engines hold such numbers in


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one kind of number, and some clients write 64 as 64.0.
Whole = Annotated[int, BeforeValidator(_whole)]
TokenId = Annotated[Whole, Field(ge=0, le=MAX_INT32)]
Bias = Annotated[float, Field(ge=-100, le=100)]


class PickingFields(RequestModel):
    """The fields of a body that say how tokens are picked; null means as configured."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Annotated[Whole, Field(ge=-1, le=MAX_INT32)] | None = None
    seed: Annotated[Whole, Field(ge=-(2**63), lt=2**63)] | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    logit_bias: dict[str, Bias] | None = Field(None, max_length=MAX_BIASES)
    stop_token_ids: list[TokenId] | None = Field(None, max_length=MAX_STOP_IDS)
    ignore_eos: bool | None = None
    min_tokens: Annotated[Whole, Field(ge=0, le=MAX_INT32)] | None = None
    priority: Whole | None = None


# Those that a generator which only quotes cannot honour.
FREE_ONLY = (
    "min_p", "presence_penalty", "frequency_penalty", "logit_bias", "stop_token_ids", "ignore_eos",
    "min_tokens", "priority",
)  # fmt: skip


class RefusedFields(RequestModel):
    """What would change the answer and is not served."""

    n: Annotated[int | None, only(1, name="n")] = None
    best_of: Annotated[object, only(1, name="best_of")] = None
    length_penalty: Annotated[object, only(1, name="length_penalty")] = None
    tool_choice: Annotated[object, only("none", "auto", name="tool_choice")] = None
    modalities: Annotated[object, only(["text"], name="modalities")] = None
    add_generation_prompt: Annotated[object, only(True, name="add_generation_prompt")] = None
    tools: Unsupported = None
    functions: Unsupported = None
    function_call: Annotated[object, only("none", "auto", name="function_call")] = None
    audio: Unsupported = None
    logprobs: Unsupported = None
    top_logprobs: Unsupported = None
    prompt_logprobs: Annotated[object, only(name="prompt_logprobs")] = None
    bad_words: Unsupported = None
    use_beam_search: Unsupported = None
    echo: Unsupported = None
    continue_final_message: Unsupported = None
    chat_template: Unsupported = None
    chat_template_kwargs: Unsupported = None
    reasoning_effort: Unsupported = None
    verbosity: Annotated[object, only("medium", name="verbosity")] = None
    prediction: Unsupported = None
    logits_processors: Unsupported = None
    moderation: Unsupported = None
    data_sources: Unsupported = None
    documents: Unsupported = None
    web_search_options: Unsupported = None
