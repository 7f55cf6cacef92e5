"""Azure's `data_sources` ("on your data"), read as the vector stores of this server.

{"data_sources": [{"type": "azure_search",
                   "parameters": {"index_name": "handbook", "top_n_documents": 5, ...}}]}

An index is a vector store, by id or name. What has no counterpart here is refused by name; what
only says how to reach a search service, or how its fields are called, means nothing here and is
passed over. https://learn.microsoft.com/azure/ai-foundry/openai/references/azure-search
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.border.fields import Unsupported, only

QueryType = Literal[
    "simple", "semantic", "vector", "vector_simple_hybrid", "vector_semantic_hybrid"
]
# How each is searched here.
_OPTIONS: dict[QueryType, dict[str, Any]] = {
    "simple": {"mode": "lexical"},
    "semantic": {"mode": "lexical", "rerank": True},
    "vector": {"mode": "dense"},
    "vector_simple_hybrid": {"mode": "hybrid"},
    "vector_semantic_hybrid": {"mode": "hybrid", "rerank": True},
}
# The least relevance of a passage; 3 is Azure's own default, and means as configured.
_THRESHOLDS = {1: 0.1, 2: 0.3, 3: None, 4: 0.7, 5: 0.9}


class SearchParameters(RequestModel):
    """The parameters of a data source of the type `azure_search`."""

    index_name: str = Field(min_length=1)
    query_type: QueryType | None = None
    top_n_documents: int | None = Field(None, ge=1, le=50)
    strictness: int | None = Field(None, ge=1, le=5)
    role_information: str | None = None
    in_scope: Annotated[object, only(True, name="in_scope")] = None
    filter: Unsupported = None
    max_search_queries: Unsupported = None
    include_contexts: list[Literal["citations", "intent"]] | None = None


class DataSource(RequestModel):
    """Where passages are searched for."""

    type: Annotated[str, only("azure_search", name="type")]
    parameters: SearchParameters

    def options(self) -> dict[str, Any]:
        """Gives the options of `rag` that mean the same; those that are not set are left out."""
        parameters = self.parameters
        chosen = {
            "vector_store_ids": [parameters.index_name],
            "top_k": parameters.top_n_documents,
            "score_threshold": _THRESHOLDS[parameters.strictness or 3],
            **(_OPTIONS[parameters.query_type] if parameters.query_type else {}),
        }
        return {name: value for name, value in chosen.items() if value is not None}


DataSources = Annotated[list[DataSource], Field(min_length=1, max_length=1)]
