"""The views other products read, in schemas of their own. No role may read them until `manage.py pbx_reader` makes one.

A row is there for the role that asks: routing_pbxreader says which domain it may see, and whether password hashes.
security_barrier keeps a role from looking at rows of others by its own functions; asterisk.ps_contacts does without,
for LIKE is not leakproof and could not use its index. Must be dropped and made anew by a migration that changes a
column they read. Only live bindings of what is enabled are shown, and whatever is written into a view is ignored.
"""

from django.db import migrations

# r: what the asking role may see. d: its domains, with the host as an AOR has it.
READER = """
    routing_pbxreader r
    JOIN LATERAL (
        SELECT id, name, realm, CASE WHEN name LIKE '%:%' THEN '[' || name || ']' ELSE name END AS host
        FROM extensions_domain WHERE r.domain_id IS NULL OR r.domain_id = extensions_domain.id
    ) d ON r.role = current_user"""

# Whether the role that logged in may see a live binding: it is of an enabled peer of its domain, and of several flows of
# one phone (RFC 5626) the freshest, or the phone would ring once for each. Functions, because their plans are kept:
# planning the same over eight partitions takes longer than the look-up. They run as their owner, hence session_user.
SHOWS = """
CREATE FUNCTION routing_shows(peer uuid, aor text, instance text, reg bigint, refreshed timestamptz, binding uuid)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM extensions_peer p LEFT JOIN extensions_extension e ON e.id = p.extension_id
        JOIN routing_pbxreader r ON r.domain_id IS NULL OR r.domain_id = p.domain_id
        WHERE p.id = $1 AND p.enabled AND coalesce(e.enabled, true) AND r.role = session_user
    ) THEN
        RETURN false;
    END IF;
    RETURN $3 IS NULL OR $4 IS NULL OR NOT EXISTS (
        SELECT FROM registrar_binding o
        WHERE o.aor = $2 AND o.instance_id = $3 AND o.reg_id <> $4 AND o.expires_at > statement_timestamp()
          AND (o.refreshed_at, o.binding_id) > ($5, $6));
END
$$"""

SHOWN = """b.expires_at > statement_timestamp()
    AND routing_shows(b.peer_id, b.aor, b.instance_id, b.reg_id, b.refreshed_at, b.binding_id)"""

CREDENTIAL_IN_USE = "(c.valid_until IS NULL OR c.valid_until > statement_timestamp())"

# Sealed hashes (REGISTRAR_CREDENTIAL_KEYS) begin with "s1." and are shown nowhere.
CLEAR_HASH = "c.ha1_md5 NOT LIKE 's1.%'"

# Asterisk's realtime drivers split each column at ';' and decode ^XX afterwards.
ENCODED = r"""
CREATE FUNCTION asterisk.encoded(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(replace($1, '^', '^5E'), ';', '^3B')"""

# The AOR's user part, a semicolon and the hash of the contact, as Asterisk itself names contacts. The view and the
# index of pbx/sql.py use it alike, so that LIKE '6001^3B@%' is a range of the index.
CONTACT_ID = r"""
CREATE FUNCTION asterisk.contact_id(aor text, contact text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(substr(aor, 5), '@', 1) || '^3B@' || md5(contact)"""

# The contact with host and port replaced by where its packets come from; through a proxy (Path) as it is.
DIAL_URI = r"""
CREATE FUNCTION asterisk.dial_uri(contact text, addr inet, port integer, transport text, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN path <> '' THEN contact ELSE
    regexp_replace(contact, '^(sips?:)([^@]*@)?(?:\[[^]]*\]|[^;:?]*)(?::[0-9]*)?([^?]*).*$',
        '\1\2' || CASE WHEN family(addr) = 6 THEN '[' || host(addr) || ']' ELSE host(addr) END || ':' || port || '\3', 'i')
    || CASE WHEN contact ~* ';transport=' THEN '' ELSE ';transport=' || lower(transport) END END"""

