#!/bin/sh
# A release with gates, for any CI: lint, plan, test, evaluate, deploy. Each step ends it when it fails.
#   CONFIG=cluster.yaml NODES=cluster/launch/nodes.yaml DASHBOARD=http://head:8265 cluster/launch/release.sh
# Without DASHBOARD nothing is deployed. RAY_AUTH_MODE and the token of the cluster come from the CI.
set -eu

CONFIG=${CONFIG:-cluster.yaml}
NODES=${NODES:-cluster/launch/nodes.yaml}
PYTHON=${PYTHON:-.venv/bin/python}

"$PYTHON" -m graphs.commands.check "$CONFIG"
# Status 3: it does not run on these machines. 4: too slow, where a latency is asked for.
"$PYTHON" -m cluster.plan "$CONFIG" --nodes "$NODES" --commercial ${PLAN_OPTIONS:-}

if [ "${SKIP_TESTS:-}" != 1 ]; then
    make test
    exam=$(mktemp)
    "$PYTHON" -m benchmarks.answers --in-process --half dev --out "$exam"
    # Of the bundled models, about; put what yours reach.
    "$PYTHON" -c 'import json, sys
(counts,) = json.load(open(sys.argv[1]))["numbers"].values()
kinds = {name: kind for name, kind in counts.items() if not name.startswith("all ")}
asked, right = (sum(kind[key] for kind in kinds.values()) for key in ("asked", "right"))
print(f"{right} of {asked} are right")
sys.exit(right < float(sys.argv[2]) * asked)' "$exam" "${LEAST_RIGHT:-0.7}"
fi

if [ -n "${DASHBOARD:-}" ]; then
    "$PYTHON" -m cluster.plan "$CONFIG" --against "$DASHBOARD"
    "$(dirname "$PYTHON")/serve" deploy --address "$DASHBOARD" "$CONFIG"
fi
