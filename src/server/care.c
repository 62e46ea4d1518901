/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that look after a store's directory. */

#include "server/care.h"

#include <unistd.h>

#include "base/log.h"
#include "server/store/log_store.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct care {
    const char *data;
    const char *other; /* where the backup is, or goes */
};

static void on_fatal(void *context, const char *reason)
{
    (void)context;
    (void)fprintf(stderr, "tarnd: %s\n", reason);
    _exit(EXIT_FAILED);
}

static struct log_store_config store_config(const struct care *c)
{
    return (struct log_store_config){ .dir = c->data, .on_fatal = on_fatal };
}

static int fail(const char *what, const struct tarn_error *err)
{
    (void)fprintf(stderr, "tarnd: %s: %s\n", what, err->message);
    return EXIT_FAILED;
}

static void print_problem(void *user, const char *line)
{
    (void)user;
    (void)printf("damage: %s\n", line);
}

static int run_check(const struct care *c)
{
    struct log_store_config config = store_config(c);
    struct log_store_report report = { 0 };
    struct tarn_error err = { 0 };
    if (log_store_check(&config, print_problem, NULL, &report, &err) < 0)
        return fail("check", &err);
    (void)printf("%llu objects and %llu sealed records read, %llu bytes, %llu damaged\n",
                 (unsigned long long)report.objects, (unsigned long long)report.records,
                 (unsigned long long)report.bytes, (unsigned long long)report.problems);
    return report.problems ? EXIT_FAILED : 0;
}

static int run_rebuild_index(const struct care *c)
{
    struct log_store_config config = store_config(c);
    struct tarn_error err = { 0 };
    if (log_store_rebuild_index(&config, &err) < 0)
        return fail("rebuild-index", &err);
    (void)printf("index of %s rebuilt\n", c->data);
    return 0;
}

static void print_backup(const char *what, const struct log_store_backup *b)
{
    (void)printf("%s: %llu segments, %llu blobs, %llu bytes copied, up to record %llu\n", what,
                 (unsigned long long)b->segments, (unsigned long long)b->blobs,
                 (unsigned long long)b->copied_bytes, (unsigned long long)b->seq);
}

static int run_backup(const struct care *c)
{
    struct log_store_backup done = { 0 };
    struct tarn_error err = { 0 };
    if (log_store_backup(c->data, c->other, &done, &err) < 0)
        return fail("backup", &err);
    print_backup(c->other, &done);
    return 0;
}

static int run_restore(const struct care *c)
{
    struct log_store_config config = store_config(c);
    struct log_store_backup done = { 0 };
    struct tarn_error err = { 0 };
    if (log_store_restore(c->other, &config, &done, &err) < 0)
        return fail("restore", &err);
    print_backup(c->data, &done);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const struct care *c);
    bool has_other;
    const char *usage;
} commands[] = {
    { "check", run_check, false,
      "usage: tarnd check --data DIR\n"
      "Reads everything in the store at DIR, which no server may use meanwhile, and names what is\n"
      "damaged. Exit 0: all well. 1: damage, or it could not look.\n" },
    { "rebuild-index", run_rebuild_index, false,
      "usage: tarnd rebuild-index --data DIR\n"
      "Drops the index of the store at DIR and builds it anew from the log. No server may use "
      "DIR.\n" },
    { "backup", run_backup, true,
      "usage: tarnd backup --data DIR DEST\n"
      "Copies the store at DIR to DEST, a consistent state; a server may use DIR meanwhile. Only "
      "what\n"
      "DEST does not have yet is copied.\n" },
    { "restore", run_restore, true,
      "usage: tarnd restore BACKUP --data DIR\n"
      "Makes a store in DIR, which must be empty or missing, from the backup at BACKUP.\n" },
};

bool care_has(const char *name)
{
    for (size_t i = 0; i < TN_COUNT(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool parse(struct care *c, int argc, char *const *argv, bool has_other)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--data") == 0 && i + 1 < argc && !c->data)
            c->data = argv[++i];
        else if (strncmp(argv[i], "--data=", 7) == 0 && !c->data)
            c->data = argv[i] + 7;
        else if (argv[i][0] != '-' && has_other && !c->other)
            c->other = argv[i];
        else
            return false;
    }
    return c->data && *c->data && (!has_other || (c->other && *c->other));
}

int care_run(int argc, char *const *argv)
{
    size_t i = 0;
    while (strcmp(commands[i].name, argv[1]) != 0)
        i++;
    struct care c = { 0 };
    if (argc == 3 && strcmp(argv[2], "--help") == 0) {
        (void)fputs(commands[i].usage, stdout);
        return 0;
    }
    if (!parse(&c, argc, argv, commands[i].has_other)) {
        (void)fputs(commands[i].usage, stderr);
        return EXIT_USAGE;
    }
    tn_log_set_level(TN_LOG_WARN);
    int code = commands[i].run(&c);
    return fflush(stdout) == 0 ? code : EXIT_FAILED;
}
