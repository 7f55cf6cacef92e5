"""The routes of stored chat completions, which tell that none are: responses keep answers here."""

from typing import NoReturn

from fastapi import APIRouter

from graphs.api.error_replies import ErrorReply
from graphs.api.errors import BadRequestError

router = APIRouter(tags=["chat"], prefix="/v1/chat/completions")

_SAID = {"status_code": 400, "response_model": ErrorReply}
_NONE = "No chat is stored."


@router.get("", summary="Refuse to list chats", response_description=_NONE, **_SAID)
async def list_chat_completions() -> NoReturn:
    """Chats are not stored."""
    _refuse()


@router.get("/{completion_id}", summary="Refuse to read", response_description=_NONE, **_SAID)
@router.post("/{completion_id}", summary="Refuse to change", response_description=_NONE, **_SAID)
@router.delete("/{completion_id}", summary="Refuse to delete", response_description=_NONE, **_SAID)
@router.get(
    "/{completion_id}/messages", summary="Refuse to list", response_description=_NONE, **_SAID
)
async def use_chat_completion(completion_id: str) -> NoReturn:
    """Chats are not stored."""
    _refuse()


def _refuse() -> NoReturn:
    msg = "chats are not stored here: /v1/responses keeps answers, and /v1/conversations chats"
    raise BadRequestError(msg, param="store", code="unsupported_parameter")
