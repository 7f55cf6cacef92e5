"""The reply to what nobody has foreseen. Pure ASGI."""

import logging
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphs.api.error_replies import error_response
from graphs.api.errors import DisconnectedError

logger = logging.getLogger(__name__)


class LastResort:
    """Turns what nobody else caught into a 500 without a traceback.

    Once the reply has begun, it is left unfinished, and the server then closes the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application and answers for what it let fall."""
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        state: dict[str, Any] = scope.get("state", {})
        try:
            await self._app(scope, receive, watched_send)
        except DisconnectedError as error:
            logger.info("request %s: %s", state.get("request_id"), error)
        except Exception as error:
            logger.exception("request %s failed", state.get("request_id"))
            if not started:
                await error_response(error)(scope, receive, send)
