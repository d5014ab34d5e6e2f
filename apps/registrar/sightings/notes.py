"""What a worker remembers of attempts that came to nothing, until it is written down. Pure: time is an argument.

Strangers were refused without being anybody; challenges got no answer yet. Both are bounded, whoever floods us, and
nothing here costs a packet more than a look-up in a dictionary.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from apps.registrar import outcomes
from apps.registrar.bindings import Address, DomainPolicy
from apps.registrar.changes import LONGEST_USER_AGENT
from apps.registrar.outcomes import Outcome, UnansweredReason
from apps.sip.digest import DigestCredentials, foreign_claim, parse_authorization
from apps.sip.message import MalformedRequest, Request
from apps.sip.name_addr import parse_name_addr
from apps.sip.params import FieldError
from apps.sip.transactions import T1_S
from apps.sip.uri import SipUri

MOST_STRANGERS: Final = 10_000
MOST_CHALLENGES: Final = 10_000
# Of one address, waiting to be written: a scanner is known by fewer, and does not push others out.
MOST_NAMES_PER_HOST: Final = 50
LONGEST_NAME: Final = 64
LONGEST_DOMAIN: Final = 253

UNKNOWN_USER: Final = outcomes.UNKNOWN_USER.code
WRONG_REALM: Final = "wrong_realm"
MALFORMED: Final = "malformed"
BLOCKED_SOURCE: Final = "blocked_source"
# What triage answers without a look-up, and is worth a note under the name in To.
_NOTED: Final = {
    outcomes.NOT_OUR_DOMAIN: outcomes.NOT_OUR_DOMAIN.code,
    outcomes.BAD_EXTENSION: outcomes.BAD_EXTENSION.code,
    outcomes.BAD_CONTACT: outcomes.BAD_CONTACT.code,
    outcomes.BAD_CREDENTIALS: MALFORMED,
}

# A phone answers its challenge at once. One that hears nothing repeats itself after 0.5, 1.5, 3.5, 7.5, 11.5 s
# (RFC 3261 §17.1.2.2), to any of our workers: who saw no repeat waits for the one who did.
UNHEARD_AFTER: Final = dt.timedelta(seconds=8)
IGNORED_AFTER: Final = dt.timedelta(seconds=12)
# The transaction is over; what comes then is a new attempt.
FORGOTTEN_AFTER: Final = dt.timedelta(seconds=40)
REPEATS_UNHEARD: Final = 3
REPEATED_FOR: Final = dt.timedelta(seconds=3)
# What comes closer together than a phone repeats itself waited for us together, as while we started.
APART: Final = dt.timedelta(seconds=T1_S / 2)


@dataclass(frozen=True, slots=True)
class StrangerKey:
    reason: str
    domain: str
    username: str
    host: str


@dataclass(slots=True)
class Stranger:
    """How often one came, and how it came last."""

    port: int
    user_agent: str
    first_at: dt.datetime
    last_at: dt.datetime
    count: int = 1


@dataclass(frozen=True, slots=True)
class ChallengeKey:
    """The user of To, in one of our domains, and where its packets come from."""

    domain: str
    username: str
    host: str


@dataclass(slots=True)
class Challenge:
    """Since first_at `attempts` requests were challenged and none answered. is_unheard: one was repeated and repeated,
    so that our answers do not seem to arrive. began_at, repeats: of the last one, `transaction`. after: how often the
    worker had been pressed before."""

    port: int
    user_agent: str
    first_at: dt.datetime
    last_at: dt.datetime
    transaction: tuple[str, int, str | None]
    began_at: dt.datetime
    after: int = 0
    repeats: int = 0
    attempts: int = 1
    is_unheard: bool = False
    is_noted: bool = False

    @property
    def reason(self) -> UnansweredReason:
        return UnansweredReason.UNHEARD if self.is_unheard else UnansweredReason.IGNORED

    def is_due(self, now: dt.datetime) -> bool:
        after = UNHEARD_AFTER if self.is_unheard else IGNORED_AFTER
        return not self.is_noted and now - self.first_at >= after

    def came_again(self, now: dt.datetime, transaction: tuple[str, int, str | None]) -> None:
        gap, self.last_at = now - self.last_at, now
        if transaction != self.transaction:
            self.transaction, self.began_at, self.repeats = transaction, now, 0
            self.attempts += 1
            return
        if gap >= APART:
            self.repeats += 1
        if self.repeats >= REPEATS_UNHEARD or now - self.began_at >= REPEATED_FOR:
            self.is_unheard = True


@dataclass(slots=True)
class Sightings:
    """`noted` is called when there is a stranger to write. `pressed` counts the batches answered late or under
    strain (admission.py): repeats came because we were slow, or were dropped, so nothing follows from them."""

    noted: Callable[[], None] = lambda: None
    pressed: int = 0
    strangers: dict[StrangerKey, Stranger] = field(default_factory=dict)
    challenges: dict[ChallengeKey, Challenge] = field(default_factory=dict)
    _names: Counter[str] = field(default_factory=Counter)

    def blocked(self, request: Request | MalformedRequest, source: Address, now: dt.datetime) -> None:
        """A packet from a blocked network, whatever its method."""
        uri = _to_uri(request)
        self._stranger(BLOCKED_SOURCE, uri.host if uri else "", _user_of(uri), request, source, now)

    def malformed(self, request: MalformedRequest, source: Address, now: dt.datetime) -> None:
        """A REGISTER that cannot be read, if its To can."""
        uri = _to_uri(request)
        if uri is not None and uri.user and _names_register(request):
            self._stranger(MALFORMED, uri.host, uri.user, request, source, now)

    def refused(self, request: Request, outcome: Outcome, source: Address, now: dt.datetime) -> None:
        """A REGISTER that triage refused; which domain it asked for."""
        reason = _NOTED.get(outcome)
        if reason is None or request.method != "REGISTER" or not _user_of(request.to.uri):
            return
        asked = request.request_uri.host if request.request_uri else ""
        self._stranger(reason, asked, _user_of(request.to.uri), request, source, now)

    def unknown_user(
        self, username: str, domain: DomainPolicy, request: Request, source: Address, now: dt.datetime
    ) -> None:
        self._stranger(UNKNOWN_USER, domain.name, username, request, source, now)

    def challenged(self, request: Request, domain: DomainPolicy, source: Address, now: dt.datetime) -> None:
        """A REGISTER got its 401: it brought no credentials, or none we can use."""
        authorization = request.values("authorization")
        if authorization and self._has_heard(authorization, request, domain, source, now):
            self.claimed(request, domain, source)
        elif _asks_to_be_bound(request):
            transaction = (request.call_id, request.cseq, request.vias[0].branch)
            agent = (request.value("user-agent") or "")[:LONGEST_USER_AGENT]
            self.awaits_answer(_challenge_key(request, domain, source), transaction, source[1], agent, now)

    def awaits_answer(
        self,
        key: ChallengeKey,
        transaction: tuple[str, int, str | None],
        port: int,
        user_agent: str,
        now: dt.datetime,
    ) -> None:
        """A REGISTER that asks to be bound got its 401. transaction: its Call-ID, CSeq and branch."""
        known = self.challenges.get(key)
        if known is not None and not (known.is_noted and known.transaction != transaction):
            known.came_again(now, transaction)
            return
        self.challenges.pop(key, None)
        if len(self.challenges) >= MOST_CHALLENGES:
            del self.challenges[next(iter(self.challenges))]
        self.challenges[key] = Challenge(port, user_agent, now, now, transaction, now, self.pressed)

    def claimed(self, request: Request, domain: DomainPolicy, source: Address) -> None:
        """Credentials for this user came from there: the challenge is answered, rightly or wrongly."""
        self.challenges.pop(_challenge_key(request, domain, source), None)

    def answered(self, domain: str, username: str, host: str) -> None:
        """As claimed, of a renewal."""
        if self.challenges:
            self.challenges.pop(ChallengeKey(domain, username, host), None)

    def take_strangers(self, limit: int) -> dict[StrangerKey, Stranger]:
        """At most `limit`, the first seen first; they are forgotten here."""
        taken = {key: self.strangers[key] for key, _ in zip(self.strangers, range(limit), strict=False)}
        for key in taken:
            self._forget(key)
        if self.strangers:
            self.noted()
        return taken

    def due_challenges(self, now: dt.datetime, limit: int) -> dict[ChallengeKey, Challenge]:
        """At most `limit` that stayed unanswered for long enough, each once; none of a time when we were pressed."""
        old = [key for key, one in self.challenges.items() if now - one.first_at >= FORGOTTEN_AFTER]
        due = [key for key, one in self.challenges.items() if one.is_due(now)][:limit]
        found = {key: self.challenges[key] for key in due}
        for challenge in found.values():
            challenge.is_noted = True
        for key in old:
            del self.challenges[key]
        return {key: one for key, one in found.items() if one.after == self.pressed}

    def _has_heard(
        self,
        authorization: tuple[str, ...],
        request: Request,
        domain: DomainPolicy,
        source: Address,
        now: dt.datetime,
    ) -> bool:
        """Whether it answers a challenge, of ours or of another realm. Without an algorithm of ours it does not."""
        foreign = foreign_claim(authorization, domain.realm)
        if foreign is not None:
            if request.method == "REGISTER":
                self._stranger(WRONG_REALM, foreign.realm, foreign.username, request, source, now)
            return True
        credentials = parse_authorization(authorization, domain.realm)
        return isinstance(credentials, DigestCredentials) and credentials.algorithm in domain.algorithms

    def _stranger(
        self,
        reason: str,
        domain: str,
        username: str,
        request: Request | MalformedRequest,
        source: Address,
        now: dt.datetime,
    ) -> None:
        key = StrangerKey(reason, _shown(domain, LONGEST_DOMAIN), _shown(username, LONGEST_NAME), source[0])
        known = self.strangers.get(key)
        if known is None and self._names[key.host] >= MOST_NAMES_PER_HOST:
            return
        agent = request.value("user-agent") or "" if isinstance(request, Request) else ""
        agent = agent[:LONGEST_USER_AGENT]
        if known is not None:
            known.count, known.port, known.last_at = known.count + 1, source[1], now
            known.user_agent = agent or known.user_agent
            return
        if len(self.strangers) >= MOST_STRANGERS:
            self._forget(next(iter(self.strangers)))
        self.strangers[key] = Stranger(source[1], agent, now, now)
        self._names[key.host] += 1
        self.noted()

    def _forget(self, key: StrangerKey) -> None:
        del self.strangers[key]
        self._names[key.host] -= 1
        if not self._names[key.host]:
            del self._names[key.host]


def _challenge_key(request: Request, domain: DomainPolicy, source: Address) -> ChallengeKey:
    return ChallengeKey(domain.name, _user_of(request.to.uri), source[0])


def _asks_to_be_bound(request: Request) -> bool:
    """Not one that asks who is there, or signs off: no row would tell that it was answered by another worker."""
    contact = request.value("contact")
    return (
        request.method == "REGISTER"
        and contact is not None
        and contact.strip() != "*"
        and request.value("expires") != "0"
        and 0 < len(_user_of(request.to.uri)) <= LONGEST_NAME
    )


def _names_register(request: MalformedRequest) -> bool:
    cseq = request.echo.cseq_text if request.echo else None
    return (cseq or "").split()[-1:] == ["REGISTER"]


def _to_uri(request: Request | MalformedRequest) -> SipUri | None:
    if isinstance(request, Request):
        return request.to.uri
    try:
        return parse_name_addr((request.echo and request.echo.to_text) or "").uri
    except FieldError:
        return None


def _user_of(uri: SipUri | None) -> str:
    return (uri.user or "") if uri is not None else ""


def _shown(text: str, longest: int) -> str:
    """Bounded, and nothing in it that cannot be shown or stored."""
    return "".join(sign for sign in text[:longest] if sign.isprintable())
