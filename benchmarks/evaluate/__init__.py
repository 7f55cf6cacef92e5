"""Measures a running system on a set of questions, and says whether it is good enough."""
