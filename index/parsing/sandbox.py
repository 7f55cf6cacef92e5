"""Reads files of strangers in a process with limits: what they do there hurts nobody.

    this process            worker, started once      a copy for each file, or group of small texts
    Sandbox --- files --->  has the parsers loaded --- fork --->  confined, then parses
       <--- a line of JSON for each document -------------------------'
    no line in time: kills the worker's process group, says why, starts another for the next file

Not a virtual machine: a file that takes over its parser can still read what this user can read. But
it has no network, no other programs, no environment, little memory and little time.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from index.errors import (
    CorpusError,
    FileLimitError,
    InvalidFileError,
    SandboxError,
    UnsupportedFileError,
)
from index.parsing.document import BLOCK_SEPARATOR, Block, Document, iso_date
from index.parsing.parse import base_name, check_size, is_read_in_c, parser_name
from index.parsing.parse_limits import ParseLimits
from index.parsing.sandbox_worker import READY, request_line

_ROOT = Path(__file__).parents[2]
_START_S = 60.0
_BUFFER_BYTES = 2**18
_MAX_MESSAGE_CHARS = 500
_GROUP, _SMALL_BYTES = 32, 2**16  # most files that share a copy, and the largest of them
_ERRORS: dict[str, type[CorpusError]] = {
    error.__name__: error for error in (UnsupportedFileError, InvalidFileError, FileLimitError)
}


class Sandbox:
    """Owns the process that reads files; started for the first one, replaced after a bad one.

    Any number of threads may call; they take turns. The process ends when this one does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: _Worker | None = None

    def parse_all(
        self, files: Sequence[tuple[str, bytes]], limits: ParseLimits | None = None
    ) -> list[Document | CorpusError]:
        """Reads files as `parse` does, one after the other; small texts share a confined copy.

        A copy costs ten milliseconds, more than a short text. Those that share one share its
        limits; what was unread when it ended badly is read again, each file in its own copy.

        Args:
            files: (filename, bytes) of each.
            limits: what each may cost.

        Returns:
            The document of each file, or what `parse` would raise for it.

        Raises:
            SandboxError: the process does not start.
        """
        limits = limits or ParseLimits()
        found: list[Document | CorpusError | None] = []
        readable: list[tuple[str, bytes]] = []
        for filename, data in files:
            name = base_name(filename)
            try:
                parser_name(name)
                check_size(name, len(data), limits)
            except CorpusError as err:
                found.append(err)
            else:
                found.append(None)
                readable.append((name, data))
        read = (one for group in _groups(readable) for one in self._read(group, limits))
        return [next(read) if one is None else one for one in found]

    def parse(self, filename: str, data: bytes, limits: ParseLimits | None = None) -> Document:
        """Reads a file as index.parsing.parse does, in the process with limits.

        Raises:
            UnsupportedFileError: no parser reads this extension.
            InvalidFileError: the bytes are not what the name says, are broken, or hold no text.
            FileLimitError: reading them needs more than the limits allow.
            SandboxError: the process does not start.
        """
        (found,) = self.parse_all([(filename, data)], limits)
        if isinstance(found, CorpusError):
            raise found
        return found

    def _read(
        self, group: Sequence[tuple[str, bytes]], limits: ParseLimits
    ) -> Iterator[Document | CorpusError]:
        with self._lock:
            if self._worker is None or not self._worker.is_alive():
                self._stop()
                self._worker = _Worker.start()
            lines = self._worker.ask(group, limits)
            if len(lines) < len(group):
                message = self._worker.cause_of_death(limits)
                self._stop()
        for (name, _), line in zip(group, lines, strict=False):
            yield _document_of(name, line)
        unread = group[len(lines) :]
        if len(group) == 1 and unread:
            yield FileLimitError(f"{group[0][0]!r} {message}")
        else:
            for file in unread:
                yield from self._read([file], limits)

    def close(self) -> None:
        """Ends the process; the next file starts another."""
        with self._lock:
            self._stop()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker = None


