"""Files and vector stores."""
