"""Identifiers: what is read, what is printed, which errors are seen."""

import dataclasses
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import (
    KINDS,
    Check,
    CiString,
    DinEmaid,
    Eic,
    Emaid,
    Evccid,
    Evseid,
    Identifier,
    Malo,
    MarketPartnerId,
    Melo,
    PartyId,
    check,
    detect,
)

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALPHANUMERIC = DIGITS + LETTERS

EMAIDS = [
    "NN123ABCDEFGHIT",
    "FRXYZ1234567892",
    "ITA1B2C3E4F5G64",
    "ESZU8WOX834H1DR",
    "PT73902837ABCZZ",
    "DE83DUIEN83QGZD",
    "DE83DUIEN83ZGQM",
    "DE8AA0012345670",
    "NLTNM000122045U",
    "NLTNMC00122045K",
]
DIN_EMAIDS = [
    "INTNM0000719",
    "INTNM000110X",
    "INTNM0001240",
    "INTNM0001146",
    "INTNM0001915",
    "NLTNM0122045",
    "NLTNM1220450",
]
MALOS = ["41373559241", "51238696781", "51238696012"]
EICS = [
    "12X-SAK-N------6",
    "10YDE-VE-------2",
    "10YDE-RWENET---I",
    "10YDE-EON------1",
    "10YDE-ENBW-----N",
    "10YCH-SWISSGRIDZ",
    "10Y1001A1001A83F",
]
MELO = "DE" + "00012345678" + "0000000000000000ABCD"

emaid_bodies = st.builds(
    str.__add__, st.text(LETTERS, min_size=2, max_size=2), st.text(ALPHANUMERIC, min_size=12, max_size=12)
)
emaids = emaid_bodies.map(Emaid)
malos = st.from_regex(r"[1-9][0-9]{9}", fullmatch=True).map(lambda body: Malo(body + Malo.check_of(body)))


@st.composite
def eics(draw: st.DrawFn) -> Eic:
    body = draw(st.from_regex(r"[0-9]{2}[A-Z][0-9A-Z-]{12}", fullmatch=True))
    try:
        return Eic(body + Eic.check_of(body))
    except InvalidInput:
        assume(False)
        raise


def replaced(text: str, place: int, character: str) -> str:
    return text[:place] + character + text[place + 1 :]


def swapped(text: str, place: int) -> str:
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


# --- published vectors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", EMAIDS)
def test_a_published_contract_id_is_valid_with_and_without_its_check_character(text: str) -> None:
    assert str(Emaid(text)) == text
    assert Emaid(text[:14]) == Emaid(text)
    assert Emaid(text).without_check() == text[:14]


@pytest.mark.parametrize("text", DIN_EMAIDS)
def test_a_published_din_contract_id_is_valid_with_and_without_its_check_digit(text: str) -> None:
    assert str(DinEmaid(text)) == text
    assert DinEmaid(text[:11]) == DinEmaid(text)


@pytest.mark.parametrize("text", MALOS)
def test_a_published_market_location_is_valid(text: str) -> None:
    assert str(Malo(text)) == text


@pytest.mark.parametrize("text", EICS)
def test_a_published_eic_is_valid(text: str) -> None:
    assert str(Eic(text)) == text


@pytest.mark.parametrize(
    ("kind", "texts"), [(Emaid, EMAIDS), (DinEmaid, DIN_EMAIDS), (Malo, MALOS), (Eic, EICS)], ids=lambda each: str(each)
)
def test_of_all_check_characters_only_the_published_one_is_accepted(kind: type[Identifier], texts: list[str]) -> None:
    for text in texts:
        accepted = [c for c in ALPHANUMERIC if check(text[:-1] + c, kind.kind).valid]
        assert accepted == [text[-1]]


# --- what the check characters see -----------------------------------------------------------------------------------


@given(emaids, st.integers(0, 14), st.sampled_from(ALPHANUMERIC))
def test_every_single_wrong_character_of_a_contract_id_is_seen(emaid: Emaid, place: int, character: str) -> None:
    assume(emaid.text[place] != character)
    with pytest.raises(InvalidInput):
        Emaid(replaced(emaid.text, place, character))


