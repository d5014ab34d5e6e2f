"""What the tables of each product become."""

import io
from pathlib import Path

from django.core.management import call_command

from apps.extensions.models import Domain, Extension, Peer
from apps.sip.digest import Algorithm, ha1
from tests.extensions.foreign.conftest import Import, kept
from tests.extensions.foreign.samples import GOOD, VICIDIAL_MYSQL, hashed

FUSION = {
    "v_domains": "domain_uuid,domain_name\nd1,example.com\n",
    "v_extensions": "domain_uuid,extension,password,effective_caller_id_name,enabled,max_registrations,cidr\n"
    "d1,201,k8-Fuchsbau-71,Ada,true,30,\nd1,202,k8-Fuchsbau-71,Bea,false,,10.0.0.0/8\nd2,203,k8-Fuchsbau-71,,true,,\n",
    "v_access_controls": "access_control_uuid,access_control_name\na1,providers\n",
    "v_access_control_nodes": "access_control_uuid,node_type,node_cidr\na1,allow,192.0.2.7/32\na1,deny,192.0.2.8/32\n",
}


def imported(folder: Path, product: str, tables: dict[str, str]) -> list[str]:
    for table, text in tables.items():
        (folder / table).write_text(text)
    out = io.StringIO()
    sources = [f"{table}={folder / table}" for table in tables]
    call_command("import_from", product, *sources, "--apply", stdout=out, stderr=io.StringIO())
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_fusionpbx_brings_its_domains_passwords_and_access_lists(tmp_path: Path, domain: Domain) -> None:
    assert imported(tmp_path, "fusionpbx", FUSION) == [
        "create extension 201 in example.com",
        "create extension 202 in example.com: its address limit (cidr) is not taken over",
        "conflict extension 203 in example.com: its domain is not in v_domains",
        "create trunk providers in example.com",
        "create address providers in example.com: 192.0.2.7/32",
    ]
    assert Peer.objects.get(name="201").max_contacts == 20
    assert not Extension.objects.get(number="202").enabled
    assert kept("201").ha1_sha256 == ha1(Algorithm.SHA256, "201", "example.com", GOOD)


def test_vicidials_phones_and_carriers(run: Import, domain: Domain) -> None:
    lines = run("vicidial", "", VICIDIAL_MYSQL, "--apply")

    assert lines == [
        "create extension cc100 in example.com: weak password: one of those tried first",
        "create extension cc101 in example.com",
        "conflict extension cc101 in example.com: it is on another server, too",
        "create extension gs102 in example.com",
        "conflict extension ext in example.com: its protocol is 'EXTERNAL', not SIP",
        "create trunk TELCO in example.com",
        "create address TELCO in example.com: 203.0.113.9 port 5070",
        "conflict address NAMED in example.com: sip.carrier.example: it is no address; give the addresses the name "
        "stands for",
        "conflict address DYN in example.com: dynamic: it registers with a password; addresses alone are taken over",
    ]
    assert not Extension.objects.get(number="cc101").enabled
    assert Extension.objects.get(number="cc100").display_name == "Ann 'A' O'Neil"


def test_asterisks_endpoints_take_passwords_or_hashes_of_their_realm(tmp_path: Path, domain: Domain) -> None:
    tables: dict[str, str] = {
        "ps_endpoints": 'id,aors,auth,callerid\n6001,6001,6001-auth,"""Ada^3B"" <6001>"\ncarrier,carrier,,\n'
        "6002,6002,,\n6003,6003,6003,\n",
        "ps_auths": "id,auth_type,username,password,md5_cred,realm,password_digest\n"
        f"6001-auth,userpass,6001,{GOOD},,,\n6003,md5,6003,,{hashed('6003', 'asterisk')},,\n",
        "ps_aors": "id,max_contacts\n6001,3\n6003,0\n",
        "ps_endpoint_id_ips": 'id,endpoint,match\n1,carrier,"198.51.100.1,198.51.100.0/28"\n',
    }
    assert imported(tmp_path, "asterisk", tables) == [
        "create extension 6001 in example.com",
        "conflict extension 6002 in example.com: it has no password, nor a hash of one",
        "conflict extension 6003 in example.com: its hash was made for the realm 'asterisk', and example.com has "
        "'example.com'",
        "create trunk carrier in example.com",
        "create address carrier in example.com: 198.51.100.1",
        "create address carrier in example.com: 198.51.100.0/28",
    ]
    assert Peer.objects.get(name="6001").max_contacts == 3
    assert Extension.objects.get(number="6001").display_name == "Ada;"


def test_opensips_brings_stronger_hashes_and_transports(run: Import, domain: Domain) -> None:
    sha = ha1(Algorithm.SHA256, "6001", "example.com", GOOD)
    rows = (
        f"username,domain,password,ha1,ha1_sha256,ha1_sha512t256\n6001,example.com,,{hashed('6001')},{sha},\n"
    )
    addresses = "grp,ip,mask,port,proto,pattern,context_info\n"
    addresses += "1,192.0.2.9,32,0,TLS,,telco\n1,192.0.2.8,32,0,any,^x,telco\n"

    assert run("opensips", "subscriber", rows, "--apply") == ["create extension 6001 in example.com"]
    lines = run("opensips", "address", addresses, "--apply")

    assert kept("6001").ha1_sha256 == sha
    assert lines[1] == "create address telco in example.com: 192.0.2.9/32 over tls"
    assert "some From addresses only" in lines[2]