@dataclass(kw_only=True)
class _Worker:
    """A running index.parsing.sandbox_worker and its pipes."""

    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    answers: IO[bytes]
    _is_late: threading.Event = field(default_factory=threading.Event)
    _is_too_long: bool = False

    @classmethod
    def start(cls) -> "_Worker":
        """Starts the process and waits until it listens.

        Raises:
            SandboxError: it ends or hangs instead.
        """
        # No secrets of this process, but its modules, wherever it has them from.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LANG": "C.UTF-8"}
        process = subprocess.Popen(
            [sys.executable, "-m", "index.parsing.sandbox_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=_BUFFER_BYTES,
            cwd=_ROOT,
            env=environment,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        worker = cls(process=process, requests=process.stdin, answers=process.stdout)
        with worker._killed_after(_START_S):
            ready = worker.answers.readline(len(READY))
        if ready != READY:
            worker.kill()
            raise SandboxError(
                f"the process that reads files ended with status {process.returncode}; "
                f"`python -m index.parsing.sandbox_worker` tells why"
            )
        return worker

    def is_alive(self) -> bool:
        """Says whether it can take another file."""
        return self.process.poll() is None

    def ask(self, files: Sequence[tuple[str, bytes]], limits: ParseLimits) -> list[bytes]:
        """Sends files; gives the answers, fewer than files when the process died over one."""
        max_bytes = 8 * limits.max_characters + 2**20  # all characters escaped, and the headings
        lines: list[bytes] = []
        with self._killed_after(limits.wall_s):
            try:
                self.requests.write(request_line(files, limits))
                for _, data in files:
                    self.requests.write(data)
                self.requests.flush()
            except BrokenPipeError:
                return []
            while len(lines) < len(files):
                line = self.answers.readline(max_bytes)
                self._is_too_long = len(line) >= max_bytes
                if not line.endswith(b"\n"):
                    break
                lines.append(line)
        return [] if self._is_late.is_set() else lines

    def cause_of_death(self, limits: ParseLimits) -> str:
        """Why there was no answer, in words; ends the process if it still runs."""
        if self._is_late.is_set():
            return f"was not read within {limits.wall_s} s"
        if self._is_too_long:
            return f"holds more than {limits.max_characters} characters of text and headings"
        try:
            status = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "made the parser close its answer"
        number = -status if status < 0 else status - 128  # of the process, or of its copy
        if number == signal.SIGXCPU:
            return f"needs more than {limits.cpu_s} s of CPU time to be read"
        is_signal = number in signal.valid_signals()
        reason = signal.Signals(number).name if is_signal else f"status {status}"
        return f"crashed the parser ({reason}), which may use {limits.memory_mb} MB of memory"

    def kill(self) -> None:
        """Ends the process and the copy that reads a file."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.requests, self.answers):
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # what was not sent is not needed any more

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        """Kills the process group when the time is up; its pipes then end."""

        def kill() -> None:
            self._is_late.set()
            os.killpg(self.process.pid, signal.SIGKILL)  # not reaped before the timer is joined

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _groups(files: Sequence[tuple[str, bytes]]) -> Iterator[Sequence[tuple[str, bytes]]]:
    """Puts neighbours together that may share a copy; parsers in C can be taken over, so not."""
    group: list[tuple[str, bytes]] = []
    for name, data in files:
        is_alone = len(data) > _SMALL_BYTES or is_read_in_c(name)
        if group and (is_alone or len(group) == _GROUP):
            yield group
            group = []
        if is_alone:
            yield [(name, data)]
        else:
            group.append((name, data))
    if group:
        yield group


def _document_of(name: str, line: bytes) -> Document | CorpusError:
    """Rebuilds a document from an answer, which a parser that was taken over could have forged."""
    try:
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            message = str(answer["message"])[:_MAX_MESSAGE_CHARS]
            return _ERRORS.get(answer["error"], InvalidFileError)(message)
        blocks = tuple(_blocks(answer["sections"]))
        return Document(title=str(answer["title"]), blocks=blocks, date=iso_date(answer["date"]))
    except (KeyError, TypeError, RecursionError, json.JSONDecodeError):
        return InvalidFileError(f"{name!r} made the parser give no document")


def _blocks(sections: list[Any]) -> Iterator[Block]:
    start = 0
    for path, kind, page, columns, texts in sections:
        for text in texts:
            yield Block(
                heading_path=tuple(path),
                text=text,
                char_start=start,
                kind=kind,
                page=page,
                columns=columns,
            )
            start += len(text) + len(BLOCK_SEPARATOR)
