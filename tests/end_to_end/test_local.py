"""`local.yaml` under `serve run`: what the official SDKs see, hostile files, overload, a crash."""

import asyncio
import logging
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import openai
import pytest

from chaos import processes
from tests.hostile_files import hostile_files

pytestmark = pytest.mark.ray

QUESTION = "What happens when the safety filter is down?"


def ask(system, question=QUESTION, **options):
    messages = [{"role": "user", "content": question}]
    return system.openai.chat.completions.create(model="rag", messages=messages, **options)


def test_an_answer_is_cited_from_the_right_document(system, handbook):
    answer = ask(system).choices[0]
    cited = answer.message.annotations[0].url_citation
    assert answer.finish_reason == "stop"
    assert cited.title
    marker = answer.message.content[cited.start_index : cited.end_index]
    assert marker == "[1]"
    sources = answer.message.model_extra["context"]["citations"]
    assert sources[0]["filepath"] == "safety.md"


def test_a_stream_gives_the_same_text_and_the_usage(system, handbook):
    whole = ask(system, seed=1)
    chunks = list(ask(system, seed=1, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert len(chunks) > 3


def test_answers_are_kept_in_background_and_streamed_again(system, handbook):
    responses = system.openai.responses
    response = responses.create(model="rag", input=QUESTION, background=True, stream=False)
    deadline = time.monotonic() + 120
    while response.status in {"queued", "in_progress"}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        response = responses.retrieve(response.id)
    assert response.status == "completed"
    assert response.output[-1].content[0].annotations[0].filename == "safety.md"
    events = list(responses.create(model="rag", input=QUESTION, stream=True))
    final = events[-1].response
    assert final.output_text == response.output_text
    assert list(responses.retrieve(final.id, stream=True, starting_after=4)) == events[5:]


def test_a_question_about_nothing_in_the_documents_is_declined(system, handbook):
    answer = ask(system, "Which football club won the cup in 1954?")
    assert answer.choices[0].message.content == "I don't know."
    assert answer.usage.completion_tokens == 0


def test_every_answer_names_its_request_and_its_stages(system, handbook):
    reply = system.openai.chat.completions.with_raw_response.create(
        model="rag",
        messages=[{"role": "user", "content": QUESTION}],
        extra_headers={"x-request-id": "abc-1"},
    )
    assert reply.headers["x-request-id"] == "abc-1"
    stages = {entry.split(";")[0].strip() for entry in reply.headers["server-timing"].split(",")}
    assert {"embed", "retrieve", "rerank", "generate", "check_question", "check_answer"} <= stages


def test_embeddings_search_and_moderation_answer_from_the_models(system, handbook):
    client = system.openai
    vectors = client.embeddings.create(model="embedder", input=["a cat", "a kitten", "tax law"])
    cat, kitten, tax = (item.embedding for item in vectors.data)
    assert dot(cat, kitten) > dot(cat, tax) + 0.2
    found = client.vector_stores.search(handbook.id, query="What is the limit for a file?")
    assert found.data[0].filename == "documents.md"
    judged = client.moderations.create(input=["I will kill you tonight.", "Kill the process."])
    assert [result.flagged for result in judged.results] == [True, False]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_a_deleted_document_is_not_found_any_more(system, handbook):
    client = system.openai
    store = client.vector_stores.create(name="short-lived")
    file = client.files.create(
        file=("note.txt", b"The zebra is called Ludwig."), purpose="assistants"
    )
    client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    assert client.vector_stores.search(store.id, query="zebra").data[0].filename == "note.txt"
    client.files.delete(file.id)
    assert client.vector_stores.search(store.id, query="zebra").data == []


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("binary.txt", b"\x00\x01\x02\x03", "invalid_file"),
        ("words.docx", b"no archive", "invalid_file"),
        ("blank.md", b"   \n\n ", "invalid_file"),
        ("program.exe", b"MZ", "unsupported_file"),
    ],
)
def test_a_file_that_cannot_be_read_fails_and_says_why(system, handbook, name, data, code):
    client = system.openai
    store = client.vector_stores.create(name="bad")
    file = client.files.create(file=(name, data), purpose="assistants")
    done = client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    assert done.status == "failed"
    assert done.last_error.code == code
    assert done.last_error.message


