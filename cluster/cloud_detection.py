"""Which cloud this machine is in, told by the dialect of its metadata service."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable

import httpx

from cluster.clouds import (
    METADATA_URL,
    AwsNotices,
    AzureNotices,
    GcpNotices,
    aws_token,
    azure_machine,
    gcp_id,
    metadata_client,
)
from cluster.notices import Notice, NoticeSource

CLOUDS = ("aws", "gcp", "azure")
_DETECT_AGAIN_S = 5.0

_logger = logging.getLogger(__name__)


class DetectedNotices:
    """The notices of whichever cloud answers; looks again until one does."""

    def __init__(self, base_url: str = METADATA_URL, *, poll_s: float = 1.0) -> None:
        self._base_url = base_url
        self._poll_s = poll_s
        self._source: NoticeSource | None = None

    @property
    def reachable(self) -> bool:
        """Whether a cloud was found and its last question got an answer."""
        return self._source is not None and self._source.reachable

    async def notices(self) -> AsyncIterator[Notice]:
        """Finds the cloud, then yields its notices."""
        cloud = await detect_cloud(self._base_url)
        if cloud is None:
            _logger.warning("no cloud answers at %s; only SIGTERM is heeded", self._base_url)
        while cloud is None:
            await asyncio.sleep(max(self._poll_s, _DETECT_AGAIN_S))
            cloud = await detect_cloud(self._base_url)
        _logger.info("detected cloud=%s at %s", cloud, self._base_url)
        self._source = open_source(cloud, self._base_url, poll_s=self._poll_s)
        async for notice in self._source.notices():
            yield notice


def open_source(cloud: str, base_url: str = METADATA_URL, *, poll_s: float = 1.0) -> NoticeSource:
    """Makes the source of one cloud, or with `auto` of the one that answers.

    Raises:
        ValueError: no such cloud.
    """
    match cloud:
        case "auto":
            return DetectedNotices(base_url, poll_s=poll_s)
        case "aws":
            return AwsNotices(base_url, poll_s=poll_s)
        case "gcp":
            return GcpNotices(base_url, poll_s=poll_s)
        case "azure":
            return AzureNotices(base_url, poll_s=poll_s)
    msg = f"cloud must be one of auto, {', '.join(CLOUDS)}, got {cloud!r}"
    raise ValueError(msg)


async def detect_cloud(base_url: str = METADATA_URL) -> str | None:
    """Names the cloud whose dialect the metadata service speaks, if any."""
    async with metadata_client(base_url) as client:
        answers = await asyncio.gather(
            _answers(aws_token(client)),
            _answers(gcp_id(client)),
            _answers(azure_machine(client)),
        )
    return next((cloud for cloud, yes in zip(CLOUDS, answers, strict=True) if yes), None)


async def _answers(question: Awaitable[str]) -> bool:
    with contextlib.suppress(httpx.HTTPError, ValueError, LookupError):
        return bool(await question)
    return False
