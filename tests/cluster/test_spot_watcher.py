"""The rules of the watcher, over a node of our own."""

import asyncio
import contextlib
import time

import pytest

from cluster import spot_watcher
from cluster.clouds import AwsNotices, AzureNotices
from cluster.drain import DrainRefusedError, GcsUnreachableError, NodeState
from cluster.fake_metadata import FakeMetadata, serving
from cluster.notices import Notice, NoticeKind
from cluster.spot_watcher import NodeLostError, SpotMetrics, Watcher, WatchSettings


class FakeNode:
    """Leaves when told to, after failing as often as asked."""

    def __init__(self, *, failures=0, stays=False):
        self.failures = failures
        self.stays = stays
        self.gone = False
        self.drains = []
        self.blind = False

    def drain(self, message, deadline_s):
        if self.failures:
            self.failures -= 1
            msg = "busy"
            raise DrainRefusedError(msg)
        self.drains.append((message, deadline_s))
        self.gone = not self.stays
        return self.state()

    def state(self):
        if self.blind:
            msg = "no GCS"
            raise GcsUnreachableError(msg)
        return NodeState.GONE if self.gone else NodeState.ALIVE


class ScriptedSource:
    """Yields what it was given, then is silent."""

    reachable = True

    def __init__(self, *script):
        self.script = script

    async def notices(self):
        for notice in self.script:
            yield notice
            await asyncio.sleep(0.03)
        await asyncio.Event().wait()


class BrokenSource:
    reachable = False

    async def notices(self):
        msg = "a bug"
        raise ZeroDivisionError(msg)
        yield


def notice(kind=NoticeKind.TERMINATE, *, event_id="e1", in_s=0.4, source="aws"):
    deadline_s = None if in_s is None else time.time() + in_s
    return Notice(event_id=event_id, kind=kind, deadline_s=deadline_s, source=source)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    for name in ("RETRY_S", "_LOOK_S", "_IDLE_LOOK_S"):
        monkeypatch.setattr(spot_watcher, name, 0.02)


@pytest.fixture
def metrics():
    return SpotMetrics()


def make_watcher(node, metrics, **settings):
    return Watcher(node, WatchSettings(**settings), metrics)


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


async def run(watcher, source):
    async with asyncio.timeout(20):
        return await watcher.run(source)


async def until(condition):
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def watching(watcher, source):
    """Runs a watcher that is not expected to end."""
    task = asyncio.create_task(watcher.run(source))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def assert_no_more_attempts(node):
    await asyncio.sleep(0.1)
    left = node.failures
    await asyncio.sleep(0.2)
    assert (node.failures, node.drains) == (left, [])


async def test_a_termination_drains_with_the_margin_off_the_deadline(metrics):
    node, told = FakeNode(), notice(in_s=60)
    async with watching(make_watcher(node, metrics, margin_s=30), ScriptedSource(told)):
        await until(lambda: value(metrics, "spot_node_drained"))
    assert node.drains == [("spot notice from aws", told.deadline_s - 30)]
    assert value(metrics, "spot_notices_total", source="aws", kind="terminate") == 1
    assert value(metrics, "spot_drain_attempts_total", outcome="accepted") == 1
    assert value(metrics, "spot_notice_to_drain_seconds_count") == 1
    assert value(metrics, "spot_node_draining") == 1
    assert value(metrics, "spot_node_drained") == 1
    assert 0 < value(metrics, "spot_drained_before_deadline_seconds") <= 60


async def test_a_margin_longer_than_the_notice_means_now(metrics):
    node, before_s = FakeNode(), time.time()
    await run(make_watcher(node, metrics, margin_s=60), ScriptedSource(notice()))
    assert before_s <= node.drains[0][1] <= time.time()


async def test_a_notice_without_a_deadline_gets_the_default_one(metrics):
    node = FakeNode()
    watcher = make_watcher(node, metrics, margin_s=0.1, default_notice_s=0.5)
    before_s = time.time()
    await run(watcher, ScriptedSource(notice(in_s=None)))
    assert before_s + 0.4 <= node.drains[0][1] <= before_s + 3


async def test_the_watcher_stays_for_its_metrics_until_the_machine_goes(metrics):
    told = notice(in_s=0.6)
    await run(make_watcher(FakeNode(), metrics), ScriptedSource(told))
    assert time.time() >= told.deadline_s


async def test_a_repeated_notice_is_one_drain(metrics):
    node, told = FakeNode(), notice()
    await run(make_watcher(node, metrics), ScriptedSource(told, told, told))
    assert len(node.drains) == 1
    assert value(metrics, "spot_notices_total", source="aws", kind="terminate") == 1


async def test_a_later_deadline_changes_nothing_and_an_earlier_one_drains_again(metrics):
    node = FakeNode(stays=True)
    first, later, earlier = (
        notice(event_id=str(in_s), in_s=in_s) for in_s in (30.0, 60.0, 20.0)
    )  # fmt: skip
    watcher = make_watcher(node, metrics, margin_s=5.0)
    async with watching(watcher, ScriptedSource(first, later, earlier)):
        await until(lambda: len(node.drains) == 2)
    assert [deadline_s for _, deadline_s in node.drains] == [
        first.deadline_s - 5, earlier.deadline_s - 5,
    ]  # fmt: skip


async def test_a_rebalance_recommendation_is_counted_and_drains_nothing(metrics):
    node = FakeNode()
    told = notice(NoticeKind.REBALANCE, in_s=None)
    name, labels = "spot_notices_total", {"source": "aws", "kind": "rebalance"}
    async with watching(make_watcher(node, metrics), ScriptedSource(told, told)):
        await until(lambda: value(metrics, name, **labels))
        await asyncio.sleep(0.2)
    assert node.drains == []
    assert value(metrics, name, **labels) == 1


