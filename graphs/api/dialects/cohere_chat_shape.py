"""The pipeline's events as Cohere's `/v2/chat` tells them: one message, or a stream of events.

    message-start
    content-start, content-delta *, citation-start, citation-end *, content-end     with a text
    tool-call-start, tool-call-delta *, tool-call-end                               each call
    message-end

The text has no markers; a citation is the text that stood before one. What is said before calls is
text, too: that calls follow is not known when it is sent.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from graphs.api.border.sse import Frame
from graphs.api.chat.citations import title_of, url_of
from graphs.api.chat.reply import Answer, call_id
from graphs.api.dialects.cohere_chat_reply import (
    CohereCall,
    CohereChatReply,
    CohereCitation,
    CohereFunction,
    CohereMessage,
    CohereSource,
    CohereText,
)
from graphs.api.dialects.unmarked import Unmarked
from graphs.api.error_replies import ErrorReply
from graphs.pipeline.events import (
    Arguments,
    Called,
    Citation,
    Event,
    Finished,
    FinishReason,
    Passage,
    Retrieved,
    TextDelta,
    Usage,
)

_REASONS: dict[FinishReason, str] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
}


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
        self._text = Unmarked()
        self._citations: list[CohereCitation] = []
        self._num_told = 0
        self._opened: _StreamEvent | None = None  # what the next frame may end

    def opening(self, retrieved: Retrieved) -> list[Frame]:
        """Begins the message."""
        self._verbatim = self._verbatim or not retrieved.passages
        return [_frame("message-start", id=self._id, delta=_message(role="assistant"))]

    def event(self, event: Event) -> list[Frame]:
        """Makes the events of one event."""
        match event:
            case TextDelta():
                return self._delta(self._text.push(event.text, verbatim=self._verbatim))
            case Citation():
                self._cite(event)
                return []
            case Called():
                function = {"name": event.name, "arguments": ""}
                call = {"id": self._call_id(event.index), "type": "function", "function": function}
                return self._open("tool-call", event.index, tool_calls=call)
            case Arguments():
                calls = {"function": {"arguments": event.text}}
                delta = _message(tool_calls=calls)
                return [_frame("tool-call-delta", index=event.index, delta=delta)]
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
        message = CohereMessage(role="assistant")
        if text or not answer.calls:
            message.content = [CohereText(type="text", text=text)]
        if answer.calls:
            message.tool_calls = [
                CohereCall(
                    id=self._call_id(index),
                    type="function",
                    function=CohereFunction(name=name, arguments=arguments),
                )
                for index, (name, arguments) in enumerate(answer.calls)
            ]
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
        return [*self._begun(), *told, _text_delta(text)]

    def _ending(self, finished: Finished) -> list[Frame]:
        frames = [] if self._opened else self._begun()
        if finished.refusal:
            frames += [*self._untold(), _text_delta(finished.refusal)]
        end = {"finish_reason": _reason(finished), "usage": _usage(finished.usage)}
        return [*frames, *self._close(), _frame("message-end", id=self._id, delta=end)]

    def _begun(self) -> list[Frame]:
        """Begins the text, unless that is done."""
        if self._opened is not None and self._opened.type == "content-end":
            return []
        return self._open("content", 0, content={"type": "text", "text": ""})

    def _open(self, kind: str, index: int, **message: Any) -> list[Frame]:
        """Begins the text or a call, and ends what was begun before it."""
        closed = self._close()
        self._opened = _StreamEvent(type=f"{kind}-end", index=index)
        return [*closed, _frame(f"{kind}-start", index=index, delta=_message(**message))]

    def _close(self) -> list[Frame]:
        if self._opened is None:
            return []
        return [*self._untold(), Frame(event=self._opened.type, data=self._opened)]

    def _call_id(self, index: int) -> str:
        return call_id(self._id, str(index))

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


def _message(**fields: Any) -> dict[str, Any]:
    return {"message": fields}


def _text_delta(text: str) -> Frame:
    return _frame("content-delta", index=0, delta=_message(content={"text": text}))


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
