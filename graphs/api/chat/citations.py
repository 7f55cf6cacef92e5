"""The passages and markers of an answer in the shapes that clients know: one source, three views.

`annotations` is OpenAI's, `context` is Azure's "on your data", `search_results` is Perplexity's.
"""

import json
from collections.abc import Sequence

from openai.types.chat.chat_completion_message import Annotation, AnnotationURLCitation
from pydantic import BaseModel

from graphs.api.border.public_url import file_url
from graphs.pipeline.events import Citation, Passage, Retrieved


class ContextCitation(BaseModel):
    """One passage that the generator saw; the marker `[n]` means the n-th of them."""

    content: str
    title: str
    filepath: str
    url: str
    chunk_id: str


class Context(BaseModel):
    """All passages; `intent` is a JSON list of the search queries, as a string (so does Azure)."""

    citations: list[ContextCitation]
    intent: str


class SearchResult(BaseModel):
    """One passage with its score."""

    title: str
    url: str
    date: str | None
    last_updated: str | None
    snippet: str
    source: str
    file_id: str
    chunk_id: str
    score: float


def url_of(passage: Passage) -> str:
    """Gives the URL at which the file of a passage can be read."""
    return f"{file_url(passage.file_id)}#chunk={passage.chunk_id}"


def title_of(passage: Passage) -> str:
    """Gives the heading path of a passage, or its file's name."""
    return passage.title or passage.filename


def annotation_of(citation: Citation) -> Annotation:
    """Makes the annotation of one marker; `end_index` is exclusive."""
    return Annotation(
        type="url_citation",
        url_citation=AnnotationURLCitation(
            start_index=citation.start,
            end_index=citation.end,
            url=url_of(citation.passage),
            title=title_of(citation.passage),
        ),
    )


def context_of(retrieved: Retrieved) -> Context:
    """Makes the Azure view."""
    citations = [
        ContextCitation(
            content=passage.text,
            title=title_of(passage),
            filepath=passage.filename,
            url=url_of(passage),
            chunk_id=passage.chunk_id,
        )
        for passage in retrieved.passages
    ]
    queries = [] if retrieved.search_query is None else [retrieved.search_query]
    return Context(citations=citations, intent=json.dumps(queries, ensure_ascii=False))


def search_results_of(passages: Sequence[Passage]) -> list[SearchResult]:
    """Makes the Perplexity view."""
    return [
        SearchResult(
            title=title_of(passage),
            url=url_of(passage),
            date=None,
            last_updated=None,
            snippet=passage.text,
            source=passage.filename,
            file_id=passage.file_id,
            chunk_id=passage.chunk_id,
            score=passage.score,
        )
        for passage in passages
    ]
