"""Parts that several messages share."""

from wattbook.ocpp.dialects.fields import place, time, without_none, write_time
from wattbook.ocpp.messages import Authorization, CertificateHash, CommandAnswer, CommandStatus, IdToken, TokenInfo
from wattbook.ocpp.wire.frames import JsonObject

TOKEN_KIND = "ISO14443"
"""Of a token whose kind was not said: a card by radio."""

ACCEPTED, REJECTED, FAILED = "Accepted", "Rejected", "Failed"

INVALID_VALUE = {"reasonCode": "InvalidValue"}  # Part 2, appendix 5: reason codes


def read_token(token: JsonObject) -> IdToken:
    return IdToken(token["idToken"], token["type"])


def write_token(token: IdToken) -> JsonObject:
    return {"idToken": token.value, "type": token.kind or TOKEN_KIND}


def read_token_info(info: JsonObject) -> TokenInfo:
    group = info.get("groupIdToken")
    return TokenInfo(
        Authorization(info["status"]), time(info, "cacheExpiryDateTime"), read_token(group) if group else None
    )


def write_token_info(info: TokenInfo | None) -> JsonObject | None:
    if info is None:
        return None
    return without_none(
        status=info.status.value,
        cacheExpiryDateTime=write_time(info.expires_at),
        groupIdToken=write_token(info.group) if info.group else None,
    )


def read_evse(payload: JsonObject) -> tuple[int | None, int | None]:
    """EVSE and connector, as far as they are told."""
    evse = payload.get("evse")
    if evse is None:
        return None, None
    return place(evse, "id"), place(evse, "connectorId") if "connectorId" in evse else None


def write_evse(evse: int | None, connector: int | None) -> JsonObject | None:
    return None if evse is None else without_none(id=evse, connectorId=connector)


def read_hash(data: JsonObject) -> CertificateHash:
    return CertificateHash(
        data["hashAlgorithm"],
        data["issuerNameHash"],
        data["issuerKeyHash"],
        data["serialNumber"],
        data.get("responderURL"),
    )


def write_hash(certificate: CertificateHash) -> JsonObject:
    return without_none(
        hashAlgorithm=certificate.algorithm,
        issuerNameHash=certificate.issuer_name_hash,
        issuerKeyHash=certificate.issuer_key_hash,
        serialNumber=certificate.serial_number,
        responderURL=certificate.responder_url,
    )


def _command_answer(payload: JsonObject) -> CommandAnswer:
    return CommandAnswer(CommandStatus(payload["status"]), payload.get("transactionId"))


def _write_command_answer(answer: CommandAnswer) -> JsonObject:
    return without_none(status=answer.status.value, transactionId=answer.transaction_id)


COMMAND_ANSWER = (_command_answer, _write_command_answer)