def service_mb(system):
    """The memory of all that `serve run` started, and of the processes that read files in it.

    Proportional set sizes (proc(5)): what several processes share counts once.
    """
    sizes = {True: 0.0, False: 0.0}
    for pid in processes.descendants(system.process.pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            is_reader = b"index.parsing.sandbox_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
            sizes[is_reader] += int(re.search(r"^Pss: +(\d+) kB", rollup, re.M)[1]) / 1024
    return sizes[False], sizes[True]


@contextmanager
def repeated(function):
    """Calls a function twice a second meanwhile; gives the list of what it returned."""
    ended, results = threading.Event(), []

    def repeat():
        while not ended.wait(0.5):
            results.append(function())

    with ThreadPoolExecutor(1) as threads:
        repeating = threads.submit(repeat)
        try:
            yield results
        finally:
            ended.set()
    repeating.result()


def test_hostile_files_fail_and_hurt_nobody(system, handbook):
    client = system.openai
    store = client.vector_stores.create(name="hostile")
    before_mb, _ = service_mb(system)
    with (
        repeated(lambda: client.vector_stores.search(handbook.id, query="port").data) as answers,
        repeated(lambda: service_mb(system)) as sizes,
    ):
        for name, data in hostile_files().items():
            file = client.files.create(file=(name, data), purpose="assistants")
            done = client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
            assert done.status == "failed", name
            assert done.last_error.message, name
        with pytest.raises(openai.APIStatusError) as refused:
            client.files.create(file=("long.txt", b"x" * 200 * 2**20), purpose="assistants")
    assert refused.value.status_code == 413
    assert len(answers) > 5
    assert all(answers)
    grown_mb, readers_mb = max(one for one, _ in sizes) - before_mb, max(one for _, one in sizes)
    logging.info("%.0f MB more, and at most %.0f MB to read the files", grown_mb, readers_mb)
    assert grown_mb < 256


CHAT = {"messages": [{"role": "user", "content": "port?"}], "max_tokens": 48}


def rerank_of(turn):
    """Long documents that no other request has: 200 of these take longer than a call may wait."""
    documents = [f"{turn}.{index}: " + "the port is 8000 " * 30 for index in range(8)]
    return {"model": "reranker", "query": "port?", "documents": documents}


# A question as short as this costs the Gateway more than the models, so a burst may find room.
@pytest.mark.parametrize(
    ("route", "body", "wanted"),
    [
        ("/v2/rerank", rerank_of, {200, 503}),
        ("/v1/chat/completions", lambda _: {"model": "rag", **CHAT}, {200}),
        ("/v1/chat/completions", lambda _: {"model": "rag", "stream": True, **CHAT}, {200}),
    ],
    ids=["rerank", "chat", "stream"],
)
async def test_overload_is_refused_quickly_and_never_with_a_500(
    system, handbook, route, body, wanted
):
    async with httpx.AsyncClient(base_url=system.url, timeout=300) as client:
        replies = await asyncio.gather(
            *(client.post(route, json=body(turn)) for turn in range(200))
        )
    assert wanted <= {reply.status_code for reply in replies} <= {200, 503}
    for refused in (reply for reply in replies if reply.status_code == 503):
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "overloaded"


def test_documents_survive_a_sigkill_of_everything(system, handbook):
    client = system.openai
    store = client.vector_stores.create(name="durable")
    facts = {"heron.txt": b"The heron is called Agatha.", "otter.md": b"The otter is called Bruno."}
    for name, data in facts.items():
        file = client.files.create(file=(name, data), purpose="assistants")
        done = client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
        assert done.status == "completed"
    assert len(system.kill()) > 10
    system.start()
    for animal, name in {"heron": "heron.txt", "otter": "otter.md"}.items():
        found = client.vector_stores.search(store.id, query=f"What is the {animal} called?")
        assert found.data[0].filename == name
        answer = client.chat.completions.create(
            model="rag:durable",
            messages=[{"role": "user", "content": f"What is the {animal} called?"}],
        )
        sources = answer.choices[0].message.model_extra["context"]["citations"]
        assert sources[0]["filepath"] == name
