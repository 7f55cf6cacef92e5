"""What somebody would write by hand: sentence-transformers behind FastAPI, without batching.

    python -m benchmarks.speed.plain_server --embedder FOLDER --reranker FOLDER --port 9000

Its endpoints are plain functions, which FastAPI runs on threads; torch takes all cores.
"""

import argparse
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import CrossEncoder, SentenceTransformer


class EmbeddingsBody(BaseModel):
    """Some texts."""

    input: list[str]


class RerankBody(BaseModel):
    """A question and documents."""

    query: str
    documents: list[str]


def build(embedder: SentenceTransformer, reranker: CrossEncoder) -> FastAPI:
    """Makes the application."""
    app = FastAPI()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/embeddings")
    def embed(body: EmbeddingsBody) -> dict[str, Any]:
        vectors = embedder.encode(body.input, normalize_embeddings=True, show_progress_bar=False)
        return {"data": [{"index": n, "embedding": v.tolist()} for n, v in enumerate(vectors)]}

    @app.post("/v1/rerank")
    def rerank(body: RerankBody) -> dict[str, Any]:
        pairs = [(body.query, document) for document in body.documents]
        scores = reranker.predict(pairs, show_progress_bar=False)
        return {"results": [{"index": n, "score": float(s)} for n, s in enumerate(scores)]}

    return app


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedder", required=True)
    parser.add_argument("--reranker", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    app = build(
        SentenceTransformer(given.embedder, device="cpu"),
        CrossEncoder(given.reranker, device="cpu"),
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
