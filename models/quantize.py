"""Command line: `python -m models.quantize MODEL OUT`, full precision in, GPTQ out.

Refuses up front what cannot work, shows progress, and leaves either a whole checkpoint with its
report or nothing. GPTQModel does the work (see `models/gptq.py` for why not auto-gptq).
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from models.errors import ModelError
from models.quantization.calibration import default_texts, fetch_texts, read_texts
from models.quantization.job import Texts, quantize
from models.quantization.settings import QuantizationSettings


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    defaults = QuantizationSettings()
    parser = argparse.ArgumentParser(prog="python -m models.quantize", description=__doc__)
    parser.add_argument("model", type=Path, help="full-precision checkpoint folder")
    parser.add_argument("out", type=Path, help="new folder for the GPTQ checkpoint")
    parser.add_argument("--bits", type=int, default=defaults.bits, choices=(2, 3, 4, 8))
    parser.add_argument(
        "--group-size", type=int, default=defaults.group_size, help="-1: whole rows"
    )
    parser.add_argument("--act-order", action="store_true", help="largest activations first")
    parser.add_argument("--asymmetric", action="store_true", help="zero points of their own")
    parser.add_argument("--text", type=Path, help="calibration text, or JSONL")
    parser.add_argument("--server", help="calibrate from a running Ragfleet: http://HOST:PORT/v1")
    parser.add_argument("--vector-store", help="id of the vector store on --server")
    parser.add_argument("--api-key-file", type=Path, help="file that holds the server's key")
    parser.add_argument("--samples", type=int, default=defaults.num_samples)
    parser.add_argument("--sample-tokens", type=int, default=defaults.sample_tokens)
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size)
    parser.add_argument("--device", default=defaults.device, choices=("cpu", "cuda"))
    parser.add_argument("--verify", action="store_true", help="compare both, token by token")
    return parser


def pick_texts(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[Texts, str]:
    """Returns where the calibration texts come from, and its name for the report."""
    if arguments.text and arguments.server:
        parser.error("give --text or --server, not both")
    if bool(arguments.server) != bool(arguments.vector_store):
        parser.error("--server and --vector-store belong together")
    if arguments.text:
        return lambda _: read_texts(arguments.text), str(arguments.text)
    if arguments.server:
        key_file = arguments.api_key_file
        key = key_file.read_text(encoding="utf-8").strip() if key_file else None
        store = arguments.vector_store
        return lambda _: fetch_texts(arguments.server, store, key), f"vector store {store}"

    return default_texts, "bundled prompts"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status: 0, or 2 for what was refused."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    texts, source = pick_texts(parsed, parser)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # GPTQModel asks for a third core otherwise; it reads this when it is first imported.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
    try:
        settings = QuantizationSettings(
            bits=parsed.bits,
            group_size=parsed.group_size,
            act_order=parsed.act_order,
            symmetric=not parsed.asymmetric,
            num_samples=parsed.samples,
            sample_tokens=parsed.sample_tokens,
            batch_size=parsed.batch_size,
            device=parsed.device,
        )
        report = quantize(
            parsed.model, parsed.out, settings, texts=texts, source=source, verify=parsed.verify
        )
    except ModelError as err:
        sys.stderr.write(f"models.quantize: {err}\n")
        return 2
    sys.stdout.write(report.table() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
