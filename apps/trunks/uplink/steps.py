"""One registration with a carrier, step by step (RFC 3261 §10.2, §17.1.2, §22.2). Sans-IO: each call says what was
heard and what time it is, and gives back what to send.

Whoever holds an Uplink gives it time by `due`, resolves `wants`, and reads `standing`. Must not know sockets or rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from apps.registrar.qualify.transactions import Transaction
from apps.sip.branches import UPLINK_MAGIC
from apps.sip.digest import Challenge, next_nonce
from apps.sip.reply import SipReply
from apps.sip.transactions import LIFE_S, T1_S, T2_S
from apps.sipserver.events import Address, Datagram, Origin, flow_of
from apps.trunks.servers import Server
from apps.trunks.uplink.pauses import failing_pause_s, refresh_after_s, refused_pause_s
from apps.trunks.uplink.said import (
    build_register,
    challenge_of,
    credentials_for,
    granted_s,
    least_expires_s,
    moved_to,
    phrase_of,
    request_uri,
    retry_after_s,
)
from apps.trunks.uplink.values import Account, Chance, Standing, UplinkReason, UplinkState, server_name

MOST_SERVERS: Final = 8
MOST_STALE: Final = 2
# A server that hangs up after each answer is not asked for ever.
RECONNECT_AFTER_S: Final = 15.0
# Those of 4xx that say nothing of the account: they may be gone in a minute.
PASSING: Final = frozenset({408, 429, 480, 486, 491})
_ANSWERS_WITH: Final = {401: "Authorization", 407: "Proxy-Authorization"}
_REFUSALS: Final = {403: UplinkReason.FORBIDDEN, 404: UplinkReason.UNKNOWN_USER}


@dataclass(slots=True)
class Nonce:
    """A challenge, and how often it was answered. is_tried: in this attempt, and it is of this attempt."""

    challenge: Challenge
    count: int = 0
    is_tried: bool = False


@dataclass(slots=True)
class Attempt:
    """From the question where the carrier is to the last word of it. servers: those still to be asked, first the one
    that is."""

    uri: str
    servers: tuple[Address | Origin, ...] = ()
    stale: int = 0
    was_raised: bool = False
    was_moved: bool = False
    retry_after_s: int | None = None


class Uplink:
    """`own`: host and port of ours that the carrier is to call; the host may be empty until `found` says it.

    `wants`: the server whose addresses are to be looked up now. is_over: it has left, and sends nothing more.
    """

    def __init__(
        self, account: Account, own: Address, chance: Chance, now_s: float, known: Standing | None = None
    ) -> None:
        self.account = account
        self.own = own
        self.wants: Server | None = None
        self.is_over = False
        self.servers: tuple[Address | Origin, ...] = ()
        self._flow: str | None = None
        self.standing = known or Standing(UplinkState.UNREGISTERED, now_s)
        self._chance = chance
        self._call_id, self._tag = chance.token(), chance.token()[:12]
        self._cseq = 0
        self._expires_s = account.expires_s
        self._nonces: dict[int, Nonce] = {}
        self._attempt: Attempt | None = None
        self._sent: Transaction | None = None
        self._branch = ""
        self._is_leaving = False
        if self.standing.next_attempt_s is None:
            self.standing = replace(self.standing, next_attempt_s=now_s)

    def due(self, now_s: float) -> list[Datagram]:
        """Repeats what was not answered, goes on to the next server, or begins what is due."""
        if self._sent is not None:
            return self._wait(self._sent, now_s)
        next_s = self.standing.next_attempt_s
        if not self.is_over and self._attempt is None and next_s is not None and next_s <= now_s:
            self._begin(now_s)
        return []

    def found(self, servers: Sequence[Address | Origin], own_host: str, now_s: float) -> list[Datagram]:
        """The addresses of what it wanted, none if there are none; own_host: ours as they see it."""
        wanted, self.wants = self.wants, None
        if wanted is None or self._attempt is None:
            return []
        self.own = (self.own[0] or own_host, self.own[1])
        # Who answered last knows us.
        last = self.standing.server
        ordered = sorted(servers[:MOST_SERVERS], key=lambda server: server_name(server) != last)
        if not ordered or not self.own[0]:
            return self._fail(UplinkReason.NAME_UNKNOWN, now_s)
        if not self._attempt.was_moved:
            self.servers = tuple(servers[:MOST_SERVERS])
        self._attempt.servers = tuple(ordered)
        return self._register(now_s)

    def hear(self, reply: SipReply, now_s: float) -> list[Datagram]:
        """What follows from an answer to the REGISTER under way; nothing from any other."""
        sent, attempt = self._sent, self._attempt
        if sent is None or attempt is None or reply.branch != self._branch:
            return []
        if reply.status < 200:
            sent.gap_s = T2_S  # RFC 3261 §17.1.2.2, Proceeding
            return []
        self._sent = None
        server = server_name(attempt.servers[0])
        self.standing = replace(self.standing, status=reply.status, phrase=phrase_of(reply), server=server)
        if reply.status in _ANSWERS_WITH:
            return self._challenged(reply, attempt, now_s)
        if self._is_leaving:
            return self._end(now_s)
        if reply.status < 300:
            return self._accepted(reply, now_s)
        return self._not_accepted(reply, attempt, now_s)

    def flows_closed(self, flows: Collection[str], now_s: float) -> list[Datagram]:
        """Connections are gone: what waits on one of them gets no answer, and calls cannot come over it any more."""
        sent = self._sent
        if sent is not None and flow_of(sent.destination) in flows:
            self._sent = None
            return self._next_server(UplinkReason.NO_ANSWER, now_s)
        next_s = self.standing.next_attempt_s
        if self._flow in flows and self.standing.state is UplinkState.REGISTERED and next_s is not None:
            again_s = now_s + RECONNECT_AFTER_S * (1 + self._chance.spread())
            self.standing = replace(self.standing, next_attempt_s=min(next_s, again_s))
        return []

    def leave(self, now_s: float) -> list[Datagram]:
        """Takes our contact back, if the carrier has it; then it is over."""
        if self._is_leaving or self.is_over:
            return []
        self._sent, self._attempt, self.wants = None, None, None
        self._is_leaving = True
        if not self.standing.is_registered(now_s):
            return self._end(now_s)
        self._begin(now_s)
        return []

    def _begin(self, now_s: float) -> None:
        self._attempt = Attempt(request_uri(self.account.registrar))
        self.wants = self.account.next_hop
        self._forget_tries()
        if self.standing.state is UplinkState.UNREGISTERED and not self._is_leaving:
            self._stands(UplinkState.TRYING, UplinkReason.NONE, now_s, next_attempt_s=None)

    def _forget_tries(self) -> None:
        """Whoever is asked next may know nothing of the nonces so far."""
        for nonce in self._nonces.values():
            nonce.is_tried = False

    def _register(self, now_s: float) -> list[Datagram]:
        """One more REGISTER, to the server whose turn it is."""
        attempt = self._attempt
        assert attempt is not None
        self._cseq += 1
        self._branch = f"{UPLINK_MAGIC}{self._chance.token()}"
        data = build_register(
            self.account,
            self.own,
            uri=attempt.uri,
            branch=self._branch,
            call_id=self._call_id,
            tag=self._tag,
            cseq=self._cseq,
            expires_s=0 if self._is_leaving else self._expires_s,
            credentials=tuple(self._credentials(attempt.uri)),
        )
        destination = attempt.servers[0]
        self._sent = Transaction.begin(
            self.account.trunk_id,
            self._cseq,
            data,
            destination,
            now_s=now_s,
            interval_s=2 * LIFE_S,
            t1_s=None if isinstance(destination, Origin) else T1_S,
        )
        return [(data, destination)]

    def _credentials(self, uri: str) -> list[tuple[str, str]]:
        """Under the nonces of the last challenges, also before there is a new one: it saves a round trip."""
        fields = []
        for status, nonce in self._nonces.items():
            nonce.count += 1
            cnonce = self._chance.token()
            value = credentials_for(self.account, nonce.challenge, "REGISTER", uri, cnonce, nonce.count)
            fields.append((_ANSWERS_WITH[status], value))
        return fields

    def _wait(self, sent: Transaction, now_s: float) -> list[Datagram]:
        if sent.ends_s <= now_s:
            self._sent = None
            return self._next_server(UplinkReason.NO_ANSWER, now_s)
        if sent.next_s is None or sent.next_s > now_s:
            return []
        while sent.next_s is not None and sent.next_s <= now_s:
            sent.repeated()
        return [(sent.data, sent.destination)]

    def _next_server(self, reason: UplinkReason, now_s: float) -> list[Datagram]:
        """RFC 3263 §4.3: after silence or a 503 the next address, and a pause after the last."""
        attempt = self._attempt
        assert attempt is not None
        if reason is UplinkReason.NO_ANSWER:
            server = server_name(attempt.servers[0])
            self.standing = replace(self.standing, status=None, phrase="", server=server)
        if len(attempt.servers) > 1:
            attempt.servers = attempt.servers[1:]
            self._forget_tries()
            return self._register(now_s)
        return self._fail(reason, now_s, attempt.retry_after_s)

    def _challenged(self, reply: SipReply, attempt: Attempt, now_s: float) -> list[Datagram]:
        challenge = challenge_of(reply)
        if challenge is None:
            return self._refuse(UplinkReason.UNKNOWN_CHALLENGE, now_s)
        known = self._nonces.get(reply.status)
        if known is not None and known.is_tried:
            # Right nonce, fresh, and still no: it is the password. Only "stale" says that it is not (RFC 7616 §3.3).
            if not challenge.stale:
                return self._refuse(UplinkReason.WRONG_PASSWORD, now_s)
            attempt.stale += 1
            if attempt.stale > MOST_STALE:
                return self._fail(UplinkReason.STALE_NONCES, now_s)
        self._nonces[reply.status] = Nonce(challenge, is_tried=True)
        return self._register(now_s)

    def _accepted(self, reply: SipReply, now_s: float) -> list[Datagram]:
        seconds = granted_s(reply, self.account, self.own, self._expires_s)
        for value in reply.values("authentication-info"):
            self._offered(next_nonce(value))
        if seconds == 0:
            return self._fail(UplinkReason.NOT_KEPT, now_s)
        attempt, self._attempt = self._attempt, None
        self._flow = flow_of(attempt.servers[0]) if attempt is not None else None
        self.standing = replace(
            self.standing,
            registered_until_s=now_s + seconds,
            contact=self.account.contact(self.own),
            failures=0,
        )
        next_s = now_s + refresh_after_s(seconds, self._chance.spread())
        self._stands(UplinkState.REGISTERED, UplinkReason.NONE, now_s, next_attempt_s=next_s)
        return []

    def _offered(self, nonce: str | None) -> None:
        """The nonce for the next request, of whoever challenged us as the registrar."""
        known = self._nonces.get(401)
        if known is not None and nonce and nonce.isprintable():
            self._nonces[401] = Nonce(replace(known.challenge, nonce=nonce, stale=False))

    def _not_accepted(self, reply: SipReply, attempt: Attempt, now_s: float) -> list[Datagram]:
        status = reply.status
        if status in (301, 302):
            return self._moved(reply, attempt, now_s)
        if status == 423:
            return self._raised(reply, attempt, now_s)
        if status in (408, 503):
            attempt.retry_after_s = retry_after_s(reply)
            return self._next_server(UplinkReason.UNAVAILABLE, now_s)
        if 400 <= status < 500 and status not in PASSING:
            return self._refuse(_REFUSALS.get(status, UplinkReason.REJECTED), now_s)
        if status in (603, 604, 606):
            return self._refuse(UplinkReason.REJECTED, now_s)
        return self._fail(UplinkReason.UNAVAILABLE, now_s, retry_after_s(reply))

    def _raised(self, reply: SipReply, attempt: Attempt, now_s: float) -> list[Datagram]:
        """423: for as long as the carrier wants it, once in an attempt (RFC 3261 §10.2.8)."""
        least_s = least_expires_s(reply)
        if attempt.was_raised or least_s is None or least_s <= self._expires_s:
            return self._refuse(UplinkReason.TOO_BRIEF, now_s)
        attempt.was_raised, self._expires_s = True, least_s
        return self._register(now_s)

    def _moved(self, reply: SipReply, attempt: Attempt, now_s: float) -> list[Datagram]:
        """301 and 302 alike, once in an attempt: the next one begins where the carrier told us to (§8.1.3.4)."""
        server = moved_to(reply, self.account)
        if attempt.was_moved or server is None:
            return self._fail(UplinkReason.REDIRECTED, now_s)
        attempt.was_moved, attempt.uri, attempt.servers = True, request_uri(server), ()
        # Another server gets credentials only for a challenge of its own.
        self._nonces.clear()
        self.wants = server
        return []

    def _refuse(self, reason: UplinkReason, now_s: float) -> list[Datagram]:
        failures = self.standing.failures + 1
        next_s = now_s + refused_pause_s(failures, self._chance.spread())
        return self._give_up(UplinkState.REFUSED, reason, now_s, next_s, failures)

    def _fail(self, reason: UplinkReason, now_s: float, retry_after: int | None = None) -> list[Datagram]:
        failures = self.standing.failures + 1
        next_s = now_s + failing_pause_s(failures, self._chance.spread(), retry_after)
        return self._give_up(UplinkState.FAILING, reason, now_s, next_s, failures)

    def _give_up(
        self, state: UplinkState, reason: UplinkReason, now_s: float, next_s: float, failures: int
    ) -> list[Datagram]:
        """Until the next attempt. A nonce that came to nothing is not used again."""
        if self._is_leaving:
            return self._end(now_s)
        self._attempt = None
        self._nonces.clear()
        self.standing = replace(self.standing, failures=failures)
        self._stands(state, reason, now_s, next_attempt_s=next_s)
        return []

    def _end(self, now_s: float) -> list[Datagram]:
        self.is_over, self._attempt, self._sent = True, None, None
        self.standing = Standing(UplinkState.UNREGISTERED, now_s)
        return []

    def _stands(
        self, state: UplinkState, reason: UplinkReason, now_s: float, *, next_attempt_s: float | None
    ) -> None:
        before = self.standing
        since_s = before.since_s if before.state is state and before.reason is reason else now_s
        self.standing = replace(
            before, state=state, reason=reason, since_s=since_s, next_attempt_s=next_attempt_s
        )
