"""Asks a running system over HTTP: an answer, a search, and whether the answer is grounded."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from benchmarks.evaluate.measures import DEPTH, Found, Reply
from benchmarks.evaluate.sets import Question
from benchmarks.exam.judge import is_decline

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_MARKER = re.compile(r"\[\d+\]")
_GROUNDED = 0.5  # score of the reranker at which a passage supports a sentence
_SHOWN_CHARS = 200


class UnusableSystemError(RuntimeError):
    """The system does not answer as it should; the message says how."""


class System:
    """One running system and a vector store of it.

    Args:
        base_url: with its `/v1`.
        store: name or id.
        api_key: sent with every request.
        timeout_s: of one request.
        checks_grounding: whether sentences are compared with what they cite, by the reranker.
    """

    def __init__(
        self, base_url: str, store: str, *, api_key: str, timeout_s: float, checks_grounding: bool
    ) -> None:
        self._store = store
        self._checks_grounding = checks_grounding
        self._http = httpx.Client(
            base_url=base_url.rstrip("/") + "/", timeout=timeout_s,
            headers={"authorization": f"Bearer {api_key}"},
        )  # fmt: skip

    def ask(self, question: Question) -> Reply:
        """Asks one question; what the system refuses is a reply with its error.

        Raises:
            UnusableSystemError: the system is not there, or knows no such store.
        """
        found = self._search(question.text)
        body = {
            "model": f"rag:{self._store}",
            "messages": [{"role": "user", "content": question.text}],
        }
        began = time.perf_counter()
        reply = self._post("chat/completions", body)
        latency_s = time.perf_counter() - began
        request_id = reply.headers.get("x-request-id", "")
        if not reply.is_success:
            return _refused(found, latency_s, request_id, reply)
        told = reply.json()
        message = told["choices"][0]["message"]
        answer = message.get("content") or ""
        usage = told.get("usage") or {}
        passages = [str(one["content"]) for one in _read(message)]
        return Reply(
            answer=answer,
            cited=_cited(message),
            passages=tuple(passages),
            found=found,
            latency_s=latency_s,
            request_id=request_id,
            grounded=self.grounded(answer, passages) if self._checks_grounding else None,
            num_prompt_tokens=int(usage.get("prompt_tokens", 0)),
            num_completion_tokens=int(usage.get("completion_tokens", 0)),
        )

    def _search(self, text: str) -> tuple[Found, ...]:
        path = f"vector_stores/{quote(self._store, safe='')}/search"
        reply = self._post(path, {"query": text, "max_num_results": DEPTH})
        if not reply.is_success:
            raise UnusableSystemError(f"{reply.url} gives {reply.status_code}: {_error_of(reply)}")
        return tuple(
            Found(name=one["filename"], text=" ".join(part["text"] for part in one["content"]))
            for one in reply.json()["data"]
        )

    def grounded(self, answer: str, passages: Sequence[str]) -> float | None:
        """Gives the share of sentences that a passage supports, by the reranker of the system."""
        sentences = [_MARKER.sub("", one).strip() for one in _SENTENCE.split(answer)]
        sentences = [one for one in sentences if any(map(str.isalnum, one))]
        if not sentences or is_decline(answer):
            return None
        if not any(passages):
            return 0.0
        kept = [one for one in passages if one.strip()]
        return sum(self._supports(one, kept) for one in sentences) / len(sentences)

    def _supports(self, sentence: str, passages: Sequence[str]) -> bool:
        if any(" ".join(sentence.split()) in " ".join(one.split()) for one in passages):
            return True
        reply = self._post("rerank", {"query": sentence, "documents": list(passages)})
        if not reply.is_success:
            raise UnusableSystemError(f"{reply.url} gives {reply.status_code}: {_error_of(reply)}")
        return any(one["relevance_score"] >= _GROUNDED for one in reply.json()["results"])

    def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        try:
            return self._http.post(path, json=body)
        except httpx.HTTPError as err:
            raise UnusableSystemError(f"{self._http.base_url} does not answer: {err}") from err

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()


def _read(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Gives the passages that the answer was written from, as Azure's `context` tells them."""
    citations: Sequence[Mapping[str, Any]] = (message.get("context") or {}).get("citations") or ()
    return citations


def _cited(message: Mapping[str, Any]) -> tuple[str, ...]:
    """Gives the names of the cited documents, each once."""
    numbers = {int(one.strip("[]")) for one in _MARKER.findall(message.get("content") or "")}
    read = enumerate(_read(message), start=1)
    return tuple(dict.fromkeys(str(one["filepath"]) for number, one in read if number in numbers))


def _refused(
    found: tuple[Found, ...], latency_s: float, request_id: str, reply: httpx.Response
) -> Reply:
    return Reply(
        answer="", cited=(), passages=(), found=found, latency_s=latency_s, request_id=request_id,
        error=f"HTTP {reply.status_code}: {_error_of(reply)}",
    )  # fmt: skip


def _error_of(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return reply.text[:_SHOWN_CHARS]
