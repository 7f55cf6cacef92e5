"""Access tokens of an identity provider (JWT, RFC 7519; OIDC discovery), taken like keys.

header: algorithm is one of ours, kid --> key of the issuer --> signature, iss, aud, exp, nbf
    --> claims --> a record in the catalog, as keys have one
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import jwt
from jwt.exceptions import PyJWTError

from graphs.access.claims import ClaimsError, grant_of
from graphs.access.issuer_keys import IssuerKeys
from graphs.settings import JwtSettings
from index.catalog.keys.records import KeyGrant, KeyRecord

logger = logging.getLogger(__name__)

MAX_TOKEN_BYTES = 16 * 1024
_NUM_PARTS = 3
_NEEDED = ["iss", "aud", "exp", "sub"]


class ExpiredTokenError(PermissionError):
    """A token of the issuer is over: no forgery, but what every client comes with now and then."""


Admit = Callable[[str, KeyGrant], Awaitable[KeyRecord | None]]


class Tokens:
    """Tells who comes with a token.

    Args:
        settings: gives those of the moment; None: tokens are not taken.
        admit: keeps who came, and says whether it may.
    """

    def __init__(self, settings: Callable[[], JwtSettings | None], admit: Admit) -> None:
        self._settings = settings
        self._admit = admit
        self._issuer: tuple[JwtSettings, IssuerKeys] | None = None

    async def find(self, token: str) -> KeyRecord | None:
        """Gives the record of who comes with this token; None: it is not to be trusted.

        Raises:
            GraphError: the catalog does not answer, or the issuer has told no keys yet.
            CorpusError: nor does the database.
            ExpiredTokenError: its time is over.
        """
        settings = self._settings()
        if settings is None or token.count(".") != _NUM_PARTS - 1 or len(token) > MAX_TOKEN_BYTES:
            return None
        try:
            claims = await self._verified(token, settings)
            key_id, grant = grant_of(claims, settings)
        except jwt.ExpiredSignatureError as err:  # the signature was looked at before
            raise ExpiredTokenError from err
        except (PyJWTError, ClaimsError) as err:
            # Not the message of a library: it may repeat what stands in the token.
            reason = str(err) if isinstance(err, ClaimsError) else type(err).__name__
            logger.info("a token was refused: %s", reason)
            return None
        known = await self._admit(key_id, grant)
        if known is None:
            return None
        # What this token says and for how long, whatever others of the same one say.
        return replace(
            known,
            scopes=grant.scopes,
            user=grant.user,
            groups=grant.groups,
            expires_at=int(claims["exp"] + settings.leeway_s),
        )

    async def _verified(self, token: str, settings: JwtSettings) -> dict[str, Any]:
        """Gives the claims.

        Raises:
            PyJWTError: the token is not of the issuer, not for us, or not for now.
        """
        header = jwt.get_unverified_header(token)
        kid, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(kid, str) or algorithm not in settings.algorithms:
            raise jwt.InvalidAlgorithmError
        key = await self._keys(settings).find(kid, algorithm)
        if key is None:
            raise jwt.InvalidKeyError
        return jwt.decode(
            token,
            key,
            algorithms=list(settings.algorithms),
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=settings.leeway_s,
            options={"require": _NEEDED},
        )

    def _keys(self, settings: JwtSettings) -> IssuerKeys:
        if self._issuer is None or self._issuer[0] != settings:
            self._issuer = (settings, IssuerKeys(settings))
        return self._issuer[1]
