"""Identifiers of the field: who charges, where, on which meter, in whose balance group.

One identifier is written in many spellings (`nl-tnm-c00122045-k`, `NLTNMC00122045K`), so a text is read once, at the
edge, into a value that holds the canonical spelling: upper case, with exactly the separators named below. Two values
are equal when their kind and canonical text are equal. `Emaid(text)` reads and checks; there is no other way to make
one, so who holds an `Emaid` need not check it again. `str(value)` prints it.

    kind        names                         canonical              what is checked
    malo        market location               41373559241            digits, check digit
    mp-id       market partner (13 digits)    9900000000003          digits; check digit of a GLN, see MarketPartnerId
    eic         balance group, area, party    12X-SAK-N------6       form, check character
    melo        metering location             DE + 11 + 20           form: there is no check digit
    ocpi-party  operator or provider          KR*WTB                 form
    evseid      charge point                  KR*WTB*E12*1           form
    emaid       contract, ISO form            NLTNMC00122045K        form, check character
    emaid-din   contract, DIN form            NLTNM0122045           form, check digit
    evccid      vehicle's charge controller   001A2B3C4D5E           form

A vehicle ("mobile storage and consumption unit") is identified by its contract (`Emaid`) or, without one, by its
charge controller (`Evccid`).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from wattbook.kernel.errors import InvalidInput

LENGTH_MAX = 64
"""Longer than the longest identifier (an EVSEID in DIN form, 41) in any spelling."""


@dataclass(frozen=True, slots=True, order=True)
class Identifier(ABC):
    """Base of all kinds: reads any accepted spelling, white space around it ignored, and holds the canonical one.

    Raises:
        InvalidInput: the form or the check character is wrong; `details` has `kind` and, when only the check character
            is wrong, `expected`.
    """

    text: str

    kind: ClassVar[str]
    form: ClassVar[re.Pattern[str]]
    """Matches every accepted spelling, in upper case."""
    form_in_words: ClassVar[str]
    checked: ClassVar[str]
    """What is known of a valid one."""

    def __post_init__(self) -> None:
        match = self.form.fullmatch(_plain(self.text))
        if match is None:
            length = len(self.text.strip())
            raise InvalidInput(
                f"not a valid {self.kind}: needs {self.form_in_words}; this has {length} characters",
                kind=self.kind,
            )
        object.__setattr__(self, "text", self._canonical(match))

    def __str__(self) -> str:
        return self.text

    @classmethod
    @abstractmethod
    def _canonical(cls, match: re.Match[str]) -> str:
        """The canonical text of a spelling that has the form."""


class CheckedIdentifier(Identifier):
    """An identifier that ends in a check character; the last group of `form` is that character, the others the body."""

    __slots__ = ()

    check_name: ClassVar[str] = "check digit"

    @classmethod
    @abstractmethod
    def check_of(cls, body: str) -> str:
        """The check character of a canonical text that still lacks it."""

    @classmethod
    def _canonical(cls, match: re.Match[str]) -> str:
        *parts, given = match.groups()
        body = "".join(parts)
        expected = cls.check_of(body)
        if given not in (expected, None):
            raise InvalidInput(
                f"not a valid {cls.kind}: {cls.check_name} should be {expected}, not {given}",
                kind=cls.kind,
                expected=expected,
            )
        return body + expected


class Malo(CheckedIdentifier):
    """A German market location (MaLo-ID): where energy is bought or sold.

    Eleven digits, the first from 1 to 9 (it tells the issuer), the last a check digit by the rule for railway wagons
    (BDEW, identifiers in market communication). The rule does not see every error: a digit at an even place that is
    off by five passes.
    """

    __slots__ = ()

    kind = "malo"
    form = re.compile(r"([1-9][0-9]{9})([0-9])")
    form_in_words = "11 digits, the first not 0"
    checked = "11 digits, check digit"

    @classmethod
    def check_of(cls, body: str) -> str:
        digits = [int(digit) for digit in body]
        return str(-(sum(digits[::2]) + 2 * sum(digits[1::2])) % 10)


class MarketPartnerId(CheckedIdentifier):
    """A party of the German market (MP-ID): 13 digits, issued by BDEW (99…), DVGW (98…) or GS1 as a GLN.

    Only a GLN has its check digit verified, by the GS1 rule. Codes of BDEW and DVGW do not promise to follow it, and
    cannot be mistaken for a GLN: GS1 keeps the prefixes 98 and 99 for coupons and refunds.
    """

    __slots__ = ()

    kind = "mp-id"
    form = re.compile(r"([0-9]{12})([0-9])")
    form_in_words = "13 digits"
    checked = "13 digits; the check digit only if it is a GLN (not 98…, 99…)"

    @property
    def issuer(self) -> str:
        """`BDEW`, `DVGW` or `GS1`."""
        return _issuer(self.text)

    @classmethod
    def check_of(cls, body: str) -> str:
        """The GS1 check digit."""
        digits = [int(digit) for digit in body]
        return str(-(sum(digits[::2]) + 3 * sum(digits[1::2])) % 10)

    @classmethod
    def _canonical(cls, match: re.Match[str]) -> str:
        return super()._canonical(match) if _issuer(match[0]) == "GS1" else match[0]


class Eic(CheckedIdentifier):
    """An energy identification code (ENTSO-E EIC reference manual): balance group, area, party, resource.

    Two digits of the issuing office, a letter for the type of object, twelve characters, a check character. The
    modulus is the prime 37, so every single wrong character and every swap of two neighbours is seen. A code whose
    check character would be `-` is not issued.
    """

    __slots__ = ()

    kind = "eic"
    form = re.compile(r"([0-9]{2}[A-Z][0-9A-Z-]{12})([0-9A-Z-])")
    form_in_words = "16 characters: 2 digits, a letter, 12 letters, digits or '-', a check character"
    checked = "form, check character"
    check_name = "check character"

    @property
    def issuing_office(self) -> str:
        return self.text[:2]

    @property
    def object_type(self) -> str:
        """One letter: X party, Y area, Z measuring point, W resource, T tie line, V location, A substation."""
        return self.text[2]

    @classmethod
    def check_of(cls, body: str) -> str:
        """See `CheckedIdentifier.check_of`.

        Raises:
            InvalidInput: no code has this body, because its check character would be `-`.
        """
        weighted = sum(_EIC_ALPHABET.index(character) * (16 - place) for place, character in enumerate(body))
        check = _EIC_ALPHABET[36 - (weighted - 1) % 37]
        if check == "-":
            raise InvalidInput(f"no EIC begins with {body}: its check character would be '-'", kind=cls.kind)
        return check


class Melo(Identifier):
    """A German metering location (MeLo-ID, VDE-AR-N 4400): where energy is measured. It has no check digit."""

    __slots__ = ()

    kind = "melo"
    form = re.compile(r"DE[0-9]{11}[0-9A-Z]{20}")
    form_in_words = "33 characters: DE, 11 digits, 20 letters or digits"
    checked = "form; there is no check digit"

    @classmethod
    def _canonical(cls, match: re.Match[str]) -> str:
        return match[0]


class PartyId(Identifier):
    """An operator or provider as OCPI names it: country (ISO 3166-1 alpha-2) and party (three letters or digits).

    Canonical with `*`, accepted also with `-` or nothing. Whether the country exists is not checked.
    """

    __slots__ = ()

    kind = "ocpi-party"
    form = re.compile(r"([A-Z]{2})[*-]?([0-9A-Z]{3})")
    form_in_words = "2 letters and 3 letters or digits, such as KR*WTB"
    checked = "form; there is no check digit"

    @property
    def country(self) -> str:
        return self.text[:2]

    @property
    def party(self) -> str:
        return self.text[3:]

    @classmethod
    def _canonical(cls, match: re.Match[str]) -> str:
        return f"{match[1]}*{match[2]}"


class Evseid(Identifier):
    """A charge point, in ISO form (ISO 15118-2, eMI3) or the older DIN form (DIN SPEC 91286).

    ISO: country, operator and outlet, the outlet led by `E`: `KR*WTB*E12*1`. DIN: calling code, operator, outlet:
    `+49*822*083431571*1`. Canonical has `*` after country and operator, and `+` before a calling code. A `*` inside
    the outlet stays as it is written: without it `E1*12` and `E11*2` would be one charge point.
    """

    __slots__ = ()

    kind = "evseid"
    form = re.compile(
        r"([A-Z]{2})\*?([0-9A-Z]{3})\*?(E(?=.*[0-9A-Z])[0-9A-Z*]{1,30})"
        r"|\+?([0-9]{1,3})\*([0-9]{3})\*((?=.*[0-9])[0-9*]{1,32})"
    )
    form_in_words = "country, operator and E with an outlet of 1 to 30 characters, such as KR*WTB*E12*1"
    checked = "form; there is no check digit"

    @property
    def is_din(self) -> bool:
        return self.text.startswith("+")

    @property
    def country(self) -> str:
        """Two letters, or the calling code with `+`."""
        return self.text.split("*", 2)[0]

    @property
    def operator(self) -> str:
        return self.text.split("*", 2)[1]

    @property
    def outlet(self) -> str:
        """Without the leading `E` of the ISO form."""
        outlet = self.text.split("*", 2)[2]
        return outlet if self.is_din else outlet[1:]

    @property
    def party(self) -> PartyId | None:
        """Who operates it; a number of the DIN form names no party of OCPI."""
        return None if self.is_din else PartyId(self.country + self.operator)

    @classmethod
    def _canonical(cls, match: re.Match[str]) -> str:
        iso, din = match.groups()[:3], match.groups()[3:]
        return "*".join(iso) if match[1] else "+" + "*".join(din)


class Emaid(CheckedIdentifier):
    """A contract for charging, in ISO form (ISO 15118-2 annex H, eMI3): country, provider, nine characters, check.

    The check character may be missing in what is read; the canonical text always has it, so both spellings are one
    contract. Canonical has no separators. That eMI3 lets the instance begin with `C` is not demanded: older contracts
    do not.

    The check sees every single wrong character and every swap of two neighbours.
    """

    __slots__ = ()

    kind = "emaid"
    form = re.compile(r"([A-Z]{2})-?([0-9A-Z]{3})-?([0-9A-Z]{9})(?:-?([0-9A-Z]))?")
    form_in_words = "2 letters, 3 and 9 letters or digits, and a check character (14 or 15 characters without '-')"
    checked = "form; check character, if there is one"
    check_name = "check character"

    @property
    def country(self) -> str:
        return self.text[:2]

    @property
    def provider(self) -> str:
        return self.text[2:5]

    @property
    def instance(self) -> str:
        return self.text[5:14]

    @property
    def party(self) -> PartyId:
        """Who holds the contract: the one to ask, and to bill."""
        return PartyId(self.text[:5])

    def with_separators(self) -> str:
        """For people: `NL-TNM-C00122045-K`."""
        return f"{self.country}-{self.provider}-{self.instance}-{self.text[14]}"

    def without_check(self) -> str:
        """For partners that know contracts by 14 characters."""
        return self.text[:14]

    @classmethod
    def check_of(cls, body: str) -> str:
        """The character that brings the sum over all 15 places to zero (the code used by eMI3).

        Each character stands for a pair modulo 2 and a pair modulo 3 (4 × 9 = 36). Place i counts with the i-th power
        of a matrix, one for each modulus. Neither matrix nor its difference from one is singular, which is why no
        single error and no swap of neighbours goes unseen.
        """
        two = three = (0, 0)
        for character in reversed(body):
            quarter, ninth = divmod(_ALPHABET.index(character), 9)
            two = _times(_plus(two, divmod(quarter, 2)), _MATRIX_MOD_2, 2)
            three = _times(_plus(three, divmod(ninth, 3)), _MATRIX_MOD_3, 3)
        # Solved for place 15: modulo 2 the power 15 is one, and minus is plus.
        high, low = _times(three, _SOLVED_MOD_3, 3)
        return _ALPHABET[18 * two[0] + 9 * two[1] + 3 * high + low]


class DinEmaid(CheckedIdentifier):
    """A contract for charging, in the older DIN form (DIN SPEC 91286): country, provider, six characters, check digit.

    The check digit may be missing in what is read; the canonical text always has it, and no separators. Letters count
    as two digits, each digit twice as much as the one before it, modulo 11, ten written `X`.
    """

    __slots__ = ()

    kind = "emaid-din"
    form = re.compile(r"([A-Z]{2})[*-]?([0-9A-Z]{3})[*-]?([0-9A-Z]{6})(?:[*-]?([0-9X]))?")
    form_in_words = "2 letters, 3 and 6 letters or digits, and a check digit (11 or 12 characters without '*' or '-')"
    checked = "form; check digit, if there is one"

    @property
    def party(self) -> PartyId:
        return PartyId(self.text[:5])

    def with_separators(self) -> str:
        """For people: `NL-TNM-012204-5`."""
        return f"{self.text[:2]}-{self.text[2:5]}-{self.text[5:11]}-{self.text[11]}"

    def to_emaid(self) -> Emaid:
        """The same contract in ISO form: the instance is `C0`, the six characters and the DIN check digit (eMI3)."""
        return Emaid(f"{self.text[:5]}C0{self.text[5:]}")

    @classmethod
    def check_of(cls, body: str) -> str:
        digits = "".join(str(int(character, 36)) for character in body)
        rest = sum(int(digit) << place for place, digit in enumerate(digits)) % 11
        return "X" if rest == 10 else str(rest)


class Evccid(Identifier):
    """The charge controller of a vehicle: its MAC address, six bytes (ISO 15118-2), printed as 12 hex digits.

    The longer form that ISO 15118-20 allows is not read.
    """

    __slots__ = ()

    kind = "evccid"
    form = re.compile(r"[0-9A-F]{2}([:-]?)(?:[0-9A-F]{2}\1){4}[0-9A-F]{2}")
    form_in_words = "12 hex digits, such as 001A2B3C4D5E or 00:1A:2B:3C:4D:5E"
    checked = "form; there is no check digit"

    def with_separators(self) -> str:
        """For people: `00:1A:2B:3C:4D:5E`."""
        return ":".join(self.text[place : place + 2] for place in range(0, 12, 2))

    @classmethod
    def _canonical(cls, match: re.Match[str]) -> str:
        return match[0].replace(":", "").replace("-", "")


@dataclass(frozen=True, slots=True, order=True)
class CiString:
    """A case-insensitive string of OCPI (types, CiString): printable ASCII of a limited length.

    Equality, order and hash ignore case and limit; `text` is kept as written, to be given back to its owner. The empty
    string passes: OCPI sets no lower limit.

    Raises:
        InvalidInput: a character that is not printable ASCII, or too long.
    """

    text: str = field(compare=False)
    length_max: int = field(compare=False)
    folded: str = field(init=False, repr=False)
    """In lower case: what is compared, and the key to store."""

    def __post_init__(self) -> None:
        if len(self.text) > self.length_max:
            raise InvalidInput(f"longer than {self.length_max} characters: has {len(self.text)}")
        for place, character in enumerate(self.text):
            if not " " <= character <= "~":
                raise InvalidInput(f"only printable ASCII is allowed: character {place + 1} is {character!a}")
        object.__setattr__(self, "folded", self.text.lower())

    def __str__(self) -> str:
        return self.text


KINDS: Mapping[str, type[Identifier]] = {
    each.kind: each for each in (Malo, MarketPartnerId, Eic, Melo, PartyId, Evseid, Emaid, DinEmaid, Evccid)
}
"""By precedence. Only the last four can fit one text at once. The `E` after the operator marks a charge point, so an
EVSEID goes before a contract; a contract whose check digit fits goes before 12 hex digits, which prove nothing."""

# An invalid text resembles the first kind whose pattern it has; asked only when it has the form of none.
_RESEMBLANCE: tuple[tuple[re.Pattern[str], type[Identifier]], ...] = (
    (re.compile(r"[0-9]{6,12}"), Malo),
    (re.compile(r"[0-9]{13,}"), MarketPartnerId),
    (re.compile(r"\+?[0-9]{1,3}\*.*"), Evseid),
    (re.compile(r"[0-9A-F]{2}[:-][0-9A-F]{2}[:-].*|[0-9A-F]{10,14}"), Evccid),
    (re.compile(r"[0-9]{2}[A-Z].{5,}"), Eic),
    (re.compile(r"DE[0-9]{8}.{13,}"), Melo),
    (re.compile(r"[A-Z]{2}[*-]?[0-9A-Z]{3}[*-]?E.*"), Evseid),
    (re.compile(r"[A-Z]{2}[*-]?[0-9A-Z]{2,4}"), PartyId),
    (re.compile(r"[A-Z]{2}[*-]?[0-9A-Z]{3}[*-]?[0-9A-Z]{5,6}[*-]?[0-9A-Z]?"), DinEmaid),
    (re.compile(r"[A-Z]{2}[*-]?[0-9A-Z]{3}[*-]?[0-9A-Z]{7,}.*"), Emaid),
)


@dataclass(frozen=True, slots=True)
class Check:
    """What can be said of a text.

    Attributes:
        kind: a key of `KINDS`: what it is, or for an invalid one what it resembles most; `None` if it resembles none.
        canonical: `None` if it is not valid.
        reason: what was checked, or what is wrong and what would be right.
    """

    kind: str | None
    valid: bool
    canonical: str | None
    reason: str


def detect(text: str) -> list[Identifier]:
    """Every valid reading of the text, by precedence (see `KINDS`)."""
    readings = []
    for each in KINDS.values():
        try:
            readings.append(each(text))
        except InvalidInput:
            continue
    return readings


def check(text: str, kind: str | None = None) -> Check:
    """Read the text as this kind, or as the kind it is or resembles most. An invalid text is an answer, no error.

    Raises:
        InvalidInput: there is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise InvalidInput(f"unknown kind {kind!r}: one of {', '.join(KINDS)}")
    readings = detect(text) if kind is None else []
    try:
        reading = readings[0] if readings else (KINDS[kind] if kind else _resembled(text))(text)
    except InvalidInput as wrong:
        return Check(wrong.details.get("kind", kind), False, None, wrong.message)
    return Check(reading.kind, True, reading.text, f"checked: {reading.checked}")


