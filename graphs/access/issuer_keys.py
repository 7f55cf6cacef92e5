"""The public keys that an identity provider signs with: fetched from it, remembered, renewed.

    discovery document (of the issuer itself?) --> key set --> {(kid, algorithm): key}

What a token names cannot bring a key in: neither `jku`, `x5u` nor `jwk` of its header is read.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from graphs.errors import IssuerUnavailableError
from graphs.settings import JwtSettings

logger = logging.getLogger(__name__)

_REFRESH_S = 600.0  # a key that the issuer withdrew counts so long at most, while it answers
_UNKNOWN_S = 60.0  # whoever makes up names of keys makes us ask the issuer once in so long
_RETRY_S = 5.0  # likewise, while it has told none yet
_ANSWER_S = 10.0
_MAX_BYTES = 2**20
_DISCOVERY = "/.well-known/openid-configuration"

Keys = Mapping[tuple[str, str], PyJWK]


class IssuerKeys:
    """The keys of one issuer. While it does not answer, those that it told last go on.

    Args:
        settings: whose keys, and for which algorithms.
        clock: monotonic seconds.
    """

    def __init__(self, settings: JwtSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._keys: Keys | None = None
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """Gives the key with this name for this algorithm; None: the issuer has none.

        Raises:
            IssuerUnavailableError: the issuer has told no keys yet.
        """
        if self._keys is None:
            await self._ask(after_s=_RETRY_S)
            if self._keys is None:
                raise IssuerUnavailableError("the identity provider does not answer")
        found = self._keys.get((kid, algorithm))
        if found is None:
            await self._ask(after_s=_UNKNOWN_S)
            return self._keys.get((kid, algorithm))
        if self._clock() - self._asked_at >= _REFRESH_S:
            self._begin()  # nobody waits for that
        return found

    async def _ask(self, *, after_s: float) -> None:
        """Asks the issuer, once for all that wait, unless it was asked less than `after_s` ago."""
        if self._asking is None and self._clock() - self._asked_at < after_s:
            return
        await asyncio.shield(self._begin())

    def _begin(self) -> "asyncio.Task[None]":
        if self._asking is None:
            self._asking = asyncio.create_task(self._renew())
        return self._asking

    async def _renew(self) -> None:
        self._asked_at = self._clock()
        try:
            async with asyncio.timeout(_ANSWER_S):
                self._keys = await self._fetch()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as err:
            logger.warning("the keys of %s were not read: %r", self._settings.issuer, err)
        finally:
            self._asking = None

    async def _fetch(self) -> Keys:
        """Reads the keys.

        Raises:
            ValueError: what the issuer says is no set of keys, or that of another issuer.
        """
        settings = self._settings
        async with httpx.AsyncClient(follow_redirects=False, timeout=_ANSWER_S) as client:
            url = settings.jwks_url
            if url is None:
                found = await _read(client, settings.issuer.rstrip("/") + _DISCOVERY)
                if found.get("issuer") != settings.issuer:
                    msg = f"the discovery document is of another issuer, {found.get('issuer')!r}"
                    raise ValueError(msg)
                # Checked like the setting that it stands for.
                url = JwtSettings.model_validate(
                    settings.model_dump() | {"jwks_url": found.get("jwks_uri")}
                ).jwks_url
            told = (await _read(client, url or "")).get("keys")
        listed = told if isinstance(told, list) else []
        keys: Keys = {
            (one["kid"], name): key
            for one in listed
            if isinstance(one, dict) and isinstance(one.get("kid"), str)
            for name in settings.algorithms
            if (key := _key(one, name)) is not None
        }
        if not keys:
            msg = f"none of {len(listed)} keys is for one of {', '.join(settings.algorithms)}"
            raise ValueError(msg)
        return keys


async def _read(client: httpx.AsyncClient, url: str) -> Mapping[str, Any]:
    """Reads a document; of one that is too long no more than that."""
    body = bytearray()
    async with client.stream("GET", url, headers={"accept": "application/json"}) as reply:
        if reply.status_code != httpx.codes.OK:
            msg = f"{url} answered {reply.status_code}"
            raise ValueError(msg)
        async for piece in reply.aiter_bytes():
            body += piece
            if len(body) > _MAX_BYTES:
                msg = f"{url} must have at most {_MAX_BYTES} bytes"
                raise ValueError(msg)
    read = json.loads(body)
    if not isinstance(read, dict):
        msg = f"{url} must be an object, got {type(read).__name__}"
        raise ValueError(msg)
    return read


def _key(told: Mapping[str, Any], algorithm: str) -> PyJWK | None:
    """Reads a key for one algorithm; None: it is not for that, or not for signatures."""
    if told.get("use", "sig") != "sig" or told.get("alg", algorithm) != algorithm:
        return None
    try:
        key = PyJWK(dict(told), algorithm)
    except PyJWTError:
        return None
    return None if key.Algorithm.check_key_length(key.key) else key
