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
from models.encoders.late_bert import LateBertForSequenceClassification
from models.encoders.onnx_encoder import ALONE, FACTS, GRAPH, JOINED, TOKENIZER, OnnxEncoder
from models.encoders.torch_encoder import TorchEncoder
from models.errors import InvalidInputError
from models.folders import whole_or_nothing

_OPSET = 18
_TOLERANCE = 1e-3  # of rows of order 1; float32 rounding gives about 1e-6
_Graph = tuple[torch.nn.Module, dict[str, torch.Tensor], str]
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
    with whole_or_nothing(out) as unfinished, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about branches on shapes; `_compare` sees if one matters
        for name, (module, inputs, output) in _graphs(encoder).items():
            axes = {0: "n_inputs", 1: "n_tokens"}
            # Tracing, not torch.export: 2 s instead of 22 s for MiniLM (torch 2.13).
            torch.onnx.export(
                module, tuple(inputs.values()), str(unfinished / name), opset_version=_OPSET,
                input_names=list(inputs), output_names=[output], dynamo=False,
                dynamic_axes={**dict.fromkeys((*inputs, output), axes), "rows": {0: "n_inputs"}},
            )  # fmt: skip
        encoder.tokenizer.save(str(unfinished / TOKENIZER))
        facts = {
            "max_tokens": encoder.max_tokens,
            "pad_id": encoder.pad_id,
            "labels": encoder.labels,
        }
        (unfinished / FACTS).write_text(json.dumps(facts))
        _compare(encoder, OnnxEncoder(unfinished, ALL_CPUS))


def _graphs(encoder: TorchEncoder) -> dict[str, _Graph]:
    """Gives what is traced for each file: module, inputs by name, and the output's name."""
    batch = _pairs(encoder, lengths=(9, 7))
    inputs = dict(zip(_INPUTS, map(torch.from_numpy, batch), strict=True))
    model = getattr(encoder.module, "model", None)
    if not isinstance(model, LateBertForSequenceClassification):
        return {GRAPH: (encoder.module, inputs, "rows")}
    texts = {name: inputs[name] for name in _INPUTS[:2]}
    hidden = torch.zeros(*batch[0].shape, model.config.hidden_size)
    return {
        ALONE: (_Step(model, "alone").eval(), texts, "states"),
        JOINED: (_Step(model, "joined").eval(), inputs | {"hidden": hidden}, "rows"),
    }


class _Step(torch.nn.Module):
    """A method of a model, as something that can be traced."""

    def __init__(self, model: LateBertForSequenceClassification, name: str) -> None:
        super().__init__()
        self._model = model
        self._name = name

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = getattr(self._model, self._name)(*inputs)
        return rows


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
