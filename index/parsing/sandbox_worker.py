"""The other side of index/parsing/sandbox.py: `python -m index.parsing.sandbox_worker`.

Reads requests from its standard input and answers each on its standard output. Every request is
read by a copy of this process (one thread, so a fork is safe), confined before it sees the first
byte: what a hostile file does to it is gone with it. This process itself sees no file. A copy that
does not end well ends this process the same way, and the sandbox starts another.

A request is a line of JSON (names, numbers of bytes, limits) and the bytes of its files; the answer
is a line of JSON for each file with the document or the error.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from index.errors import CorpusError, FileLimitError
from index.parsing.document import Block, Document
from index.parsing.parse import parse, parser_of
from index.parsing.parse_limits import ParseLimits
from index.parsing.sandbox_confine import forbid_reaching_out, limit_resources

READY = b"ready\n"
_FAILED = 70  # EX_SOFTWARE of sysexits.h


def request_line(files: Sequence[tuple[str, bytes]], limits: ParseLimits) -> bytes:
    """Writes what comes before the bytes of files."""
    sizes = [(name, len(data)) for name, data in files]
    request = {"files": sizes, "limits": asdict(limits)}
    return json.dumps(request).encode() + b"\n"


def serve(requests: io.FileIO, answers: io.BufferedIOBase) -> int:
    """Answers until there are no more requests, or one ended badly; gives the exit status."""
    answers.write(READY)
    answers.flush()
    while line := requests.readline():
        request = json.loads(line)
        for filename, _ in request["files"]:
            with contextlib.suppress(CorpusError):  # the copy will say so
                parser_of(filename)  # imported once, for all copies to come
        child = os.fork()
        if child == 0:
            _answer(request, requests, answers)
        _, status = os.waitpid(child, 0)
        if status:
            return os.waitstatus_to_exitcode(status)
    return 0


def _answer(request: dict[str, Any], requests: io.FileIO, answers: io.BufferedIOBase) -> None:
    """Answers one request and ends this process, whatever happens."""
    status = _FAILED
    try:
        limits = ParseLimits(**request["limits"])
        limit_resources(limits)
        forbid_reaching_out()
        reader = io.BufferedReader(requests)
        files = [(name, reader.read(num_bytes)) for name, num_bytes in request["files"]]
        for name, data in files:  # all are here: whoever sent them is listening now
            answers.write(_reply(name, data, limits))
            answers.flush()
        status = 0
    finally:
        os._exit(status)


def _reply(filename: str, data: bytes, limits: ParseLimits) -> bytes:
    try:
        document = parse(filename, data, limits)
        answer = {"title": document.title, "date": document.date}
        return _line({**answer, "sections": _sections(document)})
    except CorpusError as err:
        return _line({"error": type(err).__name__, "message": str(err)})
    except MemoryError:
        message = f"{filename!r} needs more than {limits.memory_mb} MB of memory to be read"
        return _line({"error": FileLimitError.__name__, "message": message})


def _line(answer: dict[str, object]) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _sections(document: Document) -> list[list[object]]:
    """The blocks, grouped by what neighbours share."""

    def shared(block: Block) -> tuple[object, ...]:
        return block.heading_path, block.kind, block.page, block.columns

    return [
        [*key, [block.text for block in blocks]]
        for key, blocks in groupby(document.blocks, key=shared)
    ]


def main() -> int:
    """Takes the pipes for itself, so that nothing a parser prints gets into an answer."""
    # Unbuffered, or it would take bytes of a file that its copy should read.
    requests = io.FileIO(os.dup(0), "rb")
    answers = io.BufferedWriter(io.FileIO(os.dup(1), "wb"))
    os.dup2(2, 1)
    # openpyxl imports numpy where it can, to accept its numbers: 100 ms, and threads.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    return serve(requests, answers)


if __name__ == "__main__":
    result = main()
    os._exit(128 - result if result < 0 else result)
