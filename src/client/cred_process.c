/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that a program writes to its standard output: credential_process. */

#include "client/cred_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum { PROCESS_MS = 60 * 1000, SLICE_MS = 100, REAP_MS = 5000 };

extern char **environ;

static const struct tn_cred_names names = { .access_key = "AccessKeyId",
                                            .secret_key = "SecretAccessKey",
                                            .session_token = "SessionToken",
                                            .expiry = "Expiration" };

struct program {
    pid_t pid;
    bool has_group; /* of its own */
};

/* In a process group of its own, so that all of it can be ended; but not at a terminal, which it
 * may have to ask for a pass phrase: whoever is not in the foreground is stopped there. Standard
 * input is empty. */
static int start(const char *command, int out_fd, struct program *out)
{
    char shell[] = "sh";
    char option[] = "-c";
    char *line = tn_strdup(command);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    out->has_group = tcgetpgrp(STDIN_FILENO) != getpgrp();
    if (!line)
        return ENOMEM;
    char *const argv[] = { shell, option, line, NULL };
    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&files, out_fd, STDOUT_FILENO);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigmask(&attributes, &none); /* the thread that asks blocks them all */
    int group = out->has_group ? POSIX_SPAWN_SETPGROUP : 0;
    (void)posix_spawnattr_setflags(&attributes, (short)(group | POSIX_SPAWN_SETSIGMASK));
    int number = posix_spawn(&out->pid, "/bin/sh", &files, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    tn_free_secret(line);
    return number;
}

static int read_some(int fd, struct tn_buf *answer)
{
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? TARN_OK : TARN_EIO;
    if (n == 0)
        return TARN_EEOF;
    int rc = tn_buf_append(answer, bytes, (size_t)n);
    tn_wipe(bytes, sizeof bytes);
    return rc;
}

/* TARN_OK at the end of the output. */
static int read_all(int fd, const struct tn_cred_context *context, long timeout_ms,
                    struct tn_buf *answer)
{
    uint64_t end_ns = tn_now_ns() + (uint64_t)timeout_ms * 1000000u;
    int rc = TARN_OK;
    while (rc == TARN_OK) {
        struct pollfd look = { .fd = fd, .events = POLLIN };
        if (atomic_load(context->is_cancelled))
            return TARN_ECANCELLED;
        if (tn_now_ns() >= end_ns)
            return TARN_ETIMEOUT;
        if (poll(&look, 1, SLICE_MS) > 0)
            rc = read_some(fd, answer);
    }
    return rc == TARN_EEOF ? TARN_OK : rc;
}

static void end(const struct program *p)
{
    (void)kill(p->has_group ? -p->pid : p->pid, SIGKILL);
}

/* A program that closed its output may still run for as long as it likes: it is ended. */
static int reap(const struct program *p)
{
    const struct timespec nap = { .tv_nsec = 1000000L };
    int status = 0;
    for (int i = 0; i < REAP_MS; i++) {
        pid_t gone = waitpid(p->pid, &status, WNOHANG);
        if (gone == p->pid)
            return status;
        if (gone < 0 && errno != EINTR)
            return 0; /* SIGCHLD is ignored: nobody can know */
        (void)nanosleep(&nap, NULL);
    }
    end(p);
    (void)waitpid(p->pid, &status, 0);
    return status;
}

static int run(const struct tn_cred_source *source, const struct tn_cred_context *context,
               struct tn_buf *answer, struct tarn_error *err)
{
    int ends[2];
    struct program program = { 0 };
    if (pipe2(ends, O_CLOEXEC) < 0)
        return tn_fail_errno(err, "could not get credentials: no pipe");
    int number = start(source->texts[TN_CRED_COMMAND], ends[1], &program);
    tn_fd_close(&ends[1]);
    if (number != 0) {
        tn_fd_close(&ends[0]);
        errno = number;
        return tn_fail_errno(err, "could not start credential_process");
    }
    int rc =
        read_all(ends[0], context, source->timeout_ms ? source->timeout_ms : PROCESS_MS, answer);
    tn_fd_close(&ends[0]);
    if (rc < 0)
        end(&program);
    int status = reap(&program);
    if (rc < 0)
        return tn_fail(err, rc, "could not get credentials: credential_process: %s",
                       tarn_status_text(rc));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return tn_fail(err, TARN_ECREDENTIALS,
                       "could not get credentials: credential_process ended with %s %d",
                       WIFEXITED(status) ? "status" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return TARN_OK;
}

int tn_cred_fetch_process(const struct tn_cred_source *source, const struct tarn_credentials *base,
                          const struct tn_cred_context *context, struct tarn_credentials *out,
                          struct tarn_error *err)
{
    struct tn_buf answer = TN_BUF_INIT(TN_CRED_ANSWER_MAX);
    (void)base;
    int rc = run(source, context, &answer, err);
    if (rc == TARN_OK)
        rc = tn_cred_read_json(tn_buf_str(&answer), &names, out, err);
    tn_wipe(answer.data, answer.len);
    tn_buf_release(&answer);
    return rc;
}
