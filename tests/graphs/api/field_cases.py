"""Fields of requests, values for them, and what is expected; see test_api_fields.py."""

from openai.types import (
    CreateEmbeddingResponse,
    FileObject,
    ModerationCreateResponse,
    VectorStore,
    embedding_create_params,
    file_list_params,
    moderation_create_params,
    vector_store_create_params,
    vector_store_list_params,
    vector_store_search_params,
    vector_store_update_params,
)
from openai.types.vector_stores import (
    VectorStoreFile,
    VectorStoreFileBatch,
    file_batch_create_params,
    file_update_params,
)
from openai.types.vector_stores import file_create_params as store_file_create_params
from openai.types.vector_stores import file_list_params as store_file_list_params

EMBEDDER = "bundled:embedder"
LONG = "word " * 130
STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
SMALL = {"type": "static", "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0}}
WEEK = {"anchor": "last_active_at", "days": 7}
MANY = {str(number): "v" for number in range(17)}


def has(**wanted):
    """Says that a reply shows these values."""

    def check(reply):
        assert {name: reply[name] for name in wanted} == wanted

    return check


def anything(reply):
    """The field changes nothing that a reply shows."""


def of_size(size):
    def check(reply):
        assert len(reply["data"][0]["embedding"]) == size

    return check


def base64_text(reply):
    assert isinstance(reply["data"][0]["embedding"], str)


def costs(tokens):
    return has(usage={"prompt_tokens": tokens, "total_tokens": tokens})


def num_results(number):
    def check(reply):
        assert len(reply["results" if "results" in reply else "data"]) == number

    return check


def expires_in(days):
    def check(reply):
        assert reply["expires_at"] == reply["last_active_at"] + days * 86_400

    return check


def chunked(reply):
    assert reply["chunking_strategy"] == STATIC


EMBEDDINGS = [
    ("input", "two words", costs(2)),
    ("input", ["one", "two words"], costs(3)),
    ("input", [1, 2], anything),
    ("input", [[1], [2]], num_results(2)),
    ("input", "", "input"),
    ("input", LONG, "input"),
    ("input", ["short", LONG], "input[1]"),
    ("model", "gpt-9", "model"),
    ("dimensions", 16, of_size(16)),
    ("dimensions", 17, "dimensions"),
    ("encoding_format", "base64", base64_text),
    ("encoding_format", "float", of_size(64)),
    ("encoding_format", "ubinary", "encoding_format"),
    ("user", "someone", anything),
]
MODERATIONS = [
    ("input", ["a", "violence"], num_results(2)),
    ("input", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], num_results(1)),
    ("input", [{"type": "image_url", "image_url": {"url": "data:,"}}], "input[0].type"),
    ("model", "omni-moderation-latest", has(model="bundled:safety")),
    ("model", "gpt-9", "model"),
]
STORES = [
    ("name", "docs", has(name="docs")),
    ("name", "n" * 257, "name"),
    ("description", "ours", has(description="ours")),
    ("description", "d" * 513, "description"),
    ("file_ids", ["FILE"], anything),
    ("file_ids", "FILE", "file_ids"),
    ("file_ids", ["file-none"], "file_id"),
    ("expires_after", WEEK, expires_in(7)),
    ("expires_after", WEEK | {"days": 366}, "expires_after.days"),
    ("expires_after", WEEK | {"anchor": "created_at"}, "expires_after.anchor"),
    ("chunking_strategy", {"type": "auto"}, anything),
    ("chunking_strategy", STATIC, anything),
    ("chunking_strategy", SMALL, "chunking_strategy.static.max_chunk_size_tokens"),
    ("metadata", {"team": "a"}, has(metadata={"team": "a"})),
    ("metadata", None, has(metadata={})),
    ("metadata", MANY, "metadata"),
    ("metadata", {"k": "v" * 513}, "metadata.k"),
]
STORE_UPDATES = [
    ("name", None, has(name="first")),
    ("name", "papers", has(name="papers")),
    ("expires_after", WEEK, expires_in(7)),
    ("expires_after", None, has(expires_after=None)),
    ("expires_after", WEEK | {"days": 0}, "expires_after.days"),
    ("metadata", {"team": "b"}, has(metadata={"team": "b"})),
    ("metadata", None, has(metadata={})),
    ("metadata", MANY, "metadata"),
]
STORE_FILES = [
    ("file_id", "FILE", has(object="vector_store.file")),
    ("file_id", "file-none", "file_id"),
    ("attributes", None, has(attributes={})),
    ("attributes", {"lang": "en", "year": 2024, "draft": False, "score": 0.5},
     has(attributes={"lang": "en", "year": 2024, "draft": False, "score": 0.5})),
    ("attributes", MANY, "attributes"),
    ("attributes", {"k": ["v"]}, "attributes.k"),
    ("chunking_strategy", STATIC, chunked),
    ("chunking_strategy", {"type": "auto"}, anything),
    ("chunking_strategy", SMALL, "chunking_strategy.static.max_chunk_size_tokens"),
]  # fmt: skip
STORE_FILE_UPDATES = [
    ("attributes", {"lang": "fr"}, has(attributes={"lang": "fr"})),
    ("attributes", None, has(attributes={})),
    ("attributes", MANY, "attributes"),
]
BATCHES = [
    ("file_ids", ["FILE"], has(object="vector_store.files_batch")),
    ("file_ids", [], "file_ids"),
    ("files", [{"file_id": "FILE"}], "files"),  # beside file_ids
    ("attributes", {"lang": "en"}, anything),
    ("attributes", MANY, "attributes"),
    ("chunking_strategy", STATIC, anything),
    ("chunking_strategy", SMALL, "chunking_strategy.static.max_chunk_size_tokens"),
]
SEARCHES = [
    ("query", "bounded queue", has(search_query=["bounded queue"])),
    ("query", ["queue", "node"], has(search_query=["queue", "node"])),
    ("query", " ", "query"),
    ("max_num_results", 1, num_results(1)),
    ("max_num_results", 51, "max_num_results"),
    ("filters", {"type": "eq", "key": "lang", "value": "fr"}, num_results(0)),
    ("filters", {"type": "like", "key": "lang", "value": "fr"}, "filters"),
    ("ranking_options", {"ranker": "none"}, num_results(2)),
    ("ranking_options", {"score_threshold": 1.0}, num_results(1)),
    ("ranking_options", {"score_threshold": 2}, "ranking_options.score_threshold"),
    ("ranking_options", {"ranker": "best"}, "ranking_options.ranker"),
    ("ranking_options", {"hybrid_search": {}}, "ranking_options.hybrid_search"),
    ("rewrite_query", False, num_results(2)),
    ("rewrite_query", True, num_results(2)),
    ("rewrite_query", "yes", "rewrite_query"),
]
UPLOADS = [
    ("purpose", "evals", has(purpose="evals")),
    ("purpose", "fun", "purpose"),
    ("expires_after[anchor]", "created_at", "expires_after"),  # alone
    ("expires_after[seconds]", "3599", "expires_after[seconds]"),
]
FILE_LISTS = [
    ("limit", 1, num_results(1)),
    ("limit", 0, "limit"),
    ("limit", 10_001, "limit"),
    ("order", "asc", num_results(2)),
    ("order", "up", "order"),
    ("after", "NEWEST", num_results(1)),
    ("after", "none", "after"),
    ("before", "OLDEST", num_results(1)),
    ("before", "none", "before"),
    ("purpose", "batch", num_results(0)),
]
LISTS = [case for case in FILE_LISTS if case[1] != 10_001 and case[0] != "purpose"] + [
    ("limit", 101, "limit")
]
STATUSES = [
    ("filter", "completed", num_results(2)),
    ("filter", "failed", num_results(0)),
    ("filter", "odd", "filter"),
]

