/* SPDX-License-Identifier: Apache-2.0 */
/* tarn-bench-measure: runs a command and writes what it cost. A program of its own because the peak
 * of memory that the kernel tells includes that of whoever forked. */

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct rusage use;
    pid_t pid;
    int status;
    if (argc < 3) {
        (void)fputs("usage: tarn-bench-measure RESULT COMMAND...\n", stderr);
        return 2;
    }
    double start = now();
    int rc = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
    if (rc != 0) {
        (void)fprintf(stderr, "could not run \"%s\": %s\n", argv[2], strerror(rc));
        return 127;
    }
    while (wait4(pid, &status, 0, &use) < 0) {
        if (errno != EINTR)
            return 1;
    }
    double wall = now() - start;
    FILE *out = fopen(argv[1], "w");
    if (!out)
        return 1;
    (void)fprintf(out, "{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"rss_mib\": %.3f}\n", wall,
                  seconds(use.ru_utime) + seconds(use.ru_stime), (double)use.ru_maxrss / 1024);
    if (fclose(out) != 0)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
