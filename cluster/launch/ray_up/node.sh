# Sourced in the root of the repository by every command of `ray up`, and before it: the variables of
# a Ray node, and its secrets, of a file that `ray up` copies from this machine to the others.
set -a
. cluster/node.env
# `ray up` sets it to 1 for all that it starts; without it Ray gives a replica threads for its CPUs.
unset OMP_NUM_THREADS
if [ ! -s ~/ragfleet.env ]; then
    echo "~/ragfleet.env is not here, or empty: see cluster/launch/README.md" >&2
    exit 1
fi
. ~/ragfleet.env
set +a
for secret in RAGFLEET_DATABASE_URL RAY_AUTH_TOKEN; do
    if eval "[ -z \"\${$secret:-}\" ]"; then
        echo "~/ragfleet.env has no $secret: see cluster/launch/README.md" >&2
        exit 1
    fi
done
