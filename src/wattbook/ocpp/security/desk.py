"""The desk for certificates: what the controllers of certificates are given (`controllers.ports.Certificates`).

What must leave the house is asked in `prepare`, before the message enters its batch, and kept for a minute; the batch
finds it there. What concerns our own authority is read and written in the batch's transaction. The signed certificate
goes to its station as a command like any other, accepted in the same transaction as the request.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog
from cryptography import x509
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import InvalidInput, LimitExceeded, Refused, Unavailable, WattbookError
from wattbook.ocpp.commands.records import CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.messages import (
    Answer,
    Authorize,
    CertificateHash,
    CertificateStatus,
    ChainStatus,
    ChainStatusAnswer,
    ChainStatusQuestion,
    ContractCertificate,
    ContractCertificateAnswer,
    OcspAnswer,
    OcspQuestion,
    Request,
    SignCertificate,
    SignCertificateAnswer,
)
from wattbook.ocpp.security import store
from wattbook.ocpp.security.authority import Authority, Root
from wattbook.ocpp.security.certificates import serial_of
from wattbook.ocpp.security.contracts import judge_chain, questions_of, read_chain, status_of, worst
from wattbook.ocpp.security.ocsp import Responders, check, is_issuer, own_response
from wattbook.ocpp.security.ports import ContractProvider
from wattbook.ocpp.security.signing import Purpose, sign
from wattbook.ocpp.wire.frames import JsonObject

ASK_AGAIN_AFTER: Final = timedelta(hours=1)
"""When no answer says it itself."""

KEPT_FOR: Final = timedelta(minutes=1)
KEPT_MAX: Final = 1_000
DELIVERED_WITHIN: Final = timedelta(days=7)
"""A certificate waits this long for its station; then the station has asked again."""

OCSP_LENGTH_MAX: Final = {"2.0.1": 5_500, "2.1": 18_000}
EXI_LENGTH_MAX: Final = {"2.0.1": 7_500, "2.1": 17_000}
"""Of the answers, in base64, as the schemas have it."""

Prepared = OcspAnswer | ContractCertificateAnswer | ChainStatusAnswer | CertificateStatus | str
"""A text is the version of OCPP in which a signing request came: its certificate is sent in the same."""

FoundT = TypeVar("FoundT", OcspAnswer, ContractCertificateAnswer, ChainStatusAnswer, CertificateStatus, str)

log = structlog.get_logger(__name__)


class CertificateDesk:
    """See the module. `contract_roots` are the roots of contract certificates that we believe."""

    def __init__(
        self,
        authority: Authority,
        responders: Responders,
        clock: Clock,
        *,
        provider: ContractProvider | None = None,
        contract_roots: Sequence[x509.Certificate] = (),
    ) -> None:
        self._authority = authority
        self._responders = responders
        self._clock = clock
        self._provider = provider
        self._roots = tuple(contract_roots)
        self._prepared: dict[tuple[str, Request[Answer]], tuple[Prepared, datetime]] = {}

    # Before the batch

    async def prepare(self, inbound: InboundMessage) -> None:
        """Ask whoever must be asked; what fails is found as a failure."""
        message = inbound.message
        prepared: Prepared | None
        match message:
            case SignCertificate():
                prepared = inbound.version
            case OcspQuestion():
                prepared = await self._ask_ocsp(message, inbound.version)
            case ContractCertificate():
                prepared = await self._ask_contract(message, inbound.version)
            case ChainStatusQuestion():
                prepared = await self._ask_chain(message)
            case Authorize() if message.certificate or message.certificate_hashes:
                prepared = await self._ask_about_contract(message)
            case _:
                return
        now = self._clock()
        if len(self._prepared) >= KEPT_MAX:
            self._prepared = {key: kept for key, kept in self._prepared.items() if kept[1] > now - KEPT_FOR}
        if prepared is not None and len(self._prepared) < KEPT_MAX:
            self._prepared[inbound.station_id, message] = prepared, now

    async def _ask_ocsp(self, question: OcspQuestion, version: str) -> OcspAnswer | None:
        if self._own_root(question.certificate) is not None:
            return None
        response = await self._response(question.certificate)
        encoded = None if response is None else base64.b64encode(response).decode()
        fits = encoded is not None and len(encoded) <= OCSP_LENGTH_MAX.get(version, 0)
        return OcspAnswer(encoded if fits else None)

    async def _ask_contract(self, request: ContractCertificate, version: str) -> ContractCertificateAnswer:
        if self._provider is None:
            return ContractCertificateAnswer(accepted=False)
        try:
            answer = await self._provider.contract(request)
        except Unavailable as error:
            log.warning("contract-provider-silent", because=error.message)
            return ContractCertificateAnswer(accepted=False)
        fits = len(answer.exi_response) <= EXI_LENGTH_MAX.get(version, 0)
        return answer if fits else ContractCertificateAnswer(accepted=False)

    async def _ask_chain(self, question: ChainStatusQuestion) -> ChainStatusAnswer:
        return ChainStatusAnswer(tuple(await asyncio.gather(*(self._status(*each) for each in question.certificates))))

    async def _status(self, named: CertificateHash, source: str, urls: Sequence[str]) -> ChainStatus:
        """Of one of our own it is said in the batch; a CRL is not fetched."""
        now = self._clock()
        if source == "OCSP" and self._own_root(named) is None:
            for url in urls:
                asked = CertificateHash(
                    named.algorithm, named.issuer_name_hash, named.issuer_key_hash, named.serial_number, url
                )
                status, until = status_of(asked, await self._response(asked), self._roots, now)
                if status != "Failed":
                    return ChainStatus(named, source, status, until or now + ASK_AGAIN_AFTER)
        return ChainStatus(named, source, "Failed", now + ASK_AGAIN_AFTER)

    async def _ask_about_contract(self, message: Authorize) -> CertificateStatus:
        asked: Sequence[CertificateHash] = message.certificate_hashes
        issuers = list(self._roots)
        if message.certificate:
            chain = read_chain(message.certificate)
            verdict, whole = judge_chain(chain, self._roots, message.token.value, self._clock())
            if verdict is not CertificateStatus.ACCEPTED:
                return verdict
            asked, issuers = questions_of(whole), [*issuers, *whole]
            if not asked:
                return verdict
        responses = await asyncio.gather(*(self._response(each) for each in asked))
        now = self._clock()
        return worst([status_of(each, said, issuers, now)[0] for each, said in zip(asked, responses, strict=True)])

    async def _response(self, named: CertificateHash) -> bytes | None:
        try:
            return await self._responders.ask(named)
        except (InvalidInput, Unavailable) as error:
            log.info("ocsp-not-answered", url=named.responder_url, because=error.message)
            return None

    # In the batch

    async def sign(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, SignCertificate]], now: datetime
    ) -> Sequence[SignCertificateAnswer]:
        answers, commands = [], []
        for station_id, request in requests:
            try:
                purpose = Purpose(request.purpose)
                chain = await sign(connection, self._authority, station_id, request.csr, purpose, now=now)
            except (InvalidInput, LimitExceeded, Refused, ValueError) as error:
                log.warning("not-signed", station_id=station_id, because=str(error))
                answers.append(SignCertificateAnswer(accepted=False))
                continue
            answers.append(SignCertificateAnswer(accepted=True))
            payload = _signed(chain, request, self._found(station_id, request, str))
            commands.append(
                CommandRequest(station_id, "CertificateSigned", payload, now + DELIVERED_WITHIN, repeatable=True)
            )
        for outcome in await submit(connection, commands, requested_by="certificate-desk", now=now) if commands else ():
            if isinstance(outcome, WattbookError):
                log.error("certificate-not-sent", because=outcome.message)
        return answers

    async def contracts(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, ContractCertificate]], now: datetime
    ) -> Sequence[ContractCertificateAnswer]:
        found = [self._found(station_id, request, ContractCertificateAnswer) for station_id, request in requests]
        return [each or ContractCertificateAnswer(accepted=False) for each in found]

    async def ocsp(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, OcspQuestion]], now: datetime
    ) -> Sequence[OcspAnswer]:
        own = await self._own_responses(connection, [request.certificate for _, request in requests], now)
        answers = []
        for station_id, request in requests:
            response = own.get(request.certificate)
            if response is not None:
                answers.append(OcspAnswer(base64.b64encode(response).decode()))
            else:
                answers.append(self._found(station_id, request, OcspAnswer) or OcspAnswer())
        return answers

    async def chain_statuses(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, ChainStatusQuestion]], now: datetime
    ) -> Sequence[ChainStatusAnswer]:
        named = [certificate for _, request in requests for certificate, _, _ in request.certificates]
        own = await self._own_responses(connection, named, now)
        roots = [root.certificate for root in self._authority.roots]
        answers = []
        for station_id, request in requests:
            found = self._found(station_id, request, ChainStatusAnswer)
            statuses = []
            for place, (certificate, source, _) in enumerate(request.certificates):
                if source == "OCSP" and certificate in own:
                    status, until = status_of(certificate, own[certificate], roots, now)
                    statuses.append(ChainStatus(certificate, source, status, until or now + ASK_AGAIN_AFTER))
                elif found is not None:
                    statuses.append(found.statuses[place])
                else:
                    statuses.append(ChainStatus(certificate, source, "Failed", now + ASK_AGAIN_AFTER))
            answers.append(ChainStatusAnswer(tuple(statuses)))
        return answers

    async def contract_statuses(
        self, connection: AsyncConnection, requests: Sequence[tuple[str, Authorize]], now: datetime
    ) -> Sequence[CertificateStatus]:
        found = [self._found(station_id, request, CertificateStatus) for station_id, request in requests]
        return [each or CertificateStatus.NOT_AVAILABLE for each in found]

    # Inside

    def _found(self, station_id: str, request: Request[Answer], kind: type[FoundT]) -> FoundT | None:
        kept = self._prepared.get((station_id, request))
        if kept is None or kept[1] <= self._clock() - KEPT_FOR:
            return None
        return kept[0] if isinstance(kept[0], kind) else None

    async def _own_responses(
        self, connection: AsyncConnection, named: Sequence[CertificateHash], now: datetime
    ) -> Mapping[CertificateHash, bytes]:
        """What we say of those that one of our roots is said to have issued."""
        ours = {each: root for each in named if (root := self._own_root(each)) is not None}
        if not ours:
            return {}
        serials = {each: serial_of(int(each.serial_number, 16)) for each in ours}
        issued = await store.find_issued(connection, list(serials.values()))
        return {each: own_response(root, each, issued.get(serials[each]), now) for each, root in ours.items()}

    def _own_root(self, named: CertificateHash) -> Root | None:
        try:
            check(named)
        except InvalidInput:
            return None
        return next((root for root in self._authority.roots if is_issuer(root.certificate, named)), None)


def _signed(chain: str, request: SignCertificate, version: str | None) -> JsonObject:
    """The payload of CertificateSigned as the station's version has it."""
    payload: JsonObject = {"certificateChain": chain}
    if version in ("2.0.1", "2.1"):
        payload["certificateType"] = request.purpose
    if version == "2.1" and request.request_id is not None:
        payload["requestId"] = request.request_id
    return payload
