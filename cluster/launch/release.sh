#!/bin/sh
# A release with gates, for any CI: lint, plan, evaluate, test, deploy. Each step ends it when it fails.
#   CONFIG=cluster.yaml NODES=cluster/launch/nodes.yaml DASHBOARD=http://head:8265 cluster/launch/release.sh
#   VALUES=my.yaml NODES=... cluster/launch/release.sh    # the chart, with the config that my.yaml names
# Without DASHBOARD or VALUES nothing is deployed. RAY_AUTH_MODE and the token of the cluster, or the
# credentials of kubectl, come from the CI, which may ask a person before it gives them; OPENAI_API_KEY is
# the key of STAGING.
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

# The exam, of the config that is released: by STAGING, the /v1 of a system that serves it, else here,
# which is possible where the generator quotes. Of the bundled models 0.7 are right; put what yours reach.
if [ -n "${STAGING:-}" ]; then
    set -- --base-url "$STAGING"
else
    set -- --in-process --config "$CONFIG"
fi
"$PYTHON" -m benchmarks.answers "$@" --half dev --least-right "${LEAST_RIGHT:-0.7}"
# Your own questions, in a store of STAGING; GATES as `--baseline before.json --drop facts=0.02`.
if [ -n "${QUESTIONS:-}" ]; then
    : "${STAGING:?QUESTIONS are asked of a system that serves the release}"
    "$PYTHON" -m benchmarks.evaluate --base-url "$STAGING" --store "${STORE:?of the QUESTIONS}" \
        --questions "$QUESTIONS" ${GATES:---least facts=0.8}
fi

if [ "${SKIP_TESTS:-}" != 1 ]; then
    make test
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
