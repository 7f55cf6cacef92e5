"""Encoders on ONNX Runtime, in a process that never imports torch."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.device import Share
from models.encoders.encoder_engine import CPU_PASS_TOKENS, Ids, LateModel, Rows, Task
from models.encoders.late_states import LateStates
from models.errors import InvalidInputError

GRAPH, TOKENIZER, FACTS = "model.onnx", "tokenizer.json", "encoder.json"
ALONE, JOINED = "alone.onnx", "joined.onnx"  # instead of the one graph, of a model that joins late
_ROOT = Path(__file__).parents[2]
_EXPORT_S = 600
_LAYOUT = 2  # of an exported folder


class OnnxEncoder:
    """See `models.encoders.encoder_engine.EncoderModel`."""

    pass_tokens: int | None = CPU_PASS_TOKENS

    def __init__(self, folder: Path, share: Share) -> None:
        from tokenizers import Tokenizer

        facts = json.loads((folder / FACTS).read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.max_tokens = int(facts["max_tokens"])
        self.pad_id = int(facts["pad_id"])
        self.labels = tuple(facts["labels"])
        self.late: LateModel | None = None
        if (folder / ALONE).exists():
            self.late = _LateGraphs(folder, share)
        else:
            self._session = _session(folder / GRAPH, share)
            self._inputs = {found.name for found in self._session.get_inputs()}

    def forward(self, input_ids: Ids, attention_mask: Ids, token_type_ids: Ids) -> Rows:
        """Runs a batch; see `models.encoders.encoder_engine.EncoderModel`."""
        if self.late is not None:
            lengths = attention_mask.sum(1)
            parts = zip(input_ids, token_type_ids, lengths, strict=True)
            pairs = [(ids[:length], types[:length]) for ids, types, length in parts]
            late = LateStates(
                self.late, pad_id=self.pad_id, batch_size=len(pairs), pass_tokens=self.pass_tokens
            )
            return late.rows(pairs)
        batch = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        return _run(self._session, {n: part for n, part in batch.items() if n in self._inputs})


class _LateGraphs:
    """See `models.encoders.encoder_engine.LateModel`."""

    def __init__(self, folder: Path, share: Share) -> None:
        self._alone, self._joined = (_session(folder / name, share) for name in (ALONE, JOINED))

    def alone(self, input_ids: Ids, attention_mask: Ids) -> Rows:
        return _run(self._alone, {"input_ids": input_ids, "attention_mask": attention_mask})

    def joined(
        self, input_ids: Ids, attention_mask: Ids, token_type_ids: Ids, hidden: Rows
    ) -> Rows:
        batch: dict[str, Ids | Rows] = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "hidden": hidden,
        }
        return _run(self._joined, batch)


def _session(graph: Path, share: Share) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = share.num_threads or 0  # 0: one for each core
    # Threads that spin while they wait take the cores of the other replicas.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _run(session: Any, batch: Mapping[str, Ids | Rows]) -> Rows:
    rows: Any = session.run(None, batch)[0]
    return np.asarray(rows, dtype=np.float32)


def exported(folder: Path, task: Task, cache: Path) -> Path:
    """Gives the folder of a model's ONNX graph, exporting it first where there is none.

    The export runs in a process of its own, which takes torch away with it when it ends.

    Args:
        folder: a checkpoint, as `models.hub.resolve` gives it.
        task: what the model's rows are.
        cache: where the graph is kept, under a name that changes when a file of the model does.

    Raises:
        InvalidInputError: the model cannot be exported; the torch engine may still run it.
    """
    target = cache / "onnx" / f"{folder.name}-{_fingerprint(folder, task)}"
    if target.is_dir():
        return target
    module, paths = "models.encoders.onnx_export", (str(folder.resolve()), str(target.resolve()))
    command = [sys.executable, "-m", module, *paths, task]
    done = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=_EXPORT_S, check=False
    )
    if done.returncode != 0 and not target.is_dir():  # else another process was faster
        reason = done.stderr.strip().splitlines()[-1:]
        msg = f"{folder} cannot run on the onnx engine, the torch engine may: {reason}"
        raise InvalidInputError(msg)
    return target


def _fingerprint(folder: Path, task: Task) -> str:
    digest = hashlib.sha256(f"{_LAYOUT} {folder.resolve()} {task}".encode())
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        state = file.stat()
        digest.update(f"{file.name} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]
