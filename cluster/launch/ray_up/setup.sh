# What `ray up` does on each machine before it starts Ray: `sh cluster/launch/ray_up/setup.sh`.
set -e
. cluster/launch/ray_up/node.sh        # first of all: without secrets nothing needs to be installed
# Some images install the driver of the GPUs (Nvidia's PCI number) after they answer.
if grep -qs 0x10de "${PCI:-/sys/bus/pci}"/devices/*/vendor; then
    timeout "${DRIVER_S:-600}" sh -c 'until nvidia-smi > /dev/null 2>&1; do sleep 1; done' || {
        echo "the machine has a GPU of Nvidia, and no driver: take another image (values.yaml)" >&2
        exit 1
    }
fi
# uv, since images of clouds have another Python; some forbid pip to put it anywhere.
python3 -m pip install -q --user uv || python3 -m pip install -q --user --break-system-packages uv
[ -x .venv/bin/python ] || ~/.local/bin/uv venv -q --python 3.11 --seed .venv
.venv/bin/pip install -q -c constraints.txt -e '.[gpu]'
[ -z "${1:-}" ] || .venv/bin/pip install -q -r "$1"
