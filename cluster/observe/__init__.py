"""Dashboards and alerts over the metrics, each from one table here; Prometheus for `make serve`."""
