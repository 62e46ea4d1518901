/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping a tarnd for tests. */

#include <tarn/mock.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tarn/bucket.h>
#include <tarn/client.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/file.h"

enum {
    PATH_LEN_MAX = 4096,
    START_MS = 60000,
    STOP_MS = 30000,
    POLL_MS = 5,
    LOG_LEN_MAX = 1 << 20,
    URL_LEN_MAX = 64,
    KEY_LEN_MAX = 256,
    REMOVE_FILES_MAX = 32
};
static const char ACCESS_KEY[] = "mock-access-key-0001";
static const char SECRET_KEY[] = "mock/secret+key/00000000000000000000001";

struct tarn_mock {
    pid_t pid; /* 0: not running */
    int log;   /* what the server says; a file without a name */
    bool removes;
    char data[PATH_LEN_MAX];
    char program[PATH_LEN_MAX];
    char endpoint[URL_LEN_MAX];
    char access_key[KEY_LEN_MAX];
    char secret_key[KEY_LEN_MAX];
};

static void nap_ms(long ms)
{
    struct timespec delay = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&delay, NULL);
}

/* ---- preparations ---- */

/* Beside this program, as in a build directory and when installed; else PATH is searched. */
static void find_program(const struct tarn_mock_options *o, char out[PATH_LEN_MAX])
{
    char self[PATH_LEN_MAX];
    const char *given = o->program ? o->program : getenv("TARN_TARND");
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    (void)snprintf(out, PATH_LEN_MAX, "%s", given && given[0] ? given : "tarnd");
    if ((given && given[0]) || len <= 0)
        return;
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash)
        return;
    *slash = '\0';
    char beside[PATH_LEN_MAX + 8];
    int n = snprintf(beside, sizeof beside, "%s/tarnd", self);
    if (n < PATH_LEN_MAX && access(beside, X_OK) == 0)
        memcpy(out, beside, (size_t)n + 1);
}

static const char *temporary_directory(void)
{
    const char *given = getenv("TMPDIR");
    return given && given[0] ? given : "/tmp";
}

static int prepare_data(struct tarn_mock *m, const struct tarn_mock_options *o,
                        struct tarn_error *err)
{
    if (o->data) {
        struct stat st;
        int len = snprintf(m->data, sizeof m->data, "%s", o->data);
        if (len < 0 || (size_t)len >= sizeof m->data)
            return tn_fail(err, TARN_ETOOBIG, "could not start tarnd: the path is too long");
        m->removes = !o->keep && stat(o->data, &st) < 0;
        return tn_dir_make(o->data, 0700, err);
    }
    (void)snprintf(m->data, sizeof m->data, "%s/tarn-mock-XXXXXX", temporary_directory());
    if (!mkdtemp(m->data))
        return tn_fail_errno(err, "could not make a directory for tarnd");
    m->removes = !o->keep;
    return TARN_OK;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void remove_data(const char *path)
{
    (void)nftw(path, remove_entry, REMOVE_FILES_MAX, FTW_DEPTH | FTW_PHYS);
}

/* ---- the process ---- */

/* After fork(): only what is safe there. */
_Noreturn static void become_tarnd(const struct tarn_mock *m, const struct tarn_mock_options *o,
                                   char *const *argv, char *const *env, pid_t parent)
{
    sigset_t none;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (o->ends_with_thread) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(127);
    }
    if (nothing >= 0) {
        (void)dup2(nothing, STDIN_FILENO);
        (void)dup2(nothing, STDOUT_FILENO);
    }
    (void)dup2(m->log, STDERR_FILENO);
    (void)execvpe(m->program, argv, env);
    _exit(127);
}

/* The environment with the two keys in it; the texts in `keys` must outlive it. */
static char **make_environment(char keys[2][320])
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **env = tn_calloc(count + 3, sizeof *env);
    size_t n = 0;
    for (size_t i = 0; env && i < count; i++) {
        if (strncmp(environ[i], "TARN_ACCESS_KEY=", 16) != 0 &&
            strncmp(environ[i], "TARN_SECRET_KEY=", 16) != 0)
            env[n++] = environ[i];
    }
    if (env) {
        env[n++] = keys[0];
        env[n] = keys[1];
    }
    return env;
}