@given(emaids, st.integers(0, 13))
def test_every_swap_of_neighbours_in_a_contract_id_is_seen(emaid: Emaid, place: int) -> None:
    wrong = swapped(emaid.text, place)
    assume(wrong != emaid.text)
    with pytest.raises(InvalidInput):
        Emaid(wrong)


@given(eics(), st.integers(0, 15), st.sampled_from(ALPHANUMERIC + "-"))
def test_every_single_wrong_character_of_an_eic_is_seen(eic: Eic, place: int, character: str) -> None:
    assume(eic.text[place] != character)
    with pytest.raises(InvalidInput):
        Eic(replaced(eic.text, place, character))


@given(eics(), st.integers(0, 14))
def test_every_swap_of_neighbours_in_an_eic_is_seen(eic: Eic, place: int) -> None:
    wrong = swapped(eic.text, place)
    assume(wrong != eic.text)
    with pytest.raises(InvalidInput):
        Eic(wrong)


@given(malos, st.sampled_from([0, 2, 4, 6, 8, 10]), st.sampled_from(DIGITS))
def test_a_wrong_digit_at_an_odd_place_of_a_market_location_is_seen(malo: Malo, index: int, digit: str) -> None:
    assume(malo.text[index] != digit)
    with pytest.raises(InvalidInput):
        Malo(replaced(malo.text, index, digit))


@given(st.sampled_from(DIN_EMAIDS), st.integers(5, 10), st.sampled_from(DIGITS))
def test_a_wrong_digit_in_the_instance_of_a_din_contract_id_is_seen(text: str, place: int, digit: str) -> None:
    assume(text[place] != digit)
    with pytest.raises(InvalidInput):
        DinEmaid(replaced(text, place, digit))


# --- spellings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "spelling", "canonical"),
    [
        (Emaid, " nl-tnm-c00122045-k\n", "NLTNMC00122045K"),
        (Emaid, "NLTNM-C00122045", "NLTNMC00122045K"),
        (DinEmaid, "nl*tnm*012204*5", "NLTNM0122045"),
        (DinEmaid, "IN-TNM-000110-x", "INTNM000110X"),
        (Evseid, "krwtbe12*1", "KR*WTB*E12*1"),
        (Evseid, "KR*WTB*E12*1", "KR*WTB*E12*1"),
        (Evseid, "49*822*083431571*1", "+49*822*083431571*1"),
        (PartyId, "krwtb", "KR*WTB"),
        (PartyId, "KR-WTB", "KR*WTB"),
        (Evccid, "00:1a:2b:3c:4d:5e", "001A2B3C4D5E"),
        (Evccid, "00-1A-2B-3C-4D-5E", "001A2B3C4D5E"),
        (Eic, "12x-sak-n------6", "12X-SAK-N------6"),
        (Melo, MELO.lower(), MELO),
    ],
)
def test_any_accepted_spelling_is_held_in_one_canonical_form(
    kind: type[Identifier], spelling: str, canonical: str
) -> None:
    assert str(kind(spelling)) == canonical
    assert kind(spelling) == kind(canonical)
    assert len({kind(spelling), kind(canonical)}) == 1


@given(emaids)
def test_a_contract_id_printed_for_people_reads_back_as_the_same_contract(emaid: Emaid) -> None:
    assert Emaid(emaid.with_separators().lower()) == emaid


@given(st.from_regex(r"[A-Z]{2}[0-9A-Z]{9}", fullmatch=True).map(DinEmaid))
def test_a_din_contract_id_has_a_valid_iso_form_that_carries_its_check_digit(din: DinEmaid) -> None:
    emaid = din.to_emaid()
    assert emaid.instance == "C0" + din.text[5:]
    assert emaid.party == din.party
    assert DinEmaid(din.with_separators()) == din


def test_a_din_contract_id_becomes_the_iso_form_that_emi3_publishes() -> None:
    assert DinEmaid("NL-TNM-012204-5").to_emaid().with_separators() == "NL-TNM-C00122045-K"


