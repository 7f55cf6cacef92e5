"""The labelled questions of `benchmarks.retrieval`: their documents, scores and tables."""
