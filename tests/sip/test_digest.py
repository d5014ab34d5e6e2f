"""Group G of the checklist: digest arithmetic and what counts as credentials."""

from __future__ import annotations

import hashlib

import pytest

from apps.sip.digest import (
    Algorithm,
    AuthorizationFault,
    DigestCredentials,
    expected_response,
    ha1,
    parse_authorization,
    verify,
    www_authenticate,
)

MUFASA = DigestCredentials(
    username="Mufasa",
    realm="http-auth@example.org",
    nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    uri="/dir/index.html",
    response="8ca523f5e9506fed4657c9700eebdbec",
    algorithm=Algorithm.MD5,
    cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    nc=1,
    qop="auth",
)
GOOD = (
    'Digest username="1001", realm="example.com", nonce="abc", uri="sip:example.com", '
    'response="6629fae49393a05397450978507c4ef1", algorithm=MD5, cnonce="0a4f113b", qop=auth, nc=0000000a'
)


def parsed(*values: str) -> DigestCredentials:
    credentials = parse_authorization(values, "example.com")
    assert isinstance(credentials, DigestCredentials), credentials
    return credentials


def fault(*values: str) -> str:
    found = parse_authorization(values, "example.com")
    assert isinstance(found, AuthorizationFault), found
    return found.why


def without(name: str) -> str:
    scheme, _, params = GOOD.partition(" ")
    return scheme + " " + ", ".join(part for part in params.split(", ") if not part.startswith(name + "="))


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        (Algorithm.MD5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm.SHA256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_c89_vectors_of_rfc_7616(algorithm: Algorithm, response: str) -> None:
    credentials = MUFASA._replace(algorithm=algorithm, response=response)
    secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")

    assert expected_response(credentials, secret, "GET") == response
    assert verify(credentials, secret, "GET")
    assert not verify(credentials, secret, "PUT")
    assert not verify(credentials, ha1(algorithm, "Mufasa", "http-auth@example.org", "circle of life"), "GET")


def test_sha_512_256_is_the_truncated_hash_with_its_own_start_values() -> None:
    # FIPS 180-4 example for "abc"; the digests printed in RFC 7616 §3.9.2 are cut from SHA-512 instead.
    fips = "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"

    assert hashlib.new("sha512_256", b"abc").hexdigest() == fips
    assert ha1(Algorithm.SHA512_256, "a", "b", "c") == hashlib.new("sha512_256", b"a:b:c").hexdigest()


def test_rfc_2069_form_has_no_nonce_count_in_it() -> None:
    # RFC 2617 §3.5 user with the formula of RFC 2069, computed with coreutils' md5sum.
    credentials = DigestCredentials(
        "Mufasa",
        "testrealm@host.com",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "/dir/index.html",
        "670fd8c2df070c60b045671b8b24ff02",
        Algorithm.MD5,
        "",
        0,
        None,
    )

    assert verify(credentials, ha1(Algorithm.MD5, "Mufasa", "testrealm@host.com", "Circle Of Life"), "GET")


def test_credentials_are_read_whole() -> None:
    credentials = parsed(GOOD)

    assert (credentials.username, credentials.realm, credentials.nonce) == ("1001", "example.com", "abc")
    assert (credentials.uri, credentials.cnonce) == ("sip:example.com", "0a4f113b")
    assert (credentials.algorithm, credentials.qop, credentials.nc) == (Algorithm.MD5, "auth", 10)


def test_names_scheme_and_algorithm_are_read_in_any_case_and_quoting() -> None:
    odd = GOOD.replace("Digest", "dIGEST").replace("username", "UserName").replace("MD5", '"md5"')
    odd = odd.replace("qop=auth", 'qop="AUTH"').replace("; ", " ,\t")

    assert parsed(odd) == parsed(GOOD)


def test_nonce_count_is_hashed_as_it_was_sent() -> None:
    upper = parsed(GOOD.replace("0000000a", "0000000A"))

    assert upper.nc == parsed(GOOD).nc == 10
    assert expected_response(upper, "x", "REGISTER") != expected_response(parsed(GOOD), "x", "REGISTER")


def test_response_in_upper_case_is_accepted() -> None:
    secret = ha1(Algorithm.MD5, "Mufasa", "http-auth@example.org", "Circle of Life")

    assert verify(MUFASA._replace(response=MUFASA.response.upper()), secret, "GET")


@pytest.mark.parametrize("response", ["", "0", "é", "8ca523f5e9506fed4657c9700eebdbe" + "\u212a", "x" * 8000])
def test_c95_any_odd_response_is_just_wrong(response: str) -> None:
    assert not verify(MUFASA._replace(response=response), "0" * 32, "GET")


def test_escapes_in_username_and_realm_are_undone() -> None:
    credentials = parse_authorization(
        [GOOD.replace('"1001"', r'"a\"b\\"').replace("example.com", r"\example.com")], "example.com"
    )

    assert isinstance(credentials, DigestCredentials)
    assert credentials.username == 'a"b\\'
    assert credentials.realm == "example.com"


def test_c90_no_algorithm_means_md5() -> None:
    assert parsed(without("algorithm")).algorithm is Algorithm.MD5


@pytest.mark.parametrize("algorithm", ["SHA-1", "MD5-sess", "AKAv1-MD5", "md-5"])
def test_c90_algorithm_not_offered_counts_as_no_credentials(algorithm: str) -> None:
    assert parse_authorization([GOOD.replace("MD5", algorithm)], "example.com") is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic QWxhZGRpbjpvcGVu",
        "NoOneKnowsThisScheme opaque-data=here",
        GOOD.replace("Digest", "Digestn"),
        "Digest",
    ],
)
def test_c94_other_schemes_count_as_no_credentials(value: str) -> None:
    assert parse_authorization([value], "example.com") is None
    assert parse_authorization([], "example.com") is None


