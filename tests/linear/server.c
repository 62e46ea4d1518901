/* SPDX-License-Identifier: Apache-2.0 */
/* fork, exec, and the log that tells where it listens. */

#include "linear/server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "linear/http.h"

enum {
    SERVER_START_S = 60,
    SERVER_STOP_S = 60,
    SERVER_POLL_NS = 2 * 1000 * 1000,
    SERVER_LOG_LEN_MAX = 64 * 1024 * 1024,
    SERVER_QUOTE_LEN = 3000,
    SERVER_DIRS_OPEN_MAX = 16,
};

static void nap(void)
{
    const struct timespec pause = { .tv_nsec = SERVER_POLL_NS };
    (void)nanosleep(&pause, NULL);
}

int linear_server_init(struct linear_server *s, const char *program, const char *directory,
                       struct tarn_error *err)
{
    *s = (struct linear_server){ .program = program };
    int len = snprintf(s->root, sizeof s->root, "%s/tarn-linear-XXXXXX", directory);
    if (len < 0 || (size_t)len >= sizeof s->root)
        return tn_fail(err, TARN_EINVAL, "the path \"%s\" is too long", directory);
    s->listening_ns = tn_calloc(LINEAR_RUNS_MAX, sizeof *s->listening_ns);
    if (!s->listening_ns)
        return tn_fail(err, TARN_ENOMEM, "could not make room for the times of starts");
    if (!mkdtemp(s->root)) {
        int rc = tn_fail_errno(err, "could not make a directory in \"%s\"", directory);
        tn_free(TN_TAKE(s->listening_ns));
        return rc;
    }
    (void)pthread_mutex_init(&s->shared.lock, NULL);
    (void)setenv("TARN_ACCESS_KEY", LINEAR_ACCESS_KEY, 1);
    (void)setenv("TARN_SECRET_KEY", LINEAR_SECRET_KEY, 1);
    return TARN_OK;
}

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *place)
{
    (void)info;
    (void)flag;
    (void)place;
    return remove(path);
}