PS_CONTACTS = f"""
CREATE VIEW asterisk.ps_contacts AS
SELECT asterisk.contact_id(b.aor, b.contact) COLLATE "C" AS id,
    asterisk.encoded(asterisk.dial_uri(b.contact, b.received_addr, b.received_port, b.transport, b.path)) AS uri,
    extract(epoch FROM b.expires_at)::bigint AS expiration_time,
    0 AS qualify_frequency, NULL::text AS outbound_proxy, asterisk.encoded(nullif(b.path, '')) AS path,
    asterisk.encoded(b.user_agent) AS user_agent, 3.0::float8 AS qualify_timeout, NULL::text AS reg_server,
    'no'::text AS authenticate_qualify, host(b.received_addr) AS via_addr, b.received_port AS via_port,
    asterisk.encoded(b.call_id) AS call_id, split_part(substr(b.aor, 5), '@', 1) AS endpoint,
    'no'::text AS prune_on_boot, 'no'::text AS qualify_2xx_only
FROM registrar_binding b
WHERE {SHOWN}"""

# Every name a phone or trunk may register: an extension's number, and the names of peers that differ from it.
NAMES = f"""
    SELECT r.*, d.id AS d_id, d.realm, e.number AS name, e.number, e.display_name, e.id AS extension_id,
        NULL::uuid AS peer_id, false AS is_trunk
    FROM {READER} JOIN extensions_extension e ON e.domain_id = d.id AND e.enabled
    UNION ALL
    SELECT r.*, d.id, d.realm, p.name, coalesce(e.number, p.name), coalesce(e.display_name, ''), NULL, p.id,
        p.extension_id IS NULL
    FROM {READER} JOIN extensions_peer p ON p.domain_id = d.id AND p.enabled
    LEFT JOIN extensions_extension e ON e.id = p.extension_id
    WHERE coalesce(e.enabled, true) AND coalesce(e.number <> p.name, true)"""

# A device without a password to ask for must not be let in: auth is never empty but for trunks, which nothing but
# their address identifies.
PS_ENDPOINTS = rf"""
CREATE VIEW asterisk.ps_endpoints WITH (security_barrier) AS
SELECT n.name::text AS id, NULL::text AS transport,
    concat_ws(',', n.name, (SELECT string_agg(p.name, ',' ORDER BY p.name) FROM extensions_peer p
                            WHERE p.extension_id = n.extension_id AND p.enabled AND p.name <> n.name)) AS aors,
    CASE WHEN NOT n.is_trunk THEN coalesce(
        (SELECT string_agg(CASE WHEN c.valid_until IS NULL THEN c.username::text ELSE c.id::text END, ','
                           ORDER BY c.username)
         FROM extensions_credential c JOIN extensions_peer p ON p.id = c.peer_id
         WHERE (p.extension_id = n.extension_id OR p.id = n.peer_id) AND p.enabled AND {CREDENTIAL_IN_USE}),
        'none') END AS auth,
    CASE WHEN n.is_trunk THEN n.trunk_context ELSE n.device_context END::text AS context,
    'all'::text AS disallow, n.codecs::text AS allow, 'no'::text AS direct_media, 'yes'::text AS force_rport,
    'yes'::text AS rewrite_contact, 'yes'::text AS rtp_symmetric, NULL::text AS ice_support, 'auto'::text AS dtmf_mode,
    CASE WHEN NOT n.is_trunk THEN
        asterisk.encoded('"' || translate(n.display_name, '"\<>', '''') || '" <' || n.number || '>') END AS callerid,
    NULL::text AS mailboxes, asterisk.encoded(nullif(n.outbound_proxy, '')) AS outbound_proxy,
    CASE WHEN n.is_trunk THEN 'ip' ELSE 'auth_username,username' END::text AS identify_by,
    'no'::text AS trust_id_inbound, NULL::text AS redirect_method, NULL::integer AS device_state_busy_at,
    NULL::text AS named_call_group, NULL::text AS named_pickup_group, NULL::text AS language, NULL::text AS set_var,
    'no'::text AS webrtc, NULL::text AS tenantid
FROM ({NAMES}) AS n"""

