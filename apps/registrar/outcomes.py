"""What can become of a REGISTER and of a binding: closed tables, from the wire to the admin's words.

Pure: no I/O, no clock, no Django. A new outcome is a new row here, nowhere else.
"""

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """Binding events as in RFC 3680 §4, plus `moved` (same binding, new source), `late` (renewed late, or never),
    `unreachable` and `reachable` (probes), `refused` (nothing changed) and `unanswered` (a challenge)."""

    REGISTERED = "registered"
    SHORTENED = "shortened"
    MOVED = "moved"
    LATE = "late"
    UNREACHABLE = "unreachable"
    REACHABLE = "reachable"
    EXPIRED = "expired"
    UNREGISTERED = "unregistered"
    DEACTIVATED = "deactivated"
    REJECTED = "rejected"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


SUMMED_EVENTS = frozenset({EventKind.REFUSED, EventKind.UNANSWERED})
"""Identical ones of one minute are one row with a count."""


class UnansweredReason(StrEnum):
    """What the silence after a challenge looks like: the phone repeats itself, so it heard nothing; or it does not."""

    UNHEARD = "challenge_unheard"
    IGNORED = "challenge_ignored"


UNANSWERED_WORDS: dict[str, str] = {
    UnansweredReason.UNHEARD: "does not seem to hear our answers",
    UnansweredReason.IGNORED: "was asked for the password and did nothing",
}


class EndReason(StrEnum):
    """Why a binding ended; every end has one."""

    EXPIRED = "expired"
    UNREGISTERED = "unregistered"
    REPLACED = "replaced"
    DROPPED = "dropped"
    DISABLED = "disabled"
    DELETED = "deleted"
    CREDENTIAL_CHANGED = "credential_changed"
    FLOW_CLOSED = "flow_closed"


END_EVENTS: dict[EndReason, EventKind] = {
    EndReason.EXPIRED: EventKind.EXPIRED,
    EndReason.UNREGISTERED: EventKind.UNREGISTERED,
    EndReason.REPLACED: EventKind.REJECTED,
    EndReason.DROPPED: EventKind.DEACTIVATED,
    EndReason.DISABLED: EventKind.DEACTIVATED,
    EndReason.DELETED: EventKind.DEACTIVATED,
    EndReason.CREDENTIAL_CHANGED: EventKind.DEACTIVATED,
    EndReason.FLOW_CLOSED: EventKind.DEACTIVATED,
}

