"""The numbered events of one response, and the items of its output, as they begin and end."""

from collections.abc import Sequence
from typing import Any

from openai.types import responses as api
from pydantic import BaseModel

from graphs.api.border.sse import Frame
from graphs.api.responses.references import output_item_id


class Emitter:
    """Numbers events and collects finished items.

    Attributes:
        done: the items of the output that have ended.

    Args:
        response_id: names its items.
        starting_after: events up to this number are left out.
    """

    def __init__(self, response_id: str, *, starting_after: int) -> None:
        self.done: list[BaseModel] = []
        self._response_id = response_id
        self._starting_after = starting_after
        self._next_number = 0
        self._frames: list[Frame] = []

    @property
    def has_begun(self) -> bool:
        """Whether any event was made, shown or not."""
        return self._next_number > 0

    def add(self, model: type[BaseModel], name: str, /, **fields: Any) -> None:
        """Makes an event."""
        number, self._next_number = self._next_number, self._next_number + 1
        if number > self._starting_after:
            event = model(type=name, sequence_number=number, **fields)
            self._frames.append(Frame(data=event, event=name))

    def taken(self) -> list[Frame]:
        """Gives the events that were made since the last call."""
        frames, self._frames = self._frames, []
        return frames

    def begin(self, item: BaseModel) -> None:
        """Says that an item begins."""
        self.add(
            api.ResponseOutputItemAddedEvent, "response.output_item.added",
            item=item, output_index=len(self.done),
        )  # fmt: skip

    def end(self, item: BaseModel) -> None:
        """Says that the item which began last has ended."""
        place = len(self.done)
        self.done.append(item)
        self.add(
            api.ResponseOutputItemDoneEvent, "response.output_item.done",
            item=item, output_index=place,
        )  # fmt: skip

    def id(self, kind: str) -> str:
        """Names the next item of a kind, the same each time that the response is made."""
        number = sum(str(getattr(one, "id", "")).startswith(f"{kind}_") for one in self.done)
        return output_item_id(kind, self._response_id, number)

    def place(self, item_id: str, content_index: int | None = None) -> dict[str, Any]:
        """Says where in the output an event of the open item belongs."""
        place: dict[str, Any] = {"item_id": item_id, "output_index": len(self.done)}
        return place if content_index is None else place | {"content_index": content_index}


class OpenMessage:
    """The text of an answer, with its citations, and a refusal behind it.

    Args:
        emitter: of the response.
        start: characters of the answer before this message.
    """

    def __init__(self, emitter: Emitter, *, start: int) -> None:
        self._emitter = emitter
        self._start = start
        self._name = emitter.id("msg")
        self._parts: list[BaseModel] = []
        self._text: str | None = None
        self._annotations: list[Any] = []
        self._logprobs: list[Any] = []
        emitter.begin(self._item("in_progress", []))

    def write(self, text: str, logprobs: Sequence[Any]) -> None:
        """Adds text."""
        if self._text is None:
            self._text = ""
            part = api.ResponseOutputText(type="output_text", text="", annotations=[], logprobs=[])
            self._part("added", part)
        self._text += text
        self._logprobs += logprobs
        self._emitter.add(
            api.ResponseTextDeltaEvent, "response.output_text.delta",
            delta=text, logprobs=list(logprobs), **self._emitter.place(self._name, 0),
        )  # fmt: skip

    def annotate(self, annotation: Any) -> None:
        """Adds a citation; its place counts from the start of the answer."""
        annotation.index -= self._start
        self._annotations.append(annotation)
        self._emitter.add(
            api.ResponseOutputTextAnnotationAddedEvent, "response.output_text.annotation.added",
            annotation=annotation.model_dump(), annotation_index=len(self._annotations) - 1,
            **self._emitter.place(self._name, 0),
        )  # fmt: skip

    def refuse(self, refusal: str) -> None:
        """Adds a refusal as its last part."""
        self._end_text()
        place = self._emitter.place(self._name, len(self._parts))
        self._part("added", api.ResponseOutputRefusal(type="refusal", refusal=""))
        add = self._emitter.add
        add(api.ResponseRefusalDeltaEvent, "response.refusal.delta", delta=refusal, **place)
        add(api.ResponseRefusalDoneEvent, "response.refusal.done", refusal=refusal, **place)
        part = api.ResponseOutputRefusal(type="refusal", refusal=refusal)
        self._part("done", part)
        self._parts.append(part)

    def close(self, status: str) -> None:
        """Ends it."""
        self._end_text()
        self._emitter.end(self._item(status, self._parts))

    def _end_text(self) -> None:
        if self._text is None or self._parts:
            return
        told = {"text": self._text, "logprobs": self._logprobs}
        of_text = {"type": "output_text", "annotations": self._annotations}
        part = api.ResponseOutputText.model_validate(told | of_text)
        place = self._emitter.place(self._name, 0)
        self._emitter.add(api.ResponseTextDoneEvent, "response.output_text.done", **told, **place)
        self._part("done", part)
        self._parts.append(part)

    def _part(self, what: str, part: BaseModel) -> None:
        event: type[BaseModel] = api.ResponseContentPartDoneEvent
        if what == "added":
            event = api.ResponseContentPartAddedEvent
        self._emitter.add(
            event, f"response.content_part.{what}", part=part,
            **self._emitter.place(self._name, len(self._parts)),
        )  # fmt: skip

    def _item(self, status: str, content: Sequence[BaseModel]) -> api.ResponseOutputMessage:
        fields: dict[str, Any] = {"status": status, "content": list(content)}
        return api.ResponseOutputMessage(id=self._name, type="message", role="assistant", **fields)
