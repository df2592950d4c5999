"""Station tariffs as OCPI 2.2.1 and 2.3.0 objects: parse what partners send, print what they understand.

Parsing is permissive: a field that pricing does not read is kept and printed again, at every level; a step size that is
missing is 1 (the value OCPI recommends); a number may come as a number or as text; price limits may have the names of
either version. It is explicit all the same: what is there and wrong is refused with its place. Printed numbers are
`Decimal`; an encoder has to write them as JSON numbers (msgspec: `decimal_format="number"`), so that no float comes
between, and `decode` reads them so.

Feed-in is ours: `wattbook_feed_in` is a list of elements with components of type ENERGY_EXPORT, beside `elements`,
which stay as the specification has them. A partner that does not know the field passes over it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from wattbook.kernel.errors import InvalidInput
from wattbook.tariffs.restrictions import number, read_restrictions
from wattbook.tariffs.station import (
    COMPONENT_TYPES,
    Dimension,
    PriceComponent,
    PriceLimit,
    StationTariff,
    TariffElement,
    TaxIncluded,
)

FEED_IN_FIELD: Final = "wattbook_feed_in"
ELEMENTS_MAX: Final = 1_000
STEP_SIZE_MAX: Final = 10**9
_READ_FIELDS: Final = {
    "country_code", "party_id", "id", "currency", "elements", "min_price", "max_price", "tax_included", FEED_IN_FIELD,
}  # fmt: skip
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def decode(text: str | bytes) -> Any:
    """JSON with every number exact: one with a point is a Decimal, never a float.

    Raises:
        InvalidInput: no JSON.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}") from None


def parse_tariff(content: Mapping[str, Any]) -> StationTariff:
    """A tariff from a decoded JSON object of OCPI 2.2.1 or 2.3.0.

    Raises:
        InvalidInput: a required field is missing or a field cannot be read; the message names its place.
    """
    if not isinstance(content, Mapping):
        raise InvalidInput("tariff: must be an object")
    return StationTariff(
        country_code=_known_text(content, "country_code"),
        party_id=_known_text(content, "party_id"),
        id=_known_text(content, "id"),
        currency=_text(content, "currency", "tariff"),
        elements=_elements(content, "elements"),
        feed_in=_elements(content, FEED_IN_FIELD) if content.get(FEED_IN_FIELD) else (),
        min_price=_limit(content, "min_price"),
        max_price=_limit(content, "max_price"),
        tax_included=_tax_included(content.get("tax_included")),
        extra={name: value for name, value in content.items() if name not in _READ_FIELDS},
    )


def print_tariff(tariff: StationTariff) -> dict[str, Any]:
    """The OCPI object of a tariff: of 2.3.0 if it says whether prices hold taxes, else of 2.2.1.

    Optional fields that are not set are left out.
    """
    limits = {"min_price": tariff.min_price, "max_price": tariff.max_price}
    names = ("excl_vat", "incl_vat") if tariff.tax_included is None else ("before_taxes", "after_taxes")
    return {
        "country_code": tariff.country_code,
        "party_id": tariff.party_id,
        "id": tariff.id,
        "currency": tariff.currency,
        **({} if tariff.tax_included is None else {"tax_included": str(tariff.tax_included)}),
        **{name: _print_limit(limit, names) for name, limit in limits.items() if limit},
        "elements": [_print_element(element) for element in tariff.elements],
        **({FEED_IN_FIELD: [_print_element(element) for element in tariff.feed_in]} if tariff.feed_in else {}),
        **tariff.extra,
    }


def _elements(content: Mapping[str, Any], name: str) -> tuple[TariffElement, ...]:
    elements = content.get(name)
    if not isinstance(elements, list) or not elements:
        raise InvalidInput(f"tariff: {name} must be a list with at least one element")
    if len(elements) > ELEMENTS_MAX:
        raise InvalidInput(f"tariff: {name} has more than {ELEMENTS_MAX} elements")
    return tuple(_element(element, f"{name}[{place}]") for place, element in enumerate(elements))


