"""RFC 3261 §10.3 over any history of requests, against the smallest model there is: which contacts are live.

The model knows a contact by a letter; the registrar is told one of several spellings that RFC 3261 §19.1.4 calls equal.
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apps.registrar.outcomes import END_EVENTS, EventKind
from apps.registrar.rules import Decision
from apps.sip.contact import parse_contacts
from tests.fuzz.registrar import (
    ACCOUNT,
    DEFAULT_EXPIRES_S,
    MAX_EXPIRES_S,
    MIN_EXPIRES_S,
    SOURCE,
    MemoryRegistrar,
)
from tests.sip.messages import register, request

SPELLINGS: Final = {
    "a": ("<sip:1001@192.0.2.10:5070>", "<SIP:%31001@192.0.2.10:5070;x=y>", "sip:1001@192.0.2.10:5070"),
    "b": ("<sip:1001@192.0.2.10:5071>", '"Desk, 1" <sip:1001@192.0.2.10:5071;ob>'),
    "c": ("<sip:1001@192.0.2.10:5070;transport=tcp>", "<sip:1001@192.0.2.10:5070;Transport=TCP>"),
    "d": ("<sip:1001@192.0.2.10>", "<sip:1001@192.0.2.10;lr>"),
    "e": ("<sip:1002@192.0.2.10:5070>",),
}
AOR: Final = "sip:1001@example.com"
ENDS: Final = frozenset(END_EVENTS.values())

letters = st.sampled_from(sorted(SPELLINGS))
expiries = st.sampled_from([None, None, 0, 1, 59, 60, 61, 600, 3600, 3601, 2**32])
call_ids = st.sampled_from(["one", "two"])
cseqs = st.integers(1, 9)


@dataclass(frozen=True)
class Live:
    expires_at: dt.datetime
    call_id: str
    cseq: int


@dataclass(frozen=True)
class Asked:
    letter: str
    spelling: str
    expires_s: int | None

    @property
    def header(self) -> str:
        return self.spelling + ("" if self.expires_s is None else f";expires={self.expires_s}")


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    letter = draw(letters)
    return Asked(letter, draw(st.sampled_from(SPELLINGS[letter])), draw(expiries))


class BindingsHistory(RuleBasedStateMachine):
    """Every rule sends one REGISTER, or lets time go on."""

    registrar: MemoryRegistrar
    live: dict[str, Live]

    @initialize()
    def start(self) -> None:
        self.registrar = MemoryRegistrar(account=replace(ACCOUNT, max_contacts=len(SPELLINGS)))
        self.live = {}
        self.begun = self.ended = 0

    @rule(seconds=st.sampled_from([0.3, 1, 30, 59.7, 600, 3600]))
    def time_goes_on(self, seconds: float) -> None:
        self.registrar.now += dt.timedelta(seconds=seconds)

    @rule(contacts=st.lists(asked(), min_size=1, max_size=3), header=expiries, call_id=call_ids, cseq=cseqs)
    def contacts_are_registered(
        self, contacts: list[Asked], header: int | None, call_id: str, cseq: int
    ) -> None:
        before = self._forget_expired()
        status = self._send([one.header for one in contacts], header, call_id, cseq).answer.outcome.status
        too_brief = any(_granted(one, header) is None for one in contacts)
        known = [before[one.letter] for one in contacts if one.letter in before]
        stored = [live.cseq for live in known if live.call_id == call_id]
        older, same = any(cseq < old for old in stored), cseq in stored
        if too_brief or older:
            assert (status == 423 and too_brief) or (status == 400 and (older or same))
        elif same and status == 400:
            """The same CSeq again may change the expiry, or not: a choice of the domain's (C69)."""
        else:
            assert status == 200
            for one in contacts:
                self._apply(one, header, call_id, cseq)

    @rule(call_id=call_ids, cseq=cseqs, expires=st.sampled_from([0, 0, 0, None, 1]))
    def all_are_removed(self, call_id: str, cseq: int, expires: int | None) -> None:
        before = self._forget_expired()
        decision = self._send(["*"], expires, call_id, cseq)
        old = any(live.call_id == call_id and cseq <= live.cseq for live in before.values())
        assert decision.answer.outcome.status == (400 if old or expires != 0 else 200)
        if not old and expires == 0:
            self.live = {}

    @rule(contact=asked(), call_id=call_ids, cseq=cseqs)
    def star_and_a_contact_are_refused(self, contact: Asked, call_id: str, cseq: int) -> None:
        self._forget_expired()
        assert self._send(["*", contact.header], 0, call_id, cseq).answer.outcome.status == 400

    @rule(call_id=call_ids, cseq=cseqs)
    def bindings_are_fetched(self, call_id: str, cseq: int) -> None:
        self._forget_expired()
        assert self._send([], None, call_id, cseq).answer.outcome.status == 200

    @invariant()
    def the_ledger_adds_up(self) -> None:
        assert self.begun - self.ended == len(self.registrar.bindings.get(AOR, ()))

    def _send(self, contacts: list[str], expires: int | None, call_id: str, cseq: int) -> Decision:
        """The request as bytes; what its answer says must be what is then stored."""
        stored = self.registrar.bindings.get(AOR, ())
        data = register(
            *[f"Contact: {contact}" for contact in contacts],
            Contact=None,
            Expires=None if expires is None else str(expires),
            Call_ID=call_id,
            CSeq=f"{cseq} REGISTER",
        )
        decision = self.registrar.register(request(data), SOURCE)
        self.begun += sum(event.event is EventKind.REGISTERED for event in decision.events)
        self.ended += sum(event.event in ENDS for event in decision.events)
        if decision.answer.outcome.status == 200:
            self._check_listing(decision)
        else:
            live = tuple(binding for binding in stored if binding.expires_at > self.registrar.now)
            assert decision.bindings == live, "a refusal changes nothing"
        return decision

    def _check_listing(self, decision: Decision) -> None:
        listed = parse_contacts([value for name, value in decision.answer.headers if name == "Contact"])
        assert isinstance(listed, tuple)
        assert [contact.uri for contact in listed] == [binding.uri for binding in decision.bindings]
        for contact, binding in zip(listed, decision.bindings, strict=True):
            assert contact.expires_s == binding.expires_s(self.registrar.now)
            assert 0 < (contact.expires_s or 0) <= MAX_EXPIRES_S

    @invariant()
    def what_is_stored_and_not_expired_is_what_is_live(self) -> None:
        now = self.registrar.now
        stored = [binding for binding in self.registrar.bindings.get(AOR, ()) if binding.expires_at > now]
        found = {_letter_of(binding.contact): binding for binding in stored}
        assert len(found) == len(stored), "equal contacts are one binding"
        live = {letter: live for letter, live in self.live.items() if live.expires_at > now}
        assert found.keys() == live.keys()
        for letter, binding in found.items():
            assert Live(binding.expires_at, binding.call_id, binding.cseq) == live[letter]

    def _apply(self, one: Asked, header: int | None, call_id: str, cseq: int) -> None:
        if granted := _granted(one, header):
            expires_at = self.registrar.now + dt.timedelta(seconds=granted)
            self.live[one.letter] = Live(expires_at, call_id, cseq)
        else:
            self.live.pop(one.letter, None)

    def _forget_expired(self) -> dict[str, Live]:
        now = self.registrar.now
        self.live = {letter: live for letter, live in self.live.items() if live.expires_at > now}
        return self.live


def _granted(one: Asked, header: int | None) -> int | None:
    """§10.3 step 7: the parameter, else the header, else the default; None is 423."""
    asked_s = one.expires_s if one.expires_s is not None else header
    if asked_s is None:
        return DEFAULT_EXPIRES_S
    if 0 < asked_s < MIN_EXPIRES_S:
        return None
    return min(asked_s, MAX_EXPIRES_S)


def _letter_of(contact: str) -> str:
    for letter, spellings in SPELLINGS.items():
        if any(_uri(spelling) == contact for spelling in spellings):
            return letter
    raise AssertionError(contact)


def _uri(spelling: str) -> str:
    contacts = parse_contacts([spelling])
    assert isinstance(contacts, tuple)
    return contacts[0].uri_text


TestBindingsHistory = BindingsHistory.TestCase
TestBindingsHistory.settings = settings(max_examples=60, stateful_step_count=25)
