"""Tasks of one request that run at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Waits for all tasks of a group; the first that fails ends the others, and is raised itself.

    A group of tasks raises a group of errors, in which no error table finds a status.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