# An old password that is still good (rotation with overlap) has an id of its own.
PS_AUTHS = f"""
CREATE VIEW asterisk.ps_auths WITH (security_barrier) AS
SELECT c.auth_id AS id, 'md5'::text AS auth_type,
    NULL::integer AS nonce_lifetime, c.ha1_md5::text AS md5_cred, NULL::text AS password,
    asterisk.encoded(d.realm) AS realm, c.username::text AS username, NULL::text AS refresh_token,
    NULL::text AS oauth_clientid, NULL::text AS oauth_secret, NULL::text AS password_digest,
    NULL::text AS supported_algorithms_uas, NULL::text AS supported_algorithms_uac
FROM {READER} JOIN (
    SELECT *, username::text AS auth_id FROM extensions_credential WHERE valid_until IS NULL
    UNION ALL
    SELECT *, id::text FROM extensions_credential WHERE valid_until > statement_timestamp()
) c ON c.domain_id = d.id
JOIN extensions_peer p ON p.id = c.peer_id AND p.enabled
LEFT JOIN extensions_extension e ON e.id = p.extension_id
WHERE r.sees_hashes AND coalesce(e.enabled, true) AND {CLEAR_HASH}"""

OLD_AUTHS = """
CREATE INDEX credential_by_asterisk_id ON extensions_credential ((id::text)) WHERE valid_until IS NOT NULL"""

# max_contacts 0: Asterisk refuses a phone that registers there by mistake, instead of promising what it cannot keep.
PS_AORS = f"""
CREATE VIEW asterisk.ps_aors WITH (security_barrier) AS
SELECT n.name::text AS id, NULL::text AS contact, NULL::integer AS default_expiration, NULL::text AS mailboxes,
    0 AS max_contacts, NULL::integer AS minimum_expiration, 'no'::text AS remove_existing, 0 AS qualify_frequency,
    'no'::text AS authenticate_qualify, NULL::integer AS maximum_expiration, NULL::text AS outbound_proxy,
    'yes'::text AS support_path, NULL::float8 AS qualify_timeout, NULL::text AS voicemail_extension,
    'no'::text AS remove_unavailable, 'no'::text AS qualify_2xx_only
FROM ({NAMES}) AS n"""

TRUSTED = f"""{READER} JOIN extensions_peer p ON p.domain_id = d.id AND p.enabled AND p.kind = 'trunk'
    JOIN extensions_trustedaddress t ON t.peer_id = p.id"""

# An address trusted for one port or transport only is left out: these rows could not say so, and would trust more.
PS_ENDPOINT_ID_IPS = f"""
CREATE VIEW asterisk.ps_endpoint_id_ips WITH (security_barrier) AS
SELECT t.id::text AS id, p.name::text AS endpoint, text(t.network)::varchar(80) AS match, 'no'::text AS srv_lookups,
    NULL::text AS match_header, NULL::text AS match_request_uri
FROM {TRUSTED}
WHERE t.port IS NULL AND t.transport = 'any'"""

# The live bindings of one AOR that the role that logged in may see.
BINDINGS_OF = f"""
CREATE FUNCTION routing_bindings(text) RETURNS TABLE (
    binding_id uuid, peer_id uuid, extension_id uuid, contact text, q smallint, received_addr inet,
    received_port integer, transport text, path text, instance_id text, reg_id bigint, call_id text, cseq bigint,
    user_agent text, refreshed_at timestamptz, expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 2 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT b.binding_id, b.peer_id, b.extension_id, b.contact, b.q, b.received_addr, b.received_port,
        b.transport::text, b.path, b.instance_id, b.reg_id, b.call_id, b.cseq, b.user_agent, b.refreshed_at,
        b.expires_at
    FROM registrar_binding b WHERE b.aor = $1 AND {SHOWN};
END
$$"""

