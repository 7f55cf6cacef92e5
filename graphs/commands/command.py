"""What the command lines over the corpus share: their arguments, and how they end."""

import argparse
import signal
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]
ENDED_EARLY, WRONG_ARGUMENTS, INTERRUPTED = 1, 2, 130


def command_parser(prog: str, description: str | None, epilog: str) -> argparse.ArgumentParser:
    """A parser with the server's config as an argument; it lets Ctrl-C reach the command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells ignore it
    parser = argparse.ArgumentParser(
        prog=prog, description=description, epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--config", type=Path, default=ROOT / "local.yaml", metavar="FILE",
        help="the server's Serve config (default: local.yaml beside the code)",
    )  # fmt: skip
    return parser


def nonblank(value: str) -> str:
    """An argument that is not empty."""
    if not value.strip():
        raise argparse.ArgumentTypeError(f"must not be empty, got {value!r}")
    return value


def refuse(console: Console, err: Exception | str, status: int) -> int:
    """Tells an error; gives the exit status."""
    console.print(f"error: {err}", style="red", markup=False, highlight=False, soft_wrap=True)
    return status
