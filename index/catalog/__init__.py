"""The corpus in SQL: files, stores, jobs, passages and the change log."""
