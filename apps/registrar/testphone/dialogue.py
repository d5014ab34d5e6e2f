"""What the test phone says and hears: REGISTERs as bytes, answers as values (RFC 3261 §10.2, §22.2). Pure.

Must not decide what comes next. The clear password lives in a Caller, which is made for one test and shows nowhere.
"""

from dataclasses import dataclass, field
from typing import Final

from apps.sip.contact import ContactError, Star, parse_contacts
from apps.sip.digest import Challenge, answer_challenge, parse_challenge
from apps.sip.params import bounded_int, is_digits
from apps.sip.reply import parse_reply
from apps.sip.uri import format_host

USER_AGENT: Final = "Registrar Admin test phone"
_MOST_SECONDS: Final = 2**32 - 1


@dataclass(slots=True)
class Caller:
    """The phone's side of the talk. call_id, tag and cnonce are chance, given from outside; local is where its
    socket is."""

    username: str
    password: str = field(repr=False)
    address_user: str
    domain: str
    local: tuple[str, int]
    call_id: str
    tag: str
    cnonce: str
    cseq: int = 0
    challenge: Challenge | None = None
    nonce_count: int = 0

    def register(self, branch: str, *, contact_expires_s: int | None = None) -> bytes:
        """One more REGISTER, with credentials once there is a challenge; without an expiry it has no Contact and
        only asks."""
        self.cseq += 1
        host, port = format_host(self.local[0]), self.local[1]
        address, uri = (
            f"<sip:{self.address_user}@{format_host(self.domain)}>",
            f"sip:{format_host(self.domain)}",
        )
        lines = [
            f"REGISTER {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch={branch}",
            "Max-Forwards: 70",
            f"From: {address};tag={self.tag}",
            f"To: {address}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} REGISTER",
            f"User-Agent: {USER_AGENT}",
        ]
        if contact_expires_s is not None:
            # The last to ring, for the moment it is there.
            lines.append(f"Contact: <sip:{self.address_user}@{host}:{port}>;q=0;expires={contact_expires_s}")
        if self.challenge is not None:
            lines.append(f"Authorization: {self._authorization(self.challenge, uri)}")
        return ("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode()

    def answer_to(self, challenge: Challenge) -> None:
        """From now on with credentials under this nonce."""
        self.challenge = challenge
        self.nonce_count = 0

    def _authorization(self, challenge: Challenge, uri: str) -> str:
        self.nonce_count += 1
        return answer_challenge(
            challenge,
            username=self.username,
            password=self.password,
            method="REGISTER",
            uri=uri,
            cnonce=self.cnonce,
            nonce_count=self.nonce_count,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """A final answer. contact_expires_s: (URI, seconds granted) of each contact it lists."""

    status: int
    phrase: str
    challenges: tuple[Challenge, ...] = ()
    contacts: tuple[tuple[str, int | None], ...] = ()
    min_expires_s: int | None = None

    @property
    def words(self) -> str:
        return f"{self.status} {self.phrase}".strip()


def read_reply(data: bytes, branch: str) -> Reply | None:
    """The final answer to the request of this branch; None for anything else."""
    reply = parse_reply(data)
    if reply is None or reply.status < 200 or reply.branch != branch:
        return None
    challenges = [parse_challenge(value) for value in reply.values("www-authenticate")]
    least = next(iter(reply.values("min-expires")), "")
    return Reply(
        status=reply.status,
        phrase=reply.phrase[:64],
        challenges=tuple([challenge for challenge in challenges if challenge is not None]),
        contacts=_contacts(reply.values("contact")),
        min_expires_s=bounded_int(least, _MOST_SECONDS) if is_digits(least) else None,
    )


def _contacts(values: list[str]) -> tuple[tuple[str, int | None], ...]:
    try:
        contacts = parse_contacts(values)
    except ContactError:
        return ()
    return () if isinstance(contacts, Star) else tuple([(one.uri_text, one.expires_s) for one in contacts])
