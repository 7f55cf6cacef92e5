"""Drafts of questions from a store's own documents: `python -m graphs.commands.drafts`.

    python -m graphs.commands.drafts --store manuals --questions 50 --out drafts.jsonl
    ... look at each line, correct it or delete it ...
    python -m benchmarks.evaluate --store manuals --questions drafts.jsonl

A generator reads passages of the store, documents in turn, and writes a question and its answer for
each. Kept is what stands alone and whose answer stands in the passage. Drafts ask what one passage
says, so they tell how well passages are found, not what people ask; `"expect": "decline"` lines
have to be written by hand. The generator is that of the system, or that of another server with
OpenAI's API (`--writer-url`, `--writer-model`): passages are then sent there. A server that only
quotes (`answers: quote`, as the bundled models do) writes none.

Exit status: 0 written; 1 fewer than asked for; 2 wrong arguments, or a server does not answer.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import httpx
import openai
from rich.console import Console
from rich.progress import Progress

from graphs.commands.command import ENDED_EARLY, WRONG_ARGUMENTS, refuse
from graphs.commands.drafting import (
    SCHEMA,
    Draft,
    SourcePassage,
    UselessDraftError,
    checked,
    chosen,
    messages_for,
)
from graphs.pipeline.prompt import QUOTES_ONLY

_MAX_QUESTIONS = 10_000
_PAGE = 100
_MAX_FAILED = 3  # calls in a row; then the writer is given up
_TRIES = 4  # passages that are asked about for each draft that is wanted, at most
_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "draft", "schema": SCHEMA, "strict": True},
}


class UnusableServerError(RuntimeError):
    """A server does not answer as it should; the message says how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        drafts, useless = _drafts(options, console)
    except (UnusableServerError, OSError) as err:
        return refuse(console, err, WRONG_ARGUMENTS)
    console.print(f"{len(drafts)} drafts in {options.out}", highlight=False)
    for why, number in useless.most_common():
        console.print(f"{number} were of no use: {why}", highlight=False)
    return 0 if len(drafts) == options.questions else ENDED_EARLY


def _drafts(options: argparse.Namespace, console: Console) -> tuple[list[Draft], Counter[str]]:
    with ExitStack() as stack:
        http = stack.enter_context(_client(options))
        url = options.writer_url or options.base_url
        key = options.writer_key if options.writer_url else options.api_key
        writer = stack.enter_context(
            openai.OpenAI(base_url=url, api_key=key or "none", timeout=options.timeout_s)
        )
        progress = stack.enter_context(Progress(console=console, transient=True))
        task = progress.add_task("drafting", total=options.questions)
        passages = list(chosen(_passages(http, options.store), options.seed))
        out = stack.enter_context(options.out.open("w", encoding="utf-8"))
        return _asked(options, writer, passages, out, lambda: progress.advance(task))


def _asked(
    options: argparse.Namespace, writer: openai.OpenAI, passages: Sequence[SourcePassage],
    out: TextIO, advance: Callable[[], None],
) -> tuple[list[Draft], Counter[str]]:  # fmt: skip
    """Writes each draft when it is made, so that an end before time loses none."""
    drafts: list[Draft] = []
    useless: Counter[str] = Counter()
    failed = 0  # calls in a row
    for passage in passages[: _TRIES * options.questions]:
        try:
            written = _written(writer, options.writer_model, passage)
            failed = 0
            drafts.append(checked(written, passage, drafts))
        except openai.OpenAIError as err:
            failed += 1
            useless["the writer failed"] += 1
            if failed == min(_MAX_FAILED, len(passages)):
                told = f"{len(drafts)} are in {options.out}"
                raise UnusableServerError(
                    f"{writer.base_url} writes no drafts, {told}: {err}"
                ) from err
        except UselessDraftError as err:
            useless[str(err)] += 1
        else:
            _append(out, drafts)
            advance()
        if len(drafts) == options.questions:
            break
    return drafts, useless


def _append(out: TextIO, drafts: Sequence[Draft]) -> None:
    out.write(json.dumps(drafts[-1].line(len(drafts)), ensure_ascii=False) + "\n")
    out.flush()


def _written(writer: openai.OpenAI, model: str, passage: SourcePassage) -> str:
    reply = writer.chat.completions.create(
        model=model, messages=messages_for(passage), response_format=_FORMAT, max_tokens=200,
        temperature=0.7, seed=0,
    )  # type: ignore[call-overload]  # fmt: skip
    text = reply.choices[0].message.content or ""
    if text == QUOTES_ONLY:
        msg = f"{writer.base_url} only quotes; name a server that writes: --writer-url"
        raise UnusableServerError(msg)
    return str(text)


def _passages(http: httpx.Client, store: str) -> Iterator[SourcePassage]:
    """Gives every passage of a store."""
    stores = [one for one in _listed(http, "vector_stores") if store in {one["id"], one["name"]}]
    if not stores:
        raise UnusableServerError(f"{http.base_url} has no vector store {store!r}")
    path = f"vector_stores/{quote(stores[0]['id'], safe='')}/files"
    for file in _listed(http, path, filter="completed"):
        name = _got(http, f"files/{file['id']}")["filename"]
        for one in _got(http, f"{path}/{file['id']}/content")["data"]:
            yield SourcePassage(document=name, text=one["text"])


def _listed(http: httpx.Client, path: str, **asked: str) -> Iterator[dict[str, Any]]:
    after: dict[str, str] = {}
    while True:
        page = _got(http, path, limit=str(_PAGE), **asked, **after)
        yield from page["data"]
        if not page["has_more"]:
            return
        after = {"after": page["last_id"]}


def _got(http: httpx.Client, path: str, **asked: str) -> Any:
    try:
        reply = http.get(path, params=asked)
    except httpx.HTTPError as err:
        raise UnusableServerError(f"{http.base_url} does not answer: {err}") from err
    if not reply.is_success:
        raise UnusableServerError(f"{reply.url} gives {reply.status_code}: {reply.text[:200]}")
    return reply.json()


def _client(options: argparse.Namespace) -> httpx.Client:
    return httpx.Client(
        base_url=options.base_url.rstrip("/") + "/", timeout=options.timeout_s,
        headers={"authorization": f"Bearer {options.api_key}"},
    )  # fmt: skip


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= _MAX_QUESTIONS:
        raise argparse.ArgumentTypeError(f"must be in 1..{_MAX_QUESTIONS}, got {text!r}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m graphs.commands.drafts", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("--store", required=True, help="name or id of the vector store")
    option("--out", type=Path, required=True, help="where the drafts go, a line each")
    option("--questions", type=_count, default=50, help="how many (%(default)s)")
    option("--base-url", default="http://127.0.0.1:8000/v1", help="%(default)s")
    option("--api-key", default=os.environ.get("OPENAI_API_KEY", "none"))
    option("--writer-url", metavar="URL", help="the /v1 of another server that writes")
    option("--writer-model", default="generator", metavar="NAME", help="%(default)s")
    option("--writer-key", default=os.environ.get("WRITER_API_KEY"), help="or WRITER_API_KEY")
    option("--seed", type=int, default=0, help="of the choice of passages (%(default)s)")
    option("--timeout-s", type=float, default=300.0, help="of one request (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
