"""Gateways are killed over a batch, again and again; each line is answered once in its file."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from tests.graphs.api.batches.conftest import line

ROOT = Path(__file__).parents[4]
NUM_LINES = 240
NUM_KILLS = 3
MOST_LOST = 60  # by a kill


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def hold_from(tmp_path):
    """Sets the line from which on Gateways answer none for now."""

    def hold(number):
        written = tmp_path / "written"
        written.write_text(str(number))
        written.replace(hold.path)

    hold.path = tmp_path / "held_from"
    return hold


@pytest.fixture
def start(url, notes, hold_from):
    """Starts a Gateway's application over the same catalog."""
    processes = []

    def begin():
        port = free_port()
        command = [sys.executable, "-m", "tests.graphs.api.batches.answering_process"]
        arguments = [url, str(port), notes, hold_from.path]
        process = subprocess.Popen([*command, *arguments], cwd=ROOT)
        processes.append(process)
        client = OpenAI(api_key="none", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
        deadline = time.monotonic() + 180  # the machines that run this are shared
        while True:
            assert process.poll() is None
            try:
                client.batches.list()
                return process, client
            except openai.APIConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.1)

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def when(client, batch, is_so):
    """Gives the batch as soon as it is so."""
    deadline = time.monotonic() + 120
    while not is_so(found := client.batches.retrieve(batch.id)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def has_answered(num_lines):
    return lambda batch: batch.request_counts.completed >= num_lines


@pytest.mark.timeout(600)
def test_a_batch_survives_every_gateway_that_works_on_it(start, notes, hold_from):
    process, client = start()
    body = {"model": "generator", "max_tokens": 5}
    lines = [
        line(f"id-{n}", {**body, "prompt": f"text {n}"}, "/v1/completions")
        for n in range(NUM_LINES)
    ]
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/completions", completion_window="24h"
    )
    for number in range(1, NUM_KILLS + 1):
        goal = number * NUM_LINES // (NUM_KILLS + 2)
        hold_from(goal + MOST_LOST)  # however late the kill comes, the batch is not over
        counts = when(client, batch, has_answered(goal)).request_counts
        assert counts.completed < NUM_LINES
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
        process, client = start()
        assert client.batches.retrieve(batch.id).request_counts.completed >= counts.completed
    hold_from(NUM_LINES)
    done = when(client, batch, lambda one: one.status == "completed")
    assert (done.request_counts.completed, done.request_counts.failed) == (NUM_LINES, 0)
    found = [json.loads(one) for one in client.files.content(done.output_file_id).text.splitlines()]
    told = {one["custom_id"]: one["response"]["body"]["choices"][0]["text"] for one in found}
    assert [one["custom_id"] for one in found] == [f"id-{n}" for n in range(NUM_LINES)]
    assert told == {f"id-{n}": f"text {n}" for n in range(NUM_LINES)}
    assert len(client.files.list(purpose="batch_output").data) == 1
    # A kill costs the answers of half a second; all that was kept was not asked again.
    assert NUM_LINES <= len(notes.read_text().splitlines()) <= NUM_LINES + NUM_KILLS * MOST_LOST