def test_other_realm_or_hashed_username_counts_as_no_credentials() -> None:
    assert parse_authorization([GOOD], "other.example") is None
    assert parse_authorization([GOOD + ", userhash=true"], "example.com") is None
    assert parsed(GOOD + ', userhash=false, opaque="x"').username == "1001"


def test_ours_is_picked_among_several() -> None:
    other = GOOD.replace("example.com", "other.example").replace("1001", "2002")

    assert parsed("Basic x", other, "Digest broken", GOOD).username == "1001"
    assert fault("Basic x", other, "Digest broken") == "bad_syntax"


@pytest.mark.parametrize("name", ["username", "realm", "nonce", "uri", "response"])
def test_c95_missing_parameters_are_a_fault(name: str) -> None:
    assert fault(without(name)) == f"missing_{name}"


def test_c95_empty_username_is_a_fault() -> None:
    assert fault(GOOD.replace('"1001"', '""')) == "missing_username"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (GOOD + ', username="1002"', "duplicate_parameter"),
        (GOOD + ", Realm=example.com", "duplicate_parameter"),
        (GOOD.replace("0000000a", "a"), "bad_nc"),
        (GOOD.replace("0000000a", "0000000g"), "bad_nc"),
        (GOOD.replace("0000000a", "0000000_1"), "bad_nc"),
        (GOOD.replace("0000000a", "٠٠٠٠٠٠٠١"), "bad_nc"),
        (without("nc"), "bad_nc"),
        (without("cnonce"), "missing_cnonce"),
        (GOOD.replace("qop=auth", "qop=auth-int"), "unsupported_qop"),
        (GOOD.replace('"abc"', '"abc'), "bad_syntax"),
        (GOOD + ", , x=y", "bad_syntax"),
        (GOOD + ' "', "bad_syntax"),
        ("Digest ,", "bad_syntax"),
        ("Digest \\", "bad_syntax"),
        ("Digest " + "a=b," * 2000, "bad_syntax"),
        ("Digest " + '"' * 8000, "bad_syntax"),
        ("Digest username=é", "missing_realm"),
    ],
)
def test_c95_mangled_credentials_are_a_fault(value: str, why: str) -> None:
    assert fault(value) == why


def test_response_without_qop_is_told_by_qop_none() -> None:
    credentials = parsed(without("qop"))

    assert (credentials.qop, credentials.nc, credentials.cnonce) == (None, 0, "")


def test_c88_challenge_says_qop_auth_and_stale_only_when_it_is() -> None:
    assert www_authenticate("example.com", "abc", Algorithm.SHA256, stale=False) == (
        'Digest realm="example.com", nonce="abc", algorithm=SHA-256, qop="auth"'
    )
    assert www_authenticate('a"b\\', "abc", Algorithm.MD5, stale=True) == (
        'Digest realm="a\\"b\\\\", nonce="abc", algorithm=MD5, qop="auth", stale=true'
    )


def test_line_breaks_cannot_get_into_a_challenge() -> None:
    with pytest.raises(ValueError, match="control character"):
        www_authenticate("a\r\nb", "abc", Algorithm.MD5, stale=False)
