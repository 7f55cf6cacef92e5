"""An answer that goes on at another replica says so at once, where that is asked for."""

from dataclasses import replace

import pytest

from graphs.pipeline.events import Finished, Moved, TextDelta
from tests.graphs.fake_stages import FakeStages, chat, events_of, pipeline

PIECES = ("One two three. ", "Four five six. ", "Seven eight.")
SHORT = {"safety": {"segment_chars": 8, "window_chars": 16}}


class Moving(FakeStages):
    """The second and the third piece come from other replicas."""

    async def stream(self, request):
        async for chunk in super().stream(request):
            place = chunk.position
            lost = "replica_lost" if place else ""
            yield replace(chunk, attempt=place, replica=f"r{place}", moved_by=lost)


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


async def test_a_move_is_told_of_while_the_answer_goes_on():
    seen = []

    def moved(trace, reason, position):
        seen.append((trace.outcome, trace.request_id, position, reason))

    asked = chat("What is two?")
    stages = Moving(answer=PIECES, delay_s=0.01)
    async for _ in pipeline(stages, moved=moved, **SHORT).answer(asked):
        pass
    running = "cancelled"  # until it has ended
    assert seen == [
        (running, asked.request_id, 1, "replica_lost"),
        (running, asked.request_id, 2, "replica_lost"),
    ]


async def test_an_answer_that_stays_where_it_is_tells_of_no_move():
    seen = []
    async for _ in pipeline(FakeStages(), moved=lambda *told: seen.append(told)).answer(
        chat("What is two?")
    ):
        pass
    assert seen == []