/* A file without a name; not every file system knows O_TMPFILE. */
static int open_log(void)
{
    char path[PATH_LEN_MAX];
    (void)snprintf(path, sizeof path, "%s/tarn-mock-log-XXXXXX", temporary_directory());
    int fd = mkostemp(path, O_APPEND | O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static int spawn(struct tarn_mock *m, const struct tarn_mock_options *o, struct tarn_error *err)
{
    char listen[32], keys[2][320];
    char data_name[] = "--data", listen_name[] = "--listen";
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%d", o->port);
    (void)snprintf(keys[0], sizeof keys[0], "TARN_ACCESS_KEY=%s", m->access_key);
    (void)snprintf(keys[1], sizeof keys[1], "TARN_SECRET_KEY=%s", m->secret_key);
    char *argv[] = { m->program, data_name, m->data, listen_name, listen, NULL };
    TN_AUTO_FREE char **env = make_environment(keys);
    if (!env)
        return tn_fail(err, TARN_ENOMEM, "could not start tarnd: out of memory");
    m->log = open_log();
    if (m->log < 0)
        return tn_fail_errno(err, "could not start tarnd: no file for its log");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return tn_fail_errno(err, "could not start tarnd");
    if (pid == 0)
        become_tarnd(m, o, argv, env, parent);
    m->pid = pid;
    return TARN_OK;
}

/* "event=listening address=127.0.0.1:PORT ": the port, or 0. */
static int read_port(const struct tarn_mock *m, char *log, size_t cap)
{
    ssize_t len = tn_fd_pread(m->log, log, cap - 1, 0);
    log[len > 0 ? len : 0] = '\0';
    const char *at = strstr(log, "event=listening address=");
    const char *end = at ? strpbrk(at + 24, " \n") : NULL;
    if (!end) /* also a line that is not whole yet */
        return 0;
    while (end > at && end[-1] != ':')
        end--;
    return (int)strtol(end, NULL, 10);
}

/* Also when the program has nobody wait for its children, or waits for them itself. */
static bool has_ended(pid_t pid)
{
    pid_t got = waitpid(pid, NULL, WNOHANG);
    return got == pid || (got < 0 && errno == ECHILD);
}

static int await_start(struct tarn_mock *m, struct tarn_error *err)
{
    TN_AUTO_FREE char *log = tn_realloc(NULL, LOG_LEN_MAX);
    if (!log)
        return tn_fail(err, TARN_ENOMEM, "could not start tarnd: out of memory");
    for (int waited = 0; waited < START_MS; waited += POLL_MS) {
        int port = read_port(m, log, LOG_LEN_MAX);
        if (port > 0) {
            (void)snprintf(m->endpoint, sizeof m->endpoint, "http://127.0.0.1:%d", port);
            return TARN_OK;
        }
        if (has_ended(m->pid)) {
            m->pid = 0;
            (void)read_port(m, log, LOG_LEN_MAX); /* its last words */
            size_t len = strlen(log);
            return tn_fail(err, TARN_EIO, "could not start \"%s\": %s", m->program,
                           len ? log + (len > 300 ? len - 300 : 0) : "no such program");
        }
        nap_ms(POLL_MS);
    }
    return tn_fail(err, TARN_ETIMEOUT, "could not start \"%s\": it does not answer", m->program);
}

static int make_buckets(struct tarn_mock *m, const struct tarn_mock_options *o,
                        struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    if (o->bucket_count == 0)
        return TARN_OK;
    struct tarn_client *client = tarn_mock_client(m, &why);
    int rc = client ? TARN_OK : why.status;
    for (size_t i = 0; i < o->bucket_count && rc == TARN_OK; i++) {
        rc = tarn_bucket_create(client, o->buckets[i], NULL, &why);
        if (rc == TARN_EEXISTS)
            rc = TARN_OK;
    }
    tarn_client_free(client);
    if (rc < 0 && err)
        *err = why;
    return rc;
}

static bool is_too_long(const char *key)
{
    return key && strlen(key) >= KEY_LEN_MAX;
}

static int judge_options(const struct tarn_mock_options *o, struct tarn_error *err)
{
    if (o->port < 0 || o->port > 65535)
        return tn_fail(err, TARN_EINVAL, "could not start tarnd: no port %d", o->port);
    if (!o->access_key != !o->secret_key || is_too_long(o->access_key) ||
        is_too_long(o->secret_key))
        return tn_fail(err, TARN_EINVAL, "could not start tarnd: both keys or none, of %d bytes",
                       KEY_LEN_MAX - 1);
    if (o->bucket_count > 0 && !o->buckets)
        return tn_fail(err, TARN_EINVAL, "could not start tarnd: no buckets were given");
    if (o->data && !o->data[0])
        return tn_fail(err, TARN_EINVAL, "could not start tarnd: the directory has no name");
    return TARN_OK;
}

struct tarn_mock *tarn_mock_start(const struct tarn_mock_options *options, struct tarn_error *err)
{
    static const struct tarn_mock_options none;
    const struct tarn_mock_options *o = options ? options : &none;
    if (judge_options(o, err) < 0)
        return NULL;
    struct tarn_mock *m = tn_calloc(1, sizeof *m);
    if (!m) {
        (void)tn_fail(err, TARN_ENOMEM, "could not start tarnd: out of memory");
        return NULL;
    }
    m->log = -1;
    (void)snprintf(m->access_key, sizeof m->access_key, "%s",
                   o->access_key ? o->access_key : ACCESS_KEY);
    (void)snprintf(m->secret_key, sizeof m->secret_key, "%s",
                   o->secret_key ? o->secret_key : SECRET_KEY);
    find_program(o, m->program);
    int rc = prepare_data(m, o, err);
    if (rc == TARN_OK)
        rc = spawn(m, o, err);
    if (rc == TARN_OK)
        rc = await_start(m, err);
    if (rc == TARN_OK)
        rc = make_buckets(m, o, err);
    if (rc == TARN_OK)
        return m;
    (void)tarn_mock_stop(m, NULL);
    return NULL;
}

/* The exit status of waitpid(), or -1 when it had to be killed. */
static int end_process(pid_t pid)
{
    int status = 0;
    (void)kill(pid, SIGTERM);
    for (int waited = 0; waited < STOP_MS; waited += POLL_MS) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid)
            return status;
        if (got < 0 && errno != EINTR)
            return 0; /* somebody else waited for it */
        nap_ms(POLL_MS);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return -1;
}

int tarn_mock_stop(struct tarn_mock *mock, struct tarn_error *err)
{
    if (!mock)
        return TARN_OK;
    int status = mock->pid ? end_process(mock->pid) : 0;
    int rc = TARN_OK;
    if (status != 0)
        rc = tn_fail(err, TARN_EIO, "tarnd did not end well (status %d)", status);
    if (mock->removes)
        remove_data(mock->data);
    tn_fd_close(&mock->log);
    tn_free(mock);
    return rc;
}

const char *tarn_mock_endpoint(const struct tarn_mock *mock)
{
    return mock->endpoint;
}

const char *tarn_mock_access_key(const struct tarn_mock *mock)
{
    return mock->access_key;
}

const char *tarn_mock_secret_key(const struct tarn_mock *mock)
{
    return mock->secret_key;
}

const char *tarn_mock_data(const struct tarn_mock *mock)
{
    return mock->data;
}

int tarn_mock_pid(const struct tarn_mock *mock)
{
    return (int)mock->pid;
}

struct tarn_client *tarn_mock_client(const struct tarn_mock *mock, struct tarn_error *err)
{
    struct tarn_config config;
    tarn_config_init(&config);
    config.endpoint = mock->endpoint;
    config.region = "us-east-1";
    config.access_key = mock->access_key;
    config.secret_key = mock->secret_key;
    config.addressing = TARN_ADDRESSING_PATH;
    config.ignore_environment = true;
    return tarn_client_new(&config, err);
}
