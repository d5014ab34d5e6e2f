"""What happened, in words, for the ledger's rows. Pure."""

from typing import Final

from apps.registrar.models import RegistrationEvent
from apps.registrar.outcomes import END_WORDS, REFUSALS, UNANSWERED_WORDS, EventKind, Outcome

WORDS: Final[dict[str, str]] = {
    EventKind.REGISTERED: "Registered",
    EventKind.SHORTENED: "Registered for a shorter time",
    EventKind.MOVED: "Moved to a new address",
    EventKind.LATE: "Renewal overdue",
    EventKind.UNREACHABLE: "Answers no more",
    EventKind.REACHABLE: "Answers again",
    EventKind.EXPIRED: "Expired without renewal",
    EventKind.UNREGISTERED: "Signed off by the phone",
    EventKind.DEACTIVATED: "Ended",
    EventKind.REJECTED: "Replaced by a newer contact",
    EventKind.REFUSED: "Refused",
    EventKind.UNANSWERED: "Did not sign in",
}
_END_WORDS: Final = {str(reason): words for reason, words in END_WORDS.items()}


def words(event: str, reason: str) -> str:
    """ "Refused: wrong password", "Ended: dropped by an admin", "Registered"."""
    word = WORDS.get(event, event)
    if event == EventKind.REFUSED:
        outcome = REFUSALS.get(reason)
        return f"{word}: {outcome.words if outcome else reason}"
    if event == EventKind.UNANSWERED:
        return f"{word}: {UNANSWERED_WORDS.get(reason, reason)}"
    end_words = _END_WORDS.get(reason)
    return f"{word}: {end_words}" if event == EventKind.DEACTIVATED and end_words else word


def sentence(event: RegistrationEvent) -> str:
    return words(event.event, event.reason)


def refusal(event: RegistrationEvent) -> Outcome | None:
    """The row of the outcomes table behind a refusal: its status and its explaining sentence."""
    return REFUSALS.get(event.reason) if event.event == EventKind.REFUSED else None