# Nobody else's table can stand in for ours.
OWN_SCHEMA_ALONE = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION routing_shows SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION routing_bindings SET search_path = %I, pg_temp', current_schema());
END $$"""

# Who is looked up and where: an extension has the bindings of all its devices, a device or trunk its own.
LOCATED = f"""
    SELECT e.number AS username, d.name AS domain, b.* FROM {READER}
    JOIN extensions_extension e ON e.domain_id = d.id
    JOIN LATERAL (
        SELECT e.number AS name UNION SELECT p.name FROM extensions_peer p WHERE p.extension_id = e.id
    ) u ON true
    JOIN LATERAL routing_bindings('sip:' || u.name || '@' || d.host) b ON b.extension_id = e.id
    UNION ALL
    SELECT p.name, d.name, b.* FROM {READER}
    JOIN extensions_peer p ON p.domain_id = d.id
    LEFT JOIN extensions_extension e ON e.id = p.extension_id
    JOIN LATERAL (SELECT p.name UNION SELECT e.number WHERE e.number IS NOT NULL) u ON true
    JOIN LATERAL routing_bindings('sip:' || u.name || '@' || d.host) b ON b.peer_id = p.id
    WHERE coalesce(e.number <> p.name, true)"""

RECEIVED = """('sip:' || CASE WHEN family(l.received_addr) = 6 THEN '[' || host(l.received_addr) || ']'
        ELSE host(l.received_addr) END || ':' || l.received_port
        || CASE WHEN l.transport = 'UDP' THEN '' ELSE ';transport=' || lower(l.transport) END)"""

# Times are the session's: the role's TimeZone is that of the host the product runs on.
KAMAILIO_LOCATION = f"""
CREATE VIEW kamailio.location WITH (security_barrier) AS
SELECT hashtext(l.binding_id::text) AS id, l.binding_id::varchar(64) AS ruid, l.username::varchar(64) AS username,
    l.domain::varchar(253) AS domain, l.contact::varchar AS contact, {RECEIVED}::varchar(128) AS received,
    nullif(l.path, '')::varchar AS path, l.expires_at::timestamp(0) AS expires, coalesce(l.q / 1000.0, -1)::real AS q,
    l.call_id::varchar AS callid, (l.cseq % 2147483648)::integer AS cseq,
    l.refreshed_at::timestamp(0) AS last_modified, 0 AS flags, 0 AS cflags, l.user_agent::varchar AS user_agent,
    NULL::varchar(64) AS socket, NULL::integer AS methods, l.instance_id::varchar AS instance,
    coalesce(l.reg_id % 2147483648, 0)::integer AS reg_id, 0 AS server_id, 0 AS connection_id, 0 AS keepalive,
    0 AS partition
FROM ({LOCATED}) AS l"""

OPENSIPS_LOCATION = f"""
CREATE VIEW opensips.location WITH (security_barrier) AS
SELECT ('x' || substr(replace(l.binding_id::text, '-', ''), 1, 15))::bit(60)::bigint AS contact_id,
    l.username::varchar(64) AS username, l.domain::varchar(253) AS domain, l.contact::varchar AS contact,
    {RECEIVED}::varchar(255) AS received, nullif(l.path, '')::varchar AS path,
    extract(epoch FROM l.expires_at)::integer AS expires, coalesce(l.q / 1000.0, -1)::real AS q,
    l.call_id::varchar AS callid, (l.cseq % 2147483648)::integer AS cseq,
    l.refreshed_at::timestamp(0) AS last_modified, 0 AS flags, NULL::varchar(255) AS cflags,
    l.user_agent::varchar AS user_agent, NULL::varchar(64) AS socket, NULL::integer AS methods,
    l.instance_id::varchar AS sip_instance, NULL::varchar AS kv_store, NULL::varchar(255) AS attr
FROM ({LOCATED}) AS l"""

SUBSCRIBERS = f"""
FROM {READER} JOIN extensions_credential c ON c.domain_id = d.id AND c.valid_until IS NULL
JOIN extensions_peer p ON p.id = c.peer_id AND p.enabled
LEFT JOIN extensions_extension e ON e.id = p.extension_id
WHERE r.sees_hashes AND coalesce(e.enabled, true) AND {CLEAR_HASH}"""

KAMAILIO_SUBSCRIBER = f"""
CREATE VIEW kamailio.subscriber WITH (security_barrier) AS
SELECT hashtext(c.id::text) AS id, c.username::varchar(64) AS username, d.name::varchar(253) AS domain,
    ''::varchar(64) AS password, c.ha1_md5::varchar(128) AS ha1, ''::varchar(128) AS ha1b
{SUBSCRIBERS}"""

OPENSIPS_SUBSCRIBER = f"""
CREATE VIEW opensips.subscriber WITH (security_barrier) AS
SELECT hashtext(c.id::text) AS id, c.username::varchar(64) AS username, d.name::varchar(253) AS domain,
    ''::varchar(25) AS password, c.ha1_md5::varchar(64) AS ha1, c.ha1_sha256::varchar(64) AS ha1_sha256,
    c.ha1_sha512_256::varchar(64) AS ha1_sha512t256
{SUBSCRIBERS}"""

KAMAILIO_ADDRESS = f"""
CREATE VIEW kamailio.address WITH (security_barrier) AS
SELECT hashtext(t.id::text) AS id, 1 AS grp, host(t.network)::varchar(50) AS ip_addr, masklen(t.network) AS mask,
    coalesce(t.port, 0) AS port, p.name::varchar(64) AS tag
