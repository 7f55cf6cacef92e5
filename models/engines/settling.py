"""Settles what a request leaves open, and refuses what it must not ask."""

from typing import Protocol

from models.constraints import check_ids, check_sampling
from models.errors import ContextLengthError, InvalidInputError
from models.generation import EngineRequest, GenerationEngine, GenerationRequest


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
    request: GenerationRequest, engine: GenerationEngine, *, name: str, vocabulary_size: int
) -> None:
    """Refuses what is outside its limits, or what the engine would not honour.

    Args:
        request: as it came.
        engine: what decodes it.
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
    for field in engine.unserved:
        if sampling.asks_for(field):
            value = getattr(sampling, field)
            msg = f"the {name} engine does not serve {field}, got {value}"
            raise InvalidInputError(msg)
    is_held = request.constraint is not None or request.tools is not None
    for field in ("ignore_eos", "min_tokens") if is_held else ():
        if sampling.asks_for(field):
            msg = f"{field} does not go with a constraint or tools, which say when it ends"
            raise InvalidInputError(msg)


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
        temperature=(
            defaults.temperature if sampling.temperature is None else sampling.temperature
        ),
        top_p=defaults.top_p if sampling.top_p is None else sampling.top_p,
        top_k=defaults.top_k if sampling.top_k is None else sampling.top_k,
        seed=sampling.seed or 0,
        sampling=sampling,
    )
