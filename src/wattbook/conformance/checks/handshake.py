"""The door: who is let in, in which version, and what the others are told (OCPP-J, chapter 3)."""

from collections.abc import Sequence

from wattbook.conformance.bench import Bench
from wattbook.conformance.check import SINCE_201, Checks
from wattbook.conformance.outcome import Failed, NotApplicable
from wattbook.conformance.raw_station import HandshakeRefused, RawStation, station_url, upgrade

CHECKS = Checks()

UNSPOKEN = "ocpp0.9"
CLOSED_WITHOUT_HEADER = "101 without the sub-protocol header, and closed at once"


@CHECKS.rule("known station", "101 with the sub-protocol that was offered", "3.1")
async def known_station(bench: Bench) -> str:
    async with bench.connect() as station:
        if station.subprotocol != bench.version.subprotocol:
            raise Failed(f"offered {bench.version.subprotocol}, answered {station.subprotocol or 'no sub-protocol'}")
        await bench.boot(station)
        return f"sub-protocol {station.subprotocol}"


@CHECKS.rule("encoded identity", "an identity percent-encoded in the URL is decoded", "3.1.1")
async def encoded_identity(bench: Bench) -> str:
    encoded = "".join(f"%{byte:02X}" for byte in bench.target.station.encode())
    async with bench.connect(url=f"{bench.target.url.rstrip('/')}/{encoded}") as station:
        await bench.alive(station)
        return f"let in as {encoded}"


@CHECKS.rule("unknown station", "HTTP 404", "3.2")
async def unknown_station(bench: Bench) -> str:
    return await _is_refused(bench, f"nobody-{bench.new_id()[:8]}", {}, 404)


@CHECKS.requirement(
    "R11",
    "unknown station again",
    "HTTP 404 however often, and the known station still gets in",
    "SteVe #1942, citrineos-core #105",
)
async def unknown_station_again(bench: Bench) -> str:
    for number in range(5):
        await _is_refused(bench, f"nobody/{number} ?%", {}, 404)
    async with bench.connect() as station:
        await bench.alive(station)
    return "HTTP 404 five times; the known station was let in"


@CHECKS.rule("no common sub-protocol", CLOSED_WITHOUT_HEADER, "3.1.2")
async def no_common_subprotocol(bench: Bench) -> str:
    try:
        async with bench.connect(subprotocols=(UNSPOKEN,)) as station:
            return await _is_closed_without_header(station)
    except HandshakeRefused as refused:
        raise Failed(f"{refused} instead of a completed handshake") from refused


@CHECKS.requirement("R7", "no sub-protocol", CLOSED_WITHOUT_HEADER, "SteVe #1109, ev-server #2761")
async def no_subprotocol(bench: Bench) -> str:
    try:
        async with bench.connect(subprotocols=()) as station:
            return await _is_closed_without_header(station)
    except HandshakeRefused as refused:
        raise Failed(f"{refused} instead of a completed handshake") from refused


@CHECKS.requirement("R7", "unknown sub-protocol first", "the first one of the list that is spoken", "SteVe #135")
async def unknown_subprotocol_first(bench: Bench) -> str:
    return await _agrees(bench, (UNSPOKEN, "soap", bench.version.subprotocol), bench.version.subprotocol)


@CHECKS.requirement(
    "R7", "two sub-protocol headers", "both header lines are one list (RFC 6455, 11.3.4)", "OCPP.Core #43"
)
async def two_subprotocol_headers(bench: Bench) -> str:
    lines = [
        "Connection: Upgrade",
        *(f"Sec-WebSocket-Protocol: {each}" for each in (UNSPOKEN, bench.version.subprotocol)),
    ]
    return await _upgrades(bench, lines)


@CHECKS.requirement(
    "R12", "list in the Connection header", "`keep-alive, Upgrade` upgrades (RFC 9110, 7.6.1)", "lbbrhzn/ocpp PR #1984"
)
async def connection_list(bench: Bench) -> str:
    lines = ["Connection: keep-alive, Upgrade", f"Sec-WebSocket-Protocol: {bench.version.subprotocol}"]
    return await _upgrades(bench, lines)


@CHECKS.rule("station's order", "of several versions the first of the station's list", "3.1.2")
async def stations_order(bench: Bench) -> str:
    others = [version.subprotocol for version in await bench.other_versions()]
    if not others:
        raise NotApplicable("needs a second version at the same URL")
    own = bench.version.subprotocol
    await _agrees(bench, (own, *others), own)
    await _agrees(bench, (others[0], own), others[0])
    return f"{own} and {others[0]} at one URL, each when it came first"


