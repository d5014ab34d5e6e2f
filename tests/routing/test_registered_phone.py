"""From another product's hash to a call: the phone registers with the password it has, and a PBX sees where it is."""

from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command

from apps.extensions.audit import Actor
from apps.extensions.services import domain_create
from apps.routing.models import PbxKind
from apps.routing.pbx.services import pbx_reader_delete
from apps.sip.digest import Algorithm, ha1
from tests.registrar.conftest import Registrar, registrar
from tests.registrar.phone import Phone
from tests.routing.conftest import PASSWORD, Pbx, new_pbx
from tests.routing.realtime import contacts_of

__all__ = ["registrar"]
pytestmark = pytest.mark.django_db(transaction=True)


@sync_to_async
def moved_in(folder: Path, actor: Actor) -> Pbx:
    domain = domain_create(name="example.com", actor=actor)
    known = ha1(Algorithm.MD5, "6001", "example.com", PASSWORD)
    table = folder / "subscriber.csv"
    table.write_text(f"username,domain,ha1\n6001,example.com,{known}\n")
    call_command("import_from", "kamailio", f"subscriber={table}", "--md5-only", "--apply", verbosity=0)
    return new_pbx(PbxKind.ASTERISK, domain, actor)


async def test_an_imported_phone_registers_and_asterisk_sees_it_until_it_signs_off(
    registrar: Registrar, tmp_path: Path, actor: Actor
) -> None:
    asterisk = await moved_in(tmp_path, actor)
    phone = Phone("6001", PASSWORD, algorithm=Algorithm.MD5, source=("203.0.113.7", 5062))
    try:
        assert (await registrar.register(phone)).status == 200
        (row,) = await sync_to_async(contacts_of)(asterisk, "6001")
        assert row["uri"] == "sip:6001@203.0.113.7:5062;transport=udp"

        assert (await registrar.register(phone, expires=0)).status == 200
        assert await sync_to_async(contacts_of)(asterisk, "6001") == []
    finally:
        await sync_to_async(pbx_reader_delete)(reader=asterisk.reader, actor=actor)
