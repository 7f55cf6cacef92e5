"""Makes the masks of constraints, off the event loop, and keeps what it has read.

constraint -- grammar_check.py, a process with limits --> grammar -- a thread --> matcher
                                                                                     |
answer's ids -> GrammarMask, with a copy of it -> what may come next          kept, the newest
"""

import asyncio
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from models.constraints import Choices, Constraint, Grammar, JsonSchema
from models.engines import grammar_check
from models.engines.grammars import GrammarMask
from models.engines.masks import Encode, choices_mask
from models.errors import EngineBusyError, InvalidInputError
from models.generation import TokenMask

_MAX_KNOWN = 64
_MAX_CHECKS = 2  # at once
_CHECK_S = 20.0  # of waiting; the check itself is held to its processor time
_REASON_CHARS = 300
_NUM_PROBES = 8
_STEP_S = 0.1  # everybody's next token waits so long


class MaskMaker:
    """Makes masks for one tokenizer.

    Attributes:
        end_id: the id that ends an answer.
        vocabulary_size: number of the model's logits.

    Args:
        tokenizer_json: the tokenizer, as the package `tokenizers` reads it.
        encode: texts to ids, without special tokens.
        end_id: the id that ends an answer.
        vocabulary_size: number of the model's logits.
    """

    def __init__(
        self, tokenizer_json: str, encode: Encode, *, end_id: int, vocabulary_size: int
    ) -> None:
        self._tokenizer_json = tokenizer_json
        self._encode = encode
        self.end_id = end_id
        self.vocabulary_size = vocabulary_size
        self._tokenizer: LLTokenizer | None = None
        self._known: OrderedDict[bytes, LLMatcher | str] = OrderedDict()
        self._threads = ThreadPoolExecutor(_MAX_CHECKS, thread_name_prefix="constraints")

    async def mask(self, constraint: Constraint) -> TokenMask:
        """Makes the mask of a constraint, for one answer.

        Raises:
            InvalidInputError: it cannot be read, or needs more than its limits.
            EngineBusyError: the machine is too busy to tell.
        """
        end_id, size = self.end_id, self.vocabulary_size
        if isinstance(constraint, Choices):
            return choices_mask(constraint, self._encode, end_id=end_id, vocabulary_size=size)
        found = await self._found(constraint.kind, _text(constraint))
        if isinstance(found, str):
            msg = f"the {constraint.kind} cannot be served: {found}"
            raise InvalidInputError(msg)
        return GrammarMask(found, end_id=end_id, vocabulary_size=size)

    async def _found(self, kind: str, text: str) -> LLMatcher | str:
        """Gives the matcher at its start, or why there is none."""
        digest = hashlib.sha256(f"{kind}\0{text}".encode()).digest()
        found = self._known.get(digest)
        if found is None:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._threads, self._read, kind, text)
        self._known[digest] = found
        self._known.move_to_end(digest)
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return found

    def _read(self, kind: str, text: str) -> LLMatcher | str:
        answer = _checked(kind, text)
        if "error" in answer:
            return _first_line(answer["error"])
        if self._tokenizer is None:
            self._tokenizer = LLTokenizer(
                _spelling(self._tokenizer_json), n_vocab=self.vocabulary_size, eos_token=self.end_id
            )
        limits = grammar_check.parser_limits()
        matcher = LLMatcher(self._tokenizer, answer["grammar"], log_level=0, limits=limits)
        return _fault(matcher) or matcher


def _spelling(tokenizer_json: str) -> str:
    """Gives a tokenizer whose ids spell what they are asked for, byte by byte.

    A normalizer changes texts before they are cut, as that of the bundled generator does behind
    line breaks: the only way to go on would then be told as ids of another text. Where ids are
    bytes it says nothing of how they are spelt; elsewhere it may write blanks, and stays.
    """
    tokenizer = json.loads(tokenizer_json)
    if (tokenizer.get("decoder") or {}).get("type") != "ByteLevel":
        return tokenizer_json
    return json.dumps(tokenizer | {"normalizer": None})


def _fault(matcher: LLMatcher) -> str | None:
    """Writes some tokens, so that what fails or is slow at the first of them is known before."""
    probe, dice = matcher.deep_copy(), random.Random(0)
    for _ in range(_NUM_PROBES):
        began_s = time.thread_time()
        allowed = np.frombuffer(probe.compute_bitmask(), dtype=np.uint8)
        if probe.is_error():
            return _first_line(probe.get_error())
        took_s = time.thread_time() - began_s
        if took_s > _STEP_S:
            return f"a token takes {took_s:.2f} s of processor time, and may take {_STEP_S} s"
        ids = np.flatnonzero(np.unpackbits(allowed, bitorder="little"))
        if probe.is_stopped() or ids.size == 0:
            return None
        probe.consume_token(int(dice.choice(ids)))
    return None


def _text(constraint: Constraint) -> str:
    match constraint:
        case JsonSchema():
            return constraint.schema
        case Grammar():
            return constraint.rules
        case Choices():
            return json.dumps(constraint.texts)
        case _:
            return constraint.pattern


def _checked(kind: str, text: str) -> dict[str, str]:
    limits = f"{grammar_check.CPU_S} s of processor time or {grammar_check.MEMORY_BYTES} bytes"
    too_much = {"error": f"it needs more than {limits}"}
    try:
        process = subprocess.run(
            [sys.executable, "-I", grammar_check.__file__], timeout=_CHECK_S, check=False,
            input=json.dumps({"kind": kind, "text": text}).encode(), capture_output=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as err:
        raise EngineBusyError(f"a constraint was not read within {_CHECK_S} s") from err
    if process.returncode == -signal.SIGKILL:  # not for its own limits
        raise EngineBusyError("what reads a constraint was killed")
    if process.returncode != 0:
        return too_much
    answer: dict[str, str] = json.loads(process.stdout)
    return answer


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0][:_REASON_CHARS]
