"""Which generator writes an answer: by share, by difficulty, or since none is left."""
