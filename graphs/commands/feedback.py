"""Feedback as an evaluation set: one JSON object a line, by the names that RAGAS reads.

    user_input           the question
    response             what was answered
    reference            what should have been: the correction, or an answer that was found good
    retrieved_contexts   the texts of the passages that the answer stood on
    metadata             rating, comment, model, response_id and time

An answer that was found bad and not corrected has no `reference`; `--with-reference` leaves it out.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from graphs.commands.command import ENDED_EARLY, refuse

_PAGE = 100
_TIMEOUT_S = 60.0


class ExportError(RuntimeError):
    """The server does not give its feedback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the set; gives 1 when the server does not answer, or refuses."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    headers = {"authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    try:
        with httpx.Client(
            base_url=options.base_url.rstrip("/"), headers=headers, timeout=_TIMEOUT_S
        ) as client:
            lines = [json.dumps(one, ensure_ascii=False) for one in _wanted(client, options)]
        text = "".join(f"{line}\n" for line in lines)
        if options.out is None:
            sys.stdout.write(text)
        else:
            options.out.write_text(text, encoding="utf-8")
    except (ExportError, OSError) as err:
        return refuse(console, err, ENDED_EARLY)
    console.print(f"{len(lines)} questions", highlight=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m graphs.commands.feedback", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    export = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "export", help="write what people said as an evaluation set"
    )
    export.add_argument("--base-url", default="http://127.0.0.1:8000/v1", metavar="URL")
    export.add_argument("--api-key", default=os.environ.get("OPENAI_API_KEY", ""), metavar="KEY",
                        help="default: OPENAI_API_KEY")  # fmt: skip
    export.add_argument("--rating", choices=("up", "down"), help="only these")
    export.add_argument("--with-reference", action="store_true", help="only those that have one")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    return parser


def _wanted(client: httpx.Client, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for said in _said(client, options.rating):
        sample = sample_of(said)
        if sample is not None and ("reference" in sample or not options.with_reference):
            yield sample


def _said(client: httpx.Client, rating: str | None) -> Iterator[dict[str, Any]]:
    """Walks all feedback of the key's tenant, oldest first.

    Raises:
        ExportError: the server refuses, or cannot be reached.
    """
    asked: dict[str, str | int] = {"limit": _PAGE, "order": "asc"}
    if rating:
        asked["rating"] = rating
    while True:
        try:
            reply = client.get("/feedback", params=asked)
        except httpx.HTTPError as err:
            raise ExportError(f"no answer from {client.base_url}: {err}") from err
        if reply.status_code != httpx.codes.OK:
            raise ExportError(f"{reply.url} answers {reply.status_code}: {reply.text[:300]}")
        page = reply.json()
        yield from page["data"]
        if not page["has_more"]:
            return
        asked["after"] = page["last_id"]


def sample_of(said: dict[str, Any]) -> dict[str, Any] | None:
    """Makes a line of what was said of an answer; None where the question was not told."""
    if not said["question"]:
        return None
    good = said["answer"] if said["rating"] == "up" else None
    reference = said["corrected_answer"] or good
    told = ("rating", "comment", "model", "response_id", "created_at")
    return {
        "user_input": said["question"],
        "response": said["answer"] or "",
        **({"reference": reference} if reference else {}),
        "retrieved_contexts": said["contexts"],
        "metadata": {name: said[name] for name in told if said[name] is not None},
    }


if __name__ == "__main__":
    sys.exit(main())
