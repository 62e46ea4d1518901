/* SPDX-License-Identifier: Apache-2.0 */
/* Values that several calls share: headers, conditions, what an object is, how its body is checked.
 *
 * Rules of the whole library. Texts are NUL-terminated UTF-8 and borrowed for the length of the
 * call, unless a comment says otherwise; NULL means "not given". Option structs are
 * zero-initialised (`= {0}`); zero in any field is the default, `reserved` stays zero; sizes,
 * offsets and lengths are bytes. Every fallible call returns TARN_OK or a negative TARN_E..., fills
 * `err` (NULL is fine) when it fails and then leaves its outputs alone.
 *
 * Errors. A call names those that mean something of its own. Without a client, or without the
 * bucket or key that it is about (NULL or empty), each is TARN_EINVAL before any request, as for
 * headers and values that HTTP cannot carry, for what is no member of an enumeration, and for any
 * other NULL (callback, output, array with a count above 0) that its comment does not call fine:
 * the message names it. What returns no status wants all its arguments, but for those that end in
 * _free and _release. TARN_ETOOBIG for a key above 1,024 bytes. Each may run
 * out of memory (TARN_ENOMEM): behind a request, what the server did stays done. Each that sends a
 * request may also end with TARN_EDENIED, TARN_ENOBUCKET, TARN_ECREDENTIALS, TARN_ECANCELLED, and
 * when no try was left with TARN_ENETWORK, TARN_ETIMEOUT, TARN_ETHROTTLED, TARN_ESERVER,
 * TARN_EPROTOCOL or TARN_ECONFLICT. */

#ifndef TARN_TYPES_H
#define TARN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tarn/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_client;

struct tarn_header {
    const char *name;
    const char *value;
};

/* What every request accepts. */
struct tarn_request {
    const struct tarn_header
        *headers; /* sent and signed as given; they win over the library's own */
    size_t header_count;
    bool is_requester_pays;     /* x-amz-request-payer: requester */
    const char *expected_owner; /* x-amz-expected-bucket-owner */
    long timeout_ms;            /* of each request of the call, its retries included; 0 is none */
    const volatile int *cancel; /* non-zero there ends the call with TARN_ECANCELLED within 200 ms;
                                   a signal handler may write it, another thread atomically */
    void *reserved[2];
};

/* RFC 9110 section 13. ETags with or without their quotes, or "*". Dates in Unix seconds, 0 is
 * none. */
struct tarn_conditions {
    const char *if_match;
    const char *if_none_match;
    int64_t if_modified_since;
    int64_t if_unmodified_since;
};

enum tarn_checksum {
    TARN_CHECKSUM_DEFAULT, /* the client's, which is CRC64NVME unless configured */
    TARN_CHECKSUM_NONE,    /* send none, for servers that refuse them */
    TARN_CHECKSUM_CRC32,
    TARN_CHECKSUM_CRC32C,
    TARN_CHECKSUM_CRC64NVME,
    TARN_CHECKSUM_SHA1,
    TARN_CHECKSUM_SHA256,
    TARN_CHECKSUM_SHA512, /* this and those below: in AWS since April 2026, in few other servers */
    TARN_CHECKSUM_MD5,
    TARN_CHECKSUM_XXHASH64,
    TARN_CHECKSUM_XXHASH3,
    TARN_CHECKSUM_XXHASH128
};

/* The wire name ("CRC64NVME"), "" for none and default. TARN_EINVAL for a name that is no
 * algorithm; case does not matter. Any thread. */
TARN_API const char *tarn_checksum_name(enum tarn_checksum algorithm);
TARN_API int tarn_checksum_from_name(const char *name, enum tarn_checksum *out);

/* What is stored beside the bytes: PutObject, CreateMultipartUpload, CopyObject with REPLACE. */
struct tarn_attributes {
    const char *content_type;
    const char *content_encoding;
    const char *content_disposition;
    const char *content_language;
    const char *cache_control;
    int64_t expires;                    /* Unix seconds; 0 is none */
    const struct tarn_header *metadata; /* names without "x-amz-meta-" */
    size_t metadata_count;
    const char
        *storage_class;  /* "STANDARD_IA", ...; the long names ("GLACIER_FLEXIBLE_RETRIEVAL") too */
    const char *acl;     /* a canned ACL; others are TARN_EINVAL */
    const char *tagging; /* URL query form: "a=1&b=2" */
    const char *sse;     /* "AES256", "aws:kms", "aws:kms:dsse" */
    const char *sse_kms_key_id;
    const char *website_redirect;
    const char *expires_text; /* as it stands, instead of `expires`: it may be no date at all */
    void *reserved[3];
};

/* True for the canned ACLs of S3. The wire name of a storage class for a wire or long name, such
 * as "StandardIa", whatever its case and with "_", "-" or nothing between the words; unknown text
 * comes back as it is. True for classes that must be restored before they can be read. */
TARN_API bool tarn_acl_is_known(const char *acl);
TARN_API const char *tarn_storage_class_from_name(const char *name);
TARN_API bool tarn_storage_class_needs_restore(const char *storage_class);

/* What an answer said about an object. Zero-initialise it; release it with tarn_object_info_release
 * (also before it is used for another call; a failed call leaves it alone). Texts live as long as
 * it does and are NULL when the server did not send them. */
struct tarn_object_info {
    uint64_t size;            /* of the whole object, also behind a ranged read */
    int64_t last_modified_ms; /* Unix; -1 when unknown */
    const char *etag;         /* without quotes */
    const char *version_id;
    const char *content_type;
    const char *content_encoding;
    const char *content_disposition;
    const char *content_language;
    const char *cache_control;
    const char *expires;
    const char *storage_class; /* NULL is STANDARD */
    const char *restore;       /* x-amz-restore */
    const char *archive_status;
    const char *sse;
    const char *sse_kms_key_id;
    const char *checksum_type;             /* "FULL_OBJECT" or "COMPOSITE" */
    const char *checksum_value;            /* base64, of checksum_algorithm */
    enum tarn_checksum checksum_algorithm; /* NONE when no checksum came */
    const struct tarn_header *metadata;    /* names without "x-amz-meta-" */
    size_t metadata_count;
    const struct tarn_header *headers; /* the whole answer head, names in lower case */
    size_t header_count;
    uint32_t parts_count; /* x-amz-mp-parts-count; 0 when not sent */
    int http_status;      /* 200, 206, ... */
    bool is_delete_marker;
    bool was_verified; /* the bytes that passed were compared with a checksum or an MD5 ETag */
    void *owned;
};

TARN_API void tarn_object_info_release(struct tarn_object_info *info);

/* Gives up to `cap` bytes of a body. Returns bytes given, 0 at the end, or a negative TARN_E...,
 * which ends the call with that status. Called in the thread that made the call, never by two at
 * once. */
typedef int64_t (*tarn_read_fn)(void *arg, void *bytes, size_t cap);

/* Takes `len` bytes of a body, in order. Returns TARN_OK or a negative TARN_E..., which ends the
 * call with that status. Called in the thread that made the call, never by two at once. */
typedef int (*tarn_write_fn)(void *arg, const void *bytes, size_t len);

#ifdef __cplusplus
}
#endif

#endif
