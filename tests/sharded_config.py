"""A Serve config with the search index in shards, edited as cluster.yaml says."""


def sharded(config, count):
    """Gives a config with `count` shards of the Retriever in place of the one."""
    (application,) = config["applications"]
    blocks = []
    for block in application["deployments"]:
        names = [f"Retriever{number}" for number in range(count)]
        copies = names if block["name"] == "Retriever" else [block["name"]]
        blocks += [{**block, "name": name} for name in copies]
    args = {**application["args"], "retriever_shards": count}
    return {**config, "applications": [{**application, "args": args, "deployments": blocks}]}
