"""Who sees what: the tenant that one asks for, and the access lists of files and stores.

An access list names those who may see a file or a store: users and groups. It is kept as one text,
`|group:sales|user:ann|`, so that databases and search indexes compare it without knowing its form;
no list (None) lets the whole tenant in, a list of nobody (`|`) no one but those who see all.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from index.errors import InvalidAttributesError

MAX_PRINCIPALS = 64
_PRINCIPAL = re.compile(r"(user|group|key):[^|\x00-\x1f\x7f\ud800-\udfff]{1,128}")
_SHOWN_CHARS = 80


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """For whom the corpus is read or written.

    The default is whoever runs the server: it sees all of the tenant `default`.

    Attributes:
        tenant: whose files and stores are meant; those of others do not exist.
        key_id: the public name of the key; what is uploaded remembers it.
        principals: as which users and groups access lists are asked; None: they let in everything.
        readable: ids of the stores that may be read; None: all of the tenant.
        writable: ids of the stores that may be changed; None: all that may be read.
        most_bytes: how much the files of the tenant may have, so that one more is taken; None: no
            limit.
        most_passages: likewise of the passages of its stores.
    """

    tenant: str = "default"
    key_id: str = ""
    principals: frozenset[str] | None = None
    readable: frozenset[str] | None = None
    writable: frozenset[str] | None = None
    most_bytes: int | None = None
    most_passages: int | None = None

    def admits(self, access: str | None) -> bool:
        """Whether an access list lets this viewer in."""
        if access is None or self.principals is None:
            return True
        return not self.principals.isdisjoint(principals_of(access))


OPERATOR = Viewer()


def access_text(principals: Iterable[str]) -> str:
    """Writes an access list as it is kept.

    Raises:
        InvalidAttributesError: too many principals, or one that is none.
    """
    listed = sorted(set(principals))
    if len(listed) > MAX_PRINCIPALS:
        raise InvalidAttributesError(
            f"an access list names at most {MAX_PRINCIPALS}, got {len(listed)}"
        )
    for one in listed:
        if not _PRINCIPAL.fullmatch(one):
            raise InvalidAttributesError(
                "users and groups of an access list must have 1..128 characters without '|', "
                f"got {one.partition(':')[2][:_SHOWN_CHARS]!r}"
            )
    return "".join(f"|{one}" for one in listed) + "|"


def principals_of(access: str) -> frozenset[str]:
    """Reads an access list."""
    return frozenset(one for one in access.split("|") if one)