END_WORDS: dict[EndReason, str] = {
    EndReason.EXPIRED: "expired without renewal",
    EndReason.UNREGISTERED: "signed off by the phone",
    EndReason.REPLACED: "replaced by a newer contact",
    EndReason.DROPPED: "dropped by an admin",
    EndReason.DISABLED: "disabled by an admin",
    EndReason.DELETED: "deleted by an admin",
    EndReason.CREDENTIAL_CHANGED: "password changed by an admin",
    EndReason.FLOW_CLOSED: "connection closed",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row: `code` is stable (logs, API, events), `words` are what the state column says, `sentence` explains."""

    status: int
    phrase: str
    code: str
    words: str = ""
    sentence: str = ""


OK = Outcome(200, "OK", "ok")
CHALLENGE = Outcome(401, "Unauthorized", "challenge")
STALE_NONCE = Outcome(401, "Unauthorized", "stale_nonce")
REPEAT = Outcome(200, "OK", "repeat")
WRONG_PASSWORD = Outcome(
    401,
    "Unauthorized",
    "wrong_password",
    "wrong password",
    "The password in the phone is not the one of this SIP peer.",
)
OLD_PASSWORD = Outcome(
    401,
    "Unauthorized",
    "old_password",
    "old password",
    "The phone still has the password from before the last change.",
)
UNKNOWN_USER = Outcome(
    401, "Unauthorized", "unknown_user", "unknown user name", "No SIP peer has this user name in this domain."
)
DISABLED = Outcome(
    401,
    "Unauthorized",
    "disabled",
    "disabled",
    "The extension or the SIP peer is disabled, so its phone is refused.",
)
OTHER_USERS_AOR = Outcome(
    403,
    "Forbidden",
    "other_users_aor",
    "registers as somebody else",
    "The phone signs in as this SIP peer but asks to register another extension's address.",
)
TOO_MANY_CONTACTS = Outcome(
    403,
    "Forbidden",
    "too_many_contacts",
    "too many contacts",
    "The SIP peer already has as many contacts as it may.",
)
INTERVAL_TOO_BRIEF = Outcome(
    423,
    "Interval Too Brief",
    "interval_too_brief",
    "interval too brief",
    "The phone asks for a shorter expiry than the domain allows.",
)
CSEQ_OUT_OF_ORDER = Outcome(
    400,
    "CSeq Out Of Order",
    "cseq_out_of_order",
    "old request",
    "The request is older than the one already stored.",
)
BAD_CONTACT = Outcome(
    400, "Bad Contact", "bad_contact", "malformed contact", "The Contact header cannot be read."
)
BAD_WILDCARD = Outcome(
    400,
    "Bad Wildcard Contact",
    "bad_wildcard",
    "malformed sign-off",
    "Contact: * is only for signing off: alone, with Expires: 0.",
)
BAD_PATH = Outcome(
    400,
    "Bad Path",
    "bad_path",
    "malformed Path",
    "The Path header cannot be read, or is longer than is kept.",
)
PATH_NOT_ALLOWED = Outcome(
    403,
    "Forbidden",
    "path_not_allowed",
    "Path from a stranger",
    "The request came with a Path, but not from an edge proxy of the domain.",
)
CONTACT_NOT_ALLOWED = Outcome(
    403,
    "Forbidden",
    "contact_not_allowed",
    "contact not allowed",
    "The contact points at this server, inward or at everybody, and not at where the phone is.",
)
NO_OUTBOUND_AT_FIRST_HOP = Outcome(
    439,
    "First Hop Lacks Outbound Support",
    "no_outbound_at_first_hop",
    "proxy without outbound",
    "The phone asks for outbound, but the proxy it came through cannot keep its connection.",
)
NO_QOP = Outcome(
    401,
    "Unauthorized",
    "no_qop",
    "old digest without qop",
    "The phone signs in the way of RFC 2069, which its SIP peer does not allow.",
)
NOT_OUR_DOMAIN = Outcome(
    404, "Not Found", "not_our_domain", "wrong domain", "The phone asks for a domain that is not served here."
)
BAD_TO = Outcome(400, "Bad To", "bad_to", "malformed address", "The To header is not a sip or sips address.")
UNSUPPORTED_SCHEME = Outcome(416, "Unsupported URI Scheme", "unsupported_scheme")
BAD_EXTENSION = Outcome(
    420,
    "Bad Extension",
    "bad_extension",
    "unsupported extension",
    "The request needs a SIP extension that is not understood or is switched off.",
)
UNSUPPORTED_MEDIA_TYPE = Outcome(415, "Unsupported Media Type", "unsupported_media_type")
MERGED_REQUEST = Outcome(482, "Loop Detected", "merged_request")
BAD_CREDENTIALS = Outcome(400, "Bad Authorization", "bad_credentials")
METHOD_NOT_ALLOWED = Outcome(405, "Method Not Allowed", "method_not_allowed")
NOT_IMPLEMENTED = Outcome(501, "Not Implemented", "not_implemented")
NO_TRANSACTION = Outcome(481, "Call/Transaction Does Not Exist", "no_transaction")
SERVER_ERROR = Outcome(500, "Server Internal Error", "server_error")
UNAVAILABLE = Outcome(503, "Service Unavailable", "database_unavailable")
# Our fault, not a wrong password: nothing the phone's owner could correct, so it is in the log and not in the ledger.
UNREADABLE_CREDENTIAL = Outcome(503, "Service Unavailable", "unreadable_credential")

REFUSALS: dict[str, Outcome] = {
    outcome.code: outcome
    for outcome in (
        WRONG_PASSWORD,
        OLD_PASSWORD,
        UNKNOWN_USER,
        DISABLED,
        OTHER_USERS_AOR,
        TOO_MANY_CONTACTS,
        INTERVAL_TOO_BRIEF,
        CSEQ_OUT_OF_ORDER,
        BAD_CONTACT,
        BAD_WILDCARD,
        BAD_PATH,
        PATH_NOT_ALLOWED,
        CONTACT_NOT_ALLOWED,
        NO_OUTBOUND_AT_FIRST_HOP,
        NO_QOP,
        BAD_EXTENSION,
        NOT_OUR_DOMAIN,
        BAD_TO,
    )
}
