"""`/v1/feedback`: what people say of an answer: a thumb, a comment, a better answer."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.corpus.vector_store_schema import StoredText
from graphs.api.services import InjectedCorpus
from graphs.caller import Caller
from index.catalog.answers.feedback import FeedbackRecord

router = APIRouter(tags=["feedback"], prefix="/v1/feedback", route_class=JsonRoute)

_MAX_CHARS = 32_768
_WORDS = {"rating", "comment", "corrected_answer"}
Words = Annotated[StoredText, Field(max_length=_MAX_CHARS)]
Thumb = Literal["up", "down"]


def _check_id(response_id: str) -> str:
    if not response_id.strip():
        raise PydanticCustomError("invalid_value", "must not be blank")
    return response_id


class FeedbackBody(RequestModel):
    """What is said of one answer; a field that is not sent stays as it was, null takes it back."""

    response_id: Annotated[StoredText, Field(max_length=64), AfterValidator(_check_id)]
    rating: Thumb | None = None
    comment: Words | None = None
    corrected_answer: Words | None = None
    question: Words | None = None
    answer: Words | None = None
    model: Annotated[StoredText, Field(max_length=512)] | None = None
    contexts: Annotated[list[Words], Field(max_length=64)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackBody":
        if not _WORDS & self.model_fields_set:
            raise PydanticCustomError(
                "missing_required_parameter",
                "one of rating, comment and corrected_answer is required",
            )
        return self


class FeedbackObject(BaseModel):
    """What one key said of one answer."""

    id: str
    object: Literal["feedback"]
    response_id: str
    created_at: int
    updated_at: int
    rating: Thumb | None
    comment: str | None
    corrected_answer: str | None
    question: str | None
    answer: str | None
    model: str | None
    contexts: list[str]


class FeedbackDeleted(BaseModel):
    """Feedback that is forgotten."""

    id: str
    object: Literal["feedback.deleted"]
    deleted: bool


@router.post("", response_model=FeedbackObject, summary="Say what an answer was worth")
async def say_feedback(request: Request, body: FeedbackBody, corpus: InjectedCorpus) -> Response:
    """Keeps what a key says of an answer, by the id of the chat or response; the last word counts.

    Chats are not kept here, so question, answer and passages come with it where they are to be
    read again: by `GET /v1/feedback`, or as an evaluation set.
    """
    caller, said = request.state.caller, body.model_dump(exclude_unset=True)
    record = await corpus.say_feedback(caller.tenant, caller.key_id, said.pop("response_id"), said)
    return json_reply(_object(record))


@router.get("", response_model=ListPage[FeedbackObject], summary="List the feedback")
async def list_feedback(
    request: Request,
    corpus: InjectedCorpus,
    rating: Thumb | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> Response:
    """Gives one page: of the tenant to keys with the scope `admin`, to others of their own."""
    caller = request.state.caller
    page = await corpus.list_feedback(
        caller.tenant, key_id=_seen_by(caller), rating=rating, limit=limit, order=order, after=after
    )
    ids = [record.id for record in page.items]
    return list_reply([_object(one) for one in page.items], ids, has_more=page.has_more)


@router.delete("/{feedback_id}", response_model=FeedbackDeleted, summary="Forget feedback")
async def delete_feedback(request: Request, feedback_id: str, corpus: InjectedCorpus) -> Response:
    """Forgets what was said of an answer, with the texts that came with it."""
    caller = request.state.caller
    await corpus.delete_feedback(caller.tenant, feedback_id, key_id=_seen_by(caller))
    return json_reply(FeedbackDeleted(id=feedback_id, object="feedback.deleted", deleted=True))


def _seen_by(caller: Caller) -> str | None:
    """Whose feedback a caller sees: questions of others are theirs. None: all of its tenant."""
    return None if not caller.scopes or "admin" in caller.scopes else caller.key_id


def _object(record: FeedbackRecord) -> FeedbackObject:
    shown = {
        name: getattr(record, name) for name in FeedbackObject.model_fields if name != "object"
    }
    return FeedbackObject(object="feedback", **shown | {"contexts": list(record.contexts)})
