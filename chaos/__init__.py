"""Faults on purpose: kills, freezes and notices under load, each proven, and a report of them."""
