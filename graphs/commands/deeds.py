"""Notes in the audit log what a command line does to the database itself, past every Gateway."""

import os
import pwd
import time
import uuid

from index.catalog.accounts.ledger import Ledger
from index.catalog.accounts.records import AuditRecord, Parcel


def note_deed(ledger: Ledger, action: str, tenant: str) -> None:
    """Writes a row; who did it is the user of the operating system, as `os:ann`.

    Raises:
        CorpusError: the database cannot be written.
    """
    row = AuditRecord(
        at=time.time(), event="command", request_id="", tenant=tenant, key_id=f"os:{_user()}",
        action=action, decision="allowed",
    )  # fmt: skip
    ledger.write_parcel(Parcel(writer=uuid.uuid4().hex, number=1, audit=(row,)))


def _user() -> str:
    """Whose process this is; not `$USER`, which anybody may set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number that has no name
        return str(os.getuid())
