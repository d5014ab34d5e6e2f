"""Every situation, several times, all at once: the verdict named first is the right one, with the right evidence."""

import asyncio
import os
import time
from typing import Final

import pytest
from asgiref.sync import sync_to_async

from apps.extensions.models import Domain
from apps.extensions.services import source_block
from tests.acceptance.laboratory.laboratory import ACTOR, READ_EVERY_S, Laboratory
from tests.acceptance.laboratory.situations import SITUATIONS, Situation
from tests.addresses import free_address
from tests.registrar.server import sip_server

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

TIMES: Final = int(os.environ.get("LABORATORY_TIMES", "5"))
ONLY: Final = os.environ.get("LABORATORY_ONLY", "")
RIGHT_WITHIN_S: Final = 60.0


async def test_each_situation_gets_its_verdict() -> None:
    domain = await sync_to_async(_domain)()
    server = free_address()
    lab = Laboratory(server, domain)
    cases = [
        (one, f"{one.name}-{n}", n) for one in SITUATIONS if ONLY in one.name for n in range(1, TIMES + 1)
    ]
    await sync_to_async(_make_peers)(lab, [name for _, name, _ in cases])
    with sip_server(server, 2):
        try:
            await lab.until_it_answers()
            await asyncio.gather(*(one.happen(lab, name, n) for one, name, n in cases))
            await _until_right(lab, cases)
        finally:
            await lab.close()


def _domain() -> Domain:
    source_block(network="127.230.0.0/16", note="laboratory", actor=ACTOR, wide_confirmed=True)
    return Domain.objects.create(
        name="example.com",
        realm="example.com",
        min_expires_s=1,
        default_expires_s=60,
        expires_spread_percent=0,
    )


def _make_peers(lab: Laboratory, names: list[str]) -> None:
    for name in names:
        lab.peer(name)
        if name.startswith("site-goes-quiet"):
            lab.peer(f"{name}-b")


async def _until_right(lab: Laboratory, cases: list[tuple[Situation, str, int]]) -> None:
    deadline = time.monotonic() + RIGHT_WITHIN_S
    names = [name for _, name, _ in cases]
    wrong = dict.fromkeys(names, "not read")
    passed: set[str] = set()
    while wrong and time.monotonic() < deadline:
        await lab.read_verdicts(names)
        why = {name: _what_is_wrong(lab, one, name) for one, name, _ in cases}
        passed |= {name for one, name, _ in cases if not (one.lasts or why[name])}
        wrong = {name: said for name, said in why.items() if said and name not in passed}
        await asyncio.sleep(READ_EVERY_S)
    assert not wrong, "\n".join(f"{name}: {why}" for name, why in wrong.items())


def _what_is_wrong(lab: Laboratory, one: Situation, name: str) -> str:
    findings = lab.verdicts[name]
    codes = [finding.code for finding in findings]
    said = " | ".join(each.text for each in findings[0].evidence)
    if codes[0] != one.first or (one.also and one.also not in codes) or one.evidence not in said:
        return f"{codes}: {findings[0].sentence} [{said}]"
    return ""
