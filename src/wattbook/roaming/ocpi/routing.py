"""Who speaks to whom: the routing headers of OCPI 2.2.1 (4.3) and the ids that follow a message across a hub."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import PartyId

ID_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True)
class Routing:
    """Headers of one message.

    Attributes:
        request_id: of this hop alone.
        correlation_id: of the whole way, which a hub hands on unchanged.
        sender, receiver: parties; None where the message does not say, as for open routing by a hub.
    """

    request_id: str
    correlation_id: str
    sender: str | None = None
    receiver: str | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str], new_id: str) -> Self:
        """What a peer sent; an id that it left out is `new_id`.

        Raises:
            InvalidInput: half a party, something that is no party, or an id of absurd length.
        """
        return cls(
            _id_or(headers.get("x-request-id"), new_id),
            _id_or(headers.get("x-correlation-id"), new_id),
            _party(headers, "from"),
            _party(headers, "to"),
        )

    def headers(self) -> dict[str, str]:
        parties = {"from": self.sender, "to": self.receiver}
        return {
            "X-Request-ID": self.request_id,
            "X-Correlation-ID": self.correlation_id,
            **{
                f"OCPI-{way}-{name}": code
                for way, party in parties.items()
                if party is not None
                for name, code in zip(("country-code", "party-id"), party.split("*"), strict=True)
            },
        }

    def answered(self, by: str | None) -> Self:
        """The way back, with the ids of the way there."""
        return replace(self, sender=by, receiver=self.sender)


def _id_or(given: str | None, new_id: str) -> str:
    if given is None:
        return new_id
    if not 0 < len(given) <= ID_LENGTH_MAX or not given.isprintable():
        raise InvalidInput(f"X-Request-ID and X-Correlation-ID have 1 to {ID_LENGTH_MAX} printable characters")
    return given


def _party(headers: Mapping[str, str], way: str) -> str | None:
    country = headers.get(f"ocpi-{way}-country-code")
    party = headers.get(f"ocpi-{way}-party-id")
    if country is None and party is None:
        return None
    if country is None or party is None:
        raise InvalidInput(f"OCPI-{way}-country-code and OCPI-{way}-party-id go together")
    return PartyId(f"{country}*{party}").text
