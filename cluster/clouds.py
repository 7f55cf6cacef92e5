"""Notices as AWS, GCP and Azure give them to a machine: one class per cloud.

They ask the metadata service only. One that is down, slow or talks nonsense is logged once and
asked again; a source never ends and never raises because of it.
"""

import asyncio
import json
import logging
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from cluster.notices import Notice, NoticeKind, event_id

# One address for all three: GCP answers there as well as at metadata.google.internal
# (https://cloud.google.com/compute/docs/metadata/querying-metadata), and without a name server.
METADATA_URL = "http://169.254.169.254"
_TIMEOUT_S = 2.0  # as aws-node-termination-handler, pkg/ec2metadata
_AWS_TOKEN_TTL_S = 21600  # the longest that IMDSv2 grants
# https://cloud.google.com/compute/docs/instances/spot#preemption-process
_GCP_NOTICE_S = 30.0
_GCP_HANG_S = 60
_GCP_PAUSE_S = 0.05  # a server that does not hang must not be asked without pause
_AZURE_API = {"api-version": "2020-07-01"}
_AZURE_TYPES = {"Preempt", "Terminate"}

_logger = logging.getLogger(__name__)


class _Health:
    """Logs an outage of a metadata service once, and once its end."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.good = True

    async def watch(self, question: Awaitable[list[Notice]]) -> list[Notice]:
        """Gives the answer; trouble is no notice."""
        try:
            answer = await question
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as err:
            if self.good:
                _logger.warning("source=%s fails, trying again: %r", self._source, err)
            self.good = False
            return []
        if not self.good:
            _logger.info("source=%s answers again", self._source)
        self.good = True
        return answer


class _PolledNotices(ABC):
    """Asks a metadata service again and again, and yields each answer at once."""

    def __init__(self, source: str, base_url: str, *, poll_s: float) -> None:
        self._base_url = base_url
        self._poll_s = poll_s
        self._health = _Health(source)

    @property
    def reachable(self) -> bool:
        """Whether the last question got an answer."""
        return self._health.good

    async def notices(self) -> AsyncIterator[Notice]:
        """Yields notices until it is closed."""
        async with metadata_client(self._base_url) as client:
            while True:
                for question in self._questions(client):
                    for notice in await self._health.watch(question):
                        yield notice
                await asyncio.sleep(self._pause_s())

    @abstractmethod
    def _questions(self, client: httpx.AsyncClient) -> Iterator[Awaitable[list[Notice]]]:
        """Gives what is asked in one round."""

    def _pause_s(self) -> float:
        return self._poll_s


class AwsNotices(_PolledNotices):
    """EC2 spot interruptions and rebalance recommendations, by IMDSv2 alone.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html;
    `stop` and `hibernate` take the machine away as `terminate` does. 404 means: no notice.
    """

    _ACTION = "/latest/meta-data/spot/instance-action"
    _REBALANCE = "/latest/meta-data/events/recommendations/rebalance"

    def __init__(self, base_url: str = METADATA_URL, *, poll_s: float = 1.0) -> None:
        super().__init__("aws", base_url, poll_s=poll_s)
        self._token: str | None = None

    def _questions(self, client: httpx.AsyncClient) -> Iterator[Awaitable[list[Notice]]]:
        # In this order, and each answered before the next: the interruption is the urgent one.
        yield self._interruption(client)
        yield self._rebalance(client)

    async def _interruption(self, client: httpx.AsyncClient) -> list[Notice]:
        body = await self._get(client, self._ACTION)
        if not body:
            return []
        deadline_s = datetime.fromisoformat(json.loads(body)["time"]).timestamp()
        return [_notice("aws", body, NoticeKind.TERMINATE, deadline_s)]

    async def _rebalance(self, client: httpx.AsyncClient) -> list[Notice]:
        body = await self._get(client, self._REBALANCE)
        return [_notice("aws", body, NoticeKind.REBALANCE, None)] if body else []

    async def _get(self, client: httpx.AsyncClient, path: str) -> str:
        """Reads a path; a token that is refused is dropped, and a new one tried once."""
        answer = await self._get_with_token(client, path)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._token = None
            answer = await self._get_with_token(client, path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ""
        return answer.raise_for_status().text.strip()

    async def _get_with_token(self, client: httpx.AsyncClient, path: str) -> httpx.Response:
        if self._token is None:
            self._token = await aws_token(client)
        return await client.get(path, headers={"X-aws-ec2-metadata-token": self._token})


class GcpNotices(_PolledNotices):
    """GCP preemption: one GET that hangs until the value changes, then 30 s.

    https://cloud.google.com/compute/docs/metadata/querying-metadata#waitforchange. The first GET
    returns at once; `last_etag` makes sure that a change between two requests is not missed.
    """

    _PATH = "/computeMetadata/v1/instance/preempted"

    def __init__(
        self, base_url: str = METADATA_URL, *, poll_s: float = 1.0, hang_s: int = _GCP_HANG_S
    ) -> None:
        super().__init__("gcp", base_url, poll_s=poll_s)
        self._hang_s = hang_s
        self._etag: str | None = None

    def _questions(self, client: httpx.AsyncClient) -> Iterator[Awaitable[list[Notice]]]:
        yield self._wait(client)

    def _pause_s(self) -> float:
        return _GCP_PAUSE_S if self.reachable else self._poll_s

    async def _wait(self, client: httpx.AsyncClient) -> list[Notice]:
        params: dict[str, str | int] = {}
        timeout = httpx.Timeout(_TIMEOUT_S)
        if self._etag is not None:
            params = {
                "wait_for_change": "true", "last_etag": self._etag, "timeout_sec": self._hang_s,
            }  # fmt: skip
            timeout = httpx.Timeout(_TIMEOUT_S, read=self._hang_s + _TIMEOUT_S)
        answer = await client.get(
            self._PATH, params=params, headers={"Metadata-Flavor": "Google"}, timeout=timeout
        )
        self._etag = answer.raise_for_status().headers["etag"]
        if answer.text.strip().upper() != "TRUE":
            return []
        return [_notice("gcp", "preempted", NoticeKind.TERMINATE, time.time() + _GCP_NOTICE_S)]


class AzureNotices(_PolledNotices):
    """Azure Scheduled Events of type Preempt or Terminate whose resources name this machine.

    https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events. The first request
    turns the service on, which may take two minutes: it fails until then, as an outage does.
    An event that goes away without having started was cancelled.
    """

    def __init__(self, base_url: str = METADATA_URL, *, poll_s: float = 1.0) -> None:
        super().__init__("azure", base_url, poll_s=poll_s)
        self._machine: str | None = None
        self._waiting: set[str] = set()

    def _questions(self, client: httpx.AsyncClient) -> Iterator[Awaitable[list[Notice]]]:
        yield self._look(client)

    async def _look(self, client: httpx.AsyncClient) -> list[Notice]:
        headers = {"Metadata": "true"}
        if self._machine is None:
            self._machine = await azure_machine(client)
        answer = await client.get("/metadata/scheduledevents", params=_AZURE_API, headers=headers)
        mine = [
            event
            for event in answer.raise_for_status().json()["Events"]
            if event["EventType"] in _AZURE_TYPES and self._machine in event["Resources"]
        ]
        found = [
            _notice("azure", event["EventId"], NoticeKind.TERMINATE, _not_before(event))
            for event in mine
        ]
        gone = self._waiting - {event["EventId"] for event in mine}
        self._waiting = {event["EventId"] for event in mine if event["EventStatus"] != "Started"}
        return found + [_notice("azure", event, NoticeKind.CANCELLED, None) for event in gone]


async def aws_token(client: httpx.AsyncClient) -> str:
    """Takes a token of IMDSv2, which only EC2 has."""
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(_AWS_TOKEN_TTL_S)}
    return (await client.put("/latest/api/token", headers=headers)).raise_for_status().text


async def gcp_id(client: httpx.AsyncClient) -> str:
    """Reads the machine's id on GCP; raises ValueError where another cloud answers."""
    headers = {"Metadata-Flavor": "Google"}
    answer = await client.get("/computeMetadata/v1/instance/id", headers=headers)
    if answer.raise_for_status().headers.get("metadata-flavor") != "Google":
        msg = "no Metadata-Flavor: Google in the answer"
        raise ValueError(msg)
    return answer.text


async def azure_machine(client: httpx.AsyncClient) -> str:
    """Reads the machine's name on Azure."""
    params = {"api-version": "2021-02-01", "format": "text"}
    answer = await client.get(
        "/metadata/instance/compute/name", params=params, headers={"Metadata": "true"}
    )
    return answer.raise_for_status().text.strip()


def metadata_client(base_url: str) -> httpx.AsyncClient:
    """Makes the HTTP client of a metadata service."""
    # Metadata never goes through a proxy, whatever HTTP_PROXY says, and is plain HTTP: the empty
    # trust store saves the time to load one, and refuses every https URL.
    no_trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(
        base_url=base_url, timeout=_TIMEOUT_S, trust_env=False, verify=no_trust
    )


def _notice(source: str, content: str, kind: NoticeKind, deadline_s: float | None) -> Notice:
    return Notice(
        event_id=event_id(source, content), kind=kind, deadline_s=deadline_s, source=source
    )


def _not_before(event: dict[str, str]) -> float | None:
    """Reads NotBefore, which Azure leaves empty once the event has started."""
    text = event.get("NotBefore", "")
    return parsedate_to_datetime(text).timestamp() if text else None
