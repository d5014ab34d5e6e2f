"""Found users against our extensions: what taking each over would do, and the rows that would be written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.core.exceptions import ValidationError

from apps.extensions.checks import check_display_name, check_sip_user
from apps.extensions.foreign.domains import Domains
from apps.extensions.foreign.values import Action, FoundExtension, Secret, Step
from apps.extensions.foreign.weak import weakness
from apps.extensions.ha1s import COLUMNS, CannotOpen, Ha1Keys, place_of
from apps.extensions.importing import LONGEST_DISPLAY_NAME, NewExtension
from apps.extensions.models import Credential, Domain, Extension, Peer, PeerKind
from apps.extensions.passwords import all_ha1s, credential_of_ha1s
from apps.sip.digest import Algorithm, ha1

Decided = tuple[Step, NewExtension | None, Extension | None]


@dataclass(slots=True)
class Present:
    """What a domain has of the names in question; users taken over are added."""

    domain: Domain
    extensions: dict[str, Extension] = field(default_factory=dict)
    peers: dict[str, Peer] = field(default_factory=dict)
    credentials: dict[str, Credential] = field(default_factory=dict)

    @classmethod
    def of(cls, domain: Domain, found: Sequence[FoundExtension]) -> "Present":
        numbers = [one.number for one in found if _is_text(one.number)]
        usernames = [one.username for one in found if _is_text(one.username)]
        extensions = Extension.objects.filter(domain=domain.pk, number__in=numbers)
        peers = Peer.objects.filter(domain=domain.pk, name__in=numbers)
        credentials = Credential.objects.filter(
            domain=domain.pk, username__in=usernames, valid_until__isnull=True
        ).select_related("peer__extension")
        return cls(
            domain,
            {extension.number: extension for extension in extensions},
            {peer.name: peer for peer in peers},
            {credential.username: credential for credential in credentials},
        )


@dataclass(frozen=True, slots=True)
class Users:
    """Decides one found user after the other."""

    domains: Domains

    def decide(self, found: FoundExtension, present: Present) -> Decided:
        """The step; what to save if it creates one; the extension to rename if it changes one."""
        problem = found.problem or _fault(found) or self._unusable(found, present.domain)
        weak = "" if problem else weakness(self._told(found, present.domain), found.number, found.username)
        if not problem and weak and self.domains.choices.refuse_weak:
            problem = weak
        notes = [note for note in (weak, *found.notes) if note]
        extension = present.extensions.get(found.number)
        if problem:
            return _step(Action.CONFLICT, found, present, [problem]), None, None
        if extension is not None:
            return self._known(found, present, extension, notes)
        if taken := _taken(found, present):
            return _step(Action.CONFLICT, found, present, [taken]), None, None
        new = self._new(found, present)
        return _step(Action.CREATE, found, present, notes), new, None

    def _unusable(self, found: FoundExtension, domain: Domain) -> str:
        """Why the hashes would be no good here."""
        realm = self.domains.choices.realm or found.secret.realm
        if found.secret.password is not None:
            return _disagreement(found, realm)
        if realm != domain.realm:
            return f"its hash was made for the realm {(realm or '')[:100]!a}, and {domain.name} has {domain.realm!a}"
        if set(found.secret.ha1s) <= {Algorithm.MD5} and not self.domains.asks_md5(domain):
            return f"only its MD5 hash is known, and {domain.name} asks for SHA-256 first: add --md5-only"
        return ""

    def _known(
        self, found: FoundExtension, present: Present, extension: Extension, notes: list[str]
    ) -> Decided:
        credential = present.credentials.get(found.username)
        if credential is None or credential.peer.extension_id != extension.pk:
            problem = f"it exists here with another user name than {found.username}"
        else:
            problem = _difference(credential, self._ha1s(found, present.domain))
        if problem:
            return _step(Action.CONFLICT, found, present, [problem]), None, None
        if extension.enabled != found.enabled:
            notes.append(
                "enabled here, disabled there" if extension.enabled else "disabled here, enabled there"
            )
        if found.display_name and extension.display_name != found.display_name:
            notes.insert(0, f"name {extension.display_name!r} -> {found.display_name!r}")
            return _step(Action.CHANGE, found, present, notes), None, extension
        return _step(Action.SAME, found, present, notes), None, None

    def _new(self, found: FoundExtension, present: Present) -> NewExtension:
        domain = present.domain
        extension = Extension(
            domain=domain, number=found.number, display_name=found.display_name, enabled=found.enabled
        )
        peer = Peer(domain=domain, extension=extension, kind=PeerKind.DEVICE, name=found.number)
        peer.max_contacts = found.max_contacts or peer.max_contacts
        credential = credential_of_ha1s(
            domain=domain, peer_id=peer.pk, username=found.username, ha1s=self._ha1s(found, domain)
        )
        credential.peer = peer
        present.extensions[found.number] = extension
        present.peers[found.number] = peer
        present.credentials[found.username] = credential
        return NewExtension(extension, peer, credential)

    def _ha1s(self, found: FoundExtension, domain: Domain) -> Mapping[Algorithm, str]:
        if found.secret.password is not None:
            return all_ha1s(found.username, domain.realm, found.secret.password)
        return found.secret.ha1s

    def _told(self, found: FoundExtension, domain: Domain) -> Secret:
        return replace(found.secret, realm=domain.realm)


def _step(action: Action, found: FoundExtension, present: Present, reasons: Sequence[str]) -> Step:
    return Step(action, "extension", found.number, present.domain.name, "; ".join(reasons))


def _fault(found: FoundExtension) -> str:
    """Why nothing could be made of it, wherever it went."""
    try:
        check_sip_user("number", found.number)
        check_sip_user("username", found.username)
        check_display_name(found.display_name)
    except ValidationError as error:
        return f"{next(iter(error.error_dict))}: {' '.join(error.messages)}"
    if len(found.display_name) > LONGEST_DISPLAY_NAME:
        return f"its name is longer than {LONGEST_DISPLAY_NAME} characters"
    return "" if found.secret else "it has no password, nor a hash of one"


def _disagreement(found: FoundExtension, realm: str | None) -> str:
    """Whether its password and its hash are of each other, where both are there."""
    md5 = found.secret.ha1s.get(Algorithm.MD5)
    if (
        md5 is None
        or realm is None
        or ha1(Algorithm.MD5, found.username, realm, found.secret.password or "") == md5
    ):
        return ""
    return "its password and its hash are not of each other: empty the column that is not in use"


def _taken(found: FoundExtension, present: Present) -> str:
    if found.number in present.peers:
        return f"{found.number} is the name of a SIP peer here"
    if found.username in present.credentials:
        return f"the user name {found.username} belongs to another SIP peer here"
    return ""


def _difference(credential: Credential, ha1s: Mapping[Algorithm, str]) -> str:
    """Why the phone could not log in with what it has, if so: all hashes known of both must be equal."""
    keys = Ha1Keys(settings.CREDENTIAL_KEYS)
    place = place_of(credential.pk, credential.peer_id, credential.username)
    try:
        same = all(
            keys.open(getattr(credential, COLUMNS[algorithm]), algorithm, place) == known
            for algorithm, known in ha1s.items()
        )
    except CannotOpen as cannot:
        return str(cannot)
    return "" if same else "it has another password here"


def _is_text(text: str) -> bool:
    return "\0" not in text
