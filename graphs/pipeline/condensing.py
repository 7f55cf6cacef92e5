"""From a chat to the question that is searched for.

Q: How large may a PDF be?
A: 32 megabytes.                 generate ->  "How large may a Word file be?"
Q: And a Word file?              join     ->  "How large may a PDF be? And a Word file?"
"""

from dataclasses import dataclass

from graphs.config import DeadlineSettings
from graphs.pipeline.events import ChatRequest
from graphs.pipeline.prompt import condense_messages
from graphs.pipeline.trace import Trace
from graphs.pipeline.writing import Writer

_MAX_TOKENS = 96


@dataclass(frozen=True, kw_only=True)
class Question:
    """The last message of a chat, for its two readers.

    Attributes:
        asked: what the generator is asked.
        searched: what is searched for; stands alone.
    """

    asked: str
    searched: str


class Condenser:
    """Settles the question, as `condense` of the settings says."""

    def __init__(self, deadline: DeadlineSettings, writer: Writer) -> None:
        self._deadline = deadline
        self._writer = writer

    async def condense(self, request: ChatRequest, trace: Trace) -> Question:
        """Gives the question; without the generator's help, the last two are joined."""
        how = request.retrieval.condense
        questions = [message.text for message in request.messages if message.role == "user"]
        last = questions[-1]
        if how == "off" or len(questions) == 1:
            return Question(asked=last, searched=last)
        if how == "generate" and trace.allows("condense", self._deadline.condense_s):
            rewritten = await self._writer.write(
                "condense",
                condense_messages(request.messages),
                trace,
                max_tokens=_MAX_TOKENS,
                timeout_s=request.retrieval.expand_timeout_s,
            )
            if rewritten:
                return Question(asked=rewritten, searched=rewritten)
        return Question(asked=last, searched=f"{questions[-2]} {last}")
