"""Asks a system the exam's questions over the OpenAI API, and nothing else of it.

Two things are read that the API leaves open: an annotation of an answer names the id of the cited
file anywhere in it (`file_citation`, or a `url_citation` whose URL holds it), and the search of a
vector store returns passages.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai import APIStatusError, OpenAI

from benchmarks.exam.judge import Verdict, judge, states
from benchmarks.exam.questions import Question

N_RETRIEVED = 4  # passages that the search may return for the asked one to count as found


@dataclass(frozen=True, kw_only=True)
class Store:
    """A vector store with the exam's documents.

    Attributes:
        id: of the store.
        names: file names by file id.
        unread: names of the documents that the system refused or could not read.
    """

    id: str
    names: Mapping[str, str]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """One conversation with what the system said, unedited, and the verdict on its last answer.

    Attributes:
        answers: one for each turn; empty where the system refused.
        cited: file name of each citation of the last answer.
        found: a search for the last turn returns a passage with an asked fact; None without any.
        ended: the finish reason, or the HTTP status of a refusal.
    """

    question: Question
    answers: tuple[str, ...]
    cited: tuple[str, ...]
    found: bool | None
    verdict: Verdict
    ended: str
    latency_s: float


@dataclass
class _Reply:
    answer: str
    ended: str
    cited: list[str] = field(default_factory=list)


def upload(client: OpenAI, files: Sequence[Path], *, wait_s: float = 600.0) -> Store:
    """Upload files into a new vector store and return it once all are searchable or failed.

    Raises:
        TimeoutError: If a file is not ready in time.
    """
    store = client.vector_stores.create(name="exam").id
    names, unread = {}, []
    for file in files:
        try:
            uploaded = client.files.create(file=file, purpose="assistants")
            client.vector_stores.files.create(vector_store_id=store, file_id=uploaded.id)
        except APIStatusError as err:
            print(f"{file.name} is refused: {err}")
            unread.append(file.name)
        else:
            names[uploaded.id] = file.name
    ends_at = time.monotonic() + wait_s
    while (counts := client.vector_stores.retrieve(store).file_counts).in_progress:
        if time.monotonic() > ends_at:
            raise TimeoutError(f"{counts.completed} of {len(files)} files ready after {wait_s} s")
        time.sleep(0.5)
    for item in client.vector_stores.files.list(store, filter="failed"):
        print(f"{names[item.id]} failed: {item.last_error}")
        unread.append(names[item.id])
    return Store(id=store, names=names, unread=tuple(unread))


def filled_store(client: OpenAI, store: str) -> Store:
    """Return a store that holds the documents already."""
    ids = [item.id for item in client.vector_stores.files.list(store)]
    return Store(id=store, names={id_: client.files.retrieve(id_).filename for id_ in ids})


def ask(client: OpenAI, store: Store, question: Question) -> Transcript:
    """Hold a conversation and judge its last answer."""
    messages: list[dict[str, str]] = []
    answers = []
    reply = _Reply(answer="", ended="")
    started_at = time.monotonic()
    for turn in question.turns:
        started_at = time.monotonic()
        messages.append({"role": "user", "content": turn})
        reply = _reply(client, store, messages)
        answers.append(reply.answer)
        messages.append({"role": "assistant", "content": reply.answer or "..."})
    latency_s = time.monotonic() - started_at
    return Transcript(
        question=question,
        answers=tuple(answers),
        cited=tuple(reply.cited),
        found=_is_found(client, store, question) if question.documents else None,
        verdict=judge(question, reply.answer, reply.cited),
        ended=reply.ended,
        latency_s=round(latency_s, 3),
    )


def _reply(client: OpenAI, store: Store, messages: list[dict[str, str]]) -> _Reply:
    try:
        completion = client.chat.completions.create(
            model=f"rag:{store.id}",
            messages=messages,  # type: ignore[arg-type]  # its union of TypedDicts
        )
    except APIStatusError as err:
        return _Reply(answer="", ended=f"HTTP {err.status_code}")
    choice = completion.model_dump()["choices"][0]
    return _Reply(
        answer=choice["message"].get("content") or "",
        ended=choice["finish_reason"],
        cited=cited_files(choice["message"], store.names),
    )


def cited_files(message: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Return the file name of each annotation; what names no known file is `unknown`."""
    cited = []
    for annotation in message.get("annotations") or []:
        text = json.dumps(annotation)
        cited.append(next((name for id_, name in names.items() if id_ in text), "unknown"))
    return cited


def _is_found(client: OpenAI, store: Store, question: Question) -> bool:
    query = question.turns[-1]
    try:
        hits = client.vector_stores.search(store.id, query=query, max_num_results=N_RETRIEVED)
    except APIStatusError:
        return False
    return any(
        hit.filename in question.documents
        and any(
            states(" ".join(part.text for part in hit.content), fact) for fact in question.facts
        )
        for hit in hits
    )
