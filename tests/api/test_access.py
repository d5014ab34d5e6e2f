"""Who may do what: every operation of the schema in every role, generated; and what no body may set, no answer hold."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from drf_spectacular.generators import SchemaGenerator
from rest_framework.response import Response
from rest_framework.test import APIClient

from apps.accounts.models import ApiToken, Role, User
from apps.extensions.models import BlockedSource, Credential, Extension, Peer
from apps.extensions.services import source_block, trusted_address_add
from apps.registrar.models import Binding
from apps.trunks.services import trunk_numbers_put, trusted_host_add
from apps.trunks.uplink.services import registration_set
from apps.webhooks.models import Webhook
from apps.webhooks.services import webhook_create
from tests.api.conftest import Register, client_of

SCHEMA: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
BODIES: dict[str, dict[str, object]] = {
    "/api/v1/domains/{domain}/": {"raise_brief": True},
    "/api/v1/extensions/": {"extension": "1002", "password": "k8-Fuchsbau-71"},
    "/api/v1/extensions/{extension}/": {"display_name": "Grace"},
    "/api/v1/peers/": {"extension": "1001", "name": "desk", "password": "k8-Fuchsbau-71"},
    "/api/v1/peers/{peer}/": {"max_contacts": 2},
    "/api/v1/peers/{peer}/credentials/rotate/": {"password": "k8-Fuchsbau-73"},
    "/api/v1/peers/{peer}/trace/": {"minutes": 30},
    "/api/v1/trunks/": {"name": "second"},
    "/api/v1/trunks/{trunk}/": {"enabled": False},
    "/api/v1/trunks/{trunk}/ip_addresses/": {"ip_address": "203.0.113.8"},
    "/api/v1/trunks/{trunk}/hosts/": {"name": "sip.carrier.example"},
    "/api/v1/trunks/{trunk}/numbers/": {"number": "+4930555", "extension": "1001"},
    "/api/v1/trunks/{trunk}/registration/": {"registration_string": "4940:s3cret@sip.carrier.example"},
    "/api/v1/blocked-sources/": {"ip_address": "203.0.113.9"},
    "/api/v1/webhooks/": {"name": "second", "url": "http://127.0.0.1:9/"},
    "/api/v1/webhooks/{id}/": {"enabled": False},
    "/api/v1/webhooks/{id}/ping/": {},
    "/api/v1/webhooks/{id}/replay/": {"cursor": 0},
    "/api/v1/webhooks/{id}/secret/": {},
}
OPERATIONS = [
    (path, method)
    for path, methods in SCHEMA["paths"].items()
    for method in methods
    if method != "parameters"
]
WRITES = [(path, method) for path, method in OPERATIONS if method != "get"]
SUCCESS = {"get": 200, "post": 201, "put": 200, "patch": 200, "delete": 204}


@pytest.fixture
def ids(peer: Peer, trunk: Peer, register: Register, actor: Any) -> dict[str, str]:
    """What stands in a path, by the path's words."""
    registration_set(trunk=trunk, actor=actor, registration_string="4940:k8-Fuchsbau-71@sip.carrier.example")
    address = trusted_address_add(trunk=trunk, network="203.0.113.7", actor=actor)
    host = trusted_host_add(trunk=trunk, name="a.carrier.example", actor=actor)
    [number] = trunk_numbers_put(trunk=trunk, numbers=[("+4930777", "1001")], actor=actor)
    return {
        "{domain}": peer.domain.name,
        "{extension}": str(peer.extension_id),
        "{peer}": str(peer.pk),
        "{trunk}": str(trunk.pk),
        "ip_addresses/{id}": f"ip_addresses/{address.pk}",
        "hosts/{id}": f"hosts/{host.pk}",
        "numbers/{id}": f"numbers/{number.pk}",
        "blocked-sources/{id}": f"blocked-sources/{source_block(network='198.51.100.7', actor=actor).pk}",
        "webhooks/{id}": f"webhooks/{webhook_create(name='pbx', url='http://127.0.0.1:9/', actor=actor)[0].pk}",
        "registrations/{id}": f"registrations/{register(peer).binding_id}",
    }


def call(client: APIClient, path: str, method: str, ids: dict[str, str], body: object = None) -> Response:
    url = path
    for word, value in ids.items():
        url = url.replace(word, value)
    if path == "/api/v1/lookup/":
        url += "?extension=1001"
    sent = json.dumps(BODIES.get(path, {}) if body is None else body)
    response: Response = client.generic(
        method.upper(), url, "" if method in ("get", "delete") else sent, content_type="application/json"
    )
    declared = SCHEMA["paths"][path][method]["responses"]
    assert str(response.status_code) in declared, f"{method} {path} answers {response.status_code} undeclared"
    return response


