"""Items of an output beside its text: what a model thought, and its calls of functions."""

from typing import Any

from openai.types import responses as api
from openai.types.responses.response_reasoning_item import Content

from graphs.api.chat.reply import call_id
from graphs.api.responses.emitting import Emitter


class OpenReasoning:
    """The thoughts of a reasoning model, as they come."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._name = emitter.id("rs")
        self._text = ""
        emitter.begin(self._item("in_progress", []))
        self._part(api.ResponseContentPartAddedEvent, "added")

    def write(self, text: str) -> None:
        """Adds thoughts."""
        self._text += text
        self._emitter.add(
            api.ResponseReasoningTextDeltaEvent, "response.reasoning_text.delta",
            delta=text, **self._emitter.place(self._name, 0),
        )  # fmt: skip

    def close(self, status: str) -> None:
        """Ends them."""
        self._emitter.add(
            api.ResponseReasoningTextDoneEvent, "response.reasoning_text.done",
            text=self._text, **self._emitter.place(self._name, 0),
        )  # fmt: skip
        self._part(api.ResponseContentPartDoneEvent, "done")
        self._emitter.end(self._item(status, [Content(type="reasoning_text", text=self._text)]))

    def _part(self, event: Any, what: str) -> None:
        part = {"type": "reasoning_text", "text": self._text}
        place = self._emitter.place(self._name, 0)
        self._emitter.add(event, f"response.content_part.{what}", part=part, **place)

    def _item(self, status: Any, content: list[Content]) -> api.ResponseReasoningItem:
        return api.ResponseReasoningItem(
            id=self._name, type="reasoning", summary=[], content=content, status=status
        )


class OpenCall:
    """A call of a function, its arguments as they come.

    Args:
        emitter: of the response.
        name: of the function.
        index: counts the calls of the response from 0.
        response_id: names the call.
    """

    def __init__(self, emitter: Emitter, *, name: str, index: int, response_id: str) -> None:
        self._emitter = emitter
        self._function = name
        self._call_id = call_id(response_id, str(index))
        self._name = emitter.id("fc")
        self._arguments = ""
        emitter.begin(self._item("in_progress"))

    def write(self, text: str) -> None:
        """Adds a piece of the arguments."""
        self._arguments += text
        self._emitter.add(
            api.ResponseFunctionCallArgumentsDeltaEvent, "response.function_call_arguments.delta",
            delta=text, **self._emitter.place(self._name),
        )  # fmt: skip

    def close(self, status: str) -> None:
        """Ends it."""
        self._emitter.add(
            api.ResponseFunctionCallArgumentsDoneEvent, "response.function_call_arguments.done",
            arguments=self._arguments, name=self._function, **self._emitter.place(self._name),
        )  # fmt: skip
        self._emitter.end(self._item(status))

    def _item(self, status: Any) -> api.ResponseFunctionToolCall:
        return api.ResponseFunctionToolCall(
            id=self._name, type="function_call", call_id=self._call_id, name=self._function,
            arguments=self._arguments, status=status,
        )  # fmt: skip
