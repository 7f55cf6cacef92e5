"""The parts of `benchmarks.search`; each runs in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import faiss
import numpy as np
import tantivy
from numpy.typing import NDArray

from benchmarks.progress import progress_bar
from benchmarks.search.corpus import FINGERPRINT, Questions
from index.catalog.catalog import Catalog
from index.records import ChunkDraft, Job, Vectors, titled_text
from index.searching.filters import parse_filter
from index.searching.fold import Fold
from index.searching.lexical import ANALYZER, WRITER_BYTES, lexical_schema, word_analyzer
from index.searching.request import FUSION_DEPTH, SearchRequest
from index.searching.store_index import StoreIndex

Figures = dict[str, float]
Ids = NDArray[np.int64]
_CHANGES_A_STEP = 1000


def restart(url: str) -> float:
    """Return the seconds from nothing to all that is committed being searchable."""
    started = time.perf_counter()
    Fold(Catalog(url)).catch_up()
    return time.perf_counter() - started


def retriever(url: str, store_id: str, questions: Questions, num_fresh: int) -> Figures:
    """Return all that is measured of the Retriever's own indexes."""
    catalog = Catalog(url)
    fold = Fold(catalog)
    before, started = resident_bytes(), time.perf_counter()
    watch_catch_up(fold, catalog.head())
    figures = {"full_restart_s": time.perf_counter() - started}
    requests = [
        SearchRequest(stores=(store_id,), text=text, vector=vector)
        for text, vector in zip(questions.texts, questions.vectors, strict=True)
    ]
    index = fold.indexes[store_id]
    assert isinstance(index, StoreIndex)
    figures |= search_while_building(fold, index, requests)
    index.wait()
    figures["bytes_a_passage"] = (resident_bytes() - before) / index.num_passages
    figures["num_lists"] = bare_faiss(index).nlist if is_inverted(index) else 0
    figures |= compare(fold, index, requests)
    figures |= filtered(fold, requests, questions)
    figures["recall"] = recall(fold, requests, questions.nearest)
    return figures | fresh(catalog, fold, store_id, num_fresh)


def watch_catch_up(fold: Fold, head: int) -> None:
    """Fold the log up to the head, with a bar."""
    worker = threading.Thread(target=fold.catch_up)
    worker.start()
    seen = 0
    with progress_bar("fold the change log", head) as advance:
        while worker.is_alive():
            worker.join(0.2)
            advance(fold.number - seen)
            seen = fold.number


def search_while_building(
    fold: Fold, index: StoreIndex, requests: Sequence[SearchRequest]
) -> Figures:
    """Return how long searches take at most while lists are made."""
    taken = [0.0]
    while index.is_building:
        taken += [timed(fold.search, request) for request in requests[:10]]
    return {"building_max_ms": max(taken)}


def compare(fold: Fold, index: StoreIndex, requests: Sequence[SearchRequest]) -> Figures:
    """Return the times of a search, and of both bare libraries on the same indexes, in turn."""
    for request in requests[:20]:
        fold.search(request)
        search_bare(index, request)
    pairs = [
        (timed(search_bare, index, request), timed(fold.search, request)) for request in requests
    ]
    bare, ours = zip(*pairs, strict=True)
    worked = [
        (worked_ms(search_bare, index, request), worked_ms(fold.search, request))
        for request in requests
    ]
    return {
        "bare_cpu_p50_ms": float(np.median([pair[0] for pair in worked])),
        "search_cpu_p50_ms": float(np.median([pair[1] for pair in worked])),
        "bare_p50_ms": float(np.median(bare)),
        "search_p50_ms": float(np.median(ours)),
        "bare_p95_ms": float(np.quantile(bare, 0.95)),
        "search_p95_ms": float(np.quantile(ours, 0.95)),
        "bare_dense_p50_ms": float(np.median([timed(dense_bare, index, r) for r in requests])),
    }


def search_bare(index: StoreIndex, request: SearchRequest) -> tuple[Ids, list[int]]:
    """Search both libraries as one would call them alone."""
    words = lexical_index(index)
    query = words.parse_query(request.text, ["body"])
    searcher = words.searcher()
    hits = searcher.search(query, FUSION_DEPTH, count=False).hits
    return dense_bare(index, request), searcher.fast_field_values(
        "chunk_id", [address for _, address in hits]
    )


def dense_bare(index: StoreIndex, request: SearchRequest) -> Ids:
    """Search FAISS as one would call it alone."""
    assert request.vector is not None
    found: Ids = bare_faiss(index).search(request.vector[np.newaxis], FUSION_DEPTH)[1]
    return found


def filtered(fold: Fold, requests: Sequence[SearchRequest], questions: Questions) -> Figures:
    """Return time and recall of searches that one passage in a hundred may take part in."""
    of_tenant = [
        replace(request, filters=parse_filter({"type": "eq", "key": "tenant", "value": tenant}))
        for request, tenant in zip(requests, questions.tenants, strict=True)
    ]
    return {
        "filtered_p50_ms": float(np.median([timed(fold.search, one) for one in of_tenant])),
        "filtered_recall": recall(fold, of_tenant, questions.nearest_of_tenant),
    }


