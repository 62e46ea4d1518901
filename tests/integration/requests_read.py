# SPDX-License-Identifier: Apache-2.0
"""What the scripted servers read of a client."""


def read_request(stream):
    """(method, target, head with names in lower case, body); None at the end of the connection."""
    line = stream.readline().decode()
    if not line.strip():
        return None
    head = {}
    while (field := stream.readline().decode().strip()) != "":
        name, _, value = field.partition(":")
        head[name.lower()] = value.strip()
    method, target, _ = line.split(" ", 2)
    return method, target, head, stream.read(int(head.get("content-length", 0)))
