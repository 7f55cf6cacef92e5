"""Imports Serve in a worker that has nothing to do yet, for whichever replica is placed there.

Ray imports the modules that RAY_preload_python_modules names (cluster/local.py) in every worker
process when it starts. Serve takes two to three seconds of CPU time, a quarter of it for pandas,
which it wants for answers that are data frames: none is here.
"""

from deployments.light_process import hidden

with hidden("pandas"):
    import ray.serve.api  # noqa: F401
