"""Answers that end otherwise than most: too late, without a stage, moved, or beside too many."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import httpx
import openai

from chaos import processes

# Each begins otherwise, since answers that are alike share their place in the cache.
THINGS = ("file", "store", "answer", "question", "passage", "document", "model", "node")
LONG = 300  # tokens: seconds, in which its replica is killed
MANY = 160  # of all together, with their prompts, more than CACHE_TOKENS
CACHE_TOKENS = 1024
STARTED_S = 120
LITTLE_MS = 3000  # less than `deadline.rerank_s`


def write(system, thing=THINGS[0], *, max_tokens=LONG, **more):
    """The generator's own words about a thing, of which this one goes on and on."""
    messages = [{"role": "user", "content": f"How large may a {thing} be? " * 8}]
    return system.openai.chat.completions.create(
        model="generator", messages=messages, temperature=0, max_tokens=max_tokens, **more
    )


def write_twice(system):
    """The same prompt again finds what was kept of it."""
    for _ in range(2):
        write(system, max_tokens=8)


def write_too_many(system):
    with ThreadPoolExecutor(len(THINGS)) as pool:
        list(pool.map(partial(write, system, max_tokens=MANY), THINGS))


def ask_too_late(system):
    """Asks what cannot be answered in time."""
    body = {"model": "rag", "messages": [{"role": "user", "content": "How large may a file be?"}]}
    reply = httpx.post(
        f"{system.url}/v1/chat/completions", json=body, headers={"x-request-deadline-ms": "1"},
        timeout=60,
    )  # fmt: skip
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "deadline_exceeded")


def search_in_a_hurry(system):
    """Searches in a time that is too short for the reranker."""
    in_time = {"x-request-deadline-ms": str(LITTLE_MS)}
    with suppress(openai.APIStatusError):  # where even this takes longer, it is counted too
        found = system.openai.vector_stores.search(
            "handbook", query="size of a file", extra_headers=in_time
        )
        assert found.model_extra["degraded"] == ["rerank"]


def move_an_answer(system):
    """Kills the replica that writes an answer, which goes on at the one in its place.

    Where this process comes too late to it, the answer was whole, and has not moved.
    """
    pid = pid_of_generator(system)
    assert processes.state_of(pid) is not None
    for chunk in write(system, stream=True, stream_options={"include_usage": True}):
        if processes.state_of(pid) and chunk.choices and chunk.choices[0].delta.content:
            processes.kill([pid])
    assert processes.state_of(pid) is None
    assert chunk.usage.completion_tokens == LONG


def pid_of_generator(system):
    """The process of the only replica, once that runs."""
    deadline = time.monotonic() + STARTED_S
    while time.monotonic() < deadline:
        state = httpx.get(f"{system.url}/admin/v1/system", timeout=30).json()
        (generator,) = (one for one in state["deployments"] if one["name"] == "Generator")
        if [one["state"] for one in generator["replicas"]] == ["RUNNING"]:
            return generator["replicas"][0]["pid"]
        time.sleep(0.5)
    raise AssertionError(generator)
