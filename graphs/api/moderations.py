"""`POST /v1/moderations`: OpenAI's 13 categories, and our own beside them."""

import re
import uuid
from typing import Annotated

from fastapi import APIRouter, Request, Response
from openai.types.moderation import (
    Categories,
    CategoryAppliedInputTypes,
    CategoryScores,
    Moderation,
)
from openai.types.moderation_create_response import ModerationCreateResponse
from pydantic import Discriminator, Field, Tag

from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.fields import ContentPart, joined
from graphs.api.border.replies import json_reply
from graphs.api.errors import BadRequestError, unknown_model
from graphs.api.services import InjectedServices
from graphs.config import HttpSettings
from models.safety import MODERATION_CATEGORIES, Verdict

router = APIRouter(tags=["moderations"], route_class=JsonRoute)

# Clients of OpenAI's API name its model where nobody has told them another; it is answered as ours.
_OPENAI_NAMES = re.compile(r"(?:omni|text)-moderation-(?:latest|stable)")


def _input_tag(value: object) -> str:
    if not isinstance(value, list):
        return "text"
    return "parts" if value and isinstance(value[0], dict) else "texts"


ModerationInput = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[list[str], Field(min_length=1), Tag("texts")]
    | Annotated[list[ContentPart], Tag("parts")],
    Discriminator(_input_tag),
]


class ModerationsBody(RequestModel):
    """The body of a moderations request. A list of parts is one input; of strings, several."""

    input: ModerationInput
    model: str | None = None


@router.post("/v1/moderations", response_model=ModerationCreateResponse, summary="Classify texts")
async def create_moderation(
    request: Request, body: ModerationsBody, services: InjectedServices
) -> Response:
    """Scores every text in every category."""
    model = services.config.served_names.safety
    if body.model not in {None, model} and not _OPENAI_NAMES.fullmatch(str(body.model)):
        raise unknown_model(str(body.model))
    texts = _texts(body.input)
    _check_size(texts, services.config.http)
    verdicts = await unless_disconnected(request.receive, services.safety.classify(texts))
    reply = ModerationCreateResponse(
        id=f"modr-{uuid.uuid4().hex}",
        model=model,
        results=[_moderation(verdict) for verdict in verdicts],
    )
    return json_reply(reply)


def _texts(value: str | list[str] | list[ContentPart]) -> list[str]:
    if isinstance(value, str):
        return [value]
    texts = [one for one in value if isinstance(one, str)]
    return texts or [joined([one for one in value if isinstance(one, ContentPart)])]


def _check_size(texts: list[str], settings: HttpSettings) -> None:
    sizes = (
        (len(texts), settings.max_inputs, "texts"),
        (sum(map(len, texts)), settings.max_moderation_chars, "characters"),
    )
    for found, most, unit in sizes:
        if found > most:
            msg = f"input must have at most {most} {unit}, got {found}"
            raise BadRequestError(msg, param="input")


def _moderation(verdict: Verdict) -> Moderation:
    scores = dict.fromkeys(MODERATION_CATEGORIES, 0.0) | dict(verdict.scores)
    return Moderation(
        flagged=verdict.flagged,
        categories=Categories.model_validate(
            {name: name in verdict.flagged_categories for name in scores}
        ),
        category_scores=CategoryScores.model_validate(scores),
        category_applied_input_types=CategoryAppliedInputTypes.model_validate(
            {name: ["text"] for name in scores}
        ),
    )
