"""A process inside the Ray cluster that tells what the generators do, one JSON line each.

Ray reads its authentication mode when it is imported, so the harness itself cannot join.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Self

from chaos import processes
from chaos.errors import ChaosError
from chaos.target import System

_ROOT = Path(__file__).parents[1]
_MARK = b"served: "


class Probe:
    """Asks every replica of the (simulated) generator what it has served; a context manager."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Starts the process, where one is needed."""
        if self._system.ledger is not None:
            return self
        environment = {**os.environ, **self._system.environment(), "PYTHONPATH": str(_ROOT)}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chaos.probe", self._system.ray_address,
            self._system.application, env=environment, cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await self.served()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the process."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    async def served(self) -> list[dict[str, Any]]:
        """Gives one record a replica that answers; see `chaos.simulated.served.Served`.

        Raises:
            ChaosError: the process has died.
        """
        if self._system.ledger is not None:
            return await asyncio.to_thread(_noted, self._system.ledger)
        assert self._process is not None
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        async with self._turn:
            stdin.write(b"served\n")
            await stdin.drain()
            while line := await stdout.readline():
                if line.startswith(_MARK):  # Ray prints on the same output
                    records: list[dict[str, Any]] = json.loads(line.removeprefix(_MARK))
                    return records
        msg = "the probe could not join the Ray cluster or has died"
        raise ChaosError(msg)


def _noted(ledger: Path) -> list[dict[str, Any]]:
    """Reads the records of the replicas that live."""
    records = [json.loads(path.read_text()) for path in ledger.glob("*.json")]
    return [record for record in records if processes.state_of(record["pid"]) is not None]


def main() -> None:
    """Answers until the input ends."""
    import ray
    from ray import serve
    from ray.exceptions import RayError
    from ray.serve.exceptions import RayServeException

    address, application = sys.argv[1:3]
    ray.init(address=address, namespace="serve", log_to_driver=False, logging_level="error")
    handle: Any = serve.get_deployment_handle("Generator", application)
    for _ in sys.stdin:
        try:
            results = handle.broadcast("served").results(timeout_s=3, return_exceptions=True)
        except (RayError, RayServeException, RuntimeError, TimeoutError):
            results = []  # no replica runs, or one is frozen
        records = [result for result in results if not isinstance(result, BaseException)]
        sys.stdout.write(f"{_MARK.decode()}{json.dumps(records)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
