"""Blocks A and M, certificates."""

from typing import Any

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.dialects.actions import STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import whole_or_none, without_none, write_time
from wattbook.ocpp.dialects.v2.parts import ACCEPTED, FAILED, REJECTED, read_hash, write_hash
from wattbook.ocpp.messages import (
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
from wattbook.ocpp.wire.frames import JsonObject


def _sign_certificate(payload: JsonObject) -> SignCertificate:
    purpose = payload.get("certificateType", "ChargingStationCertificate")
    return SignCertificate(payload["csr"], purpose, whole_or_none(payload, "requestId"))


def _write_sign_certificate(request: SignCertificate) -> JsonObject:
    return without_none(csr=request.csr, certificateType=request.purpose, requestId=request.request_id)


def _sign_certificate_answer(payload: JsonObject) -> SignCertificateAnswer:
    return SignCertificateAnswer(payload["status"] == ACCEPTED)


def _write_sign_certificate_answer(answer: SignCertificateAnswer) -> JsonObject:
    return {"status": ACCEPTED if answer.accepted else REJECTED}


def _contract(payload: JsonObject) -> ContractCertificate:
    return ContractCertificate(
        payload["iso15118SchemaVersion"],
        payload["action"],
        payload["exiRequest"],
        whole_or_none(payload, "maximumContractCertificateChains"),
        tuple(payload.get("prioritizedEMAIDs", ())),
    )


def _write_contract(request: ContractCertificate) -> JsonObject:
    return without_none(
        iso15118SchemaVersion=request.iso15118_version,
        action=request.action,
        exiRequest=request.exi_request,
        maximumContractCertificateChains=request.chains_max,
        prioritizedEMAIDs=list(request.emaids) or None,
    )


def _contract_answer(payload: JsonObject) -> ContractCertificateAnswer:
    remaining = whole_or_none(payload, "remainingContracts")
    return ContractCertificateAnswer(payload["status"] == ACCEPTED, payload["exiResponse"], remaining)


def _write_contract_answer(answer: ContractCertificateAnswer) -> JsonObject:
    return without_none(
        status=ACCEPTED if answer.accepted else FAILED,
        exiResponse=answer.exi_response,
        remainingContracts=answer.remaining,
    )


def _ocsp(payload: JsonObject) -> OcspQuestion:
    return OcspQuestion(read_hash(payload["ocspRequestData"]))


def _write_ocsp(question: OcspQuestion) -> JsonObject:
    return {"ocspRequestData": write_hash(question.certificate)}


def _ocsp_answer(payload: JsonObject) -> OcspAnswer:
    return OcspAnswer(payload.get("ocspResult"))


def _write_ocsp_answer(answer: OcspAnswer) -> JsonObject:
    return without_none(status=FAILED if answer.response is None else ACCEPTED, ocspResult=answer.response)


def _chain(payload: JsonObject) -> ChainStatusQuestion:
    return ChainStatusQuestion(
        tuple(
            (read_hash(each["certificateHashData"]), each["source"], tuple(each["urls"]))
            for each in payload["certificateStatusRequests"]
        )
    )


def _write_chain(question: ChainStatusQuestion) -> JsonObject:
    return {
        "certificateStatusRequests": [
            {"certificateHashData": write_hash(certificate), "source": source, "urls": list(urls)}
            for certificate, source, urls in question.certificates
        ]
    }


def _chain_answer(payload: JsonObject) -> ChainStatusAnswer:
    return ChainStatusAnswer(
        tuple(
            ChainStatus(
                read_hash(each["certificateHashData"]),
                each["source"],
                each["status"],
                parse_rfc3339(each["nextUpdate"]),
            )
            for each in payload["certificateStatus"]
        )
    )


def _write_chain_answer(answer: ChainStatusAnswer) -> JsonObject:
    return {
        "certificateStatus": [
            {
                "certificateHashData": write_hash(each.certificate),
                "source": each.source,
                "status": each.status,
                "nextUpdate": write_time(each.next_update),
            }
            for each in answer.statuses
        ]
    }


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("SignCertificate", STATION, SignCertificate, SignCertificateAnswer,
             _sign_certificate, _write_sign_certificate, _sign_certificate_answer, _write_sign_certificate_answer),
    Exchange("Get15118EVCertificate", STATION, ContractCertificate, ContractCertificateAnswer,
             _contract, _write_contract, _contract_answer, _write_contract_answer),
    Exchange("GetCertificateStatus", STATION, OcspQuestion, OcspAnswer,
             _ocsp, _write_ocsp, _ocsp_answer, _write_ocsp_answer),
)
# fmt: on


# fmt: off
ONLY_IN_21: tuple[Exchange[Any, Any], ...] = (
    Exchange("GetCertificateChainStatus", STATION, ChainStatusQuestion, ChainStatusAnswer,
             _chain, _write_chain, _chain_answer, _write_chain_answer),
)
# fmt: on
