"""What people read of a registration with a carrier: how it stands, why, and what to do. Pure."""

from typing import Final

from apps.trunks.uplink.values import UplinkReason, UplinkState

STATES: Final[dict[UplinkState, str]] = {
    UplinkState.UNREGISTERED: "Not registered",
    UplinkState.TRYING: "Registering…",
    UplinkState.REGISTERED: "Registered",
    UplinkState.REFUSED: "Refused",
    UplinkState.FAILING: "Failing",
}

# {said}: "403 Forbidden"; {server}: who said it, or did not; {name}: what was looked up; {over}: UDP, TCP or TLS.
_SENTENCES: Final[dict[UplinkReason, str]] = {
    UplinkReason.WRONG_PASSWORD: "The carrier says {said}, though we answered its challenge: the password or the "
    "authentication user name is wrong. Set them again as the carrier gave them.",
    UplinkReason.FORBIDDEN: "The carrier says {said}: user name or password is wrong, or this address is not allowed "
    "there. Compare them with what the carrier gave you, and ask whether it must know your address.",
    UplinkReason.UNKNOWN_USER: "The carrier says {said}: it does not know this user name. Compare user name and "
    "registrar with what it gave you.",
    UplinkReason.UNKNOWN_CHALLENGE: "The carrier says {said} and asks for a proof that this program cannot make. Ask "
    "it for digest authentication with MD5 or SHA-256.",
    UplinkReason.REJECTED: "The carrier says {said}. Compare the registrar, the outbound proxy and the user name with "
    "what it gave you, or ask it why.",
    UplinkReason.NAME_UNKNOWN: "No address is found for {name}. Is it written as the carrier gave it, and does this "
    "machine have a name server?",
    UplinkReason.NO_ANSWER: "{server} does not answer over {over}. Is the address right, and does a firewall let our "
    "packets out and its answers in?",
    UplinkReason.UNAVAILABLE: "The carrier says {said}: it cannot register us now. We try again by ourselves.",
    UplinkReason.TOO_BRIEF: "The carrier says {said} and names no time that it would take. Set a longer expiry.",
    UplinkReason.REDIRECTED: "The carrier says {said} and sends us on, but not to a server we could ask over {over}. "
    "Ask it which server to use.",
    UplinkReason.NOT_KEPT: "The carrier says {said} but does not keep our address. Set a longer expiry, or ask it why.",
    UplinkReason.STALE_NONCES: "The carrier calls each of our answers stale at once. We try again by ourselves.",
    UplinkReason.SECRET_UNREADABLE: "The password cannot be decrypted with the keys this site has now. Set it again.",
}

_TRUST: Final = " Is its certificate for the host it was given as? The log of the call process says."


def sentence(
    reason: UplinkReason, *, status: int | None, phrase: str, server: str, name: str, over: str
) -> str:
    """Why it stands so, with the way out; empty where nothing is wrong."""
    said = f"{status or ''} {phrase}".strip() or "no"
    trust = _TRUST if over == "TLS" and reason is UplinkReason.NO_ANSWER else ""
    return _SENTENCES.get(reason, "").format(said=said, server=server or name, name=name, over=over) + trust
