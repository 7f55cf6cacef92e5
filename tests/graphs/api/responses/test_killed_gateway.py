"""A Gateway's process is killed over its responses; another one goes on with them."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from openai import OpenAI

from tests.graphs.api.responses.answering_process import PIECES

ROOT = Path(__file__).parents[4]
TEXT = "".join(PIECES)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def start(url):
    """Starts a Gateway's application over the same catalog."""
    processes = []

    def begin(seconds, lease_s):
        port = free_port()
        command = [sys.executable, "-m", "tests.graphs.api.responses.answering_process"]
        process = subprocess.Popen([*command, url, str(port), str(seconds), str(lease_s)], cwd=ROOT)
        processes.append(process)
        deadline = time.monotonic() + 180  # the machines that run this are shared
        while True:
            assert process.poll() is None
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/pid").json() == process.pid
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        base_url = f"http://127.0.0.1:{port}/v1"
        return process, OpenAI(api_key="none", base_url=base_url, max_retries=0)

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def kill(process):
    process.kill()
    assert process.wait(10) == -signal.SIGKILL


def ended(client, name):
    deadline = time.monotonic() + 60
    while (response := client.responses.retrieve(name)).status in {"queued", "in_progress"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return response


@pytest.mark.timeout(600)
def test_responses_outlive_the_gateway_that_worked_on_them(start):
    dying, dying_client = start(30, lease_s=5)  # comes to no end by itself
    asked = {"model": "rag", "input": "Tell me."}
    polled = dying_client.responses.create(**asked, background=True)
    streams = [
        dying_client.responses.create(**asked, stream=True, background=background)
        for background in (True, False)
    ]
    got = [[next(stream) for _ in range(2)] for stream in streams]
    names = [events[0].response.id for events in got]
    deadline = time.monotonic() + 30
    while {dying_client.responses.retrieve(name).status for name in (polled.id, *names)} != {
        "in_progress"
    }:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    kill(dying)
    # It is not killed: standing still it must not take over what it works on itself.
    _, client = start(0.05, lease_s=600)
    done = ended(client, polled.id)
    assert (done.status, done.output_text) == ("completed", TEXT)
    for name, events in zip(names, got, strict=True):
        rest = client.responses.retrieve(
            name, stream=True, starting_after=events[-1].sequence_number
        )
        events += list(rest)
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert events[-1].response.output_text == TEXT
