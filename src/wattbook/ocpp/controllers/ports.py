"""What the controllers ask of others: certificates are not theirs to judge or to make."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.messages import (
    Authorize,
    CertificateStatus,
    ChainStatus,
    ChainStatusAnswer,
    ChainStatusQuestion,
    ContractCertificate,
    ContractCertificateAnswer,
    OcspAnswer,
    OcspQuestion,
    SignCertificate,
    SignCertificateAnswer,
)


class Certificates(Protocol):
    """Signs for stations and vouches for vehicles.

    `prepare` runs before a message enters its batch, outside of any transaction: there it may ask an OCSP responder or
    a contract provider, and keep what they said. Every other method runs inside the batch's transaction, takes pairs of
    station and request, gives one answer a pair in order, and asks nobody.
    """

    async def prepare(self, inbound: InboundMessage) -> None: ...

    async def sign(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, SignCertificate]], now: datetime
    ) -> Sequence[SignCertificateAnswer]: ...

    async def contracts(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, ContractCertificate]], now: datetime
    ) -> Sequence[ContractCertificateAnswer]: ...

    async def ocsp(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, OcspQuestion]], now: datetime
    ) -> Sequence[OcspAnswer]: ...

    async def chain_statuses(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, ChainStatusQuestion]], now: datetime
    ) -> Sequence[ChainStatusAnswer]: ...

    async def contract_statuses(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, Authorize]], now: datetime
    ) -> Sequence[CertificateStatus]:
        """Of the contract certificates that came with tokens."""
        ...


class NoCertificates:
    """Where nobody signs or vouches: every request is refused in the protocol's words."""

    async def prepare(self, inbound: InboundMessage) -> None:
        pass

    async def sign(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, SignCertificate]], now: datetime
    ) -> Sequence[SignCertificateAnswer]:
        return [SignCertificateAnswer(accepted=False)] * len(requests)

    async def contracts(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, ContractCertificate]], now: datetime
    ) -> Sequence[ContractCertificateAnswer]:
        return [ContractCertificateAnswer(accepted=False)] * len(requests)

    async def ocsp(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, OcspQuestion]], now: datetime
    ) -> Sequence[OcspAnswer]:
        return [OcspAnswer()] * len(requests)

    async def chain_statuses(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, ChainStatusQuestion]], now: datetime
    ) -> Sequence[ChainStatusAnswer]:
        return [
            ChainStatusAnswer(
                tuple(ChainStatus(certificate, source, "Failed", now) for certificate, source, _ in said.certificates)
            )
            for _, said in requests
        ]

    async def contract_statuses(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, Authorize]], now: datetime
    ) -> Sequence[CertificateStatus]:
        return [CertificateStatus.NOT_AVAILABLE] * len(requests)
