# SPDX-License-Identifier: Apache-2.0
"""Many processes at once on one tarnd, with and without faults on the way. COORD_LONG=1 (make coord) runs the
long forms and prints their figures."""

import os

import pytest
from coord_proxy import Proxy
from test_coord_cases import VIOLATED, place, proves, tarn_coord  # noqa: F401

IS_LONG = os.environ.get("COORD_LONG", "0") not in ("", "0")
MINUTE_MS = 60 * 1000
HOUR_MS = 60 * MINUTE_MS
FIRST_ONLY = 1000


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
        ("stopped and killed", 0, ("--hold-us", 10000, "--pauses", rounds(3, 15), "--kills", rounds(3, 15))),
        ("all of it", 0.05, ("--hold-us", 5000, "--pauses", rounds(2, 10), "--kills", rounds(2, 10),
                             "--wall-step-ms", HOUR_MS)),
        ("clocks off by an hour", 0, ("--wall-step-ms", HOUR_MS)),
    ],
)
def test_locks(place, name, share, options):  # noqa: F811
    server, env = place
    count = rounds(64, 10000)
    with Proxy(server.port, share=share) as proxy:
        endpoint = proxy.url if share else server.url
        figures = prove(env, endpoint, "--procs", 16, "--rounds", count, "--ttl-ms", 1500, *options, "lock")
        assert share == 0 or sum(n for kind, n in proxy.faults.items() if kind) > 0
    assert figures["overlaps"] == 0 and figures["backward"] == 0


# What luck would decide is forced where the flawed must be seen to fail: tarn-coord puts their steps into order,
# the proxy chooses the answers that get lost by number. So the figures are what they are, on any machine.
@pytest.mark.parametrize("options, holders", [((), 8), (("--wall-step-ms", HOUR_MS), 2)])
def test_flawed_lock_loses_increments(place, options, holders):  # noqa: F811
    server, env = place
    figures = prove(
        env, server.url, "--procs", 8, "--rounds", 5, "--ttl-ms", MINUTE_MS, *options, "--flawed", "lock", status=VIOLATED
    )
    assert figures["done"] == 5 * holders and figures["counter"] == 5
    assert figures["overlaps"] == 5 * (holders - 1)


def test_locks_whose_answers_are_lost(place):  # noqa: F811
    server, env = place
    with Proxy(server.port, loses_every=3) as proxy:
        figures = prove(env, proxy.url, "--procs", 8, "--rounds", 32, "--ttl-ms", MINUTE_MS, "lock")
    assert figures["counter"] == figures["done"] == 32 and figures["lost"] == 0 and proxy.lost >= 32


@pytest.mark.timeout(7300)
@pytest.mark.parametrize("share", [0, 0.1])
def test_counters(place, share):  # noqa: F811
    server, env = place
    count = rounds(200, 100000 if not share else 10000)
    with Proxy(server.port, share=share) as proxy:
        prove(env, proxy.url if share else server.url, "--procs", 16, "--rounds", count, "cas")


@pytest.mark.parametrize("options, status", [((), 0), (("--flawed",), VIOLATED)])
def test_counters_whose_answers_are_lost(place, options, status):  # noqa: F811
    server, env = place
    server.boto().put_object(Bucket="coord", Key="counter", Body=b'{"n": 0}')
    with Proxy(server.port, loses_every=5) as proxy:
        figures = prove(env, proxy.url, "--procs", 8, "--rounds", 100, *options, "cas", status=status)
    assert proxy.lost >= 20 and figures["done"] == 100
    assert figures["counter"] == (100 + proxy.lost if status else 100)


@pytest.mark.timeout(7300)
@pytest.mark.parametrize("share", [0, 0.1])
@pytest.mark.parametrize("strategy", ["header", "multipart", "get-put"])
def test_copies(place, share, strategy):  # noqa: F811
    server, env = place
    count = rounds(3, 1000 if strategy == "header" else 200)
    with Proxy(server.port, share=share) as proxy:
        endpoint = proxy.url if share else server.url
        prove(env, endpoint, "--procs", 32, "--rounds", count, "--strategy", strategy, "--name", strategy, "copy")


@pytest.mark.parametrize("strategy", ["header", "multipart", "get-put"])
def test_copies_whose_answers_are_lost(place, strategy):  # noqa: F811
    server, env = place
    with Proxy(server.port, loses_every=FIRST_ONLY) as proxy:
        prove(env, proxy.url, "--procs", 8, "--rounds", 5, "--strategy", strategy, "--name", "dest", "copy")
    assert proxy.made.keys() >= {b"/coord/dest-%d" % n for n in range(5)}


def test_flawed_copy_reports_no_winner(place):  # noqa: F811
    server, env = place
    with Proxy(server.port, loses_every=FIRST_ONLY) as proxy:
        figures = prove(env, proxy.url, "--procs", 8, "--rounds", 5, "--flawed", "copy", status=VIOLATED)
    assert proxy.lost == 5 and figures["no_winner"] == 5 and figures["failed"] == 0


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
    prove(env, server.url, "--rounds", 12, "--ttl-ms", 3000, "--hold-us", 80000, "--name", "spool", "buffer")
