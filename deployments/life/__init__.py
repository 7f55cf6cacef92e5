"""The life of a model in its replica: loaded, changed, and what of it `serve status` tells."""