# Path, the least body, the cases, the type with every field, and that of the reply.
POSTS = {
    "embeddings": (
        "/v1/embeddings", {"model": EMBEDDER, "input": "two words"}, EMBEDDINGS,
        embedding_create_params.EmbeddingCreateParams, CreateEmbeddingResponse,
    ),
    "moderations": (
        "/v1/moderations", {"input": "hello"}, MODERATIONS,
        moderation_create_params.ModerationCreateParams, ModerationCreateResponse,
    ),
    "stores": (
        "/v1/vector_stores", {}, STORES,
        vector_store_create_params.VectorStoreCreateParams, VectorStore,
    ),
    "store updates": (
        "/v1/vector_stores/STORE", {}, STORE_UPDATES,
        vector_store_update_params.VectorStoreUpdateParams, VectorStore,
    ),
    "store files": (
        "/v1/vector_stores/STORE/files", {"file_id": "FILE"}, STORE_FILES,
        store_file_create_params.FileCreateParams, VectorStoreFile,
    ),
    "store file updates": (
        "/v1/vector_stores/STORE/files/OLDEST", {"attributes": {}}, STORE_FILE_UPDATES,
        file_update_params.FileUpdateParams, VectorStoreFile,
    ),
    "file batches": (
        "/v1/vector_stores/STORE/file_batches", {"file_ids": ["FILE"]}, BATCHES,
        file_batch_create_params.FileBatchCreateParams, VectorStoreFileBatch,
    ),
    "searches": (
        "/v1/vector_stores/STORE/search", {"query": "queue"}, SEARCHES,
        vector_store_search_params.VectorStoreSearchParams, None,
    ),
}  # fmt: skip
GETS = {
    "files": ("/v1/files", FILE_LISTS, file_list_params.FileListParams, FileObject),
    "stores": (
        "/v1/vector_stores", LISTS, vector_store_list_params.VectorStoreListParams, VectorStore,
    ),
    "store files": (
        "/v1/vector_stores/STORE/files", LISTS + STATUSES,
        store_file_list_params.FileListParams, VectorStoreFile,
    ),
}  # fmt: skip
