"""The routes of stored chat completions, which tell that none are: responses keep answers here."""

from typing import Any, NoReturn

from fastapi import APIRouter

from graphs.api.error_replies import ErrorReply
from graphs.api.errors import BadRequestError

router = APIRouter(tags=["chat"], prefix="/v1/chat/completions")

_SAID: dict[str, Any] = {
    "status_code": 400, "response_model": ErrorReply, "response_description": "No chat is stored.",
}  # fmt: skip


@router.get("", summary="Refuse to list chats", **_SAID)
async def list_chat_completions() -> NoReturn:
    """Chats are not stored."""
    _refuse()


@router.get("/{completion_id}", summary="Refuse to read a chat", **_SAID)
@router.post("/{completion_id}", summary="Refuse to change a chat", **_SAID)
@router.delete("/{completion_id}", summary="Refuse to delete a chat", **_SAID)
@router.get("/{completion_id}/messages", summary="Refuse to list messages", **_SAID)
async def use_chat_completion(completion_id: str) -> NoReturn:
    """Chats are not stored."""
    _refuse()


def _refuse() -> NoReturn:
    msg = "chats are not stored here: /v1/responses keeps answers, and /v1/conversations chats"
    raise BadRequestError(msg, param="store", code="unsupported_parameter")
