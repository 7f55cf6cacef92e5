"""Keys on two live Gateways: a revoked one ends on both, and none shows where others can read."""

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from chaos import processes
from chaos.fleet import Fleet
from tests.ray_environment import ROOT

pytestmark = pytest.mark.ray

ONE = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
CHANGES = {
    **dict.fromkeys(("Embedder", "Retriever", "Reranker", "SafetyFilter"), ONE),
    "Gateway": {
        "autoscaling_config": {"min_replicas": 2, "max_replicas": 2},
        "max_replicas_per_node": 2,
        "user_config": {"auth": {"keys": True}, "limits": {"failures_per_min": None}},
    },
    "Generator": {**ONE, "user_config": {"tokens_per_s": 100}},
}
LIMIT = 100
REVOKED_S = 5.0  # as docs/SECURITY.md promises
CHAT = {"model": "generator", "messages": [{"role": "user", "content": "Hi."}], "max_tokens": 2}


@pytest.fixture(scope="module")
def fleet():
    with Fleet(num_spot=0, changes=CHANGES) as made:
        yield made


def keys(fleet, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "graphs.keys", *arguments], cwd=ROOT, check=True, text=True,
        capture_output=True, timeout=120,
        env={**os.environ, "RAGFLEET_DATABASE_URL": fleet.database_url},
    ).stdout  # fmt: skip


def new_key(fleet, *options):
    return re.search(r"rf_[\w-]+", keys(fleet, "create", "--scopes", *options))[0]


@pytest.fixture
def key(fleet):
    return new_key(fleet, "query")


def status(fleet, key):
    """Of a request over a connection of its own, so that the proxy chooses a Gateway anew."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx.get(f"{fleet.url}/v1/models", headers=headers, timeout=60).status_code


def test_a_revoked_key_is_refused_by_both_gateways_within_the_promised_time(fleet, key):
    assert {status(fleet, key) for _ in range(40)} == {200}  # both know it now
    keys(fleet, "revoke", key.split("_")[1])
    revoked_at, last_at = time.monotonic(), float("-inf")
    while time.monotonic() < revoked_at + 2 * REVOKED_S:
        began_at = time.monotonic()
        if status(fleet, key) == 200:
            last_at = began_at
    assert last_at - revoked_at < REVOKED_S
    assert {status(fleet, key) for _ in range(40)} == {401}


def test_a_key_stands_in_no_process_list_log_or_dashboard(fleet, key):
    headers = {"authorization": f"Bearer {key}"}
    asked = httpx.post(f"{fleet.url}/v1/chat/completions", json=CHAT, headers=headers, timeout=60)
    assert asked.status_code == 200
    token = fleet.token_file.read_text().strip()
    own = processes.with_environment(f"RAY_TMPDIR={fleet.folder}")
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in own]
    logs = [path.read_bytes() for path in fleet.folder.glob("**/logs/**/*") if path.is_file()]
    wants_token = {"authorization": f"Bearer {token}"}
    told = [
        httpx.get(f"{fleet.dashboard}{path}", headers=wants_token, timeout=60).raise_for_status()
        for path in ("/api/serve/applications/", "/api/jobs/")
    ]
    shown = [*lines, *logs, *(reply.content for reply in told)]
    assert len(lines) > 5
    assert len(logs) > 10
    assert json.loads(told[0].content)["applications"]
    secret = key.split("_", 2)[2]
    assert not [text for text in shown if secret.encode() in text or token.encode() in text]


def num_passes(fleet):
    """How often a Gateway has said that it lets requests pass: the catalog stood still."""
    logs = (path for path in fleet.folder.glob("**/logs/**/*") if path.is_file())
    return sum(log.read_bytes().count(b"limits wait for the catalog") for log in logs)


def asked_to_the_limit(fleet):
    """A key, and what its answers used: of twenty clients within a minute, all of them counted."""
    for _ in range(4):
        key = new_key(fleet, "query", "--limit", f"requests_per_min={LIMIT}")
        before, began = num_passes(fleet), time.monotonic()
        answers = answers_of_twenty(fleet, key)
        if time.monotonic() - began < 55 and num_passes(fleet) == before:
            return key, answers
    pytest.fail("the machine stands still too often to ask for a minute")


def answers_of_twenty(fleet, key):
    wants, url = {"authorization": f"Bearer {key}"}, f"{fleet.url}/v1/chat/completions"

    def client(_):
        """The usage of each answer, until it was refused several times."""
        answered, num_refused = [], 0
        while num_refused < 3:
            # A connection of its own, so that the proxy chooses a Gateway anew.
            with httpx.Client(verify=False, timeout=60) as http:
                reply = http.post(url, json=CHAT, headers=wants)
            if reply.status_code == 200:
                answered.append(reply.json()["usage"])
            else:
                assert reply.status_code == 429, reply.text
                assert 0 < int(reply.headers["retry-after"]) <= 61
                num_refused += 1
                time.sleep(0.15)
        return answered

    with ThreadPoolExecutor(20) as pool:
        return [one for answered in pool.map(client, range(20)) for one in answered]


def test_twenty_clients_at_two_gateways_get_what_a_key_may_ask_and_each_answer_counts_once(fleet):
    key, answers = asked_to_the_limit(fleet)
    assert 0.97 * LIMIT <= len(answers) <= 1.05 * LIMIT
    may_ask = {"authorization": f"Bearer {new_key(fleet, 'admin')}"}
    told, deadline = None, time.monotonic() + 30  # the other Gateway writes a little later
    while told != (expected := counted(answers)) and time.monotonic() < deadline:
        usage = httpx.get(
            f"{fleet.url}/admin/v1/usage", headers=may_ask, params={"key_id": key.split("_")[1]}
        )
        rows = usage.raise_for_status().json()["data"]
        told = tuple(
            sum(row[name] for row in rows)
            for name in ("num_calls", "num_prompt_tokens", "num_completion_tokens")
        )
    assert told == expected


def counted(answers):
    names = ("prompt_tokens", "completion_tokens")
    return (len(answers), *(sum(one[name] for one in answers) for name in names))
