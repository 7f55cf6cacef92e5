"""The running system as the page shows it: once, and as it changes."""

import asyncio
import json
from dataclasses import replace

import httpx
import pytest
from ray.exceptions import RpcError

from graphs import system as system_module
from graphs.caller import Caller
from graphs.errors import StageUnavailableError
from graphs.observing.answers import RecentAnswers
from graphs.observing.moves import Move
from graphs.pipeline.events import Generated
from graphs.pipeline.trace import Trace
from graphs.system import SystemView, deployment_of, node_of
from tests.graphs.serving import serving


async def test_the_system_is_told_with_its_models_and_gpu_shares(api_http, system):
    told = (await api_http.get("/admin/v1/system")).json()
    (generator,) = told["deployments"]
    assert (generator["model"], generator["device"], generator["target"]) == ("small", "cpu", 2)
    assert [one["id"] for one in generator["replicas"]] == ["a", "b"]
    assert [(one["market"], one["used_gpus"], one["replicas"]) for one in told["nodes"]] == [
        ("spot", 0.5, 1), ("on-demand", 0.5, 1), ("spot", 0, 0),
    ]  # fmt: skip
    assert (told["answers"], told["running"], told["tokens_per_s"]) == ([], 0, 0)
    assert [generator[name] for name in ("waiting", "working", "slots", "max_waiting")] == [
        3, 11, 8, 10,
    ]  # fmt: skip
    assert told["alarms"] == []


async def test_a_process_without_serve_tells_an_empty_system(api_http):
    told = (await api_http.get("/admin/v1/system")).json()
    assert (told["deployments"], told["nodes"]) == ([], [])


async def test_a_controller_that_is_away_is_told_as_such(api_http, system):
    system.state = StageUnavailableError("Serve's controller does not answer")
    reply = await api_http.get("/admin/v1/system")
    assert reply.status_code == 503
    assert "controller" in reply.json()["error"]["message"]


class LostHead:
    """Ray's client of a head that was lost after the controller had told."""

    asked = False

    def get_draining_nodes(self, timeout):
        self.asked = True
        raise RpcError("failed to connect to all addresses", rpc_code=14)


async def test_a_head_that_is_lost_between_two_questions_is_told_as_such(monkeypatch):
    head, told = LostHead(), ({"applications": {}}, "ragfleet", ())
    monkeypatch.setattr(system_module, "_told", lambda: told)
    monkeypatch.setattr(system_module.global_worker, "gcs_client", head, raising=False)
    with pytest.raises(StageUnavailableError, match="controller"):
        await SystemView().look()
    assert head.asked


async def test_changes_are_streamed_as_they_happen_and_nothing_else(api_app, system):
    frames, seen = [], system.state
    async with serving(api_app) as url, httpx.AsyncClient(timeout=30) as client:
        address = url.removesuffix("/v1") + "/admin/v1/system/events"
        async with client.stream("GET", address) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            async for line in reply.aiter_lines():
                if not line.startswith("data:"):
                    continue
                frames.append(json.loads(line.removeprefix("data:")))
                if len(frames) == 1:
                    await asyncio.sleep(1.2)  # a look without a change
                    system.state = StageUnavailableError("away")
                    await asyncio.sleep(1.1)
                    system.state = replace(seen, deployments=seen.deployments[:1], nodes=())
                else:
                    break
    assert [len(frame["nodes"]) for frame in frames] == [3, 0]


async def test_only_answers_to_the_own_tenant_are_told_once_and_as_they_change(api_app, system):
    recent = RecentAnswers()
    for tenant in ("acme", "default", "birch"):
        recent.add(Trace(f"of-{tenant}", caller=Caller(tenant=tenant)))
    system.state = replace(system.state, answers=recent.latest())
    async with serving(api_app) as url, httpx.AsyncClient(timeout=30) as client:
        address = url.removesuffix("/v1") + "/admin/v1/system"
        told = (await client.get(address)).json()
        async with client.stream("GET", f"{address}/events") as reply:
            lines = reply.aiter_lines()
            async for line in lines:
                if line.startswith("data:"):
                    first = json.loads(line.removeprefix("data:"))
                    break
    for one in (told, first):
        assert [answer["request_id"] for answer in one["answers"]] == ["of-default"]
        assert "tenant" not in one["answers"][0]


async def test_moves_of_other_tenants_are_told_without_their_requests(api_http, system):
    moves = tuple(
        Move(id=str(number), at=7.5, tenant=tenant, request_id="r", reason="lost", position=3)
        for number, tenant in enumerate(("default", "acme"))
    )
    system.state = replace(system.state, moves=moves)
    told = (await api_http.get("/admin/v1/system")).json()["moves"]
    assert told == [
        {"id": "0", "at": 7.5, "request_id": "r", "reason": "lost", "position": 3},
        {"id": "1", "at": 7.5, "request_id": "", "reason": "lost", "position": 3},
    ]


def test_recent_answers_tell_how_they_went_and_no_text():
    recent = RecentAnswers()
    for number in range(60):
        trace = Trace(f"request-{number}")
        with trace, trace.stage("generate"):
            pass
        trace.count(
            Generated(
                stage="generate", num_prompt_tokens=5, num_completion_tokens=6, num_migrations=1
            )
        )
        trace.outcome = "answered"
        recent.add(trace)
    latest = recent.latest()
    assert len(latest) == 50
    assert latest[0].request_id == "request-59"
    assert (latest[0].tokens, latest[0].migrations, latest[0].outcome) == (6, 1, "answered")


async def test_head_of_the_stream_is_answered_at_once(api_app, system):
    async with serving(api_app) as url, httpx.AsyncClient(timeout=5) as client:
        for _ in range(2):  # the second over the same connection
            address = url.removesuffix("/v1") + "/admin/v1/system/events"
            reply = await client.head(address)
            assert reply.status_code == 200
            assert reply.headers["content-type"].startswith("text/event-stream")
            assert reply.content == b""
        reply = await client.head(address.removesuffix("/events"))
        assert reply.headers["content-type"] == "application/json"
        assert int(reply.headers["content-length"]) > 0


def test_what_serve_and_ray_tell_is_read():
    told = deployment_of(
        {
            "name": "Generator", "status": "UPSCALING", "message": "one starts",
            "target_num_replicas": 2,
            "deployment_config": {
                "autoscaling_config": {"min_replicas": 1, "max_replicas": 3},
                "max_ongoing_requests": 16, "max_queued_requests": -1,
                "ray_actor_options": {"num_gpus": 0.25},
            },
            "replicas": [
                {"replica_id": "b", "state": "STARTING", "pid": None, "node_id": None},
                {"replica_id": "a", "state": "RUNNING", "pid": 4, "node_id": "n", "node_ip": "i"},
            ],
        }
    )  # fmt: skip
    assert (told.status, told.target, told.max_replicas, told.num_gpus) == ("UPSCALING", 2, 3, 0.25)
    assert (told.slots, told.max_waiting) == (16, 0)
    assert [(one.id, one.pid, one.node_ip) for one in told.replicas] == [
        ("a", 4, "i"),
        ("b", None, ""),
    ]
    labels = {"ray.io/market-type": "spot"}
    spot = node_of(
        {
            "NodeID": "n", "NodeManagerAddress": "i", "Alive": True, "Labels": labels,
            "Resources": {"CPU": 2.0},
        },
        {"n": 1_700_000_000_500},
    )  # fmt: skip
    assert (spot.market, spot.num_cpus, spot.num_gpus) == ("spot", 2.0, 0.0)
    assert spot.leaves_at == 1_700_000_000.5