def recall(fold: Fold, requests: Sequence[SearchRequest], nearest: Ids) -> float:
    """Return the share of the ten nearest passages that dense search finds."""
    shares = [
        np.isin([hit.chunk_id for hit in fold.search(replace(request, mode="dense"))], exact).sum()
        / (exact >= 0).sum()
        for request, exact in zip(requests, nearest, strict=True)
    ]
    return float(np.mean(shares))


def fresh(catalog: Catalog, fold: Fold, store_id: str, count: int) -> Figures:
    """Return how long a document takes from its commit to the end of a search that finds it."""
    rng = np.random.default_rng(1)
    dim = next(iter(catalog.changes_since(0, 1))).vectors.shape[1]
    taken = []
    with progress_bar("add documents", count) as advance:
        for number in range(count):
            vector = rng.standard_normal(dim).astype(np.float32)
            vector /= np.linalg.norm(vector)
            job = attach(catalog, store_id)
            text = f"fresh{number}"
            drafts = [ChunkDraft(text=text, title="", char_start=0, char_end=9, ordinal=0)]
            catalog.complete_job(job, drafts, vector[np.newaxis], FINGERPRINT)
            request = SearchRequest(stores=(store_id,), text=text, vector=vector)
            started = time.perf_counter()
            hits = fold.search(request)
            taken.append((time.perf_counter() - started) * 1e3)
            assert hits[0].file_id == job.file_id
            advance(1)
    return {
        "fresh_p50_ms": float(np.median(taken)),
        "fresh_p99_ms": float(np.quantile(taken, 0.99)),
    }


def attach(catalog: Catalog, store_id: str) -> Job:
    """Put a new file into the store, and take its job."""
    file = catalog.create_file(filename="fresh.md", purpose="assistants", data=b"-")
    catalog.attach_file(store_id, file.id)
    job = catalog.claim_job("benchmark", 600)
    assert job is not None
    return job


def bare_memory(url: str, num_lists: int) -> Figures:
    """Return what FAISS and tantivy take for the same passages, without anything around them."""
    catalog = Catalog(url)
    before = resident_bytes()
    vectors: Any = None
    words = tantivy.Index(lexical_schema())
    words.register_tokenizer(ANALYZER, word_analyzer())
    writer = words.writer(WRITER_BYTES, num_threads=1)
    number, head, num_passages = 0, catalog.head(), 0
    with progress_bar("bare indexes", head) as advance:
        while number < head:
            changes = catalog.changes_since(number, _CHANGES_A_STEP)
            rows = np.concatenate([change.vectors for change in changes])
            vectors = vectors or new_faiss(rows, num_lists)
            vectors.add_with_ids(rows, np.arange(num_passages, num_passages + len(rows)))
            for passage in (passage for change in changes for passage in change.passages):
                body = titled_text(passage)
                writer.add_document(
                    tantivy.Document(chunk_id=passage.chunk_id, file_key=0, body=body)
                )
            num_passages += len(rows)
            advance(changes[-1].number - number)
            number = changes[-1].number
            del changes, rows
    writer.commit()
    writer.wait_merging_threads()
    words.reload()
    return {"bare_bytes_a_passage": (resident_bytes() - before) / num_passages}


def new_faiss(sample: Vectors, num_lists: int) -> Any:
    """Return an empty index of the kind that the store has; 0 lists are a flat one."""
    dim = sample.shape[1]
    if not num_lists:
        return faiss.IndexIDMap(faiss.IndexFlatIP(dim))
    half, cosine = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    coarse = faiss.IndexFlatIP(dim)  # the wrapper keeps it alive
    index = faiss.IndexIVFScalarQuantizer(coarse, dim, num_lists, half, cosine, False)
    index.cp.min_points_per_centroid, index.cp.niter = 1, 4
    index.train(sample)
    return index


def timed(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the milliseconds that a call takes."""
    started = time.perf_counter()
    function(*arguments)
    return (time.perf_counter() - started) * 1e3


def worked_ms(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the milliseconds of processor time that this thread takes."""
    started = time.thread_time()
    function(*arguments)
    return (time.thread_time() - started) * 1e3


def resident_bytes() -> int:
    """Return the memory of this process, without what was freed."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


# Bare means past all that is measured, so these reach inside.
def is_inverted(index: StoreIndex) -> bool:
    """Whether the store has grown out of a flat index."""
    return hasattr(bare_faiss(index), "nlist")


def bare_faiss(index: StoreIndex) -> Any:
    """Return the FAISS index, set to probe as many lists as the store does."""
    vectors: Any = index._dense._vectors
    if hasattr(vectors, "_num_probes"):
        vectors._index.nprobe = vectors._num_probes
    return vectors._index


def lexical_index(index: StoreIndex) -> Any:
    """Return the tantivy index."""
    return index._lexical._index
