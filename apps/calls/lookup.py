"""Where requests go, a batch at a time: one statement, however many they are, and now and then one for the domains.

Knows rows and the order of questions; who the caller is decides authorizing.py, what follows deciding.py.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from psycopg import Error
from psycopg_pool import PoolTimeout

from apps.calls.authorizing import Caller, Claimant, Means, approach, authorize
from apps.calls.deciding import decide, questions
from apps.calls.hosts import OtherHosts
from apps.calls.nonce_counts import NonceCounts
from apps.calls.sql import CALLERS_AND_ROUTES
from apps.calls.values import Ask, Ignore, Refuse, Verdict
from apps.extensions.ha1s import KeptHa1s, place_of, sealed_for
from apps.registrar.authentication import NOBODY, NOBODYS_HA1S
from apps.registrar.bindings import Account
from apps.registrar.blocking import BlockedNetworks
from apps.registrar.sql import to_json
from apps.registrar.store import Claimed, Directory, Store
from apps.routing.answer import Question, RouteAnswer
from apps.routing.store import answers, params
from apps.sip.digest import Algorithm
from apps.trunks.values import Carriers, Trunk

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]
NOBODY_BLOCKED: Final = BlockedNetworks({})
# A lone call costs its statements: domains and blocked networks are not read for each.
DIRECTORY_GOOD_FOR_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Waiting:
    """An ask that needs rows: who it is, and which of the batch's questions are its own."""

    ask: Ask
    who: Claimant | Trunk
    asked: slice


