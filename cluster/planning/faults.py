"""What speaks against a config on machines: memory, places, shutdowns, licences."""

from collections.abc import Iterator, Mapping

from cluster.planning.licences import commercial_use
from cluster.planning.memory import PROCESS_BYTES
from cluster.planning.nodes import ACCELERATOR, SLICE, Machines
from cluster.planning.packing import Packing
from cluster.planning.replicas import Replicas
from deployments.user_config import ConfigFault
from graphs.serve_config.checks import own_application
from graphs.serve_config.config_file import ConfigFile
from graphs.serve_config.places import fits, may_be_on_spot, selectors_of, shutdown_faults

Named = Mapping[str, Replicas]
Loads = Mapping[str, float]  # deployment -> seconds that its model took to load


def place_faults(file: ConfigFile, machines: Machines, load_s: Loads) -> Iterator[ConfigFault]:
    """Finds labels that no node has, and shutdowns that a spot notice leaves no time for."""
    place, _ = own_application(file.value)
    types = machines.node_types.values()
    for block in file.value["applications"][place]["deployments"]:
        name = block["name"]
        if may_be_on_spot(block) and any(one.is_spot for one in types):
            for fault in shutdown_faults(block, machines.notice_s, load_s.get(name)):
                yield fault.under((name,))
        for where, selector in selectors_of(block):
            if not any(fits(selector, one.labels) for one in types):
                known = sorted({f"{k}: {v}" for one in types for k, v in one.labels.items()})
                message = f"no node has the labels {dict(selector)}; there are "
                yield ConfigFault(
                    where=(name, *where), message=message + (", ".join(known) or "none")
                )


def memory_faults(replicas: Named) -> Iterator[ConfigFault]:
    """Finds models that are larger than their shares of a GPU, and those of unknown size."""
    for name, one in replicas.items():
        needed, share = one.memory_bytes, one.share_bytes
        if needed is not None and share is not None and needed > share:
            message = (
                f"needs {needed / 1e9:.1f} GB of GPU memory, its share is {share / 1e9:.1f} GB: "
                f"{'; '.join(m.memory.formula for m in one.models if m.memory)}"
            )
            yield ConfigFault(where=(name, "ray_actor_options"), key="num_gpus", message=message)
        for model in one.models:
            if model.unknown:
                message = f"the memory of {model.name} is not known: {model.unknown}; "
                message += "give its sizes with --models FILE"
                yield ConfigFault(where=(name, "user_config"), key="model", message=message)


def slice_faults(replicas: Named, machines: Machines) -> Iterator[ConfigFault]:
    """Finds models that want several GPUs and that Ray may place where those are slices."""
    for name, one in replicas.items():
        demand = one.demand
        sliced = {
            node.labels[SLICE] for node in machines.node_types.values()
            if node.is_sliced and node.nodes and node.gpus >= demand.resources["GPU"] > 1
            if any(fits(selector, node.labels) for selector in demand.selectors)
        }  # fmt: skip
        if sliced:
            wanted, profiles = demand.resources["GPU"], ",".join(sorted(sliced))
            message = (
                f"num_gpus is {wanted:g}, and the GPUs may be slices, of which CUDA shows one "
            )
            message += f'to a process; a label_selector {{{SLICE}: "!in({profiles})"}} avoids them'
            yield ConfigFault(where=(name, "ray_actor_options"), key="num_gpus", message=message)


def packing_faults(replicas: Named, least: Packing, machines: Machines) -> Iterator[ConfigFault]:
    """Finds deployments whose fewest replicas may not all have a place."""
    for name, one in replicas.items():
        fewest, most = least.fits(name)
        if fewest == one.least:
            continue
        words = f"{fewest} of {one.least} replicas find a place"
        if most > fewest:
            words += f" in the worst order of starts ({most} in the best)"
        message = f"{words}; each asks for {one.demand.words}{_largest(one, machines)}"
        yield ConfigFault(where=(name,), key="ray_actor_options", message=message)


def _largest(one: Replicas, machines: Machines) -> str:
    """Tells where no node has as much of something, however empty."""
    offered = [node_type.offered() for _, node_type in machines.nodes()]
    for resource, value in one.demand.resources.items():
        most = max((node.get(resource, 0.0) for node in offered), default=0.0)
        if value > most and resource.startswith(ACCELERATOR):
            kinds = {name for node in offered for name in node if name.startswith(ACCELERATOR)}
            known = ", ".join(sorted(name.removeprefix(ACCELERATOR) for name in kinds))
            return f"; no node has that accelerator, there are {known or 'none told'}"
        if value > most:
            return f"; the largest node has {most:g} {resource}"
    return ""


def crowded_faults(replicas: Named, most: Packing, machines: Machines) -> Iterator[ConfigFault]:
    """Nodes whose replicas take more memory than they have; told at the one that takes most.

    Only models on CPUs are counted, and libraries of all others: what an index takes is not known.
    """
    taken = {
        name: PROCESS_BYTES if one.on_gpu or not one.models else one.memory_bytes or PROCESS_BYTES
        for name, one in replicas.items()
    }
    for placement in most.placements:
        for node in placement.nodes:
            memory_gb = machines.node_types[node.kind].memory_gb
            needed = sum(taken[name] for name in node.replicas)
            if memory_gb is not None and needed > memory_gb * 1e9:
                largest = max(node.replicas, key=lambda name: taken[name])
                message = (
                    f"a {node.kind} node of {memory_gb:g} GB may get replicas that take "
                    f"{needed / 1e9:.1f} GB; set memory or max_replicas_per_node"
                )
                yield ConfigFault(where=(largest,), key="ray_actor_options", message=message)
                return


def resume_faults(replicas: Named, resume_s: float, load_s: Loads) -> Iterator[ConfigFault]:
    """Finds answers that give up before the only generator that could go on with them is loaded."""
    for name, one in replicas.items():
        loads = load_s.get(name)
        if loads is not None and name == "Generator" and one.least <= 1 and resume_s <= loads:
            message = f"resume_s must be above the {loads:.0f} s that the only Generator takes to "
            message += f"load, got {resume_s:g}: answers that lose it end with an error"
            where = ("Gateway", "user_config", "failover")
            yield ConfigFault(where=where, key="resume_s", message=message)


def licence_faults(replicas: Named, allowed: frozenset[str]) -> Iterator[ConfigFault]:
    """Finds licences that forbid commercial use, or of which that is not known.

    Args:
        replicas: of the config.
        allowed: names of licences and models that somebody has read and allows.
    """
    for name, one in replicas.items():
        for model in one.models:
            licence = model.checkpoint.licence if model.checkpoint else None
            use = commercial_use(licence)
            if use in ("yes", "conditions") or {model.name, licence} & allowed:
                continue
            message = f"the licence of {model.name} ({licence}) forbids commercial use"
            if use == "not known":
                known = "is not known" if licence is None else f"({licence}) is none that is known"
                message = f"the licence of {model.name} {known}: read it, then allow it by "
                message += f"--allow-licence {licence or model.name}"
            yield ConfigFault(where=(name, "user_config"), key="model", message=message)
