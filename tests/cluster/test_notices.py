"""The three dialects, spoken over real HTTP to the fake metadata service."""

import asyncio
import contextlib
import logging
import time

import httpx
import pytest

from cluster import cloud_detection
from cluster.cloud_detection import detect_cloud, open_source
from cluster.clouds import AwsNotices, AzureNotices, GcpNotices
from cluster.fake_metadata import FakeMetadata, serving
from cluster.notices import NoticeKind

POLL_S = 0.02
SOURCES = {"aws": AwsNotices, "gcp": GcpNotices, "azure": AzureNotices}
CLOUDS = sorted(SOURCES)


@contextlib.asynccontextmanager
async def listening(source):
    """Collects what a source yields."""
    heard = []

    async def listen():
        async for notice in source.notices():
            heard.append(notice)

    task = asyncio.create_task(listen())
    try:
        yield heard
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition):
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def asked(fake, path, more=3):
    """Waits until a path was asked for some more times."""
    before = fake.requests[path]
    await until(lambda: fake.requests[path] >= before + more)


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_termination_is_told_with_its_deadline(cloud):
    fake = FakeMetadata()
    async with serving(fake) as url, listening(SOURCES[cloud](url, poll_s=POLL_S)) as heard:
        await until(lambda: fake.requests.total() >= 2)
        assert heard == []
        await fake.change(cloud, "terminate", in_s=30)
        await until(lambda: heard)
    assert heard[0].kind is NoticeKind.TERMINATE
    assert heard[0].source == cloud
    assert heard[0].deadline_s == pytest.approx(time.time() + 30, abs=5)


@pytest.mark.parametrize("cloud", ["aws", "azure"])
async def test_a_repeated_notice_keeps_its_event_id(cloud):
    fake = FakeMetadata()
    await fake.change(cloud, "terminate")
    async with serving(fake) as url, listening(SOURCES[cloud](url, poll_s=POLL_S)) as heard:
        await until(lambda: len(heard) >= 3)
    assert len({notice.event_id for notice in heard}) == 1


async def test_another_deadline_is_another_aws_event():
    fake = FakeMetadata()
    async with serving(fake) as url, listening(AwsNotices(url, poll_s=POLL_S)) as heard:
        await fake.change("aws", "terminate", in_s=120)
        await until(lambda: heard)
        await fake.change("aws", "terminate", in_s=60)
        await until(lambda: len({notice.event_id for notice in heard}) == 2)


async def test_aws_tells_a_rebalance_recommendation_apart():
    fake = FakeMetadata()
    await fake.change("aws", "rebalance")
    async with serving(fake) as url, listening(AwsNotices(url, poll_s=POLL_S)) as heard:
        await until(lambda: heard)
    assert (heard[0].kind, heard[0].deadline_s) == (NoticeKind.REBALANCE, None)


async def test_aws_drops_a_refused_token_and_asks_for_another():
    fake = FakeMetadata()
    async with serving(fake) as url, listening(AwsNotices(url, poll_s=POLL_S)) as heard:
        await asked(fake, "GET /latest/meta-data/spot/instance-action")
        assert fake.requests["PUT /latest/api/token"] == 1
        await fake.change("aws", "expire_tokens")
        await fake.change("aws", "terminate")
        await until(lambda: heard)
    assert fake.requests["PUT /latest/api/token"] == 2


async def test_aws_never_asks_without_a_token():
    fake = FakeMetadata(clouds=())
    async with serving(fake) as url, listening(AwsNotices(url, poll_s=POLL_S)) as heard:
        await asked(fake, "PUT /latest/api/token")
    assert heard == []
    assert {key.split()[0] for key in fake.requests} == {"PUT"}


async def test_gcp_hangs_rather_than_polls():
    fake = FakeMetadata()
    path = "GET /computeMetadata/v1/instance/preempted"
    async with serving(fake) as url, listening(GcpNotices(url, poll_s=POLL_S)) as heard:
        await until(lambda: fake.requests[path] == 2)
        await asyncio.sleep(0.3)
        assert (fake.requests[path], heard) == (2, [])
        await fake.change("gcp", "terminate")
        await until(lambda: heard)


async def test_gcp_reconnects_when_the_server_lets_go():
    fake = FakeMetadata()
    async with serving(fake) as url, listening(GcpNotices(url, hang_s=0)) as heard:
        await asked(fake, "GET /computeMetadata/v1/instance/preempted", more=4)
        await fake.change("gcp", "terminate")
        await until(lambda: heard)


async def test_gcp_tells_of_a_preemption_that_came_before_the_watcher():
    fake = FakeMetadata()
    await fake.change("gcp", "terminate")
    async with serving(fake) as url, listening(GcpNotices(url, poll_s=POLL_S)) as heard:
        await until(lambda: heard)


@pytest.mark.parametrize(
    "event",
    [{"Resources": ["another"]}, {"EventType": "Reboot"}, {"EventType": "Freeze"}],
)
async def test_azure_events_of_no_concern_are_passed_over(event):
    fake = FakeMetadata()
    await fake.change("azure", "terminate", **event)
    async with serving(fake) as url, listening(AzureNotices(url, poll_s=POLL_S)) as heard:
        await asked(fake, "GET /metadata/scheduledevents")
        assert heard == []
        await fake.change("azure", "terminate", EventType="Terminate")
        await until(lambda: heard)


