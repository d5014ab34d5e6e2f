"""The test phone: registers over a real UDP socket, step by step, and signs off again.

Displaces no phone: it registers only where there is room, for as short as is allowed, and its sign-off is sent whatever
happens. Must not keep, log or show the password.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Final

from apps.registrar.testphone.dialogue import Caller, Reply, read_reply
from apps.registrar.testphone.steps import (
    NO_CHALLENGE,
    SIGNED_OFF,
    Stage,
    Step,
    StepState,
    asked_for,
    full,
    refused,
    registered,
    result,
    right_password,
    silent,
    wrong_password,
)
from apps.registrar.testphone.turns import turn
from apps.registrar.testphone.values import Plan
from apps.sip.transactions import T1_S
from apps.sipserver.addresses import format_address

ANSWER_WITHIN_S: Final = 4.0
WHOLE_TEST_S: Final = 30.0


class Unanswered(Exception):  # noqa: N818 - says what happened
    """Nothing came, or the machine says that nobody listens."""


class Line(asyncio.DatagramProtocol):
    """A socket of its own to the SIP server, and one request at a time."""

    transport: asyncio.DatagramTransport

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._branch = ""
        self._answer: asyncio.Future[Reply] | None = None

    @classmethod
    async def open(cls, server: tuple[str, int]) -> "Line":
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        line = cls(loop.time() + WHOLE_TEST_S)
        line.transport, _ = await loop.create_datagram_endpoint(lambda: line, remote_addr=server)
        return line

    def datagram_received(self, data: bytes, addr: object) -> None:
        reply = read_reply(data, self._branch)
        if reply is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there now; a server that is just starting gets the repeats."""

    async def ask(self, data: bytes, branch: str) -> tuple[Reply, float]:
        """The final answer and its milliseconds. Raises Unanswered."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        end = min(began + ANSWER_WITHIN_S, self.deadline_s)
        self._branch, self._answer = branch, loop.create_future()
        pause_s = T1_S  # RFC 3261 §17.1.2, Timer E
        while (left_s := end - loop.time()) > 0:
            self.transport.sendto(data)
            done, _ = await asyncio.wait([self._answer], timeout=min(pause_s, left_s))
            if done:
                return self._answer.result(), (loop.time() - began) * 1000
            pause_s *= 2
        raise Unanswered


async def try_credentials(plan: Plan, password: str) -> AsyncIterator[Step]:
    """Each step when it is done, the result last. One test at a time for each peer."""
    where = format_address(plan.server)
    async with turn(plan.peer_id) as is_ours:
        if not is_ours:
            words = "A test of this device is running already. Wait for its end."
            yield Step(Stage.RESULT, StepState.FAILED, words)
            return
        try:
            line = await Line.open(plan.server)
        except OSError as error:
            yield Step(
                Stage.ADDRESS, StepState.FAILED, f"This machine has no way to {where}: {error.strerror}."
            )
            return
        yield Step(Stage.ADDRESS, StepState.OK, f"The SIP server is asked at {where}, over UDP.")
        test = Test(plan, password, line)
        try:
            async for step in test.steps():
                yield step
        finally:
            test.hang_up()


class Test:
    """One test under way."""

    def __init__(self, plan: Plan, password: str, line: Line) -> None:
        self.plan = plan
        self.line = line
        local = line.transport.get_extra_info("sockname")
        self.caller = Caller(
            username=plan.username,
            password=password,
            address_user=plan.peer_name,
            domain=plan.domain,
            local=(local[0], local[1]),
            call_id=f"{secrets.token_hex(8)}@test-phone",
            tag=secrets.token_hex(4),
            cnonce=secrets.token_hex(8),
        )
        self._contacts = 0
        self._may_be_registered = False

    async def steps(self) -> AsyncIterator[Step]:
        """Until one fails or nothing is left to prove; the result last."""
        parts = {
            Stage.CHALLENGE: self._challenge,
            Stage.PASSWORD: self._password,
            Stage.REGISTER: self._register,
            Stage.UNREGISTER: self._unregister,
        }
        proven = False
        for stage, part in parts.items():
            try:
                step = await part()
            except Unanswered:
                where = format_address(self.plan.server)
                step = Step(stage, StepState.FAILED, silent(where, ANSWER_WITHIN_S), "REGISTER, repeated")
            yield step
            proven |= stage is Stage.PASSWORD and step.state is StepState.OK
            if step.state is not StepState.OK:
                break
        yield result(last=step, proven=proven)

    def hang_up(self) -> None:
        """Signs off without waiting if the test was broken off, and closes the socket."""
        if self._may_be_registered and not self.line.transport.is_closing():
            self.line.transport.sendto(self.caller.register(new_branch(), contact_expires_s=0))
        self.line.transport.close()

    async def _challenge(self) -> Step:
        reply, took_ms = await self._ask()
        sent = "REGISTER without credentials"
        if reply.status != 401:
            words = refused(reply, self.plan.domain)
            return Step(Stage.CHALLENGE, StepState.FAILED, words, sent, reply.words, took_ms)
        if not reply.challenges:
            return Step(Stage.CHALLENGE, StepState.FAILED, NO_CHALLENGE, sent, reply.words, took_ms)
        self.caller.answer_to(reply.challenges[0])
        words = asked_for(reply.challenges)
        return Step(Stage.CHALLENGE, StepState.OK, words, sent, reply.words, took_ms)

    async def _password(self) -> Step:
        """A query: without a Contact it proves the password and changes nothing (RFC 3261 §10.2.3)."""
        reply, took_ms = await self._ask()
        algorithm = self.caller.challenge.algorithm if self.caller.challenge else ""
        sent = f"REGISTER with {algorithm} digest, without Contact"
        if reply.status == 200:
            self._contacts = len(reply.contacts)
            words = right_password(self._contacts, self.plan.max_contacts)
            return Step(Stage.PASSWORD, StepState.OK, words, sent, reply.words, took_ms)
        words = refused(reply, self.plan.domain)
        if reply.status == 401:
            words = wrong_password(self.plan.username, self.plan.enabled)
        return Step(Stage.PASSWORD, StepState.FAILED, words, sent, reply.words, took_ms)

    async def _register(self) -> Step:
        if self._contacts >= self.plan.max_contacts:
            return Step(Stage.ROOM, StepState.NOTE, full(self._contacts))
        expires_s = self.plan.least_expires_s
        self._may_be_registered = True
        reply, took_ms = await self._ask(expires_s)
        if reply.status == 423 and reply.min_expires_s is not None:
            expires_s = reply.min_expires_s
            reply, took_ms = await self._ask(expires_s)
        sent = f"REGISTER with a Contact at this test, for {expires_s} s"
        if reply.status != 200:
            words = refused(reply, self.plan.domain)
            return Step(Stage.REGISTER, StepState.FAILED, words, sent, reply.words, took_ms)
        port = f":{self.caller.local[1]}"
        granted = next((seconds for uri, seconds in reply.contacts if uri.endswith(port)), None)
        words = registered(granted or expires_s)
        return Step(Stage.REGISTER, StepState.OK, words, sent, reply.words, took_ms)

    async def _unregister(self) -> Step:
        reply, took_ms = await self._ask(0)
        sent = "REGISTER with the same Contact and expires=0"
        if reply.status != 200:
            words = refused(reply, self.plan.domain)
            return Step(Stage.UNREGISTER, StepState.FAILED, words, sent, reply.words, took_ms)
        self._may_be_registered = False
        return Step(Stage.UNREGISTER, StepState.OK, SIGNED_OFF, sent, reply.words, took_ms)

    async def _ask(self, contact_expires_s: int | None = None) -> tuple[Reply, float]:
        """The answer; to a nonce that has become stale meanwhile, the answer under the new one."""
        reply, took_ms = await self._ask_once(contact_expires_s)
        stale = next((one for one in reply.challenges if one.stale), None)
        if reply.status == 401 and stale is not None:
            self.caller.answer_to(stale)
            reply, took_ms = await self._ask_once(contact_expires_s)
        return reply, took_ms

    async def _ask_once(self, contact_expires_s: int | None) -> tuple[Reply, float]:
        branch = new_branch()
        data = self.caller.register(branch, contact_expires_s=contact_expires_s)
        return await self.line.ask(data, branch)


def new_branch() -> str:
    return f"z9hG4bK{secrets.token_hex(8)}"
