/* SPDX-License-Identifier: Apache-2.0 */
/* The transfer engine: files and streams of any size, in parallel parts, verified.
 *
 * All calls block and may run in many threads at once: they share the client's connections, its
 * window of requests in flight (connections_max) and its memory (memory_max), so 256 of them
 * together stay under the same ceiling. S3: "Uploading and copying objects using multipart upload",
 * "Checking object integrity". */

#ifndef TARN_TRANSFER_H
#define TARN_TRANSFER_H

#include <tarn/multipart.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_progress {
    uint64_t bytes_done;  /* confirmed or received; never goes back */
    uint64_t bytes_total; /* 0 while unknown */
    uint32_t parts_done;
    uint32_t parts_total; /* 0 while unknown */
    bool is_last;         /* the transfer has ended, well or not */
};

/* Called in the calling thread, at most every 100 ms and once at the end. Non-zero ends the
 * transfer with TARN_ECANCELLED. */
typedef int (*tarn_progress_fn)(void *arg, const struct tarn_progress *progress);

enum tarn_verify {
    TARN_VERIFY_AUTO, /* by the object's checksum; without one by its ETag, where that is an MD5 or
                         made of the MD5s of parts, reading a downloaded file again if need be */
    TARN_VERIFY_FULL, /* the same; kept for its name */
    TARN_VERIFY_NONE
};

struct tarn_transfer_options {
    struct tarn_request request;
    uint64_t part_size; /* 5 MiB to 5 GiB; default 8 MiB; raised so that 10,000 parts suffice */
    uint64_t part_threshold; /* multipart from this size on; default 8 MiB; at most 5 GiB */
    uint32_t concurrency;    /* parts of this transfer in flight; default 5, never more than 64 */
    tarn_progress_fn progress;
    void *progress_arg;
    enum tarn_verify verify;

    /* Files in parts: what is done is recorded, part by part, so that the same call continues after
     * the program was killed, or after a failure that says nothing about the data (network, server,
     * cancel). Uploads record in `state_dir` and are then not aborted; downloads beside `path`. One
     * transfer at a time: a second one of the same thing neither waits nor resumes. */
    bool resume;
    const char *state_dir; /* default $XDG_STATE_HOME/tarn/resume, ~/.local/state/tarn/resume */
    tarn_resume_fn on_resume;
    void *resume_arg;

    /* uploads */
    struct tarn_attributes attributes;
    struct tarn_conditions conditions; /* downloads too */
    enum tarn_checksum checksum;       /* in parts: CRCs of the whole, all others composite */

    /* downloads */
    const char *version_id;
    bool has_size_hint; /* the size from a listing: saves a look */
    uint64_t size_hint;
    const char *etag_hint; /* pins the first request too */
    bool has_range;        /* download_fd and download_stream only; TARN_EINVAL for others */
    uint64_t range_first;
    uint64_t range_last; /* UINT64_MAX: to the end */
    int file_mode;       /* of a new file; 0 is 0666 less the umask */
    bool set_mtime;      /* file gets the object's Last-Modified */
    bool skip_sync;      /* no fsync before the rename */
    bool must_not_exist; /* TARN_EEXISTS when `path` is there */
    bool restore_stat;   /* file gets its mtime from the metadata "mtime" (Unix seconds, with a
                            fraction or without) and its permissions from "mode" (octal); without
                            the first set_mtime decides */
    void *reserved[4];
};

/* Uploads a regular file (others are TARN_EINVAL): one PUT below part_threshold, else parts. A file
 * whose size or mtime changes meanwhile is TARN_ECONFLICT. On failure the multipart upload is
 * aborted, unless it can be resumed. TARN_ETOOBIG above 10,000 parts of 5 GiB. Here and below, what
 * the system says of a file is TARN_ENOTFOUND, TARN_EDENIED, TARN_ENOSPACE or TARN_EIO, with its
 * words in the message; `info` (NULL is fine) is that of the object. */
