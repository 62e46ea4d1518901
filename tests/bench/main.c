/* SPDX-License-Identifier: Apache-2.0 */
/* tarn-bench: a load generator for S3 servers, and for whatever serves the same bytes as files. */

#include <fcntl.h>
#include <signal.h>

#include "base/file.h"
#include "bench/load.h"
#include "bench/noise.h"

static double to_ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

static void print_text(const char *name, const char *text)
{
    (void)printf(", \"%s\": \"", name);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            (void)printf("\\u%04x", (unsigned)(unsigned char)*text);
        else
            (void)putchar(*text);
    }
    (void)putchar('"');
}

static void print_result(const struct bench_options *o, const struct load_result *r)
{
    double seconds = r->run_ns ? (double)r->run_ns / 1e9 : 1;
    const struct hist *h = &r->latency;
    (void)printf("{\"mode\": \"%s\", \"size\": %llu, \"connections\": %llu, \"rate\": %llu",
                 o->mode_name, (unsigned long long)o->size, (unsigned long long)o->connections,
                 (unsigned long long)o->rate);
    (void)printf(", \"seconds\": %.6f, \"requests\": %llu, \"errors\": %llu, \"mismatches\": %llu",
                 seconds, (unsigned long long)r->requests, (unsigned long long)r->errors,
                 (unsigned long long)r->mismatches);
    (void)printf(", \"per_s\": %.3f, \"mb_per_s\": %.3f, \"keys\": %llu, \"keys_per_s\": %.3f",
                 (double)r->requests / seconds, (double)r->bytes / 1e6 / seconds,
                 (unsigned long long)r->keys, (double)r->keys / seconds);
    (void)printf(", \"p50_ms\": %.6f, \"p90_ms\": %.6f, \"p99_ms\": %.6f, \"p999_ms\": %.6f, "
                 "\"max_ms\": %.6f",
                 to_ms(hist_quantile(h, 0.5)), to_ms(hist_quantile(h, 0.9)),
                 to_ms(hist_quantile(h, 0.99)), to_ms(hist_quantile(h, 0.999)), to_ms(h->max_ns));
    if (r->errors)
        print_text("first_error", r->first_error);
    (void)printf("}\n");
}

static int write_file(const char *path, uint64_t key, uint64_t len, struct tarn_error *err)
{
    TN_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return tn_fail_errno(err, "could not create \"%s\"", path);
    for (uint64_t offset = 0; offset < len;) {
        struct tn_str piece = noise_piece(key, offset, len - offset);
        if (tn_fd_write(fd, piece.data, piece.len) < 0)
            return tn_fail_errno(err, "could not write \"%s\"", path);
        offset += piece.len;
    }
    return TARN_OK;
}

static int write_files(const struct bench_options *o, struct tarn_error *err)
{
    TN_AUTO_BUF path = TN_BUF_INIT(4096);
    int rc = TARN_OK;
    for (uint64_t key = 0; rc == TARN_OK && key < o->key_count; key++) {
        tn_buf_truncate(&path, 0);
        rc = tn_buf_appendf(&path, "%s/%s/%s%010llu", o->directory, o->bucket, o->prefix,
                            (unsigned long long)key);
        char *slash = strrchr(path.data, '/');
        if (rc == TARN_OK && key == 0 && slash) {
            *slash = '\0';
            rc = tn_dir_make(path.data, 0755, err);
            *slash = '/';
        }
        if (rc == TARN_OK)
            rc = write_file(path.data, key, o->size, err);
    }
    return rc;
}

static int run(const struct bench_options *o, struct tarn_error *err)
{
    if (o->mode == BENCH_FILES)
        return write_files(o, err);
    TN_AUTO_FREE struct load_result *result = tn_calloc(1, sizeof *result);
    if (!result)
        return tn_fail(err, TARN_ENOMEM, "could not make the histogram");
    int rc = load_run(o, result, err);
    if (rc == TARN_OK)
        print_result(o, result);
    return rc;
}

int main(int argc, char **argv)
{
    struct tarn_error err = { 0 };
    struct bench_options options;
    if (argc < 2) {
        (void)fputs(bench_usage, stderr);
        return 2;
    }
    if (bench_options_parse(argc, argv, &options, &err) < 0) {
        (void)fprintf(stderr, "tarn-bench: %s\n%s", err.message, bench_usage);
        return 2;
    }
    noise_init();
    if (run(&options, &err) < 0) {
        (void)fprintf(stderr, "tarn-bench: %s\n", err.message);
        return 1;
    }
    return 0;
}
