"""Versions and registration (OCPI 2.2.1, 6 and 7).

The receiver gives out a first token A, outside of OCPI. With it the sender reads versions and endpoints, then posts
token B, which the receiver uses at once to read the sender's; the answer holds token C, and A is dead. PUT does the
same among registered partners, DELETE ends it.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from wattbook.kernel.addresses import check_url
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.roaming import partner_rows
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.client import Answer, NoAnswer
from wattbook.roaming.ocpi.server import Call, Reply
from wattbook.roaming.ocpi.wire import (
    VERSION,
    BusinessDetails,
    Credentials,
    CredentialsRole,
    Endpoint,
    OcpiError,
    Status,
    Unauthorized,
    Version,
    VersionDetails,
    codes_of,
    decode,
    encode,
)
from wattbook.roaming.partners import partner_for, require_free, token_hash
from wattbook.roaming.records import Partner, PartnerRole

Kind = TypeVar("Kind")

OFFERED: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "CPO": (("settlements", "RECEIVER"),),
    "EMSP": (("tokens", "SENDER"), ("sessions", "RECEIVER"), ("cdrs", "RECEIVER")),
    "HUB": (("tokens", "SENDER"), ("sessions", "RECEIVER"), ("cdrs", "RECEIVER"), ("settlements", "RECEIVER")),
}
"""The modules and interfaces that we serve in each role."""

NEEDED: Final[Mapping[str, frozenset[str]]] = {
    "EMSP": frozenset({"tokens:SENDER", "sessions:RECEIVER", "cdrs:RECEIVER"}),
    "HUB": frozenset({"tokens:SENDER", "sessions:RECEIVER", "cdrs:RECEIVER"}),
}
"""What a partner in a role has to serve to be of use. `settlements` is our own module, so nobody must have it."""

ENDPOINTS_MAX: Final = 200


# --------------------------------------------------------------------------------------------------------- we answer


async def get_versions(roaming: Roaming, _call: Call) -> Reply:
    return Reply([Version(VERSION, roaming.url())])


async def get_details(roaming: Roaming, _call: Call) -> Reply:
    modules = (("credentials", "SENDER"), *OFFERED[roaming.settings.role])
    return Reply(VersionDetails(VERSION, [Endpoint(name, role, roaming.url(name)) for name, role in modules]))


async def get_credentials(roaming: Roaming, call: Call) -> Reply:
    """We keep only the hash of a partner's token, but it has just shown the token itself."""
    return Reply(_ours(roaming, call.token))


async def post_credentials(roaming: Roaming, call: Call) -> Reply:
    if call.partner.status == "registered":
        raise OcpiError(Status.CLIENT_ERROR, "registered already: PUT changes it", http=405)
    return await _answer_registration(roaming, call)


async def put_credentials(roaming: Roaming, call: Call) -> Reply:
    _require_registered(call)
    return await _answer_registration(roaming, call)


async def delete_credentials(roaming: Roaming, call: Call) -> Reply:
    _require_registered(call)
    async with roaming.database.transaction() as connection:
        await partner_rows.end_partner(connection, call.partner.id)
    return Reply()


def _require_registered(call: Call) -> None:
    if call.partner.status != "registered":
        raise OcpiError(Status.CLIENT_ERROR, "not registered yet: POST does it", http=405)


async def _answer_registration(roaming: Roaming, call: Call) -> Reply:
    theirs = decode(call.body, Credentials)
    roles = _roles(theirs)
    parties = [role.party for role in roles]
    if call.partner.party not in parties:
        raise InvalidInput(f"this token was given to {call.partner.party}, which is not among the roles")
    try:
        endpoints = await _look_at(roaming, theirs.url, theirs.token, roles)
    except NoAnswer as trouble:
        raise OcpiError(Status.CANNOT_USE_CLIENT_API, trouble.message) from None
    token_c = roaming.new_token()
    async with roaming.database.transaction() as connection:
        await require_free(connection, call.partner, parties, roaming.party)
        if not await partner_rows.register(
            connection,
            call.partner.id,
            shown_hash=call.token_hash,
            party=call.partner.party,
            roles=roles,
            versions_url=theirs.url,
            endpoints=endpoints,
            our_token_hash=token_hash(token_c),
            their_token=theirs.token,
            now=roaming.clock(),
        ):
            raise Unauthorized("the token was used meanwhile")
    return Reply(_ours(roaming, token_c))


# ------------------------------------------------------------------------------------------------------------ we ask


async def register_with(roaming: Roaming, url: str, token_a: str) -> Partner:
    """Register with a platform that gave us a first token and the URL of its versions.

    Raises:
        InvalidInput: the URL is none that a partner may have, or the partner answers what cannot be understood.
        Unavailable: it does not answer, or refuses.
        Conflict: it speaks for a party that is registered already.
    """
    token_b = roaming.new_token()
    async with roaming.database.transaction() as connection:
        offered = await partner_rows.offer(connection, token_hash(token_b))
    return await _ask_registration(roaming, "POST", offered, url, token_a, token_b)


async def renew(roaming: Roaming, party: str) -> Partner:
    """Exchange both tokens with the partner that reaches a party; the old ones are dead afterwards."""
    partner = await _registered(roaming, party)
    token_b = roaming.new_token()
    async with roaming.database.transaction() as connection:
        await partner_rows.offer_again(connection, partner.id, token_hash(token_b))
    assert partner.versions_url is not None
    assert partner.their_token is not None
    return await _ask_registration(roaming, "PUT", partner.id, partner.versions_url, partner.their_token, token_b)