def _element(content: object, place: str) -> TariffElement:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{place}: must be an object")
    components = content.get("price_components")
    if not isinstance(components, list) or not components:
        raise InvalidInput(f"{place}: price_components must be a list with at least one component")
    restrictions = content.get("restrictions") or {}
    if not isinstance(restrictions, Mapping):
        raise InvalidInput(f"{place}: restrictions must be an object")
    read_restrictions(restrictions, f"{place}.restrictions")
    return TariffElement(
        tuple(_component(part, f"{place}.price_components[{nth}]") for nth, part in enumerate(components)),
        {name: value for name, value in restrictions.items() if value is not None},
        {name: value for name, value in content.items() if name not in ("price_components", "restrictions")},
    )


def _component(content: object, place: str) -> PriceComponent:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{place}: must be an object")
    kind = _text(content, "type", place)
    if kind not in COMPONENT_TYPES:
        raise InvalidInput(f"{place}: unknown type {kind!r}; known: {', '.join(COMPONENT_TYPES)}")
    price = number(content.get("price"), f"{place}.price")
    vat = None if content.get("vat") is None else number(content["vat"], f"{place}.vat")
    extra = {name: value for name, value in content.items() if name not in ("type", "price", "vat", "step_size")}
    try:
        return PriceComponent(Dimension(kind), price, vat, _step_size(content, place), extra)
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error.message}") from None


def _step_size(content: Mapping[str, Any], place: str) -> int:
    """Whole, however it is written: 60, 60.0 or "60"."""
    value = content.get("step_size")
    exact = number(1 if value is None else value, f"{place}.step_size")
    if exact != exact.to_integral_value() or abs(exact) > STEP_SIZE_MAX:
        raise InvalidInput(f"{place}: step_size must be a whole number up to {STEP_SIZE_MAX}, not {value!r}")
    return int(exact)


def _tax_included(value: object) -> TaxIncluded | None:
    if value is None:
        return None
    if value not in list(TaxIncluded):
        raise InvalidInput(f"tariff: tax_included must be YES, NO or N/A, not {value!r}")
    return TaxIncluded(str(value))


def _limit(content: Mapping[str, Any], name: str) -> PriceLimit | None:
    limit = content.get(name)
    if limit is None:
        return None
    if not isinstance(limit, Mapping):
        raise InvalidInput(f"{name}: must be an object with excl_vat (2.2.1) or before_taxes (2.3.0)")
    sides = [_side(limit, names, name) for names in (("excl_vat", "before_taxes"), ("incl_vat", "after_taxes"))]
    if sides[0] is None:
        raise InvalidInput(f"{name}.excl_vat (2.2.1) or {name}.before_taxes (2.3.0) is missing")
    return PriceLimit(sides[0], sides[1])


def _side(limit: Mapping[str, Any], names: tuple[str, str], place: str) -> Decimal | None:
    found = [(name, limit[name]) for name in names if limit.get(name) is not None]
    return number(found[0][1], f"{place}.{found[0][0]}") if found else None


def _known_text(content: Mapping[str, Any], name: str) -> str:
    """Empty when it is missing: no price depends on it."""
    return _text(content, name, "tariff") if content.get(name) is not None else ""


def _text(content: Mapping[str, Any], name: str, place: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{place}: {name} is missing or not a text")
    return value


def _print_element(element: TariffElement) -> dict[str, Any]:
    restrictions = {"restrictions": dict(element.restrictions)} if element.restrictions else {}
    components = [_print_component(part) for part in element.components]
    return {"price_components": components, **restrictions, **element.extra}


def _print_component(component: PriceComponent) -> dict[str, Any]:
    vat = {} if component.vat is None else {"vat": component.vat}
    known = {"type": str(component.dimension), "price": component.price, **vat, "step_size": component.step_size}
    return {**known, **component.extra}


def _print_limit(limit: PriceLimit, names: tuple[str, str]) -> dict[str, Decimal]:
    return {names[0]: limit.before_tax} | ({} if limit.after_tax is None else {names[1]: limit.after_tax})
