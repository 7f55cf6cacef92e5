"""`cluster.yaml` on two labelled nodes with logical GPUs: placement, and scaling by edit."""

import asyncio
import json
import shutil
import time

import httpx
import pytest
import yaml

from models.bundled.prepare import prepare

pytestmark = [pytest.mark.ray, pytest.mark.systems]
MODELS = ("Embedder", "Reranker", "SafetyFilter", "Generator")
NAMES = (*MODELS, "Retriever", "Ingester")


@pytest.fixture(scope="module")
def ask(cluster, probing):
    with probing(cluster.address, cluster.environment) as answer:
        yield answer


def replicas(cluster):
    """Deployment -> the pids and nodes of its running replicas, as `serve status` knows them."""
    token = cluster.environment["RAY_AUTH_TOKEN_PATH"]
    with open(token) as file:
        headers = {"authorization": f"Bearer {file.read()}"}
    reply = httpx.get(f"{cluster.dashboard}/api/serve/applications/", headers=headers, timeout=30)
    deployments = reply.raise_for_status().json()["applications"]["ragfleet"]["deployments"]
    return {
        name: {(r["pid"], r["node_id"]) for r in d["replicas"] if r["state"] == "RUNNING"}
        for name, d in deployments.items()
    }


def wait_for(condition, timeout_s=240):
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "the change did not come"
        time.sleep(0.5)
    return result


def node_of(ask, label):
    (node,) = [n for n, labels in ask("nodes").items() if labels["ray.io/market-type"] == label]
    return node


def test_every_replica_has_its_share_of_the_gpus_and_its_node(cluster, ask):
    described = {name: ask(f"describe {name}") for name in NAMES}
    assert {d["node_id"] for d in described.values()} == {node_of(ask, "on-demand")}
    shares = {name: described[name]["num_gpus"] for name in MODELS}
    assert shares == {"Embedder": 0.3, "Reranker": 0.4, "SafetyFilter": 0.2, "Generator": 2.0}
    shared = {
        tuple(described[name]["gpu_ids"]) for name in ("Embedder", "Reranker", "SafetyFilter")
    }
    assert len(shared) == 1
    assert len(described["Generator"]["gpu_ids"]) == 2
    assert not set(described["Generator"]["gpu_ids"]) & set(shared.pop())


def test_the_cluster_answers_over_http(cluster):
    reply = httpx.post(
        f"{cluster.system.url}/v1/chat/completions",
        json={"model": "rag", "messages": [{"role": "user", "content": "Is anybody there?"}]},
        timeout=60,
    )
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["content"] == "I don't know."


def test_serve_s_proxy_tells_that_a_request_came_by_loopback(cluster):
    url = f"{cluster.system.url}/v1/models"
    assert httpx.get(url, timeout=60).status_code == 200
    refused = httpx.get(url, headers={"host": "evil.example"}, timeout=60)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "host_not_allowed")


async def test_a_client_that_leaves_frees_its_slot_within_a_second(cluster, ask):
    took_s = []
    for _ in range(3):  # whatever else the machine does may hold up one of them
        took_s.append(await seconds_until_freed(cluster, ask))
        if took_s[-1] < 1.0:
            return
    pytest.fail(f"the slot was not freed within a second: {took_s}")


async def seconds_until_freed(cluster, ask):
    """How long the slot of a client that leaves in the middle of its answer stays taken."""
    body = {
        "model": "generator",
        "messages": [{"role": "user", "content": "Go on."}],
        "max_tokens": 400,
        "temperature": 2,
        "stream": True,
    }
    assert await asyncio.to_thread(ask, "active") == 0  # the first question takes seconds
    async with httpx.AsyncClient(base_url=cluster.system.url, timeout=60) as client:
        for seed in range(12):  # some answers end before anybody can leave
            request = client.stream("POST", "/v1/chat/completions", json=body | {"seed": seed})
            async with request as reply:
                # The first chunk with text: the one before it is sent when decoding begins.
                async for line in reply.aiter_lines():
                    if line.startswith("data: {") and text_of(line):
                        break
                if await asyncio.to_thread(ask, "active") == 1:
                    break
        else:
            pytest.fail("no answer was long enough to leave it")
        left = time.monotonic()
        while await asyncio.to_thread(ask, "active") > 0:
            assert time.monotonic() - left < 30
            await asyncio.sleep(0.02)
    return time.monotonic() - left


def text_of(line):
    (choice,) = json.loads(line.removeprefix("data: "))["choices"]
    return choice["delta"].get("content")


async def edit_under_load(cluster, change, settled):
    """Edits the YAML while 300 requests run; gives their statuses and the replicas around it."""
    before = replicas(cluster)
    statuses = []

    async def send(client, body):
        while len(statuses) + client.in_flight < 300:
            client.in_flight += 1
            reply = await client.post("/v2/rerank", json=body)
            client.in_flight -= 1
            statuses.append(reply.status_code)

    async with httpx.AsyncClient(base_url=cluster.system.url, timeout=300) as client:
        client.in_flight = 0
        body = {"model": "reranker", "query": "Which port?", "documents": ["Port 80.", "Blue."]}
        senders = [asyncio.create_task(send(client, body)) for _ in range(6)]
        await asyncio.to_thread(cluster.deploy, change)
        await asyncio.gather(*senders)
    after = await asyncio.to_thread(wait_for, lambda: settled(replicas(cluster)))
    return statuses, before, after


async def test_scaling_one_model_by_an_edit_touches_only_that_model(cluster, ask):
    def two_rerankers(blocks):
        blocks["Reranker"]["autoscaling_config"] |= {"min_replicas": 2, "max_replicas": 2}

    def settled(found):
        return found if len(found["Reranker"]) == 2 else None

    statuses, before, after = await edit_under_load(cluster, two_rerankers, settled)
    assert set(statuses) == {200}
    assert len(statuses) == 300
    assert before["Reranker"] < after["Reranker"]
    assert {k: v for k, v in before.items() if k != "Reranker"} == {
        k: v for k, v in after.items() if k != "Reranker"
    }
    # The on-demand GPU that the small models share has no room for a second Reranker.
    (added,) = after["Reranker"] - before["Reranker"]
    assert added[1] == node_of(ask, "spot")


async def test_swapping_one_model_by_an_edit_touches_only_that_model(cluster, ask, tmp_path):
    other = tmp_path / "reranker"
    shutil.copytree(prepare("reranker", tmp_path / "cache"), other)

    def swap(blocks):
        blocks["Reranker"]["user_config"] = {"model": str(other), "allow_cpu": True}

    def settled(found):
        models = {ask("describe Reranker")["model"] for _ in range(8)}
        return found if models == {str(other)} else None

    statuses, before, after = await edit_under_load(cluster, swap, settled)
    assert set(statuses) == {200}
    assert len(statuses) == 300
    assert before == after


@pytest.mark.parametrize("name", ["local.yaml", "cluster.yaml"])
def test_an_edit_of_a_knob_needs_no_restart_of_the_application(name, request):
    root = request.config.rootpath
    blocks = yaml.safe_load((root / name).read_text())["applications"][0]["deployments"]
    # Adding `autoscaling_config` later would restart every deployment.
    assert all("autoscaling_config" in block for block in blocks)