async def test_a_drain_is_tried_until_it_is_accepted(metrics):
    node = FakeNode(failures=3)
    await run(make_watcher(node, metrics), ScriptedSource(notice()))
    assert len(node.drains) == 1
    assert value(metrics, "spot_drain_attempts_total", outcome="drain_refused") == 3
    assert value(metrics, "spot_drain_attempts_total", outcome="accepted") == 1


async def test_a_drain_is_tried_on_even_after_the_deadline(metrics):
    node = FakeNode(failures=10)
    await run(make_watcher(node, metrics), ScriptedSource(notice(in_s=0.01)))
    assert len(node.drains) == 1


async def test_a_cancelled_notice_ends_the_attempts(metrics):
    node = FakeNode(failures=10**6)
    told, taken_back = notice(in_s=30), notice(NoticeKind.CANCELLED, in_s=None)
    name, labels = "spot_notices_total", {"source": "aws", "kind": "cancelled"}
    async with watching(make_watcher(node, metrics), ScriptedSource(told, taken_back)):
        await until(lambda: value(metrics, name, **labels))
        await assert_no_more_attempts(node)


async def test_the_cancellation_of_another_event_ends_nothing(metrics):
    node = FakeNode(failures=5)
    taken_back = notice(NoticeKind.CANCELLED, event_id="e2", in_s=None)
    await run(make_watcher(node, metrics), ScriptedSource(notice(), taken_back))
    assert len(node.drains) == 1


async def test_a_new_notice_after_a_cancelled_one_drains(metrics):
    node = FakeNode(failures=4)
    script = (
        notice(in_s=0.2),
        notice(NoticeKind.CANCELLED, in_s=None),
        notice(event_id="e2", in_s=0.6),
    )
    assert await run(make_watcher(node, metrics), ScriptedSource(*script))
    assert len(node.drains) == 1


async def test_an_event_that_was_cancelled_and_comes_again_drains(metrics):
    node = FakeNode(failures=4)
    told, taken_back = notice(in_s=0.6), notice(NoticeKind.CANCELLED, in_s=None)
    assert await run(make_watcher(node, metrics), ScriptedSource(told, taken_back, told))
    assert len(node.drains) == 1


async def test_azure_cancels_over_http_what_was_not_yet_accepted(metrics):
    node, fake = FakeNode(failures=10**6), FakeMetadata()
    await fake.change("azure", "terminate", in_s=60)
    async with (
        serving(fake) as url,
        watching(make_watcher(node, metrics), AzureNotices(url, poll_s=0.02)),
    ):
        await until(lambda: node.failures < 10**6)
        await fake.change("azure", "cancel")
        name, labels = "spot_notices_total", {"source": "azure", "kind": "cancelled"}
        await until(lambda: value(metrics, name, **labels))
        await assert_no_more_attempts(node)


async def test_sigterm_drains_and_leaves_once_the_node_is_gone(metrics):
    node = FakeNode()
    watcher = make_watcher(node, metrics, default_notice_s=1000.0, margin_s=5.0)
    asyncio.get_running_loop().call_later(0.1, watcher.terminate)
    asyncio.get_running_loop().call_later(0.12, watcher.terminate)
    assert await run(watcher, ScriptedSource())
    assert [message for message, _ in node.drains] == ["spot notice from sigterm"]
    assert node.drains[0][1] == pytest.approx(time.time() + 995, abs=20)


async def test_sigterm_leaves_at_its_deadline_though_the_node_is_not_empty(metrics):
    node = FakeNode(stays=True)
    watcher = make_watcher(node, metrics, default_notice_s=0.3)
    asyncio.get_running_loop().call_later(0.05, watcher.terminate)
    assert not await run(watcher, ScriptedSource())
    assert value(metrics, "spot_node_drained") == 0


async def test_sigterm_after_a_notice_keeps_the_earlier_deadline(metrics):
    node = FakeNode(stays=True)
    watcher = make_watcher(node, metrics, default_notice_s=1000.0)
    asyncio.get_running_loop().call_later(0.1, watcher.terminate)
    assert not await run(watcher, ScriptedSource(notice(in_s=0.5)))
    assert len(node.drains) == 1


async def test_a_node_that_leaves_unbidden_is_an_error(metrics):
    node = FakeNode()
    node.gone = True
    with pytest.raises(NodeLostError):
        await run(make_watcher(node, metrics), ScriptedSource())


async def test_a_silent_gcs_does_not_end_the_watch(metrics):
    node = FakeNode()
    node.blind = True
    watcher = make_watcher(node, metrics)
    asyncio.get_running_loop().call_later(0.3, setattr, node, "blind", False)
    assert await run(watcher, ScriptedSource(notice(in_s=0.1)))
    assert value(metrics, "spot_node_drained") == 1


async def test_a_bug_in_a_source_is_not_swallowed(metrics):
    with pytest.raises(ZeroDivisionError):
        await run(make_watcher(FakeNode(), metrics), BrokenSource())


async def test_the_state_of_the_metadata_service_is_a_metric(metrics, unused_tcp_port):
    source = AwsNotices(f"http://127.0.0.1:{unused_tcp_port}", poll_s=0.02)
    async with watching(make_watcher(FakeNode(), metrics), source):
        await until(lambda: value(metrics, "spot_metadata_up") == 0)
