"""`access` of files and vector stores: which users and groups of the tenant may see them.

{"users": ["ann"], "groups": ["sales"]}     they alone; {} nobody but keys of the group `*`
null, or not sent                           everyone in the tenant
"""

from typing import Annotated

from pydantic import Field, ValidationError

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.errors import BadRequestError
from index.access import MAX_PRINCIPALS, access_text, principals_of
from index.errors import InvalidAttributesError

MAX_ACCESS_CHARS = 2**14  # of the JSON in a form
_Names = Annotated[list[str], Field(max_length=MAX_PRINCIPALS)]


class AccessList(RequestModel):
    """Who may see it."""

    users: _Names = Field(default_factory=list)
    groups: _Names = Field(default_factory=list)

    def text(self) -> str:
        """Gives it as it is kept.

        Raises:
            BadRequestError: too many names, or one that can be none.
        """
        named = [f"user:{one}" for one in self.users] + [f"group:{one}" for one in self.groups]
        try:
            return access_text(named)
        except InvalidAttributesError as err:
            raise BadRequestError(str(err), param="access") from err


def access_of(sent: AccessList | None) -> str | None:
    """Gives an access list as it is kept."""
    return None if sent is None else sent.text()


def access_in_form(sent: str | None) -> str | None:
    """Reads the JSON that stands in a field of a form; an empty one is none.

    Raises:
        BadRequestError: it is no access list.
    """
    if not sent:
        return None
    try:
        return access_of(AccessList.model_validate_json(sent, extra="forbid"))
    except ValidationError as err:
        msg = 'access must be JSON such as {"users": ["ann"], "groups": ["sales"]}'
        raise BadRequestError(msg, param="access") from err


def access_object(access: str | None) -> dict[str, list[str]] | None:
    """Makes the object of an access list."""
    if access is None:
        return None
    listed: dict[str, list[str]] = {"users": [], "groups": []}
    for one in sorted(principals_of(access)):
        kind, _, name = one.partition(":")
        listed.setdefault(f"{kind}s", []).append(name)
    return listed
