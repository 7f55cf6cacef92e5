#!/bin/sh
# A release with gates, for any CI: lint, plan, test, evaluate, deploy. Each step ends it when it fails.
#   CONFIG=cluster.yaml NODES=cluster/launch/nodes.yaml DASHBOARD=http://head:8265 cluster/launch/release.sh
#   VALUES=my.yaml NODES=... cluster/launch/release.sh    # the chart, with the config that my.yaml names
# Without DASHBOARD or VALUES nothing is deployed. RAY_AUTH_MODE and the token of the cluster, or the
# credentials of kubectl, come from the CI, which may ask a person before it gives them.
set -eu

CONFIG=${CONFIG:-cluster.yaml}
NODES=${NODES:-cluster/launch/nodes.yaml}
PYTHON=${PYTHON:-.venv/bin/python}

if [ -n "${VALUES:-}" ]; then
    rendered=$(mktemp -d)
    "$PYTHON" -m cluster.launch.render --values "$VALUES" --out "$rendered"
    CONFIG=$rendered/serve.yaml
fi

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
fi
if [ -n "${VALUES:-}" ]; then
    # A deployment by hand would be undone by KubeRay: what is served stands in the RayService.
    value() { sed -n "s/^$1: //p" "$rendered/helm.yaml"; }
    helm upgrade --install "$(value name)" cluster/launch/chart --namespace "$(value namespace)" \
        --values "$rendered/helm.yaml" --wait --timeout 30m
    # Not `kubectl wait`: KubeRay leaves Ready true for what ran before.
    "$PYTHON" -m cluster.launch.rollout "$(value name)" --namespace "$(value namespace)"
elif [ -n "${DASHBOARD:-}" ]; then
    "$(dirname "$PYTHON")/serve" deploy --address "$DASHBOARD" "$CONFIG"
fi
