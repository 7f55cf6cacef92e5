"""The pipeline's events as Cohere's `/v2/chat` tells them: one message, or a stream of events.

message-start, content-start, content-delta *, citation-start, citation-end *, content-end,
message-end. The text has no markers; a citation is the text that stood before one.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from graphs.api.border.sse import Frame
from graphs.api.chat.citations import title_of, url_of
from graphs.api.chat.reply import Answer
from graphs.api.error_replies import ErrorReply
from graphs.pipeline.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    Passage,
    Retrieved,
    TextDelta,
    Usage,
)

# A marker with the blanks before it, as graphs/pipeline/markers.py leaves them in a text.
_MARKER = re.compile(r"[ \t]*\[\d{1,3}\]")
_REASONS: dict[FinishReason, str] = {"stop": "COMPLETE", "length": "MAX_TOKENS"}


class CohereSource(BaseModel):
    """What a citation stands on: a document as it was sent, or a passage of a vector store."""

    type: Literal["document"]
    id: str
    document: dict[str, Any]


class CohereCitation(BaseModel):
    """A piece of the text, by its characters, and where it is from."""

    start: int
    end: int
    text: str
    sources: list[CohereSource]
    content_index: int
    type: Literal["TEXT_CONTENT"]


class CohereText(BaseModel):
    """The text of a message."""

    type: Literal["text"]
    text: str


class CohereMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: list[CohereText]
    citations: list[CohereCitation] | None = None


class CohereChatReply(BaseModel):
    """A whole reply."""

    id: str
    finish_reason: str
    message: CohereMessage
    usage: dict[str, dict[str, int]]


class _StreamEvent(BaseModel):
    type: str
    id: str | None = None
    index: int | None = None
    delta: dict[str, Any] | None = None


class CohereShape:
    """See `graphs.api.chat.reply.ReplyShape`.

    Args:
        documents: those that came with the question, by their ids, as they are shown.
        cites: whether citations are told.
        at_the_end: whether they are told when the text is complete.
        verbatim: whether brackets belong to the form of the answer.
    """

    def __init__(
        self,
        documents: Mapping[str, dict[str, Any]],
        *,
        cites: bool,
        at_the_end: bool,
        verbatim: bool,
    ) -> None:
        self._id = str(uuid.uuid4())
        self._documents = documents
        self._cites = cites
        self._at_the_end = at_the_end
        self._verbatim = verbatim
        self._text = _Unmarked()
        self._citations: list[CohereCitation] = []
        self._num_told = 0

    def opening(self, retrieved: Retrieved) -> list[Frame]:
        """Begins the message and its text."""
        self._verbatim = self._verbatim or not retrieved.passages
        content = {"type": "text", "text": ""}
        return [
            _frame("message-start", id=self._id, delta=_message(role="assistant")),
            _frame("content-start", index=0, delta=_message(content=content)),
        ]

    def event(self, event: Event) -> list[Frame]:
        """Makes the events of one event."""
        match event:
            case TextDelta():
                return self._delta(self._text.push(event.text, verbatim=self._verbatim))
            case Citation():
                self._cite(event)
                return []
            case Finished():
                return self._ending(event)
            case _:
                return []

    def closing(self) -> list[Frame]:
        """Says that the stream is complete."""
        return [Frame(data="[DONE]")]

    def error(self, error: ErrorReply) -> list[Frame]:
        """Ends the message with the error."""
        delta = {"finish_reason": "ERROR", "error": error.error.message}
        return [_frame("message-end", id=self._id, delta=delta)]

    def whole(self, answer: Answer) -> CohereChatReply:
        """Makes the reply to a request that does not stream."""
        self.opening(answer.retrieved)
        self._text.push(answer.text, verbatim=self._verbatim)
        for citation in answer.citations:
            self._cite(citation)
        text = self._text.text + (answer.finished.refusal or "")
        message = CohereMessage(role="assistant", content=[CohereText(type="text", text=text)])
        if self._citations:
            message.citations = self._citations
        return CohereChatReply(
            id=self._id,
            finish_reason=_reason(answer.finished),
            message=message,
            usage=_usage(answer.finished.usage),
        )

    def _delta(self, text: str) -> list[Frame]:
        if not text:  # of a marker alone; another may follow it
            return []
        told = [] if self._at_the_end else self._untold()
        delta = _message(content={"text": text})
        return [*told, _frame("content-delta", index=0, delta=delta)]

    def _ending(self, finished: Finished) -> list[Frame]:
        frames = self._untold()
        if finished.refusal:
            delta = _message(content={"text": finished.refusal})
            frames.append(_frame("content-delta", index=0, delta=delta))
        end = {"finish_reason": _reason(finished), "usage": _usage(finished.usage)}
        return [
            *frames,
            _frame("content-end", index=0),
            _frame("message-end", id=self._id, delta=end),
        ]

    def _untold(self) -> list[Frame]:
        """Tells the citations that nothing can be added to any more."""
        frames: list[Frame] = []
        for index in range(self._num_told, len(self._citations)):
            citation = self._citations[index].model_dump()
            frames += [
                _frame("citation-start", index=index, delta=_message(citations=citation)),
                _frame("citation-end", index=index),
            ]
        self._num_told = len(self._citations)
        return frames

    def _cite(self, citation: Citation) -> None:
        """Cites the text before a marker, back to the citation before it or the line's start."""
        if not self._cites:
            return
        source = self._source(citation.passage)
        last = self._citations[-1] if self._citations else None
        start, end = self._text.span(citation.start, after=last.end if last else 0)
        if last is not None and start >= end:  # a further marker at the same place
            if source.id in {one.id for one in last.sources}:
                return
            if len(self._citations) > self._num_told:
                last.sources.append(source)
                return
            start, end = last.start, last.end
        if start < end:
            self._citations.append(
                CohereCitation(
                    start=start,
                    end=end,
                    text=self._text.text[start:end],
                    sources=[source],
                    content_index=0,
                    type="TEXT_CONTENT",
                )
            )

    def _source(self, passage: Passage) -> CohereSource:
        shown = self._documents.get(passage.file_id)
        if shown is not None:
            return CohereSource(type="document", id=passage.file_id, document=shown)
        document = {
            "id": passage.chunk_id,
            "title": title_of(passage),
            "text": passage.text,
            "filename": passage.filename,
            "url": url_of(passage),
        }
        return CohereSource(type="document", id=passage.chunk_id, document=document)


