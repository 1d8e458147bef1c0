"""Whose address counts as the client's."""

from ipaddress import ip_network

import pytest

from coai_admin.console.addresses import client_address, from_trusted_proxy, neighbourhood

PROXIES = (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"), ip_network("fd00::/8"))


def meta(peer, forwarded=None):
    found = {"REMOTE_ADDR": peer}
    return found if forwarded is None else {**found, "HTTP_X_FORWARDED_FOR": forwarded}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # a stranger's header is not believed
        ("10.0.0.2", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.2", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # the client wrote the first
        ("10.0.0.2", "198.51.100.1, 10.0.0.9, 192.0.2.1", "198.51.100.1"),
        ("10.0.0.2", "10.0.0.9, 10.0.0.8", "10.0.0.9"),
        ("10.0.0.2", "198.51.100.1, nonsense", "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", "198.51.100.1:4711", "198.51.100.1"),
        ("fd00::1", "[2001:db8::5]:4711", "2001:db8::5"),
        ("fd00::1", "2001:DB8:0:0::5", "2001:db8::5"),
        ("::ffff:10.0.0.2", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.2", "fe80::1%eth0", "10.0.0.2"),
        ("", "198.51.100.1", None),
        ("nonsense", None, None),
    ],
)
def test_client_address(peer, forwarded, client):
    assert client_address(meta(peer, forwarded), PROXIES) == client


def test_client_address_without_proxies_is_the_peers():
    assert client_address(meta("10.0.0.2", "198.51.100.1"), ()) == "10.0.0.2"


def test_trusted_proxy_is_told_from_strangers():
    assert from_trusted_proxy(meta("10.9.9.9"), PROXIES)
    assert not from_trusted_proxy(meta("203.0.113.7"), PROXIES)
    assert not from_trusted_proxy(meta(""), PROXIES)


@pytest.mark.parametrize(
    ("address", "one"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        (None, ""),
    ],
)
def test_neighbourhood_is_an_ipv4_address_or_a_64(address, one):
    assert neighbourhood(address) == one
