/* SPDX-License-Identifier: Apache-2.0 */
/* Running a command. */

#include "cli/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLICE_MS = 20, CANNOT_RUN = 127, BY_SIGNAL = 128 };

static volatile sig_atomic_t last_signal;
static volatile sig_atomic_t signal_to_pass;

static void on_signal(int number)
{
    last_signal = number;
    if (number != SIGINT)
        signal_to_pass = number;
}

void cli_child_watch_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = on_signal };
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < TN_COUNT(numbers); i++)
        (void)sigaction(numbers[i], &action, NULL);
}

int cli_child_signal(void)
{
    return last_signal;
}

int cli_child_start(struct cli_child *child, const char **words, int count, struct tarn_error *err)
{
    TN_AUTO_FREE char **argv = tn_calloc((size_t)count + 1, sizeof *argv);
    if (!argv)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    for (int i = 0; i < count; i++)
        memcpy(&argv[i], &words[i], sizeof argv[i]);
    pid_t pid = fork();
    if (pid < 0)
        return tn_fail_errno(err, "could not run \"%s\"", words[0]);
    if (pid == 0) {
        (void)signal(SIGPIPE, SIG_DFL); /* handlers are taken off by exec itself */
        (void)execvp(argv[0], argv);
        _exit(CANNOT_RUN);
    }
    *child = (struct cli_child){ .pid = pid };
    return TARN_OK;
}

static bool has_ended(struct cli_child *child)
{
    int status;
    pid_t got = waitpid(child->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return false;
    if (got < 0)
        child->exit_code = CANNOT_RUN;
    else
        child->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : BY_SIGNAL + WTERMSIG(status);
    return true;
}

bool cli_child_poll(struct cli_child *child, int fd, int wait_ms)
{
    for (int waited = 0;; waited += SLICE_MS) {
        struct pollfd watched = { fd, POLLIN, 0 };
        if (has_ended(child))
            return true;
        if (signal_to_pass) {
            (void)kill(child->pid, signal_to_pass);
            signal_to_pass = 0;
        }
        if (waited >= wait_ms)
            return false;
        if (poll(&watched, 1, SLICE_MS) > 0)
            return has_ended(child);
    }
}

void cli_child_end(struct cli_child *child, int grace_ms)
{
    (void)kill(child->pid, SIGTERM);
    if (cli_child_poll(child, -1, grace_ms))
        return;
    (void)kill(child->pid, SIGKILL);
    while (!cli_child_poll(child, -1, grace_ms))
        continue;
}
