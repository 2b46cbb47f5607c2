"""Where a request comes from."""

from __future__ import annotations

import pytest

from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.transports.http import HttpRequest
from zephyrus_exec.transports.proxies import Source, TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8::1", "unix"])


def source(address: str | None, *, tls: bool = False, **headers: str) -> Source:
    named = {"host": "localhost"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return PROXIES.source(HttpRequest("GET", "/", headers=named), address, 7, tls=tls)


@pytest.mark.parametrize(
    ("address", "forwarded_for", "name"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9 by 10.0.0.1:7"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9 by 10.0.0.1:7"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9 by 10.0.0.1:7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3 by 10.0.0.1:7"),
        ("10.0.0.1", "::ffff:10.0.0.3,2001:db8::2", "2001:db8::2 by 10.0.0.1:7"),
        ("10.0.0.1", "203.0.113.9, junk", "10.0.0.1:7"),
        ("10.0.0.1", "", "10.0.0.1:7"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9 by [::ffff:10.0.0.1]:7"),
        ("2001:db8::1", "203.0.113.9", "203.0.113.9 by [2001:db8::1]:7"),
        (None, "203.0.113.9", "203.0.113.9 by unix"),
        ("127.0.0.1", "203.0.113.9", "127.0.0.1:7"),
        ("fe80::1%eth0", "203.0.113.9", "[fe80::1%eth0]:7"),
        ("odd", "203.0.113.9", "odd:7"),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy_of_ours(
    address: str | None, forwarded_for: str, name: str
) -> None:
    found = source(address, x_forwarded_for=forwarded_for)
    assert (found.name, found.local) == (name, False)


@pytest.mark.parametrize(
    ("address", "proto", "tls", "expected"),
    [
        ("10.0.0.1", "https", False, True),
        ("10.0.0.1", "https, http", True, False),
        ("127.0.0.1", "https", False, False),
        ("127.0.0.1", "http", True, True),
    ],
)
def test_only_proxies_of_ours_are_believed_about_tls(
    address: str, proto: str, tls: bool, expected: bool
) -> None:
    assert source(address, tls=tls, x_forwarded_proto=proto).tls is expected
    assert source(address, tls=tls, via="1.1 x").tls is tls


@pytest.mark.parametrize(
    ("address", "host", "local"),
    [
        ("127.0.0.1", "localhost:1", True),
        ("::1", "[::1]", True),
        (None, "localhost", True),
        ("127.0.0.1", "example.org", False),
        (None, "example.org", False),
        ("192.0.2.1", "localhost", False),
        ("10.0.0.1", "localhost", False),
    ],
)
def test_local_is_who_is_here_and_calls_us_so(address: str | None, host: str, local: bool) -> None:
    assert source(address, host=host).local is local


@pytest.mark.parametrize("text", ["", "example.org", "10.0.0.1/8", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no network"):
        TrustedProxies([text])
