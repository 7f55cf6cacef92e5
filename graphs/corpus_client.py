"""The corpus over the Ingester's handle: `graphs.corpus.Corpus` by calls of `ClientCatalog`.

corpus.of(caller).get_file(file_id)
  '- CallerCorpus.get_file          typed by Catalog.get_file, which it names
       '- Ingester.catalog(caller.viewer, "get_file", file_id)
            '- Catalog.seen_by(viewer).get_file(file_id)
"""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from graphs.caller import Caller
from graphs.clients import DeploymentClient
from index.catalog.catalog import Catalog, ClientCatalog

P = ParamSpec("P")
Result = TypeVar("Result")
Call = Callable[..., Coroutine[Any, Any, Any]]


def _called(
    method: Callable[Concatenate[ClientCatalog, P], Result],
) -> Callable[Concatenate["CallerCorpus", P], Coroutine[Any, Any, Result]]:
    """Gives the method of the catalog as one that is awaited; mypy lets in those for clients."""

    @wraps(method)
    async def call(self: "CallerCorpus", /, *args: P.args, **kwargs: P.kwargs) -> Result:
        result: Result = await self.call(method.__name__, *args, **kwargs)
        return result

    return call


class CallerCorpus:
    """The corpus as one caller sees it.

    Args:
        call: takes the name of a method of `ClientCatalog` and its arguments.
    """

    def __init__(self, call: Call) -> None:
        self.call = call

    create_file = _called(Catalog.create_file)
    get_file = _called(Catalog.get_file)
    list_files = _called(Catalog.list_files)
    file_content = _called(Catalog.file_content)
    set_file_access = _called(Catalog.set_file_access)
    delete_file = _called(Catalog.delete_file)

    create_upload = _called(Catalog.create_upload)
    add_upload_part = _called(Catalog.add_upload_part)
    complete_upload = _called(Catalog.complete_upload)
    cancel_upload = _called(Catalog.cancel_upload)

    create_store = _called(Catalog.create_store)
    get_store = _called(Catalog.get_store)
    find_store = _called(Catalog.find_store)
    list_stores = _called(Catalog.list_stores)
    update_store = _called(Catalog.update_store)
    delete_store = _called(Catalog.delete_store)

    attach_file = _called(Catalog.attach_file)
    get_store_file = _called(Catalog.get_store_file)
    list_store_files = _called(Catalog.list_store_files)
    store_file_text = _called(Catalog.store_file_text)
    store_file_passages = _called(Catalog.store_file_passages)
    update_attributes = _called(Catalog.update_attributes)
    detach_file = _called(Catalog.detach_file)

    create_file_batch = _called(Catalog.create_file_batch)
    get_file_batch = _called(Catalog.get_file_batch)
    list_batch_files = _called(Catalog.list_batch_files)
    cancel_file_batch = _called(Catalog.cancel_file_batch)

    create_response = _called(Catalog.create_response)
    get_response = _called(Catalog.get_response)
    response_chain = _called(Catalog.response_chain)
    response_events = _called(Catalog.response_events)
    cancel_response = _called(Catalog.cancel_response)
    delete_response = _called(Catalog.delete_response)

    claim_response = _called(Catalog.claim_response)
    keep_response = _called(Catalog.keep_response)
    finish_response = _called(Catalog.finish_response)

    create_conversation = _called(Catalog.create_conversation)
    get_conversation = _called(Catalog.get_conversation)
    update_conversation = _called(Catalog.update_conversation)
    delete_conversation = _called(Catalog.delete_conversation)

    add_conversation_items = _called(Catalog.add_conversation_items)
    list_conversation_items = _called(Catalog.list_conversation_items)
    get_conversation_item = _called(Catalog.get_conversation_item)
    delete_conversation_item = _called(Catalog.delete_conversation_item)

    create_batch = _called(Catalog.create_batch)
    get_batch = _called(Catalog.get_batch)
    list_batches = _called(Catalog.list_batches)
    cancel_batch = _called(Catalog.cancel_batch)

    claim_batch = _called(Catalog.claim_batch)
    begin_batch = _called(Catalog.begin_batch)
    batch_progress = _called(Catalog.batch_progress)
    keep_batch = _called(Catalog.keep_batch)
    finish_batch = _called(Catalog.finish_batch)

    authenticate_key = _called(Catalog.authenticate_key)
    admit_vouched = _called(Catalog.admit_vouched)
    link_secret = _called(Catalog.link_secret)
    get_key = _called(Catalog.get_key)
    list_keys = _called(Catalog.list_keys)
    create_key = _called(Catalog.create_key)
    rotate_key = _called(Catalog.rotate_key)
    revoke_key = _called(Catalog.revoke_key)

    list_tenants = _called(Catalog.list_tenants)
    tenant_since = _called(Catalog.tenant_since)
    revoke_tenant = _called(Catalog.revoke_tenant)
    delete_tenant_portion = _called(Catalog.delete_tenant_portion)
    forget_tenant = _called(Catalog.forget_tenant)

    say_feedback = _called(Catalog.say_feedback)
    list_feedback = _called(Catalog.list_feedback)
    delete_feedback = _called(Catalog.delete_feedback)

    write_parcel = _called(Catalog.write_parcel)
    usage = _called(Catalog.usage)
    audit = _called(Catalog.audit)
    prune_accounts = _called(Catalog.prune_accounts)
    lease_quotas = _called(Catalog.lease_quotas)
    hold_quotas = _called(Catalog.hold_quotas)


class CorpusClient(DeploymentClient):
    """See `deployments.ingester.Ingester`. What it calls may write, so nothing is called twice."""

    def of(self, caller: Caller) -> CallerCorpus:
        """Gives the corpus as this caller sees it."""
        return CallerCorpus(partial(self._call, "catalog", caller.viewer))
