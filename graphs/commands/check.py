"""Checks Serve configs as the server does before it loads a model: keys, types, blocks."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from graphs.commands.command import ENDED_EARLY, refuse
from graphs.errors import ConfigError
from graphs.serve_config.reader import read_serve_config


def main(arguments: Sequence[str] | None = None) -> int:
    """Tells all faults of every file, or that it is good; gives 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m graphs.commands.check", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="such as local.yaml")
    console = Console()
    status = 0
    for path in parser.parse_args(arguments).files:
        try:
            read_serve_config(path)
            console.print(f"{path}: good", markup=False, highlight=False, soft_wrap=True)
        except ConfigError as err:
            status = refuse(console, err, ENDED_EARLY)
    return status


if __name__ == "__main__":
    sys.exit(main())
