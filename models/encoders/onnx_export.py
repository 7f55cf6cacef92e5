"""Writes an encoder as an ONNX graph that gives the same rows.

`models.encoders.onnx_encoder.exported` runs it, in a process of its own, where a graph is missing:

    python -m models.encoders.onnx_export FOLDER OUT TASK
"""

import argparse
import json
import warnings
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from models.device import ALL_CPUS
from models.encoders.encoder_engine import Ids, Task
from models.encoders.onnx_encoder import FACTS, GRAPH, TOKENIZER, OnnxEncoder
from models.encoders.torch_encoder import TorchEncoder
from models.errors import InvalidInputError
from models.folders import whole_or_nothing

_OPSET = 18
_TOLERANCE = 1e-3  # of rows of order 1; float32 rounding gives about 1e-6
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def export(folder: Path, out: Path, task: Task) -> None:
    """Exports a checkpoint and compares both engines on inputs of other shapes.

    Args:
        folder: the checkpoint.
        out: a folder that does not exist yet; it is there whole or not at all.
        task: what the model's rows are.

    Raises:
        InvalidInputError: the graph's rows differ from the model's.
    """
    encoder = TorchEncoder(folder, task, torch.device("cpu"))
    axes = {0: "n_inputs", 1: "n_tokens"}
    with whole_or_nothing(out) as unfinished, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about branches on shapes; `_compare` sees if one matters
        # Tracing, not torch.export: 2 s instead of 22 s for MiniLM (torch 2.13).
        torch.onnx.export(
            encoder.module, tuple(map(torch.from_numpy, _pairs(encoder, lengths=(9, 7)))),
            str(unfinished / GRAPH), input_names=list(_INPUTS), output_names=["rows"],
            dynamic_axes={**dict.fromkeys(_INPUTS, axes), "rows": {0: "n_inputs"}},
            opset_version=_OPSET, dynamo=False,
        )  # fmt: skip
        encoder.tokenizer.save(str(unfinished / TOKENIZER))
        facts = {
            "max_tokens": encoder.max_tokens,
            "pad_id": encoder.pad_id,
            "labels": encoder.labels,
        }
        (unfinished / FACTS).write_text(json.dumps(facts))
        _compare(encoder, OnnxEncoder(unfinished, ALL_CPUS))


def _compare(encoder: TorchEncoder, graph: OnnxEncoder) -> None:
    for lengths in ((4,), (40, 12, 25), (min(encoder.max_tokens, 128), 5)):
        batch = _pairs(encoder, lengths)
        difference = float(np.abs(encoder.forward(*batch) - graph.forward(*batch)).max())
        if not difference <= _TOLERANCE:
            msg = f"rows differ by {difference} from the model's, at most {_TOLERANCE} is right"
            raise InvalidInputError(msg)


def _pairs(encoder: TorchEncoder, lengths: tuple[int, ...]) -> tuple[Ids, Ids, Ids]:
    """Makes inputs of these lengths from tokens drawn with a fixed seed; the second half is 1."""
    shape = (len(lengths), max(lengths))
    ids = np.random.default_rng(0).integers(5, encoder.tokenizer.get_vocab_size(), shape)
    place, length = np.arange(shape[1])[None, :], np.array(lengths)[:, None]
    mask = (place < length).astype(np.int64)
    types = ((place >= length // 2) & (place < length)).astype(np.int64)
    return np.where(mask == 1, ids, encoder.pad_id), mask, types


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m models.encoders.onnx_export", description=__doc__
    )
    parser.add_argument("folder", type=Path, help="checkpoint of an encoder")
    parser.add_argument("out", type=Path, help="folder to be made")
    parser.add_argument("task", choices=get_args(Task), help="what the model's rows are")
    arguments = parser.parse_args()
    export(arguments.folder, arguments.out, arguments.task)


if __name__ == "__main__":
    main()
