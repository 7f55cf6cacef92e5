"""The texts that an answer consists of, told apart: thoughts, its text, the arguments of calls.

    generator's text -> reader of its form --Thought----> segments of thoughts
                                           --Said-------> markers -> segments of the text
                                           --Arguments--> segments of each call

Each is cut into segments by itself, so that what is judged together belongs together. Thoughts and
calls hold no citations.
"""

from dataclasses import replace

from graphs.config import SafetySettings
from graphs.pipeline.events import Citation, Event, TextDelta
from graphs.pipeline.markers import MarkerFilter, Piece, Verbatim
from graphs.pipeline.segments import TEXT, THOUGHT, Channel, Segment, Segmenter, TokenQueue
from models.chat.harmony import HarmonyReader
from models.chat.parts import Arguments, Called, Part, PartReader, Said, Thought
from models.chat.reply import ReplyForm, reader_of
from models.chat.thinking import ThinkingReader
from models.generation import GenerationChunk

_PLAIN = ReplyForm()


class Channels:
    """Cuts one answer into segments, in the order in which they are released.

    Attributes:
        num_calls: of tools, so far.
        num_reasoning_tokens: tokens of thoughts, so far.
    """

    def __init__(self, markers: MarkerFilter | Verbatim, settings: SafetySettings) -> None:
        self.num_calls = 0
        self.num_reasoning_tokens = 0
        self._markers = markers
        # What nobody judges need not wait until there is enough of it to judge.
        self._segment_chars = settings.segment_chars if settings.check_answer else None
        self._window_chars = settings.window_chars
        self._reader: PartReader = reader_of(_PLAIN)
        self._form: ReplyForm | None = None
        self._text = self._segmenter(TEXT)
        self._other = self._segmenter(THOUGHT)
        self._channel = TEXT

    def push(self, chunk: GenerationChunk) -> list[Segment]:
        """Adds a chunk and gives the segments that it completes."""
        if chunk.form is not None and self._form is None:  # each replica at work tells it anew
            self._form = chunk.form
            self._reader = reader_of(chunk.form)
        if isinstance(self._reader, ThinkingReader | HarmonyReader) and self._reader.is_thinking:
            self.num_reasoning_tokens += len(chunk.token_ids)
        return [one for part in self._reader.push(chunk.text) for one in self._segments(part)]

    def flush(self) -> list[Segment]:
        """Gives what was held back, when no more text comes."""
        rest = [one for part in self._reader.flush() for one in self._segments(part)]
        return rest + self._leave()

    def _segments(self, part: Part) -> list[Segment]:
        match part:
            case Said() if self.num_calls and not part.text.strip():
                return []  # white space around calls
            case Said():
                left = self._enter(TEXT)
                return left + self._told(self._text.push(self._markers.push(part.text)))
            case Called():
                left = self._enter(Channel(kind="call", call=part.index))
                self.num_calls = part.index + 1
                return [*left, _opened(part, self._channel)]
            case _:
                left = self._enter(THOUGHT) if isinstance(part, Thought) else []
                return left + self._told(self._other.push([Piece(text=part.text)]))

    def _enter(self, channel: Channel) -> list[Segment]:
        if channel == self._channel:
            return []
        left = self._leave()
        self._channel = channel
        if channel != TEXT:
            self._other = self._segmenter(channel)
        return left

    def _leave(self) -> list[Segment]:
        """Ends the channel at hand: what it holds is released before what follows."""
        if self._channel != TEXT:
            return self._told(self._other.flush())
        held = self._text.push(self._markers.flush())
        return self._told([*held, *self._text.flush()])

    def _told(self, segments: list[Segment]) -> list[Segment]:
        """Gives segments, without places in the generator's text where that holds more."""
        return (
            segments
            if self._form in {None, _PLAIN}
            else [replace(one, num_raw=0) for one in segments]
        )

    def _segmenter(self, channel: Channel) -> Segmenter:
        return Segmenter(
            segment_chars=self._segment_chars, window_chars=self._window_chars, channel=channel
        )


def _opened(call: Called, channel: Channel) -> Segment:
    name = Piece(text=call.name)
    return Segment(pieces=(name,), window=call.name, num_raw=0, channel=channel, opens=True)


class Released:
    """Turns judged segments into events and counts the characters of the text.

    Args:
        tokens: of the answer, where their probabilities were asked for.
    """

    def __init__(self, tokens: TokenQueue) -> None:
        self._num_chars = 0
        self._tokens = tokens

    def events(self, segment: Segment) -> list[Event]:
        """Gives what a segment stands for."""
        channel = segment.channel
        if channel == THOUGHT:
            return [Thought(text=segment.text)]
        if channel.kind == "call":
            index, text = channel.call, segment.text
            is_name = segment.opens
            return [
                Called(index=index, name=text) if is_name else Arguments(index=index, text=text)
            ]
        told = self._tokens.up_to(segment.num_raw)
        events: list[Event] = [TextDelta(text=segment.text, tokens=told)]
        for piece in segment.pieces:
            end = self._num_chars + len(piece.text)
            if piece.passage is not None:
                events.append(Citation(start=self._num_chars, end=end, passage=piece.passage))
            self._num_chars = end
        return events
