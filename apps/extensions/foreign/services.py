"""Takes over what was found: the diff, and with `apply` the writes, a transaction for each batch.

A dry run and a run that writes decide by the same code over what the database holds. Must not change a password, end a
registration, or trust more than the diff says.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from django.db import transaction

from apps.extensions.audit import Actor
from apps.extensions.foreign.domains import Choices, Conflicts, Domains
from apps.extensions.foreign.trunks import Trunks
from apps.extensions.foreign.users import Decided, Present, Users
from apps.extensions.foreign.values import Action, Found, FoundExtension, Step
from apps.extensions.importing import extensions_insert
from apps.extensions.models import Domain
from apps.extensions.services import extension_update

BATCH: Final = 500


def directory_take_over(
    *, found: Found, choices: Choices, source: str, actor: Actor, apply: bool, conflicts: Conflicts
) -> Iterator[Step]:
    """Every step, in the order of the source; what was written is committed when its step comes out. conflicts: as of
    Domains."""
    domains = Domains(choices, actor, apply, conflicts)
    for domain, users in _by_domain(found.extensions, domains):
        if isinstance(domain, str):
            yield from domains.new_steps()
            yield from (
                Step(Action.CONFLICT, "extension", user.number, user.domain or "", domain) for user in users
            )
            continue
        # A dry run looks at all at once: what a batch would have written is not there for the next.
        for batch in _batches(users, BATCH if apply else max(1, len(users))):
            steps = _take_over(domain, batch, domains, source)
            yield from domains.new_steps()
            yield from steps
    trunks = Trunks(domains)
    for trunk in found.trunks:
        steps = trunks.take_over(trunk)
        yield from domains.new_steps()
        yield from steps


@transaction.atomic
def _take_over(domain: Domain, users: list[FoundExtension], domains: Domains, source: str) -> list[Step]:
    if domains.apply:
        Domain.objects.select_for_update().get(pk=domain.pk)
    present, deciding = Present.of(domain, users), Users(domains)
    decided: list[Decided] = [deciding.decide(user, present) for user in users]
    if domains.apply:
        _write(decided, users, domains.actor, source)
    return [step for step, _, _ in decided]


def _write(decided: list[Decided], users: list[FoundExtension], actor: Actor, source: str) -> None:
    extensions_insert(made=[new for _, new, _ in decided if new is not None], actor=actor, source=source)
    for user, (_, _, renamed) in zip(users, decided, strict=True):
        if renamed is not None:
            extension_update(extension=renamed, actor=actor, display_name=user.display_name)


def _by_domain(
    users: Iterable[FoundExtension], domains: Domains
) -> Iterator[tuple[Domain | str, list[FoundExtension]]]:
    """The users of each domain, or of each reason why there is none."""
    grouped: dict[str, tuple[Domain | str, list[FoundExtension]]] = {}
    for user in users:
        domain = domains.of(user.domain)
        key = domain if isinstance(domain, str) else f"in {domain.name}"
        grouped.setdefault(key, (domain, []))[1].append(user)
    yield from grouped.values()


def _batches(users: list[FoundExtension], size: int) -> Iterator[list[FoundExtension]]:
    rest = iter(users)
    while batch := list(islice(rest, size)):
        yield batch
