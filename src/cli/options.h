/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one table per command and what parsing it gives. The tables are also the source
 * of --help and of the manual page. */

#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/fail.h"
#include "base/str.h"

enum cli_command_id {
    CLI_CP,
    CLI_MV,
    CLI_SYNC,
    CLI_RUN,
    CLI_LS,
    CLI_CAT,
    CLI_PIPE,
    CLI_RM,
    CLI_HEAD,
    CLI_PRESIGN,
    CLI_MB,
    CLI_RB,
    CLI_LOCK,
    CLI_BUFFER,
    CLI_MOCK,
    CLI_SELFTEST,
    CLI_VERSIONS,
    CLI_RESTORE,
    CLI_TAG,
    CLI_ATTR,
    CLI_SELECT_CLASS,
    CLI_DU,
    CLI_FIND,
    CLI_ADMIN,
    CLI_DOCTOR,
    CLI_COMPLETION,
    CLI_HELP,
    CLI_VERSION,
    CLI_COMMAND_COUNT
};

enum {
    CLI_WORKERS_DEFAULT = 64, /* threads of `run`; objects of a job are the library's 256 */
    CLI_WORKERS_MAX = 1024,
    CLI_CONCURRENCY_MAX = 256,
    CLI_LIST_MAX = 256,   /* values of one option that may be repeated */
    CLI_OPTIONS_MAX = 96, /* rows of all groups of one command together */
    CLI_OPTION_GROUPS = 4
};

struct cli_filter;

/* Borrows from argv. */
struct cli_list {
    const char **items;
    size_t count;
};

/* Zero is "not given", unless a comment says otherwise. */
struct cli_options {
    /* every command */
    const char *endpoint;
    const char *region;
    const char *profile;
    const char *credentials_file;
    const char *ca_bundle;
    const char *checksum;
    bool no_sign_request;
    bool no_verify_ssl;
    bool path_style;
    bool virtual_host;
    bool request_payer;
    bool use_acceleration;
    bool use_dualstack;
    bool use_fips;
    const char *proxy;
    const char *sse_c_key_file;
    uint64_t max_bandwidth; /* bytes a second */
    uint64_t request_rate;  /* a second */
    bool list_v1;
    uint64_t workers;
    uint64_t concurrency;
    uint64_t part_size_mib;
    uint64_t memory;
    uint64_t retries_max;
    bool has_retries_max;
    bool json;
    bool quiet;
    bool verbose;
    bool no_progress;
    bool show_progress;
    const char *mfa_code;
    bool stat;
    bool human;
    bool help;
    bool version;

    /* what is stored beside the bytes */
    const char *content_type;
    const char *content_encoding;
    const char *content_disposition;
    const char *content_language;
    const char *cache_control;
    int64_t expires_header; /* Unix seconds */
    bool has_expires_header;
    struct cli_list metadata;
    const char *acl;
    const char *storage_class;
    const char *sse;
    const char *sse_kms_key_id;
    const char *tagging;
    const char *website_redirect;
    const char *metadata_directive;

    /* which objects */
    bool recursive;
    bool raw;
    struct cli_list include;
    struct cli_list exclude;
    const char *filter_from;
    struct cli_filter *filter; /* made by cli_filter_load */
    bool no_clobber;
    bool atomic;    /* no_clobber, and what exists is a failure ... */
    bool exists_ok; /* ... or not */
    bool if_size_differ;
    bool if_source_newer;
    bool ignore_existing;
    bool flatten;
    bool dry_run;
    bool no_resume;
    bool no_verify;
    bool preserve;
    bool no_follow_symlinks;
    bool force_glacier;
    bool ignore_glacier;
    const char *error_mode;
    bool delete_extra;
    uint64_t max_delete;
    bool has_max_delete;
    bool size_only;
    bool compare_checksum;
    bool exact_timestamps;
    bool force;
    const char *version_id;
    const char *if_match;

    /* single commands */
    bool show_etag;
    bool show_storage_class;
    bool show_fullpath;
    uint64_t limit;
    const char *range;
    uint64_t expires_s;
    const char *method;
    const char *response_content_type;
    const char *response_content_disposition;
    bool exist_ok;
    const char *file;
    bool fail_fast;
    uint64_t ttl_s;
    uint64_t max_hold_s;
    uint64_t wait_s;
    bool wait_forever;
    const char *owner;
    const char *nonce;
    const char *data;
    uint64_t port;
    struct cli_list buckets;
    bool keep;
    bool object_lock;
    bool all_versions;
    bool versioning; /* mb */
    const char *set_versioning;
    bool show_versioning;
    bool group;
    bool incomplete;
    bool undelete;
    uint64_t days;
    const char *tier;
    bool replace;
    struct cli_list remove;
    const char *name;
    uint64_t min_size;
    uint64_t max_size;
    bool has_min_size;
    bool has_max_size;
    uint64_t older_than_s;
    uint64_t newer_than_s;
    bool print0;
};

enum cli_option_kind {
    CLI_FLAG,     /* bool */
    CLI_TEXT,     /* const char * */
    CLI_NUMBER,   /* uint64_t within min and max */
    CLI_BYTES,    /* uint64_t, suffixes K M G T */
    CLI_DURATION, /* uint64_t in seconds, suffixes s m h d */
    CLI_TIME,     /* int64_t, Unix seconds, from RFC 3339 */
    CLI_CHOICE,   /* const char *, one of `choices`; given in either case */
    CLI_LIST      /* struct cli_list, may be repeated */
};

struct cli_option {
    const char *name; /* without the two hyphens; NULL ends a table */
    char letter;      /* 0 for none */
    enum cli_option_kind kind;
    size_t offset;     /* in struct cli_options */
    size_t has_offset; /* of a bool that tells that it was given; 0 for none */
    const char *value; /* what help calls its value */
    uint64_t min;
    uint64_t max;
    const char *choices; /* each with its NUL, the last with two */
    const char *help;    /* one sentence, lower case, no period */
    const char *alias;   /* another long name, or NULL */
};

struct cli_command {
    enum cli_command_id id;
    const char *name;
    const char *operands; /* "SRC... DST" */
    int operands_min;
    int operands_max;
    const char *summary;                                /* one line */
    const char *text;                                   /* paragraphs, separated by empty lines */
    const char *examples;                               /* lines; "" for none */
    const struct cli_option *groups[CLI_OPTION_GROUPS]; /* then NULL; the global ones are implied */
};

extern const struct cli_command cli_commands[CLI_COMMAND_COUNT];
extern const struct cli_option cli_global_options[];

/* What one command line came to. */
struct cli_line {
    const struct cli_command *command; /* NULL for `tarn --help` and `tarn --version` */
    struct cli_options opt;
    const char **operands;
    int operand_count;
};

/* Parses argv[1] onwards. Options may stand anywhere; "--" ends them. TARN_EINVAL with a message
 * for the user, for anything not in the tables, values out of range, options that exclude each
 * other and wrong numbers of operands (not checked when help is asked for). `line` is then
 * unchanged, but for line->command and line->opt.json, which say how to report it. */
TN_MUST_USE int cli_line_parse(int argc, char **argv, struct cli_line *line,
                               struct tarn_error *err);
void cli_line_release(struct cli_line *line);

/* NULL when there is none. */
const struct cli_command *cli_command_find(const char *name);

/* The name that is nearest to `name` within the table, or NULL when none is near. */
const char *cli_command_nearest(const char *name);

/* Single edits (insert, delete, replace, swap neighbours) between two names; names longer than 63
 * bytes are far from everything. */
size_t cli_edit_distance(const char *a, const char *b);

#endif