async def test_azure_takes_an_event_back_under_the_same_id():
    fake = FakeMetadata()
    async with serving(fake) as url, listening(AzureNotices(url, poll_s=POLL_S)) as heard:
        await fake.change("azure", "terminate")
        await until(lambda: heard)
        await fake.change("azure", "cancel")
        await until(lambda: heard[-1].kind is NoticeKind.CANCELLED)
        await asked(fake, "GET /metadata/scheduledevents")
    assert heard[-1].event_id == heard[0].event_id
    assert [notice.kind for notice in heard].count(NoticeKind.CANCELLED) == 1


async def test_an_azure_event_that_started_is_over_and_not_cancelled():
    fake = FakeMetadata()
    async with serving(fake) as url, listening(AzureNotices(url, poll_s=POLL_S)) as heard:
        await fake.change("azure", "terminate", EventId="E1")
        await until(lambda: heard)
        await start_early(url, "E1")
        await until(lambda: heard[-1].deadline_s is None)
        await fake.change("azure", "cancel")
        await asked(fake, "GET /metadata/scheduledevents")
    assert {notice.kind for notice in heard} == {NoticeKind.TERMINATE}


async def start_early(url, event_id):
    async with httpx.AsyncClient(base_url=url, headers={"Metadata": "true"}) as client:
        answer = await client.post(
            "/metadata/scheduledevents?api-version=2020-07-01",
            json={"StartRequests": [{"EventId": event_id}]},
        )
    assert answer.status_code == 200


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_an_outage_is_logged_once_and_survived(cloud, caplog):
    caplog.set_level(logging.INFO, "cluster")
    fake = FakeMetadata()
    await fake.change(cloud, "outage")
    source = SOURCES[cloud]
    async with serving(fake) as url, listening(made := source(url, poll_s=POLL_S)) as heard:
        await until(lambda: fake.requests.total() >= 4)
        assert not made.reachable
        await fake.change(cloud, "reset")
        await fake.change(cloud, "terminate")
        await until(lambda: heard)
        assert made.reachable
    messages = [record.message for record in caplog.records]
    assert [("fails" in text, "again" in text) for text in messages] == [
        (True, True),
        (False, True),
    ]


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_machine_without_metadata_service_gives_no_notice(cloud, unused_tcp_port):
    source = SOURCES[cloud](f"http://127.0.0.1:{unused_tcp_port}", poll_s=POLL_S)
    async with listening(source) as heard:
        await until(lambda: not source.reachable)
        await asyncio.sleep(5 * POLL_S)
    assert heard == []


@pytest.mark.parametrize("body", ["<html>", "[]", "null", '{"time": 7}', '{"time": "soon"}', "{}"])
async def test_nonsense_instead_of_a_notice_is_trouble_and_no_notice(body, monkeypatch):
    fake = FakeMetadata()
    await fake.change("aws", "terminate")
    monkeypatch.setattr(AwsNotices, "_get", lambda *_: answer(body))
    async with serving(fake) as url, listening(made := AwsNotices(url, poll_s=9)) as heard:
        await until(lambda: heard or not made.reachable)
    assert {notice.kind for notice in heard} <= {NoticeKind.REBALANCE}


async def answer(body):
    return body


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_the_cloud_is_detected_by_its_dialect(cloud):
    async with serving(FakeMetadata(clouds=(cloud,))) as url:
        assert await detect_cloud(url) == cloud


async def test_no_cloud_is_detected_where_none_answers(unused_tcp_port):
    assert await detect_cloud(f"http://127.0.0.1:{unused_tcp_port}") is None
    async with serving(FakeMetadata(clouds=())) as url:
        assert await detect_cloud(url) is None


async def test_a_cloud_that_answers_late_is_detected_late(monkeypatch):
    monkeypatch.setattr(cloud_detection, "_DETECT_AGAIN_S", POLL_S)
    fake = FakeMetadata(clouds=("azure",))
    await fake.change("azure", "outage")
    async with serving(fake) as url, listening(open_source("auto", url, poll_s=POLL_S)) as heard:
        await until(lambda: fake.requests.total() >= 6)
        await fake.change("azure", "reset")
        await fake.change("azure", "terminate")
        await until(lambda: heard)
    assert heard[0].source == "azure"


def test_an_unknown_cloud_is_refused():
    with pytest.raises(ValueError, match="got 'ibm'"):
        open_source("ibm")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("PUT", "/latest/api/token", {}, 400),
        ("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "21601"}, 400),
        ("GET", "/latest/meta-data/spot/instance-action", {}, 401),
        ("GET", "/computeMetadata/v1/instance/preempted", {}, 403),
        ("GET", "/metadata/scheduledevents?api-version=2020-07-01", {}, 400),
        ("GET", "/metadata/scheduledevents", {"Metadata": "true"}, 400),
        ("POST", "/_control", {}, 400),
    ],
)
async def test_the_fake_refuses_a_careless_client(method, path, headers, status):
    async with serving(FakeMetadata()) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.request(method, path, headers=headers)).status_code == status


async def test_the_fake_heeds_its_control_endpoint():
    command = {"cloud": "aws", "kind": "terminate", "in_s": 120}
    async with serving(FakeMetadata()) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/_control", json=command)).status_code == 200
        wrong = await client.post("/_control", json={"cloud": "gcp", "kind": "rebalance"})
        assert wrong.status_code == 400
        assert wrong.json() == {"error": "only aws recommends to rebalance, not gcp"}
        async with listening(AwsNotices(url, poll_s=POLL_S)) as heard:
            await until(lambda: heard)