def forge(role: str, admin: User, supervisor: User) -> APIClient:
    """A client in the role. A supervisor's write token is what is left after a demotion."""
    match role:
        case "nobody":
            return APIClient()
        case "admin":
            return client_of(admin, "read", "write")
        case "admin, read only":
            return client_of(admin, "read")
        case "admin, write only":
            return client_of(admin, "write")
        case "supervisor":
            return client_of(supervisor, "read")
        case "demoted":
            client = client_of(admin, "read", "write")
            User.objects.filter(pk=admin.pk).update(role=Role.SUPERVISOR)
            return client
        case _:
            client = client_of(admin, "read", "write")
            User.objects.filter(pk=admin.pk).update(is_active=False)
            return client


EXPECTED: dict[str, tuple[int | None, int | None]] = {  # role -> (reading, changing); None: it works
    "nobody": (401, 401),
    "admin": (None, None),
    "admin, read only": (None, 403),
    "admin, write only": (403, None),
    "supervisor": (None, 403),
    "demoted": (None, 403),
    "left": (401, 401),
}

FOR_ADMINS = "/api/v1/webhooks/"


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("role", EXPECTED)
def test_f48_each_role_does_what_it_may_and_nothing_else(
    role: str, path: str, method: str, admin: User, supervisor: User, ids: dict[str, str]
) -> None:
    expected = EXPECTED[role][method != "get"]
    if path.startswith(FOR_ADMINS) and role in ("supervisor", "demoted"):
        expected = 403
    response = call(forge(role, admin, supervisor), path, method, ids)
    assert response.status_code == (expected or SUCCESS[method]), response.content


def _facts() -> Iterator[object]:
    for model in (Extension, Peer, Credential, BlockedSource, Binding, User, ApiToken, Webhook):
        yield from sorted(map(str, model.objects.values_list()))


def test_the_table_has_every_operation() -> None:
    assert len(OPERATIONS) == 61
    assert {path for path, method in WRITES if method != "delete"} == set(BODIES)


FORBIDDEN = sorted(
    {field.name for model in apps.get_models() for field in model._meta.get_fields()}
    | {"pk", "is_staff", "tenant", "ha1", "algorithms", "peers", "state", "__class__", "actor"}
)


def settable(path: str, method: str) -> dict[str, Any]:
    """By name; {} where there is no body."""
    body = SCHEMA["paths"][path][method].get("requestBody")
    if body is None:
        return {}
    reference = body["content"]["application/json"]["schema"]["$ref"]
    found: dict[str, Any] = SCHEMA["components"]["schemas"][reference.rsplit("/", 1)[1]]["properties"]
    return found


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, method in WRITES if method != "delete"]
)
def test_f46_no_other_field_of_any_model_can_be_set(
    path: str, method: str, api: APIClient, ids: dict[str, str]
) -> None:
    allowed = settable(path, method)
    before = list(_facts())
    for name in FORBIDDEN:
        if name in allowed:
            continue
        response = call(api, path, method, ids, {**BODIES[path], name: "x"})
        assert response.status_code == 400, name
        assert [(error["field"], error["code"]) for error in json.loads(response.content)["errors"]] == [
            (name, "unknown_field")
        ]
    after = [fact for fact in _facts() if "last_used" not in str(fact)]
    assert len(after) == len(before)
    assert [fact for fact in before if fact not in after and "ra_" not in str(fact)] == []


def test_f51_no_answer_holds_a_hash_a_token_or_a_password_twice(
    api: APIClient, admin: User, ids: dict[str, str]
) -> None:
    made = {path: call(api, path, "post", ids) for path in BODIES if "post" in SCHEMA["paths"][path]}
    passwords = [
        json.loads(response.content)["password"]
        for response in made.values()
        if "password" in json.loads(response.content)
    ]
    assert len(passwords) == 3
    secrets = [admin.password, *ApiToken.objects.values_list("digest", flat=True)]
    for credential in Credential.objects.all():
        secrets += [credential.ha1_md5, credential.ha1_sha256, credential.ha1_sha512_256]
    answers = [call(api, path, method, ids) for path, method in OPERATIONS if method in ("get", "patch")]
    everything = "".join(response.content.decode() for response in answers)
    assert [secret for secret in secrets + passwords if secret in everything] == []
    once = "".join(response.content.decode() for response in made.values())
    assert [secret for secret in secrets if secret in once] == []


def test_reading_changes_nothing(api: APIClient, ids: dict[str, str]) -> None:
    before = list(_facts())
    for path, method in OPERATIONS:
        if method == "get":
            call(api, path, method, ids)
    assert [fact for fact in _facts() if "ra_" not in str(fact)] == [
        fact for fact in before if "ra_" not in str(fact)
    ]