async def unregister(roaming: Roaming, party: str) -> None:
    """End the registration with the partner that reaches a party, on both sides."""
    partner = await _registered(roaming, party)
    url = partner.endpoint("credentials", "SENDER") or ""
    _require_accepted(
        await roaming.client.call("DELETE", url, partner.their_token or "", roaming.unrouted()), "unregister"
    )
    async with roaming.database.transaction() as connection:
        await partner_rows.end_partner(connection, partner.id)


async def _ask_registration(
    roaming: Roaming, method: str, partner_id: int, url: str, shown: str, token_b: str
) -> Partner:
    try:
        endpoints = await _look_at(roaming, url, shown, ())
        answer = await roaming.client.call(
            method,
            endpoints["credentials:SENDER"],
            shown,
            roaming.unrouted(),
            body=encode(_ours(roaming, token_b)),
        )
        theirs = decode(bytes(_require_accepted(answer, "register").envelope.data), Credentials)
        roles = _roles(theirs)
        _require_endpoints(roles, endpoints)
        async with roaming.database.transaction() as connection:
            mine = await partner_rows.partner_of_token(connection, [token_hash(token_b)])
            await require_free(connection, mine[0] if mine else None, [role.party for role in roles], roaming.party)
            await partner_rows.register(
                connection,
                partner_id,
                shown_hash=None,
                party=_main_party(roles),
                roles=roles,
                versions_url=url,
                endpoints=endpoints,
                our_token_hash=token_hash(token_b),
                their_token=theirs.token,
                now=roaming.clock(),
            )
    except BaseException:
        async with roaming.database.transaction() as connection:
            await partner_rows.withdraw_offer(connection, partner_id)
        raise
    return await _registered(roaming, _main_party(roles))


async def _registered(roaming: Roaming, party: str) -> Partner:
    async with roaming.database.transaction() as connection:
        partner = await partner_for(connection, party)
    if partner is None:
        raise NotFound(f"no partner is registered that reaches {party}")
    return partner


def _ours(roaming: Roaming, token: str) -> Credentials:
    settings = roaming.settings
    role = CredentialsRole(
        role=settings.role, business_details=BusinessDetails(settings.name[:100]), **codes_of(settings.party)
    )
    return Credentials(token, roaming.versions_url, [role])


def _roles(credentials: Credentials) -> list[PartnerRole]:
    return [PartnerRole(role.party, role.role.upper(), role.business_details.name) for role in credentials.roles]


def _main_party(roles: Sequence[PartnerRole]) -> str:
    """A hub is known by itself, whatever parties it lists."""
    return next((role.party for role in roles if role.role == "HUB"), roles[0].party)


async def _look_at(roaming: Roaming, url: str, token: str, roles: Sequence[PartnerRole]) -> dict[str, str]:
    """The endpoints of a platform, by module and interface.

    Raises:
        NoAnswer: it was not reached, or refused the token.
        OcpiError: it has no version or not the endpoints that we need (3002, 3003).
        InvalidInput: a URL that no partner may have, or an answer that is none.
    """
    allow_private = roaming.settings.allow_private_partners
    versions = await _read(roaming, check_url(url, allow_private=allow_private), token, list[Version])
    ours = [version for version in versions if version.version == VERSION]
    if not ours:
        spoken = ", ".join(version.version for version in versions)[:100]
        raise OcpiError(Status.UNSUPPORTED_VERSION, f"we speak OCPI {VERSION}, not {spoken or 'nothing'}")
    details = await _read(roaming, check_url(ours[0].url, allow_private=allow_private), token, VersionDetails)
    if len(details.endpoints) > ENDPOINTS_MAX:
        raise InvalidInput(f"more than {ENDPOINTS_MAX} endpoints")
    endpoints = {
        # The role of the credentials endpoint has no meaning, so it is not read.
        f"{each.identifier}:{'SENDER' if each.identifier == 'credentials' else each.role.upper()}": check_url(
            each.url, allow_private=allow_private
        )
        for each in details.endpoints
    }
    if "credentials:SENDER" not in endpoints:
        raise OcpiError(Status.NO_MATCHING_ENDPOINTS, "there is no endpoint for credentials")
    _require_endpoints(roles, endpoints)
    return endpoints


def _require_endpoints(roles: Sequence[PartnerRole], endpoints: Mapping[str, str]) -> None:
    for role in roles:
        if missing := sorted(NEEDED.get(role.role, frozenset()) - endpoints.keys()):
            raise OcpiError(Status.NO_MATCHING_ENDPOINTS, f"{role.role} {role.party} lacks {', '.join(missing)}")


async def _read(roaming: Roaming, url: str, token: str, kind: type[Kind]) -> Kind:
    answer = await roaming.client.call("GET", url, token, roaming.unrouted())
    try:
        return decode(bytes(_require_accepted(answer, "read").envelope.data), kind)
    except InvalidInput as error:
        raise NoAnswer(f"{url} answered what is no OCPI: {error.message}") from None


def _require_accepted(answer: Answer, what: str) -> Answer:
    if not answer.accepted:
        said = answer.envelope.status_message or "no reason"
        raise NoAnswer(f"could not {what}: {answer.http}/{answer.envelope.status_code}, {said[:200]}")
    return answer
