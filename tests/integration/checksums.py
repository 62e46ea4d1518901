# SPDX-License-Identifier: Apache-2.0
"""The checksums of S3, computed beside the programs under test."""

import base64
import hashlib
import zlib

import xxhash


def crc_bits(data, polynomial, width):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    crc = (1 << width) - 1
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return (crc ^ (1 << width) - 1).to_bytes(width // 8, "big")


DIGESTS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: crc_bits(data, 0x82F63B78, 32),
    "CRC64NVME": lambda data: crc_bits(data, 0x9A6C9329AC4BC9B5, 64),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
    "SHA512": lambda data: hashlib.sha512(data).digest(),
    "MD5": lambda data: hashlib.md5(data).digest(),
    "XXHASH64": lambda data: xxhash.xxh64(data).digest(),
    "XXHASH3": lambda data: xxhash.xxh3_64(data).digest(),
    "XXHASH128": lambda data: xxhash.xxh3_128(data).digest(),
}
ALGORITHMS = list(DIGESTS)
COMPOSITE = [name for name in ALGORITHMS if not name.startswith("CRC")]  # what has no other form in parts


def checksum(algorithm, data):
    return base64.b64encode(DIGESTS[algorithm](data)).decode()


def composite(algorithm, data, part):
    digests = [DIGESTS[algorithm](data[i : i + part]) for i in range(0, len(data), part)]
    return f"{checksum(algorithm, b''.join(digests))}-{len(digests)}"


def etag_of_parts(data, part):
    digest, _, count = composite("MD5", data, part).partition("-")
    return f"{base64.b64decode(digest).hex()}-{count}"
