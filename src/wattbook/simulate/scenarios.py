"""What a visit to a simulated station may look like: small plays with a name.

A scenario is played once a session at each station of a fleet. All of them begin and end the same way, with a driver
who comes and drives away; what differs is the weather.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Final

from cryptography import x509

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.connections.quirks import profiles
from wattbook.ocpp.wire.versions import V16
from wattbook.simulate.certificates import StationKey, come_back_certified, take_certificate
from wattbook.simulate.network import Network, Outage
from wattbook.simulate.sessions import Outcome, Pace
from wattbook.simulate.stations import SimulatedStation
from wattbook.simulate.vehicles import random_vehicle

MINUTE: Final = timedelta(minutes=1)
SESSION_MIN_MINUTES: Final = 20
SESSION_MAX_MINUTES: Final = 60
SESSION_MAX: Final = SESSION_MAX_MINUTES * MINUTE
AWAY_MAX: Final = timedelta(hours=1)
"""The longest outage, and then some for the tries to come back."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One driver at one station.

    Attributes:
        random: what a station does follows from it alone.
        gather: waits until every station of the fleet has come here.
        roots: who may sign for the management system's end of TLS.
    """

    token: str
    random: Random
    gather: Callable[[], Awaitable[None]]
    roots: Sequence[x509.Certificate] = ()

    def lasting(self) -> timedelta:
        return self.random.randint(SESSION_MIN_MINUTES, SESSION_MAX_MINUTES) * MINUTE


Play = Callable[[SimulatedStation, Visit], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    Attributes:
        says: what it shows, in one line.
        lasts_max: simulated, from the driver's coming to the last word.
        feeds_in: the outlet can take energy from a vehicle.
        together: every station of the fleet is connected at the same time.
        quirks: how it speaks: names of profiles in `ocpp/connections/quirks.toml`.
    """

    says: str
    play: Play
    lasts_max: timedelta = SESSION_MAX
    feeds_in: bool = False
    together: bool = False
    quirks: tuple[str, ...] = ()


async def charge(station: SimulatedStation, visit: Visit) -> Outcome:
    """For 20 minutes to an hour."""
    return await station.charge(visit.token, random_vehicle(visit.random), lasting=visit.lasting())


async def offline(station: SimulatedStation, visit: Visit) -> Outcome:
    """The network goes away before, in or until after the session, and what was not heard is said later (E04, E11)."""
    lasting = visit.lasting()
    since = station.clock() + (visit.random.randint(-1, lasting // MINUTE - 1)) * MINUTE
    until = since + visit.random.randint(5, SESSION_MAX_MINUTES // 2) * MINUTE
    station.line.network = Network(visit.random, [Outage(since, until)])
    outcome = await station.charge(visit.token, random_vehicle(visit.random), lasting=lasting)
    return await _heard(station, outcome)


async def feed_in(station: SimulatedStation, visit: Visit) -> Outcome:
    """A vehicle gives energy to the grid."""
    vehicle = random_vehicle(visit.random, feeds_in=True)
    return await station.feed_in(visit.token, vehicle, lasting=visit.lasting())


async def exchange(station: SimulatedStation, visit: Visit) -> Outcome:
    """A vehicle charges, and then gives some of it back, in one session (2.1 Part 2, Q)."""
    lasting = visit.lasting()
    vehicle = random_vehicle(visit.random, feeds_in=True)
    return await station.charge(visit.token, vehicle, lasting=lasting, turns_after=lasting // (2 * MINUTE) * MINUTE)


async def watched(station: SimulatedStation, visit: Visit) -> Outcome:
    """Slowly enough that charging profiles come while it runs, and are obeyed (K).

    Since 2.0.1 the vehicle tells what it needs and is sent a schedule. Simulated time is over: a schedule with a start
    of its own has one after the session; those for vehicles are relative and hold.
    """
    return await station.charge(
        visit.token,
        random_vehicle(visit.random),
        lasting=visit.lasting(),
        tells_needs=station.line.version != V16.name,
        pace=Pace(MINUTE, pause_s=0.5),
    )


async def storm(station: SimulatedStation, visit: Visit) -> Outcome:
    """Every station loses its connection at once, and all come back (R6)."""
    station.line.network = Network(visit.random)
    await visit.gather()
    await station.line.lose()
    await station.line.come_back()
    return await _heard(station, await charge(station, visit))


async def certify(station: SimulatedStation, visit: Visit) -> Outcome:
    """The station asks for its certificate (A02) and, where there is TLS, comes back with it."""
    address, key = station.line.address, StationKey()
    assert address is not None, "it is connected"
    chain = await take_certificate(station, key)
    if address.tls is not None:
        await come_back_certified(station, key, chain, visit.roots)
    return await charge(station, visit)


async def _heard(station: SimulatedStation, outcome: Outcome) -> Outcome:
    """Come back, and be sure that everything was said."""
    await station.line.come_back()
    return replace(outcome, faults=(*outcome.faults, *station.line.outbox.take_dropped()))


ALWAYS_TOLERATED: Final = tuple(name for name, profile in profiles().items() if profile.always)

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "charge": Scenario("drivers come, charge and drive away", charge),
    "offline": Scenario("the network goes away; what was missed is said later", offline, SESSION_MAX + AWAY_MAX),
    "feed-in": Scenario("vehicles give energy to the grid", feed_in, feeds_in=True),
    "v2x": Scenario("vehicles charge and give some back in one session", exchange, feeds_in=True),
    "quirks": Scenario("stations speak as some do: wrongly", charge, quirks=ALWAYS_TOLERATED),
    "smart": Scenario("sessions slow enough to be sent charging profiles, which they obey", watched),
    "storm": Scenario(
        "all stations lose their connection at once and come back", storm, AWAY_MAX + SESSION_MAX, together=True
    ),
    "certificates": Scenario("stations ask for certificates and come back with them", certify),
}


def scenario_of(name: str) -> Scenario:
    """
    Raises:
        InvalidInput: there is none of that name.
    """
    if name not in SCENARIOS:
        raise InvalidInput(f"no scenario is named {name[:50]}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
