"""What each step of a test says: closed tables of plain words. Pure.

Must not hold a password; what came from the network is a status, its phrase and numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.registrar.testphone.dialogue import Reply
from apps.sip.digest import Challenge


class StepState(StrEnum):
    """`note`: the test ends here, or goes on differently, and nothing is wrong."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


_STATE_WORDS: Final = {StepState.OK: "Done", StepState.NOTE: "Left out", StepState.FAILED: "Failed"}


class Stage(StrEnum):
    ADDRESS = "address"
    CHALLENGE = "challenge"
    PASSWORD = "password"  # noqa: S105 - what the step proves
    ROOM = "room"
    REGISTER = "register"
    UNREGISTER = "unregister"
    RESULT = "result"


TITLES: Final[dict[Stage, str]] = {
    Stage.ADDRESS: "Find the SIP server",
    Stage.CHALLENGE: "Ask without a password",
    Stage.PASSWORD: "Sign in with the password",
    Stage.ROOM: "Look for room",
    Stage.REGISTER: "Register as a phone",
    Stage.UNREGISTER: "Sign off again",
    Stage.RESULT: "Result",
}

NO_CHALLENGE: Final = "It asks for a password in a way the test phone does not know."
_WORKS: Final = (
    "These credentials work. If the phone still cannot register, the reason is in the phone (another user name, "
    "server or password) or on the way between it and this server."
)
SIGNED_OFF: Final = "Signed off again; nothing is left registered."

_REFUSALS: Final[dict[int, str]] = {
    400: "The SIP server could not read the request: {words}.",
    403: "The password is right, but the registration is not allowed: {words}.",
    404: "The SIP server does not serve the domain {domain}.",
    423: "The SIP server wants a longer registration than it allows itself: {words}.",
    500: "The SIP server had a fault of its own: {words}. Its log says more.",
    503: "The SIP server has no database at the moment: {words}. Try again shortly.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the test: `sent` and `came` for engineers, took_ms of the answer."""

    stage: Stage
    state: StepState
    words: str
    sent: str = ""
    came: str = ""
    took_ms: float | None = None

    @property
    def title(self) -> str:
        return TITLES[self.stage]

    @property
    def state_words(self) -> str:
        return _STATE_WORDS[self.state]

    @property
    def took_words(self) -> str:
        return "" if self.took_ms is None else f"{self.took_ms:.0f} ms" if self.took_ms >= 1 else "under 1 ms"


def refused(reply: Reply, domain: str) -> str:
    """Why, where it is not the password."""
    words = _REFUSALS.get(reply.status, "The SIP server refused: {words}.")
    return words.format(words=reply.words, domain=domain)


def silent(server: str, waited_s: float) -> str:
    return (
        f"No answer within {waited_s:g} s: the SIP server does not answer at {server}. It is not running, is bound to "
        "another address, or runs on another machine."
    )


def asked_for(challenges: Sequence[Challenge]) -> str:
    algorithms = ", ".join(dict.fromkeys(str(challenge.algorithm) for challenge in challenges))
    return f"It asks for a password, as it should: {algorithms}, realm {challenges[0].realm}."


def right_password(contacts: int, most: int) -> str:
    return f"The password is right. {contacts} of {most} contacts are registered."


def wrong_password(username: str, enabled: bool) -> str:
    if not enabled:
        return (
            "Refused. The extension or the device is disabled: every password is refused until it is enabled."
        )
    return f"Refused again: the password is not the one of the user name {username}."


def full(contacts: int) -> str:
    has = "1 contact is" if contacts == 1 else f"{contacts} contacts are"
    return (
        f"{has} registered, as many as the device may have. The test stops here, so that no phone loses its place; "
        "the password is proven."
    )


def registered(expires_s: int) -> str:
    return f"Registered for {expires_s} s, like any phone."


def result(*, last: Step, proven: bool) -> Step:
    """What follows from all; `last` is the step before, `proven` whether the password was accepted."""
    if proven and last.state is not StepState.FAILED:
        return Step(Stage.RESULT, StepState.OK, _WORKS)
    if proven:
        words = "The password is right, but a phone with it cannot register; the step above says why."
    elif last.stage is Stage.PASSWORD and last.came:
        words = "A phone with these credentials cannot register."
    else:
        words = "The password could not be tried; the step above says why."
    return Step(Stage.RESULT, StepState.FAILED, words)
