"""The fields of a chat that say how tokens are picked, OpenAI's and vLLM's, and those refused.

A field is honoured, or refused by its name; none that would change the answer is dropped.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.border.fields import Refused, Unsupported, only
from graphs.api.errors import BadRequestError
from graphs.config import GatewayConfig
from models.constraints import MAX_BIASES, MAX_STOP_IDS, Sampling

MAX_CHOICES = 128  # OpenAI's own limit
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
    presence_penalty: float | None = Field(0, ge=-2, le=2)
    frequency_penalty: float | None = Field(0, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    logit_bias: dict[str, Bias] | None = Field(None, max_length=MAX_BIASES)
    stop_token_ids: list[TokenId] | None = Field(None, max_length=MAX_STOP_IDS)
    ignore_eos: bool | None = None
    min_tokens: Annotated[Whole, Field(ge=0, le=MAX_INT32)] | None = None
    priority: Whole | None = None
    n: Annotated[Whole, Field(ge=1, le=MAX_CHOICES)] | None = 1

    def for_own_words(self) -> list[str]:
        """Names what is asked of a generator that writes in its own words."""
        values = {name: getattr(self, name, None) for name in FREE_ONLY}
        asked = [name for name, value in values.items() if value and value != "none"]
        return asked + ["n"] * (self.n is not None and self.n > 1)

    def sampling(self, **more: Any) -> Sampling:
        """Reads how tokens are picked; `more` is what else the request says of it.

        Raises:
            BadRequestError: logit_bias names no ids.
        """
        only_best = self.top_p == 0  # no mass but that of the best token
        fields: dict[str, Any] = {
            "temperature": 0 if only_best else self.temperature,
            "top_p": None if only_best else self.top_p,
            "top_k": 0 if self.top_k == -1 else self.top_k,  # vLLM's way to say "all"
            "min_p": self.min_p or 0.0,
            "seed": self.seed,
            "stop_token_ids": tuple(self.stop_token_ids or ()),
            "ignore_eos": bool(self.ignore_eos),
            "min_tokens": self.min_tokens or 0,
            "presence_penalty": self.presence_penalty or 0.0,
            "frequency_penalty": self.frequency_penalty or 0.0,
            "repetition_penalty": 1.0 if self.repetition_penalty is None else (
                self.repetition_penalty
            ),
            "logit_bias": _biases(self.logit_bias or {}),
            "priority": self.priority or 0,
        }  # fmt: skip
        return Sampling(**fields | more)


def _biases(biases: Mapping[str, float]) -> tuple[tuple[int, float], ...]:
    """Reads ids, which JSON can only write as text."""
    for token_id in biases:
        if not (token_id.isascii() and token_id.isdigit() and int(token_id) <= MAX_INT32):
            msg = f"logit_bias must name token ids in 0..{MAX_INT32}, got {token_id[:64]!r}"
            raise BadRequestError(msg, param="logit_bias")
    return tuple((int(token_id), bias) for token_id, bias in biases.items())


def check_own_words(asked: Sequence[str], config: GatewayConfig) -> None:
    """Refuses what a server that only quotes cannot honour.

    Raises:
        BadRequestError: names the first field.
    """
    if config.answers == "quote" and asked:
        msg = f"{asked[0]} needs a server that answers in its own words (`answers: free`)"
        raise BadRequestError(msg, param=asked[0], code="unsupported_parameter")


# Those that a generator which only quotes cannot honour.
FREE_ONLY = (
    "min_p", "presence_penalty", "frequency_penalty", "logit_bias", "stop_token_ids", "ignore_eos",
    "min_tokens", "priority", "logprobs", "reasoning_effort",
)  # fmt: skip


class RefusedFields(RequestModel):
    """What would change the answer and is not served."""

    best_of: Annotated[object, only(1, name="best_of")] = None
    length_penalty: Annotated[object, only(1, name="length_penalty")] = None
    modalities: Annotated[object, only(["text"], name="modalities")] = None
    add_generation_prompt: Annotated[object, only(True, name="add_generation_prompt")] = None
    functions: Unsupported = None
    function_call: Annotated[object, only("none", "auto", name="function_call")] = None
    audio: Refused = None
    prompt_logprobs: Annotated[object, only(name="prompt_logprobs")] = None
    bad_words: Unsupported = None
    use_beam_search: Unsupported = None
    echo: Unsupported = None
    continue_final_message: Unsupported = None
    chat_template: Unsupported = None
    chat_template_kwargs: Unsupported = None
    verbosity: Annotated[object, only("medium", name="verbosity")] = None
    prediction: Refused = None
    logits_processors: Unsupported = None
    moderation: Refused = None
    store: Unsupported = None
    documents: Unsupported = None
    web_search_options: Refused = None
