"""The query parameters of responses and conversations."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from graphs.api.responses.response_schema import RESULTS, Include


class IncludeParameters(BaseModel):
    """What is shown beside the rest; OpenAI's clients write the name with brackets."""

    include: Include = []
    include_brackets: Include = Field([], alias="include[]")

    @property
    def with_results(self) -> bool:
        """Whether the results of searches are shown."""
        return RESULTS in (*self.include, *self.include_brackets)


class PageParameters(IncludeParameters):
    """Which part of a list is meant."""

    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None


class ReadParameters(IncludeParameters):
    """How a response is read: as it stands, or as its stream after an event."""

    stream: bool = False
    starting_after: int | None = Field(None, ge=0)


IncludeQuery = Annotated[IncludeParameters, Query()]
PageQuery = Annotated[PageParameters, Query()]
ReadQuery = Annotated[ReadParameters, Query()]
