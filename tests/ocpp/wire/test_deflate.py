"""Compressed messages: agreed on by the rules of RFC 7692, the same after as before, and never larger than a frame."""

import zlib
from contextlib import suppress

import msgspec
import picows
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Subprotocol

from tests.ocpp.loopback import Central, running
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.wire.deflate import BadDeflate, Deflate, Direction, Inflated, Terms, accepted, answer, offer
from wattbook.ocpp.wire.transport import SocketLimits

FULL = Direction()


@pytest.mark.parametrize(
    ("offers", "header"),
    [
        (["permessage-deflate"], "permessage-deflate"),
        (["permessage-deflate; client_max_window_bits"], "permessage-deflate; client_max_window_bits=12"),
        (["permessage-deflate; client_max_window_bits=10"], "permessage-deflate; client_max_window_bits=10"),
        (["permessage-deflate; server_max_window_bits=10"], "permessage-deflate; server_max_window_bits=10"),
        (["permessage-deflate; server_max_window_bits=15"], "permessage-deflate; server_max_window_bits=12"),
        (
            ["permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (["x-other, permessage-deflate"], "permessage-deflate"),
        (["permessage-deflate; mystery=1, permessage-deflate"], "permessage-deflate"),
        (["permessage-deflate; server_max_window_bits=8", "permessage-deflate"], "permessage-deflate"),
        (['permessage-deflate; server_max_window_bits="11"'], "permessage-deflate; server_max_window_bits=11"),
    ],
)
def test_the_first_offer_that_can_be_kept_is_accepted_on_its_terms(offers: list[str], header: str) -> None:
    agreed = answer(offers)
    assert agreed is not None
    assert agreed[0] == header


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "permessage-bzip2",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
    ],
)
def test_an_offer_that_is_none_leaves_the_socket_plain(offer: str) -> None:
    assert answer([offer]) is None


def test_our_own_offer_and_answer_agree_at_both_ends() -> None:
    agreed = answer([offer()])
    assert agreed is not None
    assert accepted([agreed[0]]) == agreed[1] == Terms(Direction(12), Direction(12))
    assert accepted([]) is None


@pytest.mark.parametrize(
    "answered", ["x-other", "permessage-deflate; mystery", "permessage-deflate; client_max_window_bits=8"]
)
def test_an_answer_to_something_else_is_refused(answered: str) -> None:
    with pytest.raises(BadDeflate):
        accepted([answered])


@given(
    st.lists(st.binary(max_size=3000), min_size=1, max_size=5),
    st.integers(9, 15),
    st.booleans(),
)
def test_what_goes_in_comes_out(messages: list[bytes], window_bits: int, takeover: bool) -> None:
    direction = Direction(window_bits, takeover)
    one, other = Deflate(direction, FULL), Deflate(FULL, direction)
    for message in messages:
        assert other.inflate(one.compress(message), 3000) == message


@given(st.binary(max_size=200))
def test_any_bytes_inflate_to_a_message_or_are_refused(data: bytes) -> None:
    with suppress(BadDeflate, Inflated):
        assert len(Deflate(FULL, FULL).inflate(data, 1000)) <= 1000


def test_a_message_with_a_final_block_is_read_and_the_next_one_too() -> None:
    """RFC 7692, 7.2.3.4"""
    stream = Deflate(FULL, FULL)
    final = bytes([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00])
    assert [stream.inflate(final, 10), stream.inflate(final, 10)] == [b"Hello", b"Hello"]


def test_a_bomb_is_stopped_at_the_limit() -> None:
    with pytest.raises(Inflated):
        Deflate(FULL, FULL).inflate(Deflate(FULL, FULL).compress(bytes(50_000_000)), 1 << 20)


# Over sockets

BIG = '[2,"1","DataTransfer",{"vendorId":"v","data":"' + "meter " * 1000 + '"}]'


def compressing(central: Central, **parameters: bool | int) -> connect:
    return connect(
        central.url + "/CP1",
        subprotocols=[Subprotocol("ocpp1.6")],
        compression=None,
        extensions=[ClientPerMessageDeflateFactory(**parameters)],  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"client_max_window_bits": True},
        {"server_max_window_bits": 9, "client_max_window_bits": 9},
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
    ],
    ids=str,
)
async def test_an_independent_client_is_understood_compressed(parameters: dict[str, bool | int]) -> None:
    async def echo(inbound: object) -> m.Answer:
        return m.DataTransferAnswer(m.DataTransferStatus.ACCEPTED, "meter " * 1000)

    async with running(echo) as central, compressing(central, **parameters) as socket:
        assert [extension.name for extension in socket.protocol.extensions] == ["permessage-deflate"]
        for _ in range(3):
            await socket.send(BIG)
            answer = msgspec.json.decode(await socket.recv())
            assert (answer[0], answer[2]["data"]) == (3, "meter " * 1000)
        await socket.send([BIG[:100], BIG[100:]])
        assert msgspec.json.decode(await socket.recv())[0] == 3
        assert {inbound.message for inbound in central.heard} == {m.DataTransfer("v", None, "meter " * 1000)}


async def test_both_ends_of_ours_compress_when_the_station_offers() -> None:
    async with running() as central:
        station = await Station.connect(central.url, "CP1", compress=True)
        for _ in range(3):
            answer = await station.call(m.DataTransfer("v", None, "x" * 5000))
            assert answer.status is m.DataTransferStatus.UNKNOWN_VENDOR
        await station.close()


async def test_a_server_that_does_not_compress_says_nothing() -> None:
    async with running(limits=SocketLimits(compress=False)) as central:
        async with compressing(central) as socket:
            assert socket.protocol.extensions == []
        station = await Station.connect(central.url, "CP1", compress=True)
        await station.heartbeat()
        await station.close()


async def test_a_bomb_closes_its_socket_and_nothing_is_heard() -> None:
    async with running() as central, compressing(central) as socket:
        await socket.send('[2,"1","DataTransfer",{"vendorId":"' + " " * 30_000_000 + '"}]')
        await socket.wait_closed()
        assert socket.close_code == 1009
        assert central.heard == []


@pytest.mark.parametrize(
    ("payload", "offered", "code"),
    [(b"\xff\xff\xff", True, 1007), (zlib.compress(b"[]"), False, 1002)],
    ids=["no deflate stream", "compressed without asking"],
)
async def test_compressed_garbage_closes_its_socket(payload: bytes, offered: bool, code: int) -> None:
    async with running() as central:
        headers = {"Sec-WebSocket-Protocol": "ocpp1.6"}
        if offered:
            headers["Sec-WebSocket-Extensions"] = "permessage-deflate"
        transport, _ = await picows.ws_connect(
            picows.WSListener, central.url + "/CP1", extra_headers=headers, enable_auto_pong=False
        )
        transport.send(picows.WSMsgType.TEXT, payload, rsv1=True)
        connection = await central.closed.get()
        assert connection.rpc.closed_because
        assert central.heard == []
        transport.disconnect(graceful=False)
