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
from llguidance import LLMatcher

from models.constraints import Choices, Constraint, Grammar, JsonSchema, TokenMask
from models.engines import grammar_check
from models.engines.grammars import NUM_KEPT, GrammarReader, GrammarRecipe
from models.engines.masks import Encode, choices_mask
from models.errors import EngineBusyError, InvalidInputError

_MAX_CHECKS = 2  # at once
_CHECK_S = 20.0  # of waiting; the check itself is held to its processor time
_REASON_CHARS = 300
_NUM_PROBES = 8
_STEP_S = 0.1  # everybody's next token waits so long


class MaskMaker:
    """Makes masks for one tokenizer.

    Attributes:
        end_id: the id that ends an answer.
        more_end_ids: others that end one.
        vocabulary_size: number of the model's logits.

    Args:
        tokenizer_json: the tokenizer, as the package `tokenizers` reads it.
        encode: texts to ids, without special tokens.
        end_id: the id that ends an answer.
        vocabulary_size: number of the model's logits.
        more_end_ids: others that end one, where it is text.
    """

    def __init__(
        self, tokenizer_json: str, encode: Encode, *, end_id: int, vocabulary_size: int,
        more_end_ids: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        self._encode = encode
        self.end_id = end_id
        self.more_end_ids = more_end_ids
        self.vocabulary_size = vocabulary_size
        self._reader = GrammarReader(tokenizer_json)
        self._known: OrderedDict[bytes, GrammarRecipe | str] = OrderedDict()
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
        return self._reader.mask(found)

    async def _found(self, kind: str, text: str) -> GrammarRecipe | str:
        """Gives the recipe, whose matcher the reader has, or why there is none."""
        digest = hashlib.sha256(f"{kind}\0{text}".encode()).digest()
        found = self._known.get(digest)
        if found is None:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._threads, self._read, kind, text)
        self._known[digest] = found
        self._known.move_to_end(digest)
        if len(self._known) > NUM_KEPT:
            self._known.popitem(last=False)
        return found

    def _read(self, kind: str, text: str) -> GrammarRecipe | str:
        answer = _checked(kind, text)
        if "error" in answer:
            return _first_line(answer["error"])
        recipe = GrammarRecipe(
            grammar=answer["grammar"], end_id=self.end_id, more_end_ids=self.more_end_ids,
            vocabulary_size=self.vocabulary_size,
        )  # fmt: skip
        return _fault(self._reader.start(recipe)) or recipe


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
