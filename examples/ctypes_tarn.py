#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libtarn from Python, without anything to compile: ctypes_tarn.py BUCKET KEY TEXT.

Puts TEXT into an object, reads it back and lists the bucket. Endpoint and credentials come from the
environment; TARN_LIBRARY names the library when it is not installed."""

import ctypes
import os
import sys

OK = 0


class Error(ctypes.Structure):
    """struct tarn_error"""

    _fields_ = [
        ("status", ctypes.c_int),
        ("http_status", ctypes.c_int),
        ("attempts", ctypes.c_int),
        ("retry_after_ms", ctypes.c_long),
        ("s3_code", ctypes.c_char * 64),
        ("request_id", ctypes.c_char * 64),
        ("message", ctypes.c_char * 512),
    ]


class ListEntry(ctypes.Structure):
    """struct tarn_list_entry"""

    _fields_ = [
        ("key", ctypes.c_char_p),
        ("key_len", ctypes.c_size_t),
        ("is_prefix", ctypes.c_bool),
        ("size", ctypes.c_uint64),
        ("last_modified_ms", ctypes.c_int64),
        ("etag", ctypes.c_char_p),
        ("storage_class", ctypes.c_char_p),
        ("owner_id", ctypes.c_char_p),
        ("checksum_algorithm", ctypes.c_char_p),
    ]


class TarnError(Exception):
    pass


def load():
    lib = ctypes.CDLL(os.environ.get("TARN_LIBRARY", "libtarn.so.0"))
    p, text, size, error = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(Error)
    for name, result, arguments in [
        ("tarn_client_new", p, [p, error]),
        ("tarn_client_free", None, [p]),
        ("tarn_object_put", ctypes.c_int, [p, text, text, text, size, p, p, error]),
        (
            "tarn_object_get_bytes",
            ctypes.c_int,
            [p, text, text, size, ctypes.POINTER(p), ctypes.POINTER(size), p, p, error],
        ),
        ("tarn_bytes_free", None, [p]),
        ("tarn_list_open", p, [p, text, p, error]),
        ("tarn_list_next", ctypes.c_int, [p, ctypes.POINTER(ctypes.POINTER(ListEntry)), error]),
        ("tarn_list_free", None, [p]),
    ]:
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class Client:
    def __init__(self):
        self.lib = load()
        self.error = Error()
        self.client = self.lib.tarn_client_new(None, self.error)
        if not self.client:
            raise TarnError(self.error.message.decode())

    def close(self):
        self.lib.tarn_client_free(self.client)
        self.client = None

    def check(self, status):
        if status != OK:
            raise TarnError(self.error.message.decode(errors="replace"))

    def put(self, bucket, key, body):
        self.check(
            self.lib.tarn_object_put(
                self.client, bucket.encode(), key.encode(), body, len(body), None, None, self.error
            )
        )

    def get(self, bucket, key, len_max=1 << 30):
        bytes_, len_ = ctypes.c_void_p(), ctypes.c_size_t()
        self.check(
            self.lib.tarn_object_get_bytes(
                self.client, bucket.encode(), key.encode(), len_max, bytes_, len_, None, None, self.error
            )
        )
        body = ctypes.string_at(bytes_, len_.value)
        self.lib.tarn_bytes_free(bytes_)
        return body

    def list(self, bucket):
        entries = self.lib.tarn_list_open(self.client, bucket.encode(), None, self.error)
        if not entries:
            raise TarnError(self.error.message.decode())
        entry = ctypes.POINTER(ListEntry)()
        try:
            while True:
                self.check(self.lib.tarn_list_next(entries, entry, self.error))
                if not entry:
                    return
                yield entry.contents.key.decode(errors="surrogateescape"), entry.contents.size
        finally:
            self.lib.tarn_list_free(entries)


def main():
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} BUCKET KEY TEXT")
    _, bucket, key, text = sys.argv
    client = Client()
    try:
        client.put(bucket, key, text.encode())
        print(client.get(bucket, key).decode())
        for name, size in client.list(bucket):
            print(f"{size:10}  {name}")
    except TarnError as problem:
        sys.exit(str(problem))
    finally:
        client.close()


if __name__ == "__main__":
    main()