def test_a_charge_point_names_its_operator() -> None:
    iso, din = Evseid("KRWTBE12*1"), Evseid("+49*822*083431571*1")
    assert (iso.country, iso.operator, iso.outlet, iso.party) == ("KR", "WTB", "12*1", PartyId("KR*WTB"))
    assert (din.country, din.operator, din.outlet, din.party) == ("+49", "822", "083431571*1", None)


def test_charge_points_that_differ_only_in_the_place_of_an_inner_separator_stay_two() -> None:
    assert Evseid("DE*AB7*E1*12") != Evseid("DE*AB7*E11*2")


def test_the_parts_of_identifiers_can_be_asked_for() -> None:
    emaid, party, eic = Emaid("NLTNMC00122045K"), PartyId("KR*WTB"), Eic("12X-SAK-N------6")
    assert (emaid.country, emaid.provider, emaid.instance, str(emaid.party)) == ("NL", "TNM", "C00122045", "NL*TNM")
    assert (party.country, party.party) == ("KR", "WTB")
    assert (eic.issuing_office, eic.object_type) == ("12", "X")
    assert Evccid("001a2b3c4d5e").with_separators() == "00:1A:2B:3C:4D:5E"


def test_an_identifier_cannot_be_changed_and_differs_from_the_same_text_of_another_kind() -> None:
    text = "DEABC000000" + DinEmaid.check_of("DEABC000000")
    contract, vehicle = detect(text)
    assert contract.text == vehicle.text
    assert len({contract, vehicle}) == 2
    with pytest.raises(FrozenInstanceError):
        vehicle.text = "000000000000"  # type: ignore[misc]


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Malo, "01373559243"),  # would be right but for the leading zero
        (Malo, "4137355924"),
        (Malo, "4137355924१"),  # a digit to Unicode, none to the market
        (MarketPartnerId, "990000000000"),
        (MarketPartnerId, "99000000000033"),
        (Eic, "10YDE-VE------2"),
        (Eic, "1XYDE-VE-------2"),
        (Melo, MELO[:-1]),
        (Melo, "AT" + MELO[2:]),
        (PartyId, "KR*WT"),
        (PartyId, "K1*WTB"),
        (PartyId, "KR**WTB"),
        (Evseid, "KR*WTB*12"),
        (Evseid, "KR*WTB*E"),
        (Evseid, "KR*WTB*E**"),
        (Evseid, "KR*WTB*E" + "1" * 31),
        (Evseid, "49822083431571"),
        (Emaid, "NL*TNM*C00122045*K"),
        (Emaid, "NLTNMC0012204"),
        (Emaid, "NLTNMC00122045|"),
        (Emaid, "NLTNMC0012204\u017f"),  # a long s, whose upper case is S
        (Emaid, "NLTNMC001 22045K"),
        (Evccid, "00:1A-2B:3C-4D:5E"),
        (Evccid, "001A2B3C4D5G"),
    ],
)
def test_what_is_not_of_the_form_is_refused(kind: type[Identifier], text: str) -> None:
    with pytest.raises(InvalidInput):
        kind(text)


def test_the_error_tells_a_person_and_a_program_which_check_digit_would_fit() -> None:
    with pytest.raises(InvalidInput, match="check digit should be 1, not 2") as caught:
        Malo("41373559242")
    assert caught.value.details == {"kind": "malo", "expected": "1"}


def test_only_a_gln_has_its_check_digit_verified() -> None:
    assert [MarketPartnerId(code).issuer for code in ("9900000000001", "9800000000001")] == ["BDEW", "DVGW"]
    assert MarketPartnerId("4012345000009").issuer == "GS1"
    with pytest.raises(InvalidInput, match="check digit should be 9"):
        MarketPartnerId("4012345000008")


def test_a_body_whose_check_character_would_be_a_dash_makes_no_eic() -> None:
    candidates = [f"10X----------{letter}-" for letter in ALPHANUMERIC + "-"]
    unusable = []
    for body in candidates:
        try:
            Eic.check_of(body)
        except InvalidInput:
            unusable.append(body)
    assert len(unusable) == 1  # the weight of that place is prime to 37, so each remainder comes once
    with pytest.raises(InvalidInput, match="would be '-'"):
        Eic(unusable[0] + "-")


