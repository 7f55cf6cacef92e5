"""Search: a fold of the change log, dense and BM25, fused."""