TARN_API int tarn_upload_file(struct tarn_client *client, const char *path, const char *bucket,
                              const char *key, const struct tarn_transfer_options *options,
                              struct tarn_object_info *info, struct tarn_error *err);

/* Uploads what `read` gives until it gives 0 bytes (more than there is room for is TARN_EINVAL); no
 * length is needed. Less than a part: one PUT
 * (an empty object for nothing). The part size doubles every 1,000 parts; parts that outgrow the
 * memory go through an unlinked temporary file. TARN_ETOOBIG above 10,000 parts. */
TARN_API int tarn_upload_stream(struct tarn_client *client, tarn_read_fn read, void *arg,
                                const char *bucket, const char *key,
                                const struct tarn_transfer_options *options,
                                struct tarn_object_info *info, struct tarn_error *err);

/* The same from a descriptor (pipe, socket, terminal), read from where it stands. */
TARN_API int tarn_upload_fd(struct tarn_client *client, int fd, const char *bucket, const char *key,
                            const struct tarn_transfer_options *options,
                            struct tarn_object_info *info, struct tarn_error *err);

/* What a file is called while it is downloaded: its name with this behind it. No download may end
 * in such a name itself (TARN_EDENIED), nor in that of a record. */
#define TARN_PARTIAL_SUFFIX ".tarn.part"
#define TARN_PARTIAL_RECORD_SUFFIX TARN_PARTIAL_SUFFIX ".resume"

/* Downloads to `path` by way of `path`.tarn.part (a name that would be too long is cut and
 * numbered), which is written in any order, verified, synced and renamed; a failure removes it,
 * unless it can be resumed (then `path`.tarn.part.resume is beside it).
 * The parts are pinned to one ETag: an object that is replaced
 * meanwhile is TARN_EPRECOND, never a mixture. A `path`.tarn.part that another transfer has open is
 * TARN_EBUSY. Parent directories must exist. A file is replaced, and so is a symbolic link to one;
 * a directory, a device, a pipe or a socket is TARN_EEXISTS. */
TARN_API int tarn_download_file(struct tarn_client *client, const char *bucket, const char *key,
                                const char *path, const struct tarn_transfer_options *options,
                                struct tarn_object_info *info, struct tarn_error *err);

/* Downloads in order to `write`, fetching parts in parallel within the memory. TARN_ECHECKSUM may
 * come after the last byte was written. TARN_ERANGE: the object ends before the range. */
TARN_API int tarn_download_stream(struct tarn_client *client, const char *bucket, const char *key,
                                  tarn_write_fn write, void *arg,
                                  const struct tarn_transfer_options *options,
                                  struct tarn_object_info *info, struct tarn_error *err);

/* The same to a descriptor. EPIPE comes back as TARN_ENETWORK with "broken pipe" in the message;
 * SIGPIPE is the caller's to ignore. */
TARN_API int tarn_download_fd(struct tarn_client *client, const char *bucket, const char *key,
                              int fd, const struct tarn_transfer_options *options,
                              struct tarn_object_info *info, struct tarn_error *err);

/* Does the object have the content of this regular file (others are TARN_EINVAL)? By size, then by
 * the object's checksum or ETag, reading the file. `*is_same` is false too when the object tells
 * neither, and when there is none. Of `options` request and version_id count. */
TARN_API int tarn_object_matches_file(struct tarn_client *client, const char *bucket,
                                      const char *key, const char *path,
                                      const struct tarn_transfer_options *options, bool *is_same,
                                      struct tarn_error *err);

/* The part size for `size` bytes (UINT64_MAX: unknown) when `wanted` is asked for (0: the default):
 * rounded up to whole MiB so that 10,000 parts suffice. TARN_EINVAL outside 5 MiB to 5 GiB,
 * TARN_ETOOBIG above 10,000 parts of 5 GiB. */
TARN_API int tarn_part_size_plan(uint64_t size, uint64_t wanted, uint64_t *part_size);

#ifdef __cplusplus
}
#endif

#endif