# --- detection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((text, "emaid") for text in EMAIDS),
        *((text, "emaid-din") for text in DIN_EMAIDS),
        *((text, "malo") for text in MALOS),
        *((text, "eic") for text in EICS),
        (MELO, "melo"),
        ("9900000000001", "mp-id"),
        ("KR*WTB", "ocpi-party"),
        ("KR*WTB*E12*1", "evseid"),
        ("+49*822*083431571*1", "evseid"),
        ("001A2B3C4D5E", "evccid"),
    ],
)
def test_the_kind_of_a_valid_identifier_is_found(text: str, kind: str) -> None:
    found = check(text)
    assert (found.kind, found.valid, found.canonical) == (kind, True, text)
    assert check(text.lower(), kind).canonical == text


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("DE8AAE01234567", ["evseid", "emaid"]),
        ("DEABC000000" + DinEmaid.check_of("DEABC000000"), ["emaid-din", "evccid"]),
        ("DEAB1E223344", ["evseid", "evccid"]),
    ],
)
def test_a_text_of_several_kinds_is_read_by_precedence_and_can_be_read_as_asked(text: str, kinds: list[str]) -> None:
    assert [reading.kind for reading in detect(text)] == kinds
    assert check(text).kind == kinds[0]
    assert all(check(text, kind).kind == kind and check(text, kind).valid for kind in kinds)


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("41373559242", "malo", "check digit should be 1, not 2"),
        ("4137355924", "malo", "this has 10 characters"),
        ("4012345000008", "mp-id", "check digit should be 9, not 8"),
        ("99000000000012", "mp-id", "this has 14 characters"),
        ("NLTNMC00122045L", "emaid", "check character should be K, not L"),
        ("NL-TNM-C001220451-K", "emaid", "needs 2 letters"),
        ("NL-TNM-012204-6", "emaid-din", "check digit should be 5, not 6"),
        ("10YCH-SWISSGRIDY", "eic", "check character should be Z, not Y"),
        ("10YCH-SWISSGRID", "eic", "this has 15 characters"),
        (MELO[:-1], "melo", "this has 32 characters"),
        ("KR*WTB*E", "evseid", "needs country"),
        ("49*822", "evseid", "needs country"),
        ("KR*WT", "ocpi-party", "needs 2 letters"),
        ("00:1A:2B:3C:4D", "evccid", "needs 12 hex digits"),
        ("?", None, "resembles no known identifier"),
        ("", None, "resembles no known identifier"),
        ("straße", None, "only ASCII"),
        ("9" * 65, None, "longer than any identifier"),
    ],
)
def test_an_invalid_identifier_is_named_after_what_it_resembles_with_the_reason(
    text: str, kind: str | None, reason: str
) -> None:
    found = check(text)
    assert (found.kind, found.valid, found.canonical) == (kind, False, None)
    assert reason in found.reason


@given(st.text(max_size=70) | st.text(ALPHANUMERIC + "*-+:", max_size=45), st.none() | st.sampled_from(list(KINDS)))
@example("", None)
def test_checking_any_text_answers_and_a_canonical_text_stays_itself(text: str, kind: str | None) -> None:
    found = check(text, kind)
    assert found.valid == (found.canonical is not None)
    assert found.reason
    if found.canonical is not None:
        assert check(found.canonical, found.kind) == found


def test_an_unknown_kind_is_an_error_of_the_caller() -> None:
    with pytest.raises(InvalidInput, match="one of malo, "):
        check("41373559241", "iban")


def test_a_check_has_the_four_fields_that_programs_read() -> None:
    assert [each.name for each in dataclasses.fields(Check)] == ["kind", "valid", "canonical", "reason"]


# --- strings of OCPI -------------------------------------------------------------------------------------------------


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=36))
def test_strings_of_ocpi_are_equal_whatever_their_case_and_keep_their_own_spelling(text: str) -> None:
    string = CiString(text, 36)
    assert string == CiString(text.upper(), 255)
    assert hash(string) == hash(CiString(text.lower(), 36))
    assert str(string) == text


@pytest.mark.parametrize("text", ["a" * 37, "tab\there", "line\n", "é", "\u017f", "\x7f", "\x00"])
def test_a_string_of_ocpi_that_is_too_long_or_not_printable_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        CiString(text, 36)
