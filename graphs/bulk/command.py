"""What the command lines over the corpus share: their arguments, and how they end."""

import argparse
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]
ENDED_EARLY, WRONG_ARGUMENTS, INTERRUPTED = 1, 2, 130


def nonblank(value: str) -> str:
    """An argument that is not empty."""
    if not value.strip():
        raise argparse.ArgumentTypeError(f"must not be empty, got {value!r}")
    return value


def add_config(parser: argparse.ArgumentParser) -> None:
    """Lets a command be told the Serve config of the server."""
    parser.add_argument(
        "--config", type=Path, default=ROOT / "local.yaml", metavar="FILE",
        help="the server's Serve config (default: local.yaml beside the code)",
    )  # fmt: skip


def refuse(console: Console, err: Exception | str, status: int) -> int:
    """Tells an error; gives the exit status."""
    console.print(f"error: {err}", style="red", markup=False, highlight=False, soft_wrap=True)
    return status
