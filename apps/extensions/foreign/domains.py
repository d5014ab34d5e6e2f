"""Which of our domains a found user or carrier belongs to, and what has to become of the domain first."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError

from apps.extensions.audit import Actor
from apps.extensions.checks import check_domain_name, check_realm
from apps.extensions.foreign.values import Action, Step
from apps.extensions.models import DigestOrder, Domain, TrustedAddress
from apps.extensions.services import domain_create, domain_update

MD5_ORDERS = frozenset({DigestOrder.MD5_ONLY, DigestOrder.MD5_FIRST})


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person who imports said: where to, over which realm hashes were made, and what may be changed."""

    domain: str | None = None
    realm: str | None = None
    create_domains: bool = False
    md5_only: bool = False
    refuse_weak: bool = False


Conflicts = Callable[[TrustedAddress], Iterable[str]]


@dataclass(slots=True)
class Domains:
    """Our domains by name, made and changed as the choices allow; `steps` says what was.

    conflicts: what else is where a trunk would be trusted from, in sentences.
    """

    choices: Choices
    actor: Actor
    apply: bool
    conflicts: Conflicts
    steps: list[Step] = field(default_factory=list)
    _known: dict[str, Domain | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = {domain.name: domain for domain in Domain.objects.all()}

    def of(self, found: str | None) -> Domain | str:
        """The domain, or why there is none."""
        name = (self.choices.domain or found or "").strip().lower().rstrip(".")
        if not name:
            only = list(self._known.values())
            if len(only) == 1 and only[0] is not None:
                return only[0]
            return "it names no domain: say which with --domain"
        if name not in self._known:
            self._known[name] = self._made(name) if self.choices.create_domains else None
        return self._known[name] or f"there is no domain {name[:100]!a} here (--create-domains makes it)"

    def asks_md5(self, domain: Domain) -> bool:
        """Whether a phone of which the MD5 hash alone is known can register there, perhaps because that is now so."""
        if domain.digest_order in MD5_ORDERS:
            return True
        if not self.choices.md5_only:
            return False
        reason = f"digest {domain.digest_order} -> {DigestOrder.MD5_ONLY}: of some passwords only that hash is known"
        self.steps.append(Step(Action.CHANGE, "domain", domain.name, domain.name, reason))
        if self.apply:
            domain_update(domain=domain, actor=self.actor, digest_order=DigestOrder.MD5_ONLY)
        domain.digest_order = DigestOrder.MD5_ONLY
        return True

    def new_steps(self) -> Iterator[Step]:
        """What became of domains since the last time."""
        while self.steps:
            yield self.steps.pop(0)

    def _made(self, name: str) -> Domain | None:
        domain = Domain(name=name, realm=self.choices.realm or name)
        try:
            check_domain_name(name)
            check_realm(domain.realm)
        except ValidationError:
            return None
        self.steps.append(Step(Action.CREATE, "domain", name, name, f"realm {domain.realm}"))
        if self.apply:
            return domain_create(name=name, realm=domain.realm, actor=self.actor)
        return domain