void linear_server_release(struct linear_server *s, bool keeps_directory)
{
    if (s->pid) {
        (void)kill(s->pid, SIGKILL);
        (void)waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
    if (!keeps_directory)
        (void)nftw(s->root, remove_entry, SERVER_DIRS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
    (void)pthread_mutex_destroy(&s->shared.lock);
    tn_free(TN_TAKE(s->listening_ns));
}

/* ---- The log ---- */

static void log_path(const struct linear_server *s, char out[LINEAR_PATH_LEN_MAX])
{
    (void)snprintf(out, LINEAR_PATH_LEN_MAX, "%s/tarnd.log", s->root);
}

static int read_log(const struct linear_server *s, struct tn_buf *log)
{
    char path[LINEAR_PATH_LEN_MAX];
    log_path(s, path);
    return tn_file_read(path, log, NULL);
}

/* Says `what`, with the end of the log on standard error. */
static int fail_with_log(struct linear_server *s, struct tarn_error *err, const char *what)
{
    TN_AUTO_BUF log = TN_BUF_INIT(SERVER_LOG_LEN_MAX);
    if (read_log(s, &log) == TARN_OK) {
        size_t from = log.len > SERVER_QUOTE_LEN ? log.len - SERVER_QUOTE_LEN : 0;
        (void)fprintf(stderr, "%s\n", log.data + from);
    }
    return tn_fail(err, TARN_EIO, "tarnd %s; its log is in \"%s\"", what, s->root);
}

static int check_log(struct linear_server *s, struct tarn_error *err)
{
    TN_AUTO_BUF log = TN_BUF_INIT(SERVER_LOG_LEN_MAX);
    int rc = read_log(s, &log);
    if (rc < 0)
        return tn_fail(err, rc, "could not read the log of tarnd");
    if (tn_str_find(tn_buf_str(&log), TN_STR("Sanitizer")) != SIZE_MAX ||
        tn_str_find(tn_buf_str(&log), TN_STR("runtime error:")) != SIZE_MAX)
        return fail_with_log(s, err, "was reported by a sanitizer");
    return TARN_OK;
}

/* The port behind "event=listening address=...:"; 0 when the line is not there yet. */
static unsigned read_port(const struct linear_server *s)
{
    TN_AUTO_BUF log = TN_BUF_INIT(SERVER_LOG_LEN_MAX);
    const struct tn_str mark = TN_STR("event=listening address=127.0.0.1:");
    uint64_t port;
    if (read_log(s, &log) < 0)
        return 0;
    size_t at = tn_str_find(tn_buf_str(&log), mark);
    if (at == SIZE_MAX)
        return 0;
    struct tn_str rest = tn_str_sub(tn_buf_str(&log), at + mark.len, log.len);
    if (tn_str_find_char(rest, '\n') == SIZE_MAX)
        return 0;
    struct tn_str line = tn_str_split(&rest, '\n');
    struct tn_str digits = tn_str_split(&line, ' ');
    return tn_str_to_u64(digits, &port) < 0 || port > UINT16_MAX ? 0 : (unsigned)port;
}

/* ---- The process ---- */

/* In the child; only calls that are safe beside other threads. */
static void become_tarnd(const struct linear_server *s, int log_fd, const char *store, pid_t parent)
{
    const char *const arguments[] = { "tarnd", "--data", store, "--listen", "127.0.0.1:0", NULL };
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && dup2(log_fd, STDERR_FILENO) >= 0)
        (void)execv(s->program, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static int spawn(struct linear_server *s, struct tarn_error *err)
{
    char path[LINEAR_PATH_LEN_MAX];
    char store[LINEAR_PATH_LEN_MAX];
    log_path(s, path);
    if (snprintf(store, sizeof store, "%s/store", s->root) >= (int)sizeof store)
        return tn_fail(err, TARN_EINVAL, "the path \"%s\" is too long", s->root);
    TN_AUTO_FD log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log_fd < 0)
        return tn_fail_errno(err, "could not create \"%s\"", path);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return tn_fail_errno(err, "could not start tarnd");
    if (pid == 0)
        become_tarnd(s, log_fd, store, parent);
    s->pid = pid;
    return TARN_OK;
}

static int reap(struct linear_server *s, bool waits, int *status)
{
    pid_t pid = waitpid(s->pid, status, waits ? 0 : WNOHANG);
    if (pid == 0)
        return TARN_EAGAIN;
    s->pid = 0;
    return TARN_OK;
}

int linear_server_check(struct linear_server *s, struct tarn_error *err)
{
    int status = 0;
    if (reap(s, false, &status) == TARN_EAGAIN)
        return TARN_OK;
    return fail_with_log(s, err, "ended by itself");
}

static void publish(struct linear_server *s, unsigned port)
{
    (void)pthread_mutex_lock(&s->shared.lock);
    s->listening_ns[s->shared.run_count++] = tn_now_ns();
    s->shared.port = port;
    (void)pthread_mutex_unlock(&s->shared.lock);
}

int linear_server_start(struct linear_server *s, struct tarn_error *err)
{
    if (s->shared.run_count == LINEAR_RUNS_MAX)
        return tn_fail(err, TARN_ETOOBIG, "tarnd was started too often");
    int rc = spawn(s, err);
    if (rc < 0)
        return rc;
    uint64_t deadline_ns = tn_now_ns() + SERVER_START_S * UINT64_C(1000000000);
    while (tn_now_ns() < deadline_ns) {
        unsigned port = read_port(s);
        if (port) {
            publish(s, port);
            return TARN_OK;
        }
        rc = linear_server_check(s, err);
        if (rc < 0)
            return rc;
        nap();
    }
    return fail_with_log(s, err, "does not listen in time");
}

int linear_server_kill(struct linear_server *s, struct tarn_error *err)
{
    int status = 0;
    int rc = linear_server_check(s, err);
    if (rc < 0)
        return rc;
    (void)kill(s->pid, SIGKILL);
    (void)reap(s, true, &status);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return fail_with_log(s, err, "ended by itself");
    return check_log(s, err);
}

int linear_server_stop(struct linear_server *s, struct tarn_error *err)
{
    int status = 0;
    int rc = linear_server_check(s, err);
    if (rc < 0)
        return rc;
    (void)kill(s->pid, SIGTERM);
    uint64_t deadline_ns = tn_now_ns() + SERVER_STOP_S * UINT64_C(1000000000);
    while (reap(s, false, &status) == TARN_EAGAIN) {
        if (tn_now_ns() > deadline_ns)
            return fail_with_log(s, err, "does not stop in time");
        nap();
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return fail_with_log(s, err, "did not end well");
    return check_log(s, err);
}

unsigned linear_server_port(struct linear_server *s, size_t *run)
{
    (void)pthread_mutex_lock(&s->shared.lock);
    *run = s->shared.run_count - 1;
    unsigned port = s->shared.port;
    (void)pthread_mutex_unlock(&s->shared.lock);
    return port;
}
