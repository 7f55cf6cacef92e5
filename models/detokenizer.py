"""Token ids to text, piece by piece, and the search for stop strings in that text."""

from collections.abc import Callable, Sequence
from typing import Protocol

from models.chat.reply import ReplyForm
from models.generation import (
    EngineStep,
    GenerationChunk,
    GenerationRequest,
    TokenLogprob,
    WrittenToken,
)

_HALF_CHARACTER = "\N{REPLACEMENT CHARACTER}"
# What an engine tells of a token, and the characters that it completes, as a reader gets it.
Written = Callable[[TokenLogprob, int], WrittenToken]


class Decoder(Protocol):
    """What of a tokenizer is needed here."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Gives the text of some ids."""
        ...


class Detokenizer:
    """Turns a growing list of ids into a growing text, never showing half a character.

    Only the last piece is decoded again at each push, so the cost does not grow with the answer.
    The window begins one piece early, since some tokenizers write a token otherwise at a start.

    Args:
        tokenizer: the model's.
        hidden_ids: control tokens that are no part of the text; None: all.
    """

    def __init__(self, tokenizer: Decoder, hidden_ids: frozenset[int] | None = None) -> None:
        self._tokenizer = tokenizer
        self._hidden_ids = hidden_ids
        self._ids: list[int] = []
        self._window_start = 0
        self._num_shown = 0

    def push(self, token_ids: Sequence[int]) -> str:
        """Adds ids and gives the text that they complete."""
        self._ids.extend(token_ids)
        text = self._pending_text()
        if not text or text.endswith(_HALF_CHARACTER):
            return ""
        self._window_start, self._num_shown = self._num_shown, len(self._ids)
        return text

    def flush(self) -> str:
        """Gives what was held back; broken characters become replacement characters."""
        text = self._pending_text()
        self._window_start, self._num_shown = self._num_shown, len(self._ids)
        return text

    def _pending_text(self) -> str:
        shown = self._decode(self._ids[self._window_start : self._num_shown])
        return self._decode(self._ids[self._window_start :])[len(shown) :]

    def _decode(self, token_ids: list[int]) -> str:
        hidden = self._hidden_ids
        if hidden is None:
            return self._tokenizer.decode(token_ids, skip_special_tokens=True)
        shown = [token_id for token_id in token_ids if token_id not in hidden]
        return self._tokenizer.decode(shown, skip_special_tokens=False)


class StopScanner:
    """Lets text through up to the first stop string, which itself is never shown."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """Adds text and gives what can be shown: all but a possible start of a stop string."""
        self._held += text
        found = [at for at in (self._held.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self.stopped = True
            shown, self._held = self._held[: min(found)], ""
            return shown
        keep = self._num_to_hold()
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown

    def flush(self) -> str:
        """Gives what was held back, when no more text comes."""
        shown, self._held = self._held, ""
        return shown

    def _num_to_hold(self) -> int:
        longest = max((len(stop) for stop in self._stops), default=0)
        for size in range(min(longest - 1, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stops):
                return size
        return 0


class AnswerText:
    """One answer on its way: ids to text, up to a stop string.

    Ids that were delivered before are played again, so that half a character or half a stop string
    at their end is known here; of their text only what the reader lacks is given.
    """

    def __init__(
        self, tokenizer: Decoder, request: GenerationRequest, identity: str, written: Written, *,
        form: ReplyForm | None = None, hidden_ids: frozenset[int] | None = None,
    ) -> None:  # fmt: skip
        self._written = written
        self._form = form
        self._position = len(request.delivered_token_ids)
        self._attempt = request.attempt
        self._identity = identity
        self._detokenizer = Detokenizer(tokenizer, hidden_ids)
        self._stops = StopScanner(request.sampling.stop)
        self._num_known_chars = request.num_delivered_chars
        played = (self._detokenizer.push((token_id,)) for token_id in request.delivered_token_ids)
        self._owed = self._unknown("".join(self._stops.push(text) for text in played))

    def extend(self, step: EngineStep, num_prompt: int) -> GenerationChunk:
        """Takes the next ids, and why they are the last, and gives the chunk for the reader."""
        token_ids, reason = step.token_ids, step.finish_reason
        decoded, tokens = self._decoded(step)
        text = self._stops.push(decoded)
        if reason is not None and not self._stops.stopped:
            text += self._stops.push(self._detokenizer.flush())
            text += self._stops.flush()
        text, self._owed = self._owed + self._unknown(text), ""
        chunk = GenerationChunk(
            position=self._position, token_ids=token_ids, text=text,
            finish_reason="stop" if self._stops.stopped else reason, num_prompt_tokens=num_prompt,
            attempt=self._attempt, identity=self._identity, tokens=tokens, form=self._form,
        )  # fmt: skip
        self._form = None
        self._position += len(token_ids)
        return chunk

    def _decoded(self, step: EngineStep) -> tuple[str, tuple[WrittenToken, ...]]:
        """Gives the text of a step, and its tokens where their probabilities were asked for."""
        if not step.logprobs:
            return self._detokenizer.push(step.token_ids), ()
        texts = [self._detokenizer.push((token_id,)) for token_id in step.token_ids]
        told = zip(step.logprobs, texts, strict=True)
        return "".join(texts), tuple(self._written(one, len(text)) for one, text in told)

    def _unknown(self, text: str) -> str:
        """Leaves out what the reader has already."""
        num_known = min(self._num_known_chars, len(text))
        self._num_known_chars -= num_known
        return text[num_known:]
