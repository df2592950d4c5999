"""Block A, certificates."""

from typing import Any

from wattbook.ocpp.dialects.actions import STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.messages import SignCertificate, SignCertificateAnswer
from wattbook.ocpp.wire.frames import JsonObject


def _sign_certificate(payload: JsonObject) -> SignCertificate:
    return SignCertificate(payload["csr"])


def _write_sign_certificate(request: SignCertificate) -> JsonObject:
    return {"csr": request.csr}


def _sign_certificate_answer(payload: JsonObject) -> SignCertificateAnswer:
    return SignCertificateAnswer(payload["status"] == "Accepted")


def _write_sign_certificate_answer(answer: SignCertificateAnswer) -> JsonObject:
    return {"status": "Accepted" if answer.accepted else "Rejected"}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("SignCertificate", STATION, SignCertificate, SignCertificateAnswer,
             _sign_certificate, _write_sign_certificate, _sign_certificate_answer, _write_sign_certificate_answer),
)
# fmt: on
