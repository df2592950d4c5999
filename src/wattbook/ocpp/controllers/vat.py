"""VAT numbers as drivers type them: is it one, by the form and the check digits of its country?

Whether the number is in force only its tax office can say; what is checked here keeps typing errors off invoices.
"""

from typing import Final

from stdnum import get_cc_module
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.util import clean

BESIDE_THE_EU: Final = {"CH": "vat", "GB": "vat", "IS": "vsk", "KR": "brn", "NO": "mva", "RS": "pib", "TR": "vkn"}
"""Country → its number for value added tax, beside the member states of the European Union."""

PREFIXED: Final = frozenset({"CH"})
"""Countries whose number has the prefix in it."""

LENGTH_MAX: Final = 20  # OCPP 2.1 Part 2, VatNumberValidation


def checked_vat_number(text: str) -> str | None:
    """In its canonical spelling, with the country first; None when it cannot be one."""
    number = compact(text)
    country = number[:2]
    try:
        if country in BESIDE_THE_EU:
            module = get_cc_module(country.lower(), BESIDE_THE_EU[country])
            assert module is not None, "each of them has one"
            own: str = module.validate(number if country in PREFIXED else number[2:])
            return own if country in PREFIXED else country + own
        found: str = eu_vat.validate(number)
    except ValidationError:
        return None
    return found


def compact(text: str) -> str:
    """Without what people put between the digits."""
    return str(clean(text, " -./ \t")).upper()[:LENGTH_MAX]
