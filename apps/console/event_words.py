"""What happened, in words, for the ledger's rows. Pure."""

from typing import Final

from apps.registrar.models import RegistrationEvent
from apps.registrar.outcomes import END_WORDS, REFUSALS, UNANSWERED_WORDS, EventKind, Outcome

WORDS: Final[dict[str, str]] = {
    EventKind.REGISTERED: "Registered",
    EventKind.MOVED: "Moved to a new address",
    EventKind.EXPIRED: "Expired without renewal",
    EventKind.UNREGISTERED: "Signed off by the phone",
    EventKind.DEACTIVATED: "Ended",
    EventKind.REJECTED: "Replaced by a newer contact",
    EventKind.REFUSED: "Refused",
    EventKind.UNANSWERED: "Did not sign in",
}


def sentence(event: RegistrationEvent) -> str:
    """ "Refused: wrong password", "Ended: dropped by an admin", "Registered"."""
    word = WORDS.get(event.event, event.event)
    if event.event == EventKind.REFUSED:
        outcome = REFUSALS.get(event.reason)
        return f"{word}: {outcome.words if outcome else event.reason}"
    if event.event == EventKind.UNANSWERED:
        return f"{word}: {UNANSWERED_WORDS.get(event.reason, event.reason)}"
    end_words = {str(reason): words for reason, words in END_WORDS.items()}.get(event.reason)
    return f"{word}: {end_words}" if event.event == EventKind.DEACTIVATED and end_words else word


def refusal(event: RegistrationEvent) -> Outcome | None:
    """The row of the outcomes table behind a refusal: its status and its explaining sentence."""
    return REFUSALS.get(event.reason) if event.event == EventKind.REFUSED else None