FROM {TRUSTED}
WHERE t.transport = 'any'"""

# Kamailio's permissions module does not start without this table. It has a place for the transport, none for a port.
KAMAILIO_TRUSTED = f"""
CREATE VIEW kamailio.trusted WITH (security_barrier) AS
SELECT hashtext(t.id::text) AS id, host(t.network)::varchar(50) AS src_ip, t.transport::varchar(4) AS proto,
    NULL::varchar(64) AS from_pattern, NULL::varchar(64) AS ruri_pattern, p.name::varchar(64) AS tag, 0 AS priority
FROM {TRUSTED}
WHERE t.port IS NULL AND masklen(t.network) = CASE family(t.network) WHEN 4 THEN 32 ELSE 128 END"""

OPENSIPS_ADDRESS = f"""
CREATE VIEW opensips.address WITH (security_barrier) AS
SELECT hashtext(t.id::text) AS id, 1 AS grp, host(t.network)::varchar(50) AS ip, masklen(t.network) AS mask,
    coalesce(t.port, 0) AS port, t.transport::varchar(4) AS proto, NULL::varchar(64) AS pattern,
    p.name::varchar(32) AS context_info
FROM {TRUSTED}"""

KAMAILIO_VERSION = """
CREATE VIEW kamailio.version AS
SELECT * FROM (VALUES ('location'::varchar(32), 9), ('subscriber', 7), ('address', 6), ('trusted', 6))
    AS v (table_name, table_version)"""

OPENSIPS_VERSION = """
CREATE VIEW opensips.version AS
SELECT * FROM (VALUES ('location'::varchar(32), 1013), ('subscriber', 8), ('address', 5))
    AS v (table_name, table_version)"""

SCHEMAS = {
    "asterisk": (
        [ENCODED, CONTACT_ID, DIAL_URI, PS_CONTACTS, PS_ENDPOINTS, PS_AUTHS, PS_AORS, PS_ENDPOINT_ID_IPS],
        ["ps_contacts", "ps_endpoints", "ps_auths", "ps_aors", "ps_endpoint_id_ips"],
    ),
    "kamailio": (
        [KAMAILIO_LOCATION, KAMAILIO_SUBSCRIBER, KAMAILIO_ADDRESS, KAMAILIO_TRUSTED, KAMAILIO_VERSION],
        ["location", "subscriber", "address", "trusted"],
    ),
    "opensips": (
        [OPENSIPS_LOCATION, OPENSIPS_SUBSCRIBER, OPENSIPS_ADDRESS, OPENSIPS_VERSION],
        ["location", "subscriber", "address"],
    ),
}


def _forwards(schema: str) -> list[str]:
    statements, views = SCHEMAS[schema]
    ignored = [
        f"CREATE RULE ignored_{verb.lower()} AS ON {verb} TO {schema}.{view} DO INSTEAD NOTHING"
        for view in views
        for verb in ("INSERT", "UPDATE", "DELETE")
    ]
    return [f"CREATE SCHEMA {schema}", *statements, *ignored]


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0001_initial"),
        ("registrar", "0106_binding_storage"),
        ("extensions", "0006_folded_names"),
    ]

    operations = [
        migrations.RunSQL([OLD_AUTHS], ["DROP INDEX credential_by_asterisk_id"]),
        migrations.RunSQL(
            [SHOWS, BINDINGS_OF, OWN_SCHEMA_ALONE],
            ["DROP FUNCTION routing_bindings", "DROP FUNCTION routing_shows"],
        ),
        *[
            migrations.RunSQL(_forwards(schema), [f"DROP SCHEMA {schema} CASCADE"]) for schema in SCHEMAS
        ],
    ]
