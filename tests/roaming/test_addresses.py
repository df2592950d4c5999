"""Where a partner may make us call."""

import socket

import pytest

from wattbook.kernel.addresses import PublicResolver, check_url
from wattbook.kernel.errors import InvalidInput
from wattbook.roaming.ocpi.client import Client, NoAnswer
from wattbook.roaming.ocpi.routing import Routing


@pytest.mark.parametrize(
    "url", ["https://hub.example/versions", "http://93.184.215.14:8080/ocpi", "https://[2606:4700::1]/"]
)
def test_public_addresses_and_names_may_be_called(url: str) -> None:
    assert check_url(url, allow_private=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/versions",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[::ffff:10.0.0.1]/",
    ],
)
def test_inner_addresses_may_not_unless_the_operator_says_so(url: str) -> None:
    with pytest.raises(InvalidInput, match="no public address"):
        check_url(url, allow_private=False)
    assert check_url(url, allow_private=True) == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hub.example/",
        "file:///etc/passwd",
        "hub.example/versions",
        "http:///versions",
        "http://user@hub.example/",
        "http://user:secret@hub.example/",
        "http://hub.example/#part",
        "http://hub.example:99999/",
        "http://hub.example/\n",
        "http://" + "h" * 300 + ".example/",
    ],
)
def test_what_is_no_url_of_a_partner_is_refused_everywhere(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url, allow_private=True)


async def test_a_name_is_judged_by_what_it_resolves_to() -> None:
    resolver = PublicResolver()
    with pytest.raises(OSError, match="no public address"):
        await resolver.resolve("localhost", 80, socket.AF_INET)
    await resolver.close()
    client = Client(allow_private=False)
    try:
        with pytest.raises(NoAnswer, match="no public address"):
            await client.call("GET", "http://localhost/versions", "token", Routing("r", "c"))
    finally:
        await client.close()
