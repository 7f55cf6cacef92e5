"""The contract of the engines (tests/models/engines/test_contract.py) with both on one card.

Exact resume at every position, greedy, drawn and with a nucleus, alone and in batches, is part of
it, and so are limits, cancelling, closing and death.
"""

import pytest

from tests.models.engines import test_contract as contract

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.asyncio(loop_scope="session"),
]
OF_A_CPU = {"test_the_processes_of_vllm_get_their_share_of_the_cpus"}
# The same tests, in their order: what ends the engine comes last.
globals().update(
    {
        name: one
        for name, one in vars(contract).items()
        if name.startswith("test_") and name not in OF_A_CPU
    }
)
