# SPDX-License-Identifier: Apache-2.0
"""Racing creators: of 64 PUTs with If-None-Match: * exactly one wins, every time."""

import os
import selectors

import raw

ROUNDS = int(os.environ.get("TARN_RACE_ROUNDS", "200"))
RACERS = 64
LOST = {(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")}


def replies_of(connections):
    """One reply of each connection, read as they come."""
    selector = selectors.DefaultSelector()
    for conn in connections:
        selector.register(conn.socket, selectors.EVENT_READ, conn)
    replies = {}
    while len(replies) < len(connections):
        for event, _ in selector.select(30):
            selector.unregister(event.fileobj)
            replies[event.data] = event.data.reply("PUT")
    return [replies[conn] for conn in connections]


def test_exactly_one_creator(server, s3, bucket):
    connections = [raw.Connection(server, 60) for _ in range(RACERS)]
    winners = []
    for number in range(ROUNDS):
        target = f"/{bucket}/round-{number}"
        requests = []
        for i, conn in enumerate(connections):
            body = f"racer {i} of round {number}".encode()
            headers = [("If-None-Match", "*"), ("Content-Length", len(body))]
            requests.append(conn.head("PUT", target, headers) + body)
        for conn, request in zip(connections, requests):
            conn.send(request)
        replies = replies_of(connections)
        won = [i for i, reply in enumerate(replies) if reply.status == 200]
        assert len(won) == 1, f"round {number}: racers {won} all won"
        for reply in replies:
            assert reply.status == 200 or (reply.status, reply.code) in LOST, reply
        winners.append(won[0])
    for number, winner in enumerate(winners):
        body = connections[0].request("GET", f"/{bucket}/round-{number}").body
        assert body == f"racer {winner} of round {number}".encode()
    for conn in connections:
        conn.close()


def test_one_swap_each(server, s3, bucket):
    """If-Match as compare-and-swap: 16 writers count to 160 together and lose no step."""
    connections = [raw.Connection(server, 60) for _ in range(16)]
    assert connections[0].request("PUT", f"/{bucket}/counter", b"0").status == 200
    swaps = 0
    while swaps < 160:
        reply = connections[0].request("GET", f"/{bucket}/counter")
        assert int(reply.body) == swaps
        body = str(swaps + 1).encode()
        headers = [("If-Match", reply.headers["etag"]), ("Content-Length", len(body))]
        for conn in connections:
            conn.send(conn.head("PUT", f"/{bucket}/counter", headers) + body)
        statuses = sorted(reply.status for reply in replies_of(connections))
        assert statuses[0] == 200 and set(statuses[1:]) <= {409, 412}, statuses
        swaps += 1
    for conn in connections:
        conn.close()
