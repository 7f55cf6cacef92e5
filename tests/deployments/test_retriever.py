import pytest

from deployments.retriever import Retriever
from index.shard import Shard
from models.errors import InvalidInputError


async def test_a_shard_without_a_block_in_the_yaml_is_never_healthy(tmp_path):
    shard = Retriever.func_or_class(f"sqlite:///{tmp_path}/corpus.db", Shard(1, 2))
    with pytest.raises(InvalidInputError, match=r"Retriever1 has no block.*retriever_shards: 2"):
        await shard.check_health()
    await shard.reconfigure({})  # Serve does that when there is a block
    await shard.check_health()


async def test_the_whole_index_needs_no_block(tmp_path):
    await Retriever.func_or_class(f"sqlite:///{tmp_path}/corpus.db").check_health()
