"""`python -m cluster.serve_run CONFIG`: `serve run CONFIG`, with Ray started while Serve loads."""

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray


def main() -> None:
    """Starts Ray, then does what Serve's command line does."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        serve = pool.submit(_command_line)
        ray.init(namespace="serve")  # as `serve run` would, which then finds it running
    serve.result()(["run", sys.argv[1]])


def _command_line() -> Any:
    importlib.import_module("deployments.preload")
    return importlib.import_module("ray.serve.scripts").cli


if __name__ == "__main__":
    main()