class _Unmarked:
    """A text without its markers, and where its characters stood with them.

    Blanks at the end of a piece wait for the next one: they go with a marker.
    """

    def __init__(self) -> None:
        self.text = ""
        self._held = ""
        self._num_chars = 0
        self._removed: list[tuple[int, int]] = []  # spans of the text with its markers

    def push(self, text: str, *, verbatim: bool) -> str:
        """Adds a piece, and gives what is left of it."""
        if verbatim:
            self.text += text
            return text
        piece = self._held + text
        ready = piece.rstrip(" \t")
        self._held = piece[len(ready) :]
        self._removed += [
            (self._num_chars + one.start(), self._num_chars + one.end())
            for one in _MARKER.finditer(ready)
        ]
        self._num_chars += len(ready)
        left = _MARKER.sub("", ready)
        self.text += left
        return left

    def span(self, place: int, *, after: int) -> tuple[int, int]:
        """Gives the text of the line before a place that was marked, but not before `after`."""
        place -= sum(min(end, place) - start for start, end in self._removed if start < place)
        line = self.text.rfind("\n", 0, len(self.text[:place].rstrip())) + 1
        start = max(after, line)
        cited = self.text[start:place]
        return start + len(cited) - len(cited.lstrip()), start + len(cited.rstrip())


def _message(**fields: Any) -> dict[str, Any]:
    return {"message": fields}


def _frame(kind: str, **fields: Any) -> Frame:
    return Frame(event=kind, data=_StreamEvent(type=kind, **fields))


def _reason(finished: Finished) -> str:
    return _REASONS.get(finished.finish_reason, "ERROR")


def _usage(usage: Usage) -> dict[str, dict[str, int]]:
    counts = {
        "input_tokens": usage.num_prompt_tokens,
        "output_tokens": usage.num_completion_tokens,
    }
    return {"billed_units": counts, "tokens": counts}
