"""`/v1/responses` and `/v1/conversations`: answers that are kept, as a view of the pipeline."""
