"""What a signed meter value comes in, and which format it is in.

- `OCMF|…`: the one format whose signatures are checked here.
- `AP;…`: Alfen's; fields by semicolons, of which the key, the data and the signature are in base32.
- A transport frame of SML (1B1B1B1B 01010101 to 1B1B1B1B 1A, count, checksum) in hexadecimal or base64: EDL40.
- `<values>…<signedData format= encoding=>`: the file that transparency software reads, with any of these inside.
- A JSON object: SignedMeterValueType of OCPP 2.x, with any of these in `signedMeterData`, in base64 or as it is.

Sources: BSI TR-03109-1, annex IV (SML); OCPP 2.0.1 Part 2, SignedMeterValueType; the others as stations send them.
What is in a format that is not checked here is kept, once its container is whole, for those who can.
"""

import base64
import binascii
from typing import Final
from xml.etree import ElementTree

import msgspec
from msgspec import Struct

SML_BEGIN: Final = bytes.fromhex("1b1b1b1b01010101")
SML_END: Final = bytes.fromhex("1b1b1b1b1a")
ALFEN: Final = "AP;"
OCMF: Final = "OCMF|"
SHELLS_MAX: Final = 3
"""An object, a file in it, a value in that."""

NOT_CHECKED: Final = frozenset(
    {"ALFEN", "COSEMPROTECTEDDATA", "DLMSMESSAGE", "EDL", "EDL40", "EDL40P", "EDL40SIG", "ISAEDL40P", "MENNEKES"}
)
"""Names of other formats in files and objects, without what stands between letters and digits."""


class Contained(Struct, frozen=True):
    """What was in the container. `ocmf` is None where the format is another; then `detail` says which."""

    ocmf: str | None
    detail: str = ""


class _Object(Struct, frozen=True):
    """SignedMeterValueType of OCPP 2.x, as far as it is used."""

    signedMeterData: str  # noqa: N815
    encodingMethod: str = ""  # noqa: N815


def opened(said: str, method: str = "", shells: int = SHELLS_MAX) -> Contained:
    """What a station sent as a signed value; `method` is the format that its container named.

    Raises:
        ValueError: it is in no format that is known, or not whole.
    """
    if not shells:
        raise ValueError("containers in containers in containers")
    name = "".join(filter(str.isalnum, method)).upper()
    if said.startswith("{"):
        carried = msgspec.json.decode(said, type=_Object)
        return opened(_text(carried.signedMeterData), carried.encodingMethod, shells - 1)
    if said.lstrip().startswith("<"):
        return opened(*_of_file(said), shells - 1)
    if said.startswith(OCMF):
        if name not in ("", "OCMF"):
            raise ValueError(f"encoded as {method[:50]}, and is OCMF")
        return Contained(said)
    if said.startswith(ALFEN):
        return Contained(None, _alfen(said))
    data = _bytes(said)
    if data.startswith(SML_BEGIN):
        return Contained(None, _sml(data))
    if name in NOT_CHECKED and data:
        return Contained(None, f"{method[:50]}, {len(data)} bytes; such signatures are not checked here")
    raise ValueError("no format of signed meter values that is known here")


def _text(said: str) -> str:
    """Base64 where it is that, and holds a text; a binary one stays as it is."""
    if said.startswith((OCMF, ALFEN, "<")):
        return said
    decoded = base64.b64decode(said, validate=True)
    return said if decoded.startswith(SML_BEGIN) else _or(decoded, said)


def _or(decoded: bytes, said: str) -> str:
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        return said


def _bytes(said: str) -> bytes:
    """Of hexadecimal or base64; none for anything else."""
    packed = "".join(said.split())
    try:
        return bytes.fromhex(packed)
    except ValueError:
        pass
    try:
        return base64.b64decode(packed, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _of_file(said: str) -> tuple[str, str]:
    """The first signed value of a file, and its format."""
    if "<!" in said.replace("<!--", ""):
        raise ValueError("a file with declarations of its own is not read")
    try:
        found = next(
            each for each in ElementTree.fromstring(said).iter() if each.tag.rpartition("}")[2] == "signedData"
        )
    except (ElementTree.ParseError, StopIteration):
        raise ValueError("a file without a signed value") from None
    text, encoding = (found.text or "").strip(), found.get("encoding", "plain").lower()
    if encoding == "base64":
        text = _text("".join(text.split()))
    return text, found.get("format", "")


def _alfen(said: str) -> str:
    fields = said.rstrip(";").split(";")
    if len(fields) != 6:
        raise ValueError(f"Alfen's format has 6 fields, this has {len(fields)}")
    try:
        _, data, _ = (base64.b32decode(field + "=" * (-len(field) % 8)) for field in fields[3:])
    except binascii.Error:
        raise ValueError("Alfen's format, with a field that is not in base32") from None
    return f"Alfen, {len(data)} bytes; such signatures are not checked here"


def _sml(data: bytes) -> str:
    """Of a transport frame: its end has how many bytes were added before it, and the checksum of all that precedes."""
    if len(data) < len(SML_BEGIN) + 8 or data[-8:-3] != SML_END:
        raise ValueError("a message of SML without its end")
    if crc16_x25(data[:-2]) != int.from_bytes(data[-2:], "little"):
        raise ValueError("a message of SML whose checksum is wrong")
    return f"SML (EDL40), {len(data)} bytes with a right checksum; such signatures are not checked here"


def crc16_x25(data: bytes) -> int:
    """CRC-16/X-25 (ISO/IEC 13239): reflected polynomial 0x8408, all ones at the begin, inverted at the end."""
    remainder = 0xFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x8408 if remainder & 1 else 0)
    return remainder ^ 0xFFFF