def _resembled(text: str) -> type[Identifier]:
    plain = _plain(text)
    for each in KINDS.values():
        if each.form.fullmatch(plain):
            return each
    for pattern, each in _RESEMBLANCE:
        if pattern.fullmatch(plain):
            return each
    raise InvalidInput(f"resembles no known identifier: {', '.join(KINDS)}", kind=None)


def _plain(text: str) -> str:
    """Upper case. Other than ASCII is refused before: `ſ` would become the letter S, and `ß` two of them."""
    stripped = text.strip()
    if len(stripped) > LENGTH_MAX:
        raise InvalidInput(f"longer than any identifier: has {len(stripped)} characters")
    if not stripped.isascii():
        raise InvalidInput("only ASCII letters and digits are allowed")
    return stripped.upper()


def _issuer(market_partner: str) -> str:
    return {"99": "BDEW", "98": "DVGW"}.get(market_partner[:2], "GS1")


_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_EIC_ALPHABET = _ALPHABET + "-"

_Pair = tuple[int, int]
_Matrix = tuple[_Pair, _Pair]
_MATRIX_MOD_2: _Matrix = ((0, 1), (1, 1))
_MATRIX_MOD_3: _Matrix = ((0, 1), (1, 2))
_SOLVED_MOD_3: _Matrix = ((0, 2), (2, 1))
"""Minus the inverse of the fifteenth power of `_MATRIX_MOD_3`."""


def _plus(left: _Pair, right: _Pair) -> _Pair:
    return left[0] + right[0], left[1] + right[1]


def _times(row: _Pair, matrix: _Matrix, modulus: int) -> _Pair:
    (a, b), (c, d) = matrix
    return (row[0] * a + row[1] * c) % modulus, (row[0] * b + row[1] * d) % modulus
