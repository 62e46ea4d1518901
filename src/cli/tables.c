/* SPDX-License-Identifier: Apache-2.0 */
/* Every command and every option of tarn: what the parser takes, what --help and tarn(1) say. */

#include "cli/options.h"

#define FLAG(long_name, short_name, field, text)                                                   \
    {                                                                                              \
        .name = long_name, .letter = short_name, .kind = CLI_FLAG,                                 \
        .offset = offsetof(struct cli_options, field), .help = text                                \
    }
#define VALUE(long_name, short_name, type, field, what, text)                                      \
    {                                                                                              \
        .name = long_name, .letter = short_name, .kind = type,                                     \
        .offset = offsetof(struct cli_options, field), .value = what, .help = text                 \
    }
#define NUMBER(long_name, field, what, least, most, text)                                          \
    {                                                                                              \
        .name = long_name, .kind = CLI_NUMBER, .offset = offsetof(struct cli_options, field),      \
        .value = what, .min = least, .max = most, .help = text                                     \
    }
#define DURATION(long_name, field, least, most, text)                                              \
    {                                                                                              \
        .name = long_name, .kind = CLI_DURATION, .offset = offsetof(struct cli_options, field),    \
        .value = "TIME", .min = least, .max = most, .help = text                                   \
    }
#define CHOICE(long_name, field, what, words, text)                                                \
    {                                                                                              \
        .name = long_name, .kind = CLI_CHOICE, .offset = offsetof(struct cli_options, field),      \
        .value = what, .choices = words, .help = text                                              \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

#define ACLS                                                                                       \
    "private\0public-read\0public-read-write\0authenticated-read\0aws-exec-read\0"                 \
    "bucket-owner-read\0bucket-owner-full-control\0log-delivery-write\0"

const struct cli_option cli_global_options[] = {
    { .name = "endpoint",
      .kind = CLI_TEXT,
      .offset = offsetof(struct cli_options, endpoint),
      .value = "URL",
      .help = "where the S3 service is; default: environment, profile, AWS",
      .alias = "endpoint-url" },
    VALUE("region", 0, CLI_TEXT, region, "NAME", "region to sign for; default us-east-1"),
    { .name = "profile",
      .kind = CLI_TEXT,
      .offset = offsetof(struct cli_options, profile),
      .value = "NAME",
      .help = "profile of ~/.aws/credentials and config",
      .alias = "aws-profile" },
    VALUE("credentials-file", 0, CLI_TEXT, credentials_file, "FILE",
          "read credentials from this file"),
    VALUE("mfa-code", 0, CLI_TEXT, mfa_code, "CODE",
          "of the device that the profile's mfa_serial names; default: asked for at the terminal"),
    FLAG("no-sign-request", 0, no_sign_request, "send requests without a signature"),
    FLAG("no-verify-ssl", 0, no_verify_ssl, "do not verify the server's certificate (unsafe)"),
    VALUE("ca-bundle", 0, CLI_TEXT, ca_bundle, "FILE", "trust the certificates of this PEM file"),
    FLAG("path-style", 0, path_style, "address buckets as https://endpoint/bucket"),
    { .name = "virtual",
      .kind = CLI_FLAG,
      .offset = offsetof(struct cli_options, virtual_host),
      .help = "address buckets as https://bucket.endpoint",
      .alias = "virtual-host" },
    FLAG("request-payer", 0, request_payer, "accept that the requester pays"),
    FLAG("use-acceleration", 0, use_acceleration, "use the accelerated hosts of AWS"),
    FLAG("dualstack", 0, use_dualstack, "use the hosts of AWS that have IPv6"),
    FLAG("fips", 0, use_fips, "use the FIPS hosts of AWS"),
    VALUE("proxy", 0, CLI_TEXT, proxy, "URL", "go through this proxy; default: the environment's"),
    VALUE("sse-c-key-file", 0, CLI_TEXT, sse_c_key_file, "FILE",
          "encrypt and decrypt with this key (32 bytes, or base64), both ends of a copy"),
    VALUE("max-bandwidth", 0, CLI_BYTES, max_bandwidth, "SIZE",
          "bytes a second, up and down together, such as 10M; default no limit"),
    NUMBER("request-rate", request_rate, "N", 1, 1000000, "requests a second; default no limit"),
    FLAG("use-list-objects-v1", 0, list_v1, "list with ListObjects, for old servers"),
    { .name = "checksum-algorithm",
      .kind = CLI_CHOICE,
      .offset = offsetof(struct cli_options, checksum),
      .value = "NAME",
      .choices = "CRC64NVME\0CRC32C\0CRC32\0SHA256\0SHA512\0SHA1\0MD5\0XXHASH3\0XXHASH64\0"
                 "XXHASH128\0NONE\0",
      .help = "checksum sent with uploads; default CRC64NVME",
      .alias = "checksum" },
    { .name = "workers",
      .kind = CLI_NUMBER,
      .offset = offsetof(struct cli_options, workers),
      .value = "N",
      .max = CLI_WORKERS_MAX,
      .help = "objects in flight; default 0, which is 256 (64 lines of run)",
      .alias = "parallel" },
    NUMBER("concurrency", concurrency, "N", 1, CLI_CONCURRENCY_MAX,
           "parts of one object in flight; default 5"),
    NUMBER("part-size", part_size_mib, "MIB", 5, 5120, "part size in MiB, 5 to 5120; default 8"),
    { .name = "memory",
      .kind = CLI_BYTES,
      .offset = offsetof(struct cli_options, memory),
      .value = "SIZE",
      .min = 32 << 20,
      .max = UINT64_MAX,
      .help = "ceiling of all buffers; default 256M, least 32M" },
    { .name = "max-retries",
      .kind = CLI_NUMBER,
      .offset = offsetof(struct cli_options, retries_max),
      .has_offset = offsetof(struct cli_options, has_retries_max),
      .value = "N",
      .max = 100,
      .help = "attempts after the first; default 4" },
    FLAG("json", 0, json, "write one JSON object a line, errors too"),
    FLAG("quiet", 'q', quiet, "write nothing but data and errors"),
    FLAG("verbose", 'v', verbose, "say more on standard error"),
    FLAG("no-progress", 0, no_progress, "draw no progress bar"),
    FLAG("show-progress", 0, show_progress,
         "tell the progress also where there is no terminal: a line every few seconds"),
    FLAG("stat", 0, stat, "write statistics at the end"),
    FLAG("human-readable", 'H', human, "show sizes in KiB, MiB and so on"),
    FLAG("help", 'h', help, "show help and exit"),
    FLAG("version", 0, version, "show the version and exit"),
    END,
};

static const struct cli_option attribute_options[] = {
    VALUE("content-type", 0, CLI_TEXT, content_type, "TYPE",
          "media type; default: guessed from the name's extension"),
    VALUE("content-encoding", 0, CLI_TEXT, content_encoding, "CODING", "stored Content-Encoding"),
    VALUE("content-disposition", 0, CLI_TEXT, content_disposition, "TEXT",
          "stored Content-Disposition"),
    VALUE("content-language", 0, CLI_TEXT, content_language, "TAG", "stored Content-Language"),
    VALUE("cache-control", 0, CLI_TEXT, cache_control, "TEXT", "stored Cache-Control"),
    { .name = "expires-header",
      .kind = CLI_TIME,
      .offset = offsetof(struct cli_options, expires_header),
      .has_offset = offsetof(struct cli_options, has_expires_header),
      .value = "TIME",
      .help = "stored Expires, in RFC 3339" },
    VALUE("metadata", 0, CLI_LIST, metadata, "NAME=VALUE",
          "user metadata; may be given several times"),
    CHOICE("acl", acl, "ACL", ACLS, "canned access control list"),
    VALUE("storage-class", 0, CLI_TEXT, storage_class, "CLASS", "such as STANDARD_IA"),
    CHOICE("sse", sse, "KIND", "AES256\0aws:kms\0aws:kms:dsse\0", "encryption by the server"),
    VALUE("sse-kms-key-id", 0, CLI_TEXT, sse_kms_key_id, "ID", "key for --sse aws:kms"),
    VALUE("tagging", 0, CLI_TEXT, tagging, "TAGS", "tags of the object, such as `a=1&b=2`"),
    VALUE("website-redirect", 0, CLI_TEXT, website_redirect, "URL",
          "where a website sends its readers instead"),
    END,
};

static const struct cli_option filter_options[] = {
    VALUE("include", 0, CLI_LIST, include, "PATTERN",
          "take names that match; alone, it leaves out all others; may be given several times"),
    VALUE("exclude", 0, CLI_LIST, exclude, "PATTERN",
          "leave out names that match this and no --include; may be given several times"),
    VALUE("filter-from", 0, CLI_TEXT, filter_from, "FILE",
          "more rules, one a line: `+ PATTERN` or `- PATTERN`; `#` begins a comment"),
    FLAG("raw", 0, raw, "take `*`, `?` and backslashes in addresses literally"),
    FLAG("dry-run", 0, dry_run, "say what would be done, do nothing"),
    END,
};

#define ERROR_MODE                                                                                 \
    CHOICE("error-mode", error_mode, "WHICH", "abort\0skip\0partial\0",                            \
           "after a failure: begin nothing more; go on, and keep nothing of what failed; go on, "  \
           "and keep what the next run can use; default partial")

static const struct cli_option cp_options[] = {
    FLAG("recursive", 'r', recursive, "copy a directory or everything below a prefix"),
    FLAG("recursive", 'R', recursive, NULL),
    FLAG("no-clobber", 'n', no_clobber, "never replace what exists, without a race"),
    FLAG("atomic", 0, atomic, "the same, but what exists is a failure: to make it once"),
    FLAG("exists-ok", 0, exists_ok, "with --atomic: that somebody else made it is success"),
    FLAG("if-size-differ", 0, if_size_differ, "replace only what has another size"),
    FLAG("if-source-newer", 0, if_source_newer, "replace only what is older than its source"),
    FLAG("ignore-existing", 0, ignore_existing, "skip what exists"),
    FLAG("flatten", 0, flatten, "keep only the last part of each name; two alike are an error"),
    FLAG("no-resume", 0, no_resume,
         "start over what an earlier run has begun, and leave no record"),
    FLAG("no-verify", 0, no_verify, "do not compare what was downloaded with its checksum"),
    FLAG("preserve", 'p', preserve, "keep modification time and permissions, by way of metadata"),
    CHOICE("metadata-directive", metadata_directive, "WHICH", "COPY\0REPLACE\0",
           "S3 to S3: keep headers and metadata, or take those of this command line alone"),
    VALUE("version-id", 0, CLI_TEXT, version_id, "ID", "copy this version of one object"),
    ERROR_MODE,
    END,
};

#define GLACIER                                                                                    \
    FLAG("force-glacier-transfer", 0, force_glacier, "try archived objects too"),                  \
        FLAG("ignore-glacier-warnings", 0, ignore_glacier,                                         \
             "say nothing of archived objects that are skipped, and succeed")
#define LINKS                                                                                      \
    FLAG("no-follow-symlinks", 0, no_follow_symlinks, "leave symbolic links out of uploads")

static const struct cli_option archive_options[] = { GLACIER, LINKS, END };

static const struct cli_option sync_options[] = {
    FLAG("delete", 0, delete_extra, "delete what the source does not have, after all else"),
    { .name = "max-delete",
      .kind = CLI_NUMBER,
      .offset = offsetof(struct cli_options, max_delete),
      .has_offset = offsetof(struct cli_options, has_max_delete),
      .value = "N",
      .help = "with --delete: delete nothing at all when it would be more than N" },
    FLAG("force", 'f', force, "with --delete: also when the source is empty"),
    ERROR_MODE,
    FLAG("size-only", 0, size_only, "what has the same size is the same"),
    FLAG("checksum", 'c', compare_checksum,
         "compare contents, by checksum or ETag, instead of times"),
    FLAG("exact-timestamps", 0, exact_timestamps,
         "S3 to local: copy also what is older than the file there"),
    FLAG("recursive", 'r', recursive, "nothing: it always is"),
    FLAG("recursive", 'R', recursive, NULL),
    CHOICE("metadata-directive", metadata_directive, "WHICH", "COPY\0REPLACE\0",
           "S3 to S3: keep headers and metadata, or take those of this command line alone"),
    FLAG("no-resume", 0, no_resume,
         "start over what an earlier run has begun, and leave no record"),
    FLAG("no-verify", 0, no_verify, "do not compare what was downloaded with its checksum"),
    FLAG("preserve", 'p', preserve, "keep modification time and permissions, by way of metadata"),
    GLACIER,
    LINKS,
    END,
};

static const struct cli_option run_options[] = {
    VALUE("file", 'f', CLI_TEXT, file, "FILE", "read the commands from there, not standard input"),
    FLAG("fail-fast", 0, fail_fast, "begin no more commands once one has failed"),
    END,
};

static const struct cli_option ls_options[] = {
    FLAG("recursive", 'R', recursive, "list everything below, not one level"),
    FLAG("recursive", 'r', recursive, NULL),
    FLAG("etag", 'e', show_etag, "show ETags"),
    FLAG("storage-class", 's', show_storage_class, "show storage classes"),
    FLAG("show-fullpath", 0, show_fullpath, "show names as s3://bucket/key"),
    NUMBER("limit", limit, "N", 1, UINT64_MAX, "stop after N entries"),
    FLAG("all-versions", 0, all_versions, "list versions and delete markers, as `tarn versions`"),
    FLAG("raw", 0, raw, "take `*`, `?` and backslashes in addresses literally"),
    END,
};

static const struct cli_option cat_options[] = {
    VALUE("range", 0, CLI_TEXT, range, "FIRST-LAST",
          "only these bytes: 0-99, 100- (to the end) or -50 (the last 50)"),
    VALUE("version-id", 0, CLI_TEXT, version_id, "ID", "read this version of one object"),
    FLAG("raw", 0, raw, "take `*`, `?` and backslashes in addresses literally"),
    END,
};

static const struct cli_option pipe_options[] = {
    FLAG("no-clobber", 'n', no_clobber, "fail when the object exists, without a race"),
    END,
};

static const struct cli_option rm_options[] = {
    FLAG("recursive", 'r', recursive, "delete everything below a prefix"),
    FLAG("recursive", 'R', recursive, NULL),
    FLAG("force", 'f', force, "with -r: also a whole bucket, also when nobody watches"),
    VALUE("version-id", 0, CLI_TEXT, version_id, "ID", "delete this version of one object"),
    VALUE("if-match", 0, CLI_TEXT, if_match, "ETAG", "delete only while the object is this one"),
    FLAG("all-versions", 0, all_versions, "delete all versions and delete markers, for good"),
    END,
};

static const struct cli_option head_options[] = {
    VALUE("version-id", 0, CLI_TEXT, version_id, "ID", "look at this version"),
    END,
};

static const struct cli_option presign_options[] = {
    { .name = "expires",
      .kind = CLI_DURATION,
      .offset = offsetof(struct cli_options, expires_s),
      .value = "TIME",
      .min = 1,
      .max = 604800,
      .help = "seconds, or 15m, 24h, 7d (the longest); default 1h" },
    CHOICE("method", method, "METHOD", "GET\0PUT\0HEAD\0DELETE\0", "what it permits; default GET"),
    VALUE("version-id", 0, CLI_TEXT, version_id, "ID", "this version"),
    VALUE("content-type", 0, CLI_TEXT, content_type, "TYPE",
          "with PUT: the only Content-Type that may be sent"),
    VALUE("response-content-type", 0, CLI_TEXT, response_content_type, "TYPE",
          "Content-Type that the answer gets"),
    VALUE("response-content-disposition", 0, CLI_TEXT, response_content_disposition, "TEXT",
          "Content-Disposition that the answer gets"),
    END,
};

static const struct cli_option mb_options[] = {
    FLAG("exist-ok", 0, exist_ok, "a bucket that is yours already is fine"),
    FLAG("object-lock", 0, object_lock, "enable object lock"),
    FLAG("versioning", 0, versioning, "keep all versions of its objects"),
    CHOICE("acl", acl, "ACL", ACLS, "canned access control list"),
    END,
};

static const struct cli_option rb_options[] = {
    FLAG("force", 'f', force, "delete all objects, in all versions, and abort all uploads first"),
    END,
};

#define RECURSIVE(text)                                                                            \
    FLAG("recursive", 'r', recursive, text), FLAG("recursive", 'R', recursive, NULL)
#define RAW FLAG("raw", 0, raw, "take `*`, `?` and backslashes in addresses literally")

static const struct cli_option versions_options[] = {
    RECURSIVE("list the versions of everything below a prefix"),
    FLAG("status", 0, show_versioning, "show whether the bucket keeps versions"),
    CHOICE("set", set_versioning, "STATE", "enabled\0suspended\0",
           "keep versions from now on, or not"),
    RAW,
    END,
};

static const struct cli_option restore_options[] = {
    VALUE("version-id", 0, CLI_TEXT, version_id, "ID",
          "make a copy of this version the current one"),
    FLAG("undelete", 0, undelete, "remove the delete marker that hides the object"),
    NUMBER("days", days, "N", 1, 3650, "bring archived objects back for N days"),
    CHOICE("tier", tier, "TIER", "Standard\0Bulk\0Expedited\0", "how soon, with --days"),
    VALUE("storage-class", 0, CLI_TEXT, storage_class, "CLASS", "of the copy, with --version-id"),
    RECURSIVE("with --days: everything below a prefix"),
    END,
};

static const struct cli_option tag_options[] = {
    FLAG("replace", 0, replace, "the tags given are all that stay; none given: remove all"),
    VALUE("remove", 0, CLI_LIST, remove, "NAME", "remove this tag; may be given several times"),
    VALUE("version-id", 0, CLI_TEXT, version_id, "ID", "of this version of one object"),
    RECURSIVE("everything below a prefix"),
    END,
};

static const struct cli_option attr_options[] = {
    VALUE("version-id", 0, CLI_TEXT, version_id, "ID", "of this version"),
    RAW,
    END,
};

static const struct cli_option select_class_options[] = {
    RECURSIVE("everything below a prefix"),
    END,
};

static const struct cli_option du_options[] = {
    FLAG("group", 'g', group, "one line for each storage class"),
    FLAG("all-versions", 0, all_versions, "count every version, and delete markers"),
    FLAG("incomplete", 0, incomplete, "count the parts of unfinished uploads too"),
    END,
};

static const struct cli_option find_options[] = {
    VALUE("name", 0, CLI_TEXT, name, "PATTERN", "the last part of the key matches (`*`, `?`)"),
    { .name = "min-size",
      .kind = CLI_BYTES,
      .offset = offsetof(struct cli_options, min_size),
      .has_offset = offsetof(struct cli_options, has_min_size),
      .value = "SIZE",
      .help = "at least so large" },
    { .name = "max-size",
      .kind = CLI_BYTES,
      .offset = offsetof(struct cli_options, max_size),
      .has_offset = offsetof(struct cli_options, has_max_size),
      .value = "SIZE",
      .help = "at most so large" },
    { .name = "older-than",
      .kind = CLI_DURATION,
      .offset = offsetof(struct cli_options, older_than_s),
      .value = "TIME",
      .min = 1,
      .max = (uint64_t)100 * 365 * 86400,
      .help = "not changed for this long: 90s, 15m, 24h, 7d" },
    { .name = "newer-than",
      .kind = CLI_DURATION,
      .offset = offsetof(struct cli_options, newer_than_s),
      .value = "TIME",
      .min = 1,
      .max = (uint64_t)100 * 365 * 86400,
      .help = "changed within this time" },
    VALUE("storage-class", 0, CLI_TEXT, storage_class, "CLASS", "of this storage class"),
    NUMBER("limit", limit, "N", 1, UINT64_MAX, "stop after N objects"),
    FLAG("print0", '0', print0, "end each name with a NUL, not escaped, for xargs -0"),
    END,
};

static const struct cli_option lock_options[] = {
    DURATION("ttl", ttl_s, 1, 86400,
             "how long it holds without a renewal; default 30s, of a renewal what it was before"),
    DURATION("max", max_hold_s, 2, 365 * 86400, "run: give it up after this time"),
    DURATION("wait", wait_s, 0, 365 * 86400, "wait so long for others; default: not at all"),
    FLAG("wait-forever", 0, wait_forever, "wait until it is free"),
    VALUE("owner", 0, CLI_TEXT, owner, "TEXT", "shown to those who wait"),
    VALUE("nonce", 0, CLI_TEXT, nonce, "NONCE",
          "renew, release: of the acquisition; default: LOCK_NONCE of the environment"),
    VALUE("if-match", 0, CLI_TEXT, if_match, "ETAG", "break: only this record (as of status)"),
    FLAG("force", 'f', force, "break: whatever is there"),
    END,
};

static const struct cli_option buffer_options[] = {
    DURATION("older-than", older_than_s, 1, UINT64_MAX / 1000,
             "take what is so old; default: what says of itself that it has expired"),
    FLAG("dry-run", 0, dry_run, "say what would be done, do nothing"),
    END,
};

static const struct cli_option mock_options[] = {
    VALUE("data", 0, CLI_TEXT, data, "DIR", "where it stores; default: a temporary directory"),
    NUMBER("port", port, "N", 0, 65535, "port on 127.0.0.1; default 0: any that is free"),
    VALUE("bucket", 0, CLI_LIST, buckets, "NAME", "make this bucket; may be given several times"),
    FLAG("keep", 0, keep, "leave the store behind"),
    END,
};

/* clang-format off */ /* it would break the texts anywhere */
const struct cli_command cli_commands[CLI_COMMAND_COUNT] = {
    [CLI_CP] = {
        .id = CLI_CP,
        .name = "cp",
        .operands = "SRC... DST",
        .operands_min = 2,
        .operands_max = INT32_MAX,
        .summary = "copy files and objects",
        .text =
            "Copies a file to S3, an object to a file, or an object to an object. A "
            "destination that ends in `/`, a bucket alone and an existing directory keep "
            "the source's last name. With -r, a directory or everything below a prefix "
            "goes below the destination. A source key with `*` (any run, also across `/`) "
            "or `?` (one character) is a pattern; what is behind the last `/` before the "
            "first wildcard is kept below the destination. A backslash before `*`, `?` or "
            "a backslash takes that literally, --raw takes all so. `-` is standard input "
            "or output.\n\n"
            "Downloads are written to NAME.tarn.part, verified, and renamed. A key that would "
            "leave the destination directory (`..`, `.`, empty parts, a leading `/`, a "
            "symbolic link out of it) is refused; the rest goes on. Keys that end in `/` "
            "become directories. Symbolic links are followed on upload, loops and special "
            "files skipped with a warning.\n\n"
            "The conditions -n, --ignore-existing, --if-size-differ and --if-source-newer "
            "combine: all must hold; what does not exist yet is always copied. Content "
            "headers or metadata on a copy from S3 to S3 replace those given and keep the "
            "others.",
        .examples =
            "tarn cp report.pdf s3://bucket/docs/\n"
            "tarn cp -r photos s3://bucket/photos\n"
            "tarn cp 's3://bucket/logs/2026-*.gz' logs/\n"
            "tarn cp -r --exclude '*.tmp' s3://bucket/a s3://other/b",
        .groups = { cp_options, filter_options, attribute_options, archive_options },
    },
    [CLI_MV] = {
        .id = CLI_MV,
        .name = "mv",
        .operands = "SRC... DST",
        .operands_min = 2,
        .operands_max = INT32_MAX,
        .summary = "move files and objects",
        .text =
            "Copies as `tarn cp` does, and removes each source once its copy is there and "
            "verified. A source object that changed meanwhile is kept: it is deleted only "
            "with the ETag that was copied.",
        .examples =
            "tarn mv report.pdf s3://bucket/docs/\n"
            "tarn mv -r s3://bucket/in s3://archive/2026",
        .groups = { cp_options, filter_options, attribute_options, archive_options },
    },
    [CLI_SYNC] = {
        .id = CLI_SYNC,
        .name = "sync",
        .operands = "SRC DST",
        .operands_min = 2,
        .operands_max = 2,
        .summary = "make a directory or prefix like another",
        .text =
            "Copies what the destination does not have, or has with another size, or with "
            "an older time. Both sides are read in the order of their names and compared "
            "as they come, so that memory does not grow with their number. A source is a "
            "directory or s3://bucket/prefix (`s3://b/a` means what is below `a/`).\n\n"
            "With --delete, what the source does not have is deleted at the end, unless "
            "anything failed before. A source that is empty is taken for a mistake, such as a "
            "prefix misspelt or a disk not mounted: nothing is deleted then, and the exit status "
            "is 1, unless --force is given (tarn rm -r deletes all of a prefix, too). What "
            "--include and --exclude leave out is neither copied nor deleted, but a source that "
            "has it is not empty. Nothing is deleted below a symbolic link.",
        .examples =
            "tarn sync photos s3://bucket/photos\n"
            "tarn sync --delete s3://bucket/site /srv/site\n"
            "tarn sync -c s3://bucket/a s3://other/b",
        .groups = { sync_options, filter_options, attribute_options },
    },
    [CLI_RUN] = {
        .id = CLI_RUN,
        .name = "run",
        .operands = "[FILE]",
        .operands_min = 0,
        .operands_max = 1,
        .summary = "execute many commands over one client",
        .text =
            "Executes the commands of a file, or of standard input (`-`), one a line, "
            "--workers at a time and in no order, over one client: connections, "
            "credentials and memory are shared, and so is the progress bar. A line is a "
            "command line without the word tarn; empty lines and those that begin with `#` "
            "are skipped. Blanks separate; '...' takes everything literally, \"...\" "
            "everything but \\\" and \\\\; elsewhere a backslash takes a blank, a quote or a "
            "backslash literally.\n\n"
            "What reads standard input, or writes data to standard output, cannot be a "
            "line; options of the client (--endpoint, --profile and so on) go with run "
            "itself. The exit status is 0 when all succeeded, 1 when some failed.",
        .examples =
            "tarn run commands.txt\n"
            "tarn run --fail-fast --workers 16 < commands.txt",
        .groups = { run_options },
    },
    [CLI_LS] = {
        .id = CLI_LS,
        .name = "ls",
        .operands = "[URI...]",
        .operands_min = 0,
        .operands_max = INT32_MAX,
        .summary = "list buckets and objects",
        .text =
            "Lists buckets (`s3://` or nothing), or one level below a prefix, directories "
            "as `PRE name/`; with -R, or with a wildcard in the key, all objects. The "
            "prefix is taken as text: `s3://b/a` lists `abc` too. Objects are written as "
            "they arrive, in key order; the summary goes to standard error. Nothing found "
            "is no error.",
        .examples =
            "tarn ls s3://bucket/logs/\n"
            "tarn ls -R -H s3://bucket\n"
            "tarn ls --json 's3://bucket/*.csv'",
        .groups = { ls_options },
    },
    [CLI_CAT] = {
        .id = CLI_CAT,
        .name = "cat",
        .operands = "URI...",
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .summary = "write objects to standard output",
        .text =
            "Writes objects one behind the other; wildcards give them in key order. "
            "Ranges are fetched in parallel and written in order, pinned to one ETag, "
            "within --concurrency times --part-size of memory. A reader that goes away is "
            "no error.",
        .examples =
            "tarn cat s3://bucket/log.gz | zcat\n"
            "tarn cat --range -1024 s3://bucket/log",
        .groups = { cat_options },
    },
    [CLI_PIPE] = {
        .id = CLI_PIPE,
        .name = "pipe",
        .operands = "URI",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "upload standard input",
        .text =
            "Uploads standard input, of any length, to one object in bounded memory. "
            "Nothing becomes visible before the end of input; an error or an interrupt "
            "aborts the upload.",
        .examples =
            "tar c dir | tarn pipe s3://bucket/dir.tar",
        .groups = { pipe_options, attribute_options },
    },
    [CLI_RM] = {
        .id = CLI_RM,
        .name = "rm",
        .operands = "URI...",
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .summary = "delete objects",
        .text =
            "Deletes the object of exactly this key; deleting what is not there succeeds. "
            "A wildcard deletes all keys that match, -r everything below a prefix "
            "(`s3://b/a` means `a/...`). A whole bucket, or -r when standard input is not "
            "a terminal, needs --force too. Each key that could not be deleted is "
            "reported. In a bucket that keeps versions, deleting only hides; --all-versions "
            "deletes the versions and delete markers themselves.",
        .examples =
            "tarn rm s3://bucket/old.txt\n"
            "tarn rm --dry-run 's3://bucket/tmp/*'\n"
            "tarn rm -r --force s3://bucket/tmp",
        .groups = { rm_options, filter_options },
    },
    [CLI_HEAD] = {
        .id = CLI_HEAD,
        .name = "head",
        .operands = "URI",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "show what is known about an object or a bucket",
        .text =
            "Shows size, ETag, headers, checksums and metadata of an object, or the "
            "region of a bucket.",
        .examples =
            "tarn head s3://bucket/key\n"
            "tarn head --json s3://bucket/key",
        .groups = { head_options },
    },
    [CLI_PRESIGN] = {
        .id = CLI_PRESIGN,
        .name = "presign",
        .operands = "URI",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "make a URL that works without credentials",
        .text =
            "Writes a presigned URL. No request is sent. Whoever has the URL may do that "
            "one thing until it expires, or until temporary credentials that signed it "
            "do.",
        .examples =
            "tarn presign --expires 24h s3://bucket/key\n"
            "tarn presign --method PUT s3://bucket/upload",
        .groups = { presign_options },
    },
    [CLI_MB] = {
        .id = CLI_MB,
        .name = "mb",
        .operands = "BUCKET...",
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .summary = "make buckets",
        .text =
            "Makes buckets (`s3://name` or `name`) in the region of --region.",
        .examples =
            "tarn mb s3://bucket",
        .groups = { mb_options },
    },
    [CLI_RB] = {
        .id = CLI_RB,
        .name = "rb",
        .operands = "BUCKET...",
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .summary = "remove buckets",
        .text =
            "Removes empty buckets; with --force, their objects in all versions and unfinished "
            "uploads first, for good.",
        .examples =
            "tarn rb --force s3://bucket",
        .groups = { rb_options },
    },
    [CLI_VERSIONS] = {
        .id = CLI_VERSIONS,
        .name = "versions",
        .operands = "URI...",
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .summary = "list versions of objects",
        .text =
            "Lists the versions and delete markers of exactly this key; with a wildcard, of "
            "all keys that match; with -r, or for a bucket alone, of everything below. The "
            "newest of each key comes first. The summary goes to standard error.\n\n"
            "--status tells whether buckets keep versions, --set makes them.",
        .examples =
            "tarn versions --set enabled s3://bucket\n"
            "tarn versions s3://bucket/report.pdf\n"
            "tarn versions -r --json s3://bucket/docs",
        .groups = { versions_options },
    },
    [CLI_RESTORE] = {
        .id = CLI_RESTORE,
        .name = "restore",
        .operands = "URI...",
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .summary = "bring back an old version, a deleted or an archived object",
        .text =
            "With --version-id, copies that version over the current one, inside the server; "
            "nothing is lost. With --undelete, removes the delete marker that hides the "
            "object. With --days, asks for a readable copy of archived objects (classes "
            "GLACIER and DEEP_ARCHIVE) for so long; others are skipped.",
        .examples =
            "tarn restore --version-id 3Lg.. s3://bucket/report.pdf\n"
            "tarn restore --undelete s3://bucket/report.pdf\n"
            "tarn restore -r --days 7 --tier Bulk s3://bucket/2019",
        .groups = { restore_options, filter_options },
    },
    [CLI_TAG] = {
        .id = CLI_TAG,
        .name = "tag",
        .operands = "URI [NAME=VALUE...]",
        .operands_min = 1,
        .operands_max = 64,
        .summary = "show or change tags",
        .text =
            "Shows the tags of an object or of a bucket. NAME=VALUE adds or changes one, "
            "--remove takes one away, --replace sets exactly those given. A wildcard or -r "
            "does so to many objects. Other tags stay; S3 has no condition for tags, so that "
            "the last of two writers wins.",
        .examples =
            "tarn tag s3://bucket/report.pdf\n"
            "tarn tag s3://bucket/report.pdf team=audit --remove draft\n"
            "tarn tag -r s3://bucket/2026 keep=yes",
        .groups = { tag_options, filter_options },
    },
    [CLI_ATTR] = {
        .id = CLI_ATTR,
        .name = "attr",
        .operands = "URI",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "show the attributes of an object",
        .text =
            "Shows size, ETag, checksum, storage class and number of parts "
            "(GetObjectAttributes). For headers and metadata see `tarn head`.",
        .examples =
            "tarn attr --json s3://bucket/key",
        .groups = { attr_options },
    },
    [CLI_SELECT_CLASS] = {
        .id = CLI_SELECT_CLASS,
        .name = "select-class",
        .operands = "CLASS URI...",
        .operands_min = 2,
        .operands_max = INT32_MAX,
        .summary = "change the storage class of objects",
        .text =
            "Copies objects onto themselves with another storage class, inside the server. "
            "Headers, metadata and tags stay; an object that changes meanwhile is left alone "
            "and reported. With a wildcard or -r, those that have the class already are "
            "skipped.",
        .examples =
            "tarn select-class STANDARD_IA s3://bucket/old.tar\n"
            "tarn select-class -r GLACIER_IR s3://bucket/2019",
        .groups = { select_class_options, filter_options },
    },
    [CLI_DU] = {
        .id = CLI_DU,
        .name = "du",
        .operands = "URI...",
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .summary = "add up sizes",
        .text =
            "Counts objects and bytes below a prefix (`s3://b/a` means `a/...`) or that match "
            "a wildcard.",
        .examples =
            "tarn du -H s3://bucket\n"
            "tarn du -g --all-versions s3://bucket/logs\n"
            "tarn du --json 's3://bucket/*.gz'",
        .groups = { du_options, filter_options },
    },
    [CLI_FIND] = {
        .id = CLI_FIND,
        .name = "find",
        .operands = "URI...",
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .summary = "find objects by name, size, age or class",
        .text =
            "Lists the objects below a prefix, or that match a wildcard, for which all "
            "conditions hold, one address a line.",
        .examples =
            "tarn find s3://bucket --name '*.log' --older-than 30d\n"
            "tarn find s3://bucket/tmp --min-size 1G --json\n"
            "tarn find s3://bucket --older-than 90d -0 | xargs -0 tarn rm --raw",
        .groups = { find_options, filter_options },
    },
    [CLI_ADMIN] = {
        .id = CLI_ADMIN,
        .name = "admin",
        .operands = "user|key|group|policy|quota ACTION [NAME...]",
        .operands_min = 1,
        .operands_max = 5,
        .summary = "manage users, keys, groups, policies and quotas of a server",
        .text =
            "Speaks the IAM query API at the endpoint.\n\n"
            "user: list, create USER, show USER, delete USER, groups USER\n\n"
            "key: list [USER], create [USER], delete ID [USER], enable ID [USER], disable ID "
            "[USER]\n\n"
            "group: list, create GROUP, show GROUP, delete GROUP, add GROUP USER, remove GROUP "
            "USER\n\n"
            "policy: list, create NAME FILE, show ARN, document ARN VERSION, delete ARN, attach "
            "ARN USER, detach ARN USER, attached USER, attach-group ARN GROUP, detach-group ARN "
            "GROUP; and those of one user: put USER NAME FILE, get USER NAME, inline USER, "
            "remove USER NAME\n\n"
            "quota: show BUCKET, set BUCKET SIZE [OBJECTS], objects BUCKET OBJECTS, clear BUCKET; "
            "a SIZE may end in K, M, G or T\n\n"
            "The secret key of a new key is shown once, by `key create`.",
        .examples =
            "tarn admin user create ann\n"
            "tarn admin key create ann --json\n"
            "tarn admin policy put ann read-only policy.json\n"
            "tarn admin quota set bucket 10G",
    },
    [CLI_DOCTOR] = {
        .id = CLI_DOCTOR,
        .name = "doctor",
        .operands = "[URI...]",
        .operands_min = 0,
        .operands_max = INT32_MAX,
        .summary = "say what tarn works with, and try it",
        .text =
            "Shows endpoint, region and where the credentials come from, asks the service and "
            "each bucket given, and says what to do about failures. The exit status is 0 when "
            "all is well, 1 when something failed, 2 when the configuration cannot work.",
        .examples =
            "tarn doctor s3://bucket\n"
            "tarn doctor --profile work --json",
    },
    [CLI_COMPLETION] = {
        .id = CLI_COMPLETION,
        .name = "completion",
        .operands = "bash|zsh|fish",
        .operands_min = 1,
        .operands_max = 2,
        .summary = "write a script that completes command lines",
        .text =
            "Writes a completion script for a shell: commands, options, buckets and keys. "
            "`completion names WORD` writes the addresses that begin with WORD, for such "
            "scripts.",
        .examples =
            "eval \"$(tarn completion bash)\"\n"
            "tarn completion fish > ~/.config/fish/completions/tarn.fish",
    },
    [CLI_LOCK] = {
        .id = CLI_LOCK,
        .name = "lock",
        .operands = "WHAT URI [-- COMMAND...]",
        .operands_min = 2,
        .operands_max = INT32_MAX,
        .summary = "hold a lock in S3 while a command runs",
        .text =
            "`run` takes the lock s3://bucket/name (kept in name.lock), renews it while the "
            "command runs, and releases it. The command finds its fencing token in "
            "LOCK_TOKEN; when the lock is lost, it gets SIGTERM and 5 seconds later SIGKILL. "
            "A lock whose holder is gone is taken once its record was seen unchanged for its "
            "ttl and a margin, so --wait should be longer than that. A lock is a lease: what "
            "must never be written by two should compare tokens.\n\n"
            "`acquire` writes LOCK_TOKEN and LOCK_NONCE as shell exports and ends; `renew` "
            "extends that, `release` ends it. `status` shows who has it. `break` marks it as "
            "released by force; its token stays, so that the next one is greater.\n\n"
            "Exit status of `run`: the command's, or 1 when somebody else has the lock, 2 for "
            "usage and access, 3 when the lock was lost.",
        .examples =
            "tarn lock run --wait 1m s3://bucket/nightly -- ./backup.sh\n"
            "eval \"$(tarn lock acquire --ttl 10m s3://bucket/deploy)\"\n"
            "tarn lock status --json s3://bucket/nightly",
        .groups = { lock_options },
    },
    [CLI_BUFFER] = {
        .id = CLI_BUFFER,
        .name = "buffer",
        .operands = "gc URI",
        .operands_min = 2,
        .operands_max = 2,
        .summary = "sweep up what crashed programs left of their buffers",
        .text =
            "`gc` removes objects below the prefix that say of themselves that they belong to "
            "a buffer of libtarn and have expired, and unfinished uploads of such names. An "
            "object goes only if it is still the one that was looked at; what a program "
            "handed over, and what only looks like it, stays.",
        .examples =
            "tarn buffer gc s3://bucket/hybridbuffer\n"
            "tarn buffer gc --dry-run --older-than 1d s3://bucket/spool",
        .groups = { buffer_options },
    },
    [CLI_MOCK] = {
        .id = CLI_MOCK,
        .name = "mock",
        .operands = "[-- COMMAND...]",
        .operands_min = 0,
        .operands_max = INT32_MAX,
        .summary = "run an S3 server for tests",
        .text =
            "Starts tarnd on a free port with a store of its own and keys that are known, and "
            "removes the store at the end. With a command, runs it with AWS_ENDPOINT_URL and "
            "keys in its environment and ends as it does. Without one, writes them as shell "
            "exports (--json: as JSON) and serves until a signal comes.",
        .examples =
            "tarn mock --bucket test -- pytest\n"
            "tarn mock --json --port 9090 --data /tmp/s3 --keep",
        .groups = { mock_options },
    },
    [CLI_SELFTEST] = {
        .id = CLI_SELFTEST,
        .name = "selftest",
        .operands = "URI",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "see whether a bucket can be relied on for atomic copies",
        .text =
            "Makes an object below the prefix (copy-atomic-test), copies it to a key that is "
            "free, compares, copies again, which must fail, and copies what is not there. "
            "Deletes what it made, also when a step fails. The exit status is 0 when the "
            "server does what atomic copies, locks and stores rely on.",
        .examples =
            "tarn selftest s3://bucket\n"
            "tarn selftest --endpoint-url http://localhost:9000 s3://bucket/some/prefix",
        .groups = { NULL },
    },
    [CLI_HELP] = {
        .id = CLI_HELP,
        .name = "help",
        .operands = "[COMMAND]",
        .operands_min = 0,
        .operands_max = 1,
        .summary = "show help",
        .text =
            "Shows help on tarn or on one command.",
        .examples = "",
    },
    [CLI_VERSION] = {
        .id = CLI_VERSION,
        .name = "version",
        .operands = "",
        .operands_min = 0,
        .operands_max = 0,
        .summary = "show the version",
        .text =
            "Shows the version.",
        .examples = "",
    },
};
