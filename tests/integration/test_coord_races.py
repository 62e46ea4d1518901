# SPDX-License-Identifier: Apache-2.0
"""Many processes at once on one tarnd, with and without faults on the way. COORD_LONG=1 (make coord) runs the
long forms and prints their figures."""

import os

import pytest
from coord_proxy import Proxy
from test_coord_cases import VIOLATED, place, proves, tarn_coord  # noqa: F401

IS_LONG = os.environ.get("COORD_LONG", "0") not in ("", "0")
HOUR_MS = 3600 * 1000


def rounds(short, long):
    return long if IS_LONG else short


def prove(env, endpoint, *arguments, status=0):
    figures = proves(tarn_coord(env, endpoint, *arguments, timeout=7200 if IS_LONG else 240), status)
    print(arguments, figures)
    return figures


@pytest.mark.timeout(7300)
@pytest.mark.parametrize(
    "name, share, options",
    [
        ("plain", 0, ()),
        ("faults", 0.1, ()),
        ("stopped and killed", 0, ("--hold-us", 10000, "--pauses", 3, "--kills", 3)),
        ("all of it", 0.05, ("--hold-us", 5000, "--pauses", 2, "--kills", 2, "--wall-step-ms", HOUR_MS)),
        ("clocks off by an hour", 0, ("--wall-step-ms", HOUR_MS)),
    ],
)
def test_locks(place, name, share, options):  # noqa: F811
    server, env = place
    count = rounds(64, 10000 if name in ("plain", "faults") else 2000)
    with Proxy(server.port, share=share) as proxy:
        endpoint = proxy.url if share else server.url
        figures = prove(env, endpoint, "--procs", 16, "--rounds", count, "--ttl-ms", 1500, *options, "lock")
        assert share == 0 or sum(n for kind, n in proxy.faults.items() if kind) > 0
    assert figures["overlaps"] == 0 and figures["backward"] == 0


@pytest.mark.parametrize("options", [(), ("--wall-step-ms", HOUR_MS)])
def test_flawed_lock_loses_increments(place, options):  # noqa: F811
    server, env = place
    figures = prove(
        env, server.url, "--procs", 8, "--rounds", 100, "--ttl-ms", 1000, "--hold-us", 5000, *options, "--flawed", "lock",
        status=VIOLATED,
    )
    assert figures["overlaps"] > 0 and figures["counter"] < figures["done"]


@pytest.mark.timeout(7300)
@pytest.mark.parametrize("share", [0, 0.1])
def test_counters(place, share):  # noqa: F811
    server, env = place
    count = rounds(200, 100000 if not share else 10000)
    with Proxy(server.port, share=share) as proxy:
        prove(env, proxy.url if share else server.url, "--procs", 16, "--rounds", count, "cas")


def test_flawed_counter_is_wrong(place):  # noqa: F811
    server, env = place
    with Proxy(server.port, share=0.15) as proxy:
        prove(env, proxy.url, "--procs", 8, "--rounds", 200, "--flawed", "cas", status=VIOLATED)


@pytest.mark.timeout(7300)
@pytest.mark.parametrize("share", [0, 0.1])
@pytest.mark.parametrize("strategy", ["header", "multipart", "get-put"])
def test_copies(place, share, strategy):  # noqa: F811
    server, env = place
    count = rounds(3, 1000 if strategy == "header" else 200)
    with Proxy(server.port, share=share) as proxy:
        endpoint = proxy.url if share else server.url
        prove(env, endpoint, "--procs", 32, "--rounds", count, "--strategy", strategy, "--name", strategy, "copy")


def test_flawed_copy_reports_no_winner(place):  # noqa: F811
    server, env = place
    with Proxy(server.port, share=0.3) as proxy:
        prove(env, proxy.url, "--procs", 16, "--rounds", 15, "--flawed", "copy", status=VIOLATED)


@pytest.mark.timeout(7300)
@pytest.mark.parametrize("share, options", [(0, ()), (0.1, ()), (0, ("--strategy", "filters"))])
def test_buffer_in_s3(place, share, options):  # noqa: F811
    """A stream through the buffer; what a detached and what a forgotten object is to the sweeper."""
    server, env = place
    mib = rounds(24, 6144 if not share and not options else 512)
    with Proxy(server.port, share=share) as proxy:
        endpoint = proxy.url if share else server.url
        figures = prove(env, endpoint, "--rounds", mib, "--ttl-ms", 20000, "--name", "spool", *options, "buffer")
    assert not IS_LONG or figures["peak_rss_mib"] < 32


def test_slow_producer_of_a_buffer(place):  # noqa: F811
    """All of it takes longer than the timeout of each request."""
    server, env = place
    prove(env, server.url, "--rounds", 12, "--ttl-ms", 1000, "--hold-us", 50000, "--name", "spool", "buffer")
