"""Settles what a request leaves open, and refuses what it must not ask."""

from typing import Protocol

from models.constraints import Sampling, check_ids, check_sampling
from models.errors import ContextLengthError, InvalidInputError
from models.generation import EngineRequest, GenerationEngine, GenerationRequest

# Fields that change nothing where the likeliest ids are taken.
OF_DRAWS = ("temperature", "seed", "min_p")


class AnswerDefaults(Protocol):
    """What a request gets that names nothing; see `models.generator.GeneratorConfig`."""

    @property
    def max_answer_tokens(self) -> int:
        """Tokens of an answer."""
        ...

    @property
    def temperature(self) -> float:
        """0 is greedy."""
        ...

    @property
    def top_p(self) -> float:
        """Nucleus mass."""
        ...

    @property
    def top_k(self) -> int:
        """At most so many candidates; 0 means all."""
        ...


def check_request(
    request: GenerationRequest, engine: GenerationEngine, defaults: AnswerDefaults, *,
    name: str, vocabulary_size: int,
) -> None:  # fmt: skip
    """Refuses what is outside its limits, or what the engine would not honour.

    Args:
        request: as it came.
        engine: what decodes it.
        defaults: what it gets that names nothing.
        name: the engine's.
        vocabulary_size: ids are below it.

    Raises:
        InvalidInputError: names the value and its limit.
    """
    sampling = request.sampling
    check_sampling(sampling)
    check_ids("delivered_token_ids", request.delivered_token_ids, vocabulary_size)
    check_ids("stop_token_ids", sampling.stop_token_ids, vocabulary_size)
    check_ids("logit_bias", tuple(token for token, _ in sampling.logit_bias), vocabulary_size)
    temperature = _temperature(sampling, defaults)
    for field, why in engine.unserved.items():
        if (value := _asked(request, field, temperature)) is not None:
            msg = f"the {name} engine does not serve {field}, got {value}: {why}"
            raise InvalidInputError(msg)
    is_held = request.constraint is not None or request.tools is not None
    for field in ("ignore_eos", "min_tokens") if is_held else ():
        if sampling.asks_for(field):
            msg = f"{field} does not go with a constraint or tools, which say when it ends"
            raise InvalidInputError(msg)


def _asked(request: GenerationRequest, field: str, temperature: float) -> object | None:
    """Gives what a request asks by a field of `GenerationEngine.unserved`; None: nothing.

    Args:
        request: what is asked.
        field: of `Sampling`, or `constraint` or `tools`.
        temperature: what it is answered with.
    """
    sampling = request.sampling
    if field == "constraint":
        return None if request.constraint is None else request.constraint.kind
    if field == "tools":
        return None if request.tools is None else "functions"
    if field in OF_DRAWS and temperature == 0:
        return None
    if field == "temperature":
        return temperature
    if field == "seed" and sampling.seed_is_drawn:
        return None
    return getattr(sampling, field) if sampling.asks_for(field) else None


def _temperature(sampling: Sampling, defaults: AnswerDefaults) -> float:
    return defaults.temperature if sampling.temperature is None else sampling.temperature


def settled(
    request: GenerationRequest,
    prompt_ids: tuple[int, ...],
    defaults: AnswerDefaults,
    *,
    context_tokens: int,
) -> EngineRequest:
    """Makes the request that an engine decodes.

    Raises:
        ContextLengthError: the prompt leaves no room for an answer.
    """
    sampling, num_delivered = request.sampling, len(request.delivered_token_ids)
    room = context_tokens - len(prompt_ids)
    if room < 1:
        msg = f"the context holds {context_tokens} tokens, but the prompt has {len(prompt_ids)}"
        raise ContextLengthError(msg)
    wanted = min(sampling.max_tokens or defaults.max_answer_tokens, room)
    return EngineRequest(
        prompt_ids=(*prompt_ids, *request.delivered_token_ids),
        answer_start=len(prompt_ids),
        max_tokens=max(wanted - num_delivered, 0),
        temperature=_temperature(sampling, defaults),
        top_p=defaults.top_p if sampling.top_p is None else sampling.top_p,
        top_k=defaults.top_k if sampling.top_k is None else sampling.top_k,
        seed=sampling.seed or 0,
        sampling=sampling,
    )
