"""The RAG pipeline: plain async code over Protocols, no Ray, no HTTP."""
