"""An answer that goes on at another replica says so at once, where that is asked for."""

from dataclasses import replace

import pytest

from graphs.pipeline.events import Finished, Moved, TextDelta
from tests.graphs.fake_stages import FakeStages, chat, events_of

PIECES = ("One two three. ", "Four five six. ", "Seven eight.")
SHORT = {"safety": {"segment_chars": 8, "window_chars": 16}}


class Moving(FakeStages):
    """The second and the third piece come from other replicas."""

    async def stream(self, request):
        async for chunk in super().stream(request):
            yield replace(chunk, attempt=chunk.position)


async def told(**options):
    request = chat("What is two?", **options)
    return await events_of(Moving(answer=PIECES, delay_s=0.01), request, **SHORT)


async def test_each_move_is_told_before_what_the_next_replica_wrote():
    events = await told(tells_moves=True)
    at = [place for place, event in enumerate(events) if isinstance(event, Moved)]
    assert [events[place].num_migrations for place in at] == [1, 2]
    assert isinstance(events[at[0] - 1], TextDelta)
    assert isinstance(events[at[0] + 1], TextDelta)
    assert events[-1].num_migrations == 2


@pytest.mark.parametrize("tells_moves", [True, False])
async def test_the_answer_is_the_same_whether_moves_are_told_or_not(tells_moves):
    events = await told(tells_moves=tells_moves)
    assert any(isinstance(event, Moved) for event in events) == tells_moves
    assert "".join(one.text for one in events if isinstance(one, TextDelta)) == "".join(PIECES)
    assert isinstance(events[-1], Finished)
