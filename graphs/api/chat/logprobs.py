"""The probabilities of tokens, in the words of chat completions, completions and responses."""

from collections.abc import Sequence
from typing import Any

from openai.types import completion_choice
from openai.types.chat.chat_completion import ChoiceLogprobs
from openai.types.chat.chat_completion_token_logprob import ChatCompletionTokenLogprob, TopLogprob

from models.generation import Likely, WrittenToken


def text_of(token: Likely) -> str:
    """Writes a token; what is no whole character becomes a replacement character."""
    return token.raw.decode(errors="replace")


def chat_logprobs(tokens: Sequence[WrittenToken]) -> ChoiceLogprobs:
    """Tells of the tokens of a chat's answer."""
    return ChoiceLogprobs(
        content=[
            ChatCompletionTokenLogprob(
                token=text_of(token),
                bytes=list(token.raw),
                logprob=token.logprob,
                top_logprobs=[
                    TopLogprob(token=text_of(one), bytes=list(one.raw), logprob=one.logprob)
                    for one in token.top
                ],
            )
            for token in tokens
        ],
        refusal=None,
    )


def completion_logprobs(
    tokens: Sequence[WrittenToken], first_offset: int = 0
) -> completion_choice.Logprobs:
    """Tells of the tokens of a completion.

    Args:
        tokens: those of a text.
        first_offset: characters before them.
    """
    offsets, at = [], first_offset
    for token in tokens:
        offsets.append(at)
        at += token.num_chars
    return completion_choice.Logprobs(
        tokens=[text_of(token) for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[_likeliest(token) for token in tokens],
        text_offset=offsets,
    )


def _likeliest(token: WrittenToken) -> dict[str, float]:
    """Gives the likeliest texts, and the token's own, as OpenAI does."""
    told = (*token.top, token)
    return {text_of(one): one.logprob for one in reversed(told)}


def response_logprobs(tokens: Sequence[WrittenToken]) -> list[dict[str, Any]]:
    """Tells of the tokens of a response, in its text and in the events of its stream."""
    content = chat_logprobs(tokens).content or []
    return [one.model_dump() for one in content]
