"""How the bundled reranker and safety classifier are trained, on a frozen MiniLM."""
