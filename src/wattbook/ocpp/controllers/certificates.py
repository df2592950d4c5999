"""Blocks A and M, certificates: passed to whoever signs and vouches."""

from collections.abc import Sequence
from typing import TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context, Outcome
from wattbook.ocpp.messages import ChainStatusQuestion, ContractCertificate, OcspQuestion, SignCertificate

MessageT = TypeVar("MessageT")


def _said(batch: Sequence[InboundMessage], kind: type[MessageT]) -> list[tuple[str, MessageT]]:
    return [(inbound.station_id, cast(MessageT, inbound.message)) for inbound in batch]


async def sign(connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context) -> Sequence[Outcome]:
    """A02, A03: the answer says whether the certificate will come, in a CertificateSigned."""
    return await context.certificates.sign(connection, _said(batch, SignCertificate), context.now)


async def contract(connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context) -> Sequence[Outcome]:
    """M01, M02."""
    return await context.certificates.contracts(connection, _said(batch, ContractCertificate), context.now)


async def ocsp(connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context) -> Sequence[Outcome]:
    """M06."""
    return await context.certificates.ocsp(connection, _said(batch, OcspQuestion), context.now)


async def chain(connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context) -> Sequence[Outcome]:
    """M07 (2.1)."""
    return await context.certificates.chain_statuses(connection, _said(batch, ChainStatusQuestion), context.now)
