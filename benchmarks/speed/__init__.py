"""How fast the served graph is, beside what else serves the same models on the same cores."""
