"""Who wrote an answer, where several generators may."""

from pathlib import PurePath

from pydantic import BaseModel

from graphs.pipeline.events import Retrieved


class WrittenBy(BaseModel):
    """The generator that wrote an answer, `fallback` for the one elsewhere, and its model."""

    generator: str
    model: str


def written_by_of(retrieved: Retrieved) -> WrittenBy | None:
    """Gives who writes; None where none is chosen. Of a model in a folder the path stays here."""
    if not retrieved.writer:
        return None
    path = PurePath(retrieved.model)
    model = path.name if path.is_absolute() else retrieved.model
    return WrittenBy(generator=retrieved.writer, model=model)
