"""The exam: hand-written documents and questions, asked over the OpenAI-compatible HTTP API alone.

    python -m benchmarks.answers --base-url http://127.0.0.1:8000/v1 --out answers.json

It uploads `benchmarks/data/exam/documents` into a new vector store, asks each question of
`questions.jsonl` to the model `rag:<store>`, and measures whether the passage was retrieved, the
answer holds the asked fact, its citation points to the right passage, and whether questions that
no document answers are declined.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openai import OpenAI

EXAM = Path(__file__).resolve().parent / "data" / "exam"
N_RETRIEVED = 4  # passages that the search may return for the asked one to count as retrieved
DECLINE = "i don't know"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question, the document that answers it, and strings of which the answer must hold one."""

    question: str
    document: str | None
    facts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A passage that the system searched or cited."""

    filename: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """One question with what the system did with it, unedited, and the verdicts."""

    question: str
    document: str | None
    answer: str
    cited: tuple[Source, ...]
    retrieved: bool | None
    right: bool | None
    cited_right: bool | None
    declined: bool
    finish_reason: str
    latency_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exam, print its table and write the numbers and the transcripts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--api-key", default=os.environ.get("OPENAI_API_KEY", "none"))
    parser.add_argument("--store", help="a filled vector store; default: upload into a new one")
    parser.add_argument("--limit", type=int, help="ask only the first questions")
    parser.add_argument("--out", type=Path, help="write numbers and transcripts as JSON")
    options = parser.parse_args(arguments)
    client = OpenAI(base_url=options.base_url, api_key=options.api_key, timeout=300)
    store = options.store or upload(client, sorted((EXAM / "documents").iterdir()))
    transcripts = []
    for number, question in enumerate(read_questions()[: options.limit], start=1):
        transcripts.append(ask(client, store, question))
        print(f"[{number}] {question.question} -> {transcripts[-1].answer}", flush=True)
    numbers = summary(transcripts)
    print("| measure | right | of | share |\n|---|---|---|---|")
    for name, (right, total) in numbers.items():
        print(f"| {name} | {right} | {total} | {right / max(1, total):.0%} |")
    if options.out:
        report = {"numbers": numbers, "transcripts": [asdict(item) for item in transcripts]}
        options.out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return 0


def read_questions() -> list[Question]:
    """Return the exam's questions."""
    lines = (EXAM / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Question(question=row["question"], document=row["document"], facts=tuple(row["facts"]))
        for row in map(json.loads, lines)
    ]


def upload(client: OpenAI, files: Sequence[Path], *, wait_s: float = 600.0) -> str:
    """Upload files into a new vector store and return its id once all are searchable.

    Raises:
        RuntimeError: If a file fails.
        TimeoutError: If a file is not ready in time.
    """
    store = client.vector_stores.create(name="exam").id
    for file in files:
        uploaded = client.files.create(file=file, purpose="assistants")
        client.vector_stores.files.create(vector_store_id=store, file_id=uploaded.id)
    ends_at = time.monotonic() + wait_s
    while True:
        counts = client.vector_stores.retrieve(store).file_counts
        if counts.failed or counts.cancelled:
            raise RuntimeError(f"{counts.failed} of {counts.total} files failed in {store}")
        if counts.total == len(files) == counts.completed:
            return store
        if time.monotonic() > ends_at:
            raise TimeoutError(f"{counts.completed} of {len(files)} files ready after {wait_s} s")
        time.sleep(0.5)


def ask(client: OpenAI, store: str, question: Question) -> Transcript:
    """Search for a question, ask it, and judge what came back."""
    found = client.vector_stores.search(store, query=question.question, max_num_results=N_RETRIEVED)
    passages = [
        Source(filename=hit.filename, text=" ".join(part.text for part in hit.content))
        for hit in found.data
    ]
    started_at = time.monotonic()
    completion = client.chat.completions.create(
        model=f"rag:{store}", messages=[{"role": "user", "content": question.question}]
    )
    latency_s = time.monotonic() - started_at
    answer = completion.choices[0].message.content or ""
    cited = cited_sources(completion.model_dump())
    declined = is_decline(answer)
    asked = question.document is not None
    return Transcript(
        question=question.question,
        document=question.document,
        answer=answer,
        cited=tuple(cited),
        retrieved=any(holds(question, source) for source in passages) if asked else None,
        right=not declined and mentions(answer, question.facts) if asked else None,
        cited_right=any(holds(question, source) for source in cited) if asked else None,
        declined=declined,
        finish_reason=completion.choices[0].finish_reason,
        latency_s=round(latency_s, 3),
    )


def cited_sources(completion: dict[str, Any]) -> list[Source]:
    """Return the passages that an answer cites.

    `message.annotations` says which [n] the answer holds; `message.context.citations`, numbered
    from 1, has each passage's text and file. A citation without an annotation is not counted.
    """
    choice = completion["choices"][0]["message"]
    content = choice.get("content") or ""
    passages = (choice.get("context") or {}).get("citations") or []
    sources = []
    for annotation in choice.get("annotations") or []:
        place = annotation["url_citation"]
        marker = content[place["start_index"] : place["end_index"]].strip(" []")
        if marker.isdigit() and 1 <= int(marker) <= len(passages):
            passage = passages[int(marker) - 1]
            name = passage.get("filepath") or passage.get("title") or ""
            sources.append(Source(filename=name, text=passage["content"]))
    return sources


def holds(question: Question, source: Source) -> bool:
    """Say whether a passage is from the asked document and holds the asked fact."""
    same = question.document is not None and question.document in source.filename
    return same and mentions(source.text, question.facts)


def mentions(text: str, facts: Sequence[str]) -> bool:
    """Say whether a text holds one of the facts, whatever the case and the white space."""
    plain = " ".join(text.lower().split())
    return any(fact.lower() in plain for fact in facts)


def is_decline(answer: str) -> bool:
    """Say whether an answer is "I don't know.", whatever the case, dots and apostrophe."""
    return answer.lower().replace("\u2019", "'").strip(" .!\n") == DECLINE


def summary(transcripts: Sequence[Transcript]) -> dict[str, tuple[int, int]]:
    """Return (right, of how many) of each measure."""
    asked = [item for item in transcripts if item.document is not None]
    answered = [item for item in asked if not item.declined]
    hopeless = [item for item in transcripts if item.document is None]
    return {
        "passage retrieved": (sum(bool(item.retrieved) for item in asked), len(asked)),
        "answer holds the fact": (sum(bool(item.right) for item in asked), len(asked)),
        "citation right, of all": (sum(bool(item.cited_right) for item in asked), len(asked)),
        "citation right, of answers": (
            sum(bool(item.cited_right) for item in answered),
            len(answered),
        ),
        "declined without an answer": (sum(item.declined for item in hopeless), len(hopeless)),
    }


if __name__ == "__main__":
    raise SystemExit(main())
