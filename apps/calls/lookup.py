"""Where requests go, a batch at a time: two statements, however many they are.

Knows rows and the order of questions; who the caller is decides authorizing.py, what follows deciding.py.
"""

from collections.abc import Callable, Sequence

from apps.calls.values import Ask, Refuse, Verdict
from apps.registrar.store import Store
from apps.trunks.values import Carriers


class Lookup:
    """Asks the database by `store`, which whoever made it opens and closes.

    nonce_key, gruu_key: as in registrar.consumers; retry_after_s: the seconds of each Retry-After, another number each
    time. Lives as long as the process: it remembers which nonce counts were used.
    """

    def __init__(
        self,
        store: Store,
        carriers: Carriers,
        *,
        nonce_key: bytes,
        gruu_key: bytes,
        retry_after_s: Callable[[], int],
    ) -> None:
        self.store = store
        self.carriers = carriers
        self.nonce_key = nonce_key
        self.gruu_key = gruu_key
        self.retry_after_s = retry_after_s

    async def verdicts(self, asks: Sequence[Ask]) -> list[tuple[Ask, Verdict]]:
        """One for each, in their order. While there is no database: 503 with Retry-After. Never raises for that."""
        return [(ask, self._unavailable()) for ask in asks]

    def _unavailable(self) -> Refuse:
        return Refuse(503, "Service Unavailable", (("Retry-After", str(self.retry_after_s())),))
