"""Composition and HTTP: the RAG pipeline, its API and its configuration. No torch."""