@CHECKS.requirement(
    "R7",
    "version of the socket before",
    "a socket speaks its own version, not that of the one before",
    "lbbrhzn/ocpp #2008, #2012",
)
async def version_of_the_socket_before(bench: Bench) -> str:
    others = await bench.other_versions()
    if not others:
        raise NotApplicable("needs a second version at the same URL")
    for version in others:
        async with bench.connect(subprotocols=(version.subprotocol,)):
            pass
        async with bench.booted():
            pass
    return "booted after probes in " + ", ".join(version.name for version in others)


@CHECKS.rule(
    "version in the URL",
    "the sub-protocol decides, whatever the URL says",
    {"2.0.1": "3.1.2", "2.1": "3.1.2"},
)
async def version_in_the_url(bench: Bench) -> str:
    others = await bench.other_versions()
    if not others:
        raise NotApplicable("needs a second version at the same URL")
    misleading = station_url(bench.target.url, bench.target.station) + f"?version={others[0].subprotocol}"
    async with bench.connect(url=misleading) as station:
        await bench.boot(station)
    return f"booted in {bench.version.name} at an URL that says {others[0].subprotocol}"


@CHECKS.requirement(
    "R8",
    "basic authentication",
    "the right password gets in; a wrong one, none, and a wrong user do not",
    "OCPP-J 1.6, chapter 6; ChargeTime #163, SteVe #1895",
)
async def basic_authentication(bench: Bench) -> str:
    password = bench.target.password
    if password is None:
        raise NotApplicable("needs a password")
    me = bench.target.station
    async with bench.connect() as station:
        await bench.alive(station)
    for headers in ({}, bench.credentials(me, password[:-1]), bench.credentials(me, password + b"\xff\x00"),
                    bench.credentials(me + "x"), {"Authorization": "Basic !"}):  # fmt: skip
        await _is_refused(bench, me, headers, 401)
    return "let in with the password; HTTP 401 in five other cases"


@CHECKS.rule("compression", "permessage-deflate is agreed to when offered", dict.fromkeys(SINCE_201, "RFC 7692"))
async def compression(bench: Bench) -> str:
    async with bench.connect(compression="deflate") as station:
        if "permessage-deflate" not in station.extensions:
            raise Failed("permessage-deflate was offered and not taken")
        await _speaks_compressed(bench, station)
        return station.extensions


@CHECKS.rule("compression, if agreed to", "if permessage-deflate is agreed to, it works", {"1.6": "RFC 7692"})
async def compression_if_agreed(bench: Bench) -> str:
    async with bench.connect(compression="deflate") as station:
        await _speaks_compressed(bench, station)
        return station.extensions or "not agreed to"


async def _speaks_compressed(bench: Bench, station: RawStation) -> None:
    await bench.boot(station)
    await bench.ask(station, *bench.words.vendor_message("0123456789" * 800))
    await bench.alive(station)


async def _is_refused(bench: Bench, identity: str, headers: dict[str, str], status: int) -> str:
    try:
        async with bench.connect(identity, headers=headers):
            raise Failed("let in")
    except HandshakeRefused as refused:
        if refused.status != status:
            raise Failed(f"{refused}, expected HTTP {status}") from refused
        return str(refused)


async def _is_closed_without_header(station: RawStation) -> str:
    if station.subprotocol is not None:
        raise Failed(f"chose {station.subprotocol}, which was not offered")
    return f"closed with {await station.wait_closed()}"


async def _agrees(bench: Bench, offered: Sequence[str], expected: str) -> str:
    async with bench.connect(subprotocols=offered) as station:
        if station.subprotocol != expected:
            raise Failed(f"offered {', '.join(offered)}; answered {station.subprotocol or 'none'}")
    return f"offered {', '.join(offered)}; answered {expected}"


async def _upgrades(bench: Bench, lines: Sequence[str]) -> str:
    target = bench.target
    credentials = [f"{name}: {value}" for name, value in bench.credentials(target.station).items()]
    url = station_url(target.url, target.station)
    status, *headers = await upgrade(url, [*lines, *credentials], within_s=target.within_s, tls=target.tls)
    agreed = f"sec-websocket-protocol: {bench.version.subprotocol}"
    if " 101 " not in f"{status} " or agreed not in [header.lower() for header in headers]:
        raise Failed(f"{status} without {bench.version.subprotocol}")
    return status
