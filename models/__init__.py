"""Pure machine learning: load, tokenise, infer, score, quantise. No Ray, no HTTP."""