class Lookup:
    """Asks the database by `store`, which whoever made it opens and closes.

    nonce_key, gruu_key: as in registrar.consumers; retry_after_s: the seconds of each Retry-After, another number each
    time; clock: seconds that only rise. Lives as long as the process: it remembers which nonce counts were used.

    hosts: the other SIP hosts, as whoever made it found them last.
    """

    def __init__(
        self,
        store: Store,
        carriers: Carriers,
        *,
        nonce_key: bytes,
        gruu_key: bytes,
        retry_after_s: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._carriers = carriers
        self._nonce_key = nonce_key
        self._gruu_key = gruu_key
        self._retry_after_s = retry_after_s
        self._clock = clock
        self.hosts = OtherHosts()
        self._counts: NonceCounts | None = None
        # His HA1s are opened like everybody's, so that refusing him takes as long.
        place = place_of(NOBODY.peer_id, NOBODY.peer_id, NOBODY.peer_name)
        kept = sealed_for(store.ha1_keys, NOBODYS_HA1S, place)
        self._nobody = replace(NOBODY, ha1s=store.opened([kept]))
        self._directory: Directory | None = None
        self._read_at_s = 0.0

    async def verdicts(self, asks: Sequence[Ask]) -> list[tuple[Ask, Verdict]]:
        """One for each, in their order. While there is no database: 503 with Retry-After. Never raises for that."""
        if not asks:
            return []
        for attempt in (1, 2):  # the first may have met a connection that was lost meanwhile
            try:
                return await self._verdicts(asks)
            except (Error, PoolTimeout) as error:
                logger.warning("look-up of %d requests failed (attempt %d): %s", len(asks), attempt, error)
                if isinstance(error, PoolTimeout):
                    break
        return [(ask, self._unavailable(ask)) for ask in asks]

    async def _verdicts(self, asks: Sequence[Ask]) -> list[tuple[Ask, Verdict]]:
        means = await self._means()
        found: list[Verdict | Waiting] = []
        asked: list[Question] = []
        for ask in asks:
            who = approach(ask, means)
            if isinstance(who, Refuse | Ignore):
                found.append(who)
                continue
            own = questions(ask.request, who, means.carriers, self._gruu_key)
            found.append(Waiting(ask, who, slice(len(asked), len(asked) + len(own))))
            asked += own
        waiting = [one for one in found if isinstance(one, Waiting)]
        decided = iter(await self._decide(waiting, asked, means) if waiting else ())
        verdicts = [next(decided) if isinstance(one, Waiting) else one for one in found]
        return list(zip(asks, verdicts, strict=True))

    async def read_directory(self) -> Directory:
        """The domains and the blocked networks as they are now, which the next batches go by."""
        self._directory = await self.store.directory()
        self._read_at_s = self._clock()
        return self._directory

    @property
    def blocked(self) -> BlockedNetworks:
        """As read last."""
        return self._directory.blocked if self._directory else NOBODY_BLOCKED

    async def _means(self) -> Means:
        directory = self._directory
        if directory is None or self._clock() - self._read_at_s > DIRECTORY_GOOD_FOR_S:
            directory = await self.read_directory()
        now_s = int(directory.now.timestamp() + self._clock() - self._read_at_s)
        self._counts = self._counts or NonceCounts(now_s)
        return Means(
            directory.domains,
            directory.blocked,
            now_s,
            self._carriers,
            self._counts,
            self._nobody,
            self._nonce_key,
            self._retry_after_s,
            self.hosts,
        )

    async def _decide(
        self, waiting: Sequence[Waiting], asked: Sequence[Question], means: Means
    ) -> list[Verdict]:
        claims = {one.who.claimed for one in waiting if isinstance(one.who, Claimant)}
        wanted = [{"domain_id": domain_id, "username": username} for domain_id, username in claims]
        given = {"claims": to_json(wanted), **params(asked)}
        ((callers, routes, dialled),) = await self.store.fetch_by_keys(CALLERS_AND_ROUTES, given)
        accounts = self._accounts(callers)
        found = answers(asked, routes, dialled, gruu_key=self._gruu_key)
        return [_verdict(one, accounts, found[one.asked], means) for one in waiting]

    def _accounts(self, rows: Iterable[Row]) -> dict[Claimed, tuple[Account, str]]:
        """The account of each user name, and its display name."""
        by_claim: dict[Claimed, list[Row]] = defaultdict(list)
        for row in rows:
            by_claim[UUID(row["domain_id"]), row["username"]].append(row)
        return {
            claim: (self._account(credentials), credentials[0]["display_name"])
            for claim, credentials in by_claim.items()
        }

    def _account(self, credentials: Sequence[Row]) -> Account:
        """What calls need of it: who it is, and its HA1s."""
        first = credentials[0]
        return replace(
            NOBODY,
            peer_id=UUID(first["peer_id"]),
            peer_name=first["peer_name"],
            extension_number=first["number"],
            enabled=first["enabled"],
            ha1s=self.store.opened([_kept_ha1s(row) for row in credentials]),
            accepts_no_qop=first["accepts_no_qop"],
        )

    def _unavailable(self, ask: Ask) -> Verdict:
        if self.blocked.cover(ask.origin[0]):
            return Ignore()
        return Refuse(503, "Service Unavailable", (("Retry-After", str(self._retry_after_s())),))


def _verdict(
    one: Waiting,
    accounts: Mapping[Claimed, tuple[Account, str]],
    found: Sequence[RouteAnswer],
    means: Means,
) -> Verdict:
    who: Trunk | Caller | Refuse
    if isinstance(one.who, Claimant):
        account, display_name = accounts.get(one.who.claimed, (None, ""))
        who = authorize(one.ask, one.who, account, display_name, means)
    else:
        who = one.who
    if isinstance(who, Refuse):
        return who
    return decide(one.ask.request, who, found, means.carriers, means.retry_after_s, means.hosts)


def _kept_ha1s(row: Row) -> KeptHa1s:
    return KeptHa1s(
        place_of(UUID(row["id"]), UUID(row["peer_id"]), row["username"]),
        {
            Algorithm.MD5: row["ha1_md5"],
            Algorithm.SHA256: row["ha1_sha256"],
            Algorithm.SHA512_256: row["ha1_sha512_256"],
        },
    )
