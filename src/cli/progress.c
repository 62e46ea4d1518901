/* SPDX-License-Identifier: Apache-2.0 */
/* One bar for a whole job. */

#include "cli/progress.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/text.h"

enum {
    TICK_MS = 200,
    LINE_TICK_MS = 3000,
    COLUMNS_DEFAULT = 80,
    COLUMNS_MIN = 40,
    BAR_LEN_MAX = 30,
    SAMPLES = 25
};

struct cli_bar {
    struct cli_progress *progress;
    struct cli_out *out;
    pthread_t thread;
    uint64_t samples[SAMPLES]; /* bytes done at the last ticks: the rate of some 5 s */
    uint64_t times_ns[SAMPLES];
    size_t sample_count;
    uint64_t started_ns;
    long tick_ms;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        bool is_over;
    } shared;
};

static void append_bar(char *text, unsigned percent, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        text[i] = i * 100 < percent * len ? '=' : ' ';
    text[len] = '\0';
}

static unsigned percent_of(uint64_t done, uint64_t total)
{
    if (total == 0)
        return 0;
    return done >= total ? 100 : (unsigned)((double)done * 100.0 / (double)total);
}

void cli_progress_text(const struct cli_progress *progress, uint64_t rate, unsigned columns,
                       char out[CLI_PROGRESS_LEN])
{
    uint64_t done = atomic_load(&progress->bytes_done);
    uint64_t total = atomic_load(&progress->bytes_total);
    uint64_t files = atomic_load(&progress->files_done);
    uint64_t files_total = atomic_load(&progress->files_total);
    bool is_known = atomic_load(&progress->is_total_known);
    char done_text[CLI_SIZE_LEN], total_text[CLI_SIZE_LEN], rate_text[CLI_SIZE_LEN];
    char left_text[CLI_SIZE_LEN] = "", bar[BAR_LEN_MAX + 1];
    bool is_over = is_known && files >= files_total;
    unsigned percent = is_over ? 100
                       : total ? percent_of(done, total)
                               : percent_of(files, files_total);

    cli_size_text(done, done_text);
    cli_size_text(total, total_text);
    cli_size_text(rate, rate_text);
    if (is_known && rate > 0 && done < total)
        cli_duration_text((total - done) / rate * 1000, left_text);
    int len = snprintf(out, CLI_PROGRESS_LEN, "%3u%% %s/%s%s %s/s %llu/%llu%s files%s%s", percent,
                       done_text, total_text, is_known ? "" : "+", rate_text,
                       (unsigned long long)files, (unsigned long long)files_total,
                       is_known ? "" : "+", left_text[0] ? " ETA " : "", left_text);
    unsigned used = (unsigned)len + 4;
    if (used + 5 < columns && used + 5 < CLI_PROGRESS_LEN) {
        unsigned room = columns - used < BAR_LEN_MAX ? columns - used : BAR_LEN_MAX;
        append_bar(bar, percent, room);
        (void)snprintf(out + len, CLI_PROGRESS_LEN - (size_t)len, " [%s]", bar);
    } else if ((unsigned)len >= columns) {
        out[columns - 1] = '\0';
    }
}

static unsigned terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    if (size.ws_col < COLUMNS_MIN)
        return COLUMNS_MIN;
    return size.ws_col < CLI_PROGRESS_LEN ? size.ws_col : CLI_PROGRESS_LEN - 1;
}

static uint64_t bar_rate(struct cli_bar *bar)
{
    size_t newest = bar->sample_count++ % SAMPLES;
    size_t oldest = bar->sample_count > SAMPLES ? bar->sample_count % SAMPLES : 0;
    bar->samples[newest] = atomic_load(&bar->progress->bytes_done);
    bar->times_ns[newest] = tn_now_ns();
    uint64_t elapsed_ns = bar->times_ns[newest] - bar->times_ns[oldest];
    uint64_t bytes = bar->samples[newest] - bar->samples[oldest];
    if (elapsed_ns == 0 || bar->samples[newest] < bar->samples[oldest])
        return 0;
    return (uint64_t)((double)bytes * 1e9 / (double)elapsed_ns);
}

static void bar_draw(struct cli_bar *bar)
{
    char text[CLI_PROGRESS_LEN];
    cli_progress_text(bar->progress, bar_rate(bar), terminal_columns(), text);
    if (bar->out->is_terminal_err)
        cli_out_status(bar->out, tn_str_from(text));
    else
        cli_out_error(bar->out, tn_str_from(text));
}

/* False when the job is over. */
static bool bar_wait(struct cli_bar *bar)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += bar->tick_ms / 1000;
    until.tv_nsec += bar->tick_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_mutex_lock(&bar->shared.lock);
    if (!bar->shared.is_over)
        (void)pthread_cond_timedwait(&bar->shared.wake, &bar->shared.lock, &until);
    bool goes_on = !bar->shared.is_over;
    (void)pthread_mutex_unlock(&bar->shared.lock);
    return goes_on;
}

static void *bar_run(void *arg)
{
    struct cli_bar *bar = arg;
    while (bar_wait(bar))
        bar_draw(bar);
    return NULL;
}

struct cli_bar *cli_bar_start(struct cli_progress *progress, struct cli_out *out)
{
    if (!out->is_terminal_err && !out->tells_progress)
        return NULL;
    struct cli_bar *bar = tn_calloc(1, sizeof *bar);
    if (!bar)
        return NULL;
    bar->progress = progress;
    bar->out = out;
    bar->started_ns = tn_now_ns();
    bar->tick_ms = out->is_terminal_err ? TICK_MS : LINE_TICK_MS;
    (void)pthread_mutex_init(&bar->shared.lock, NULL);
    (void)pthread_cond_init(&bar->shared.wake, NULL);
    (void)bar_rate(bar);

    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&bar->thread, NULL, bar_run, bar);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0)
        return bar;
    tn_free(bar);
    return NULL;
}

void cli_bar_stop(struct cli_bar *bar, bool keep)
{
    if (!bar)
        return;
    (void)pthread_mutex_lock(&bar->shared.lock);
    bar->shared.is_over = true;
    (void)pthread_cond_signal(&bar->shared.wake);
    (void)pthread_mutex_unlock(&bar->shared.lock);
    (void)pthread_join(bar->thread, NULL);

    char text[CLI_PROGRESS_LEN];
    uint64_t elapsed_ns = tn_now_ns() - bar->started_ns;
    double mean = (double)atomic_load(&bar->progress->bytes_done) * 1e9 / (double)(elapsed_ns + 1);
    cli_progress_text(bar->progress, (uint64_t)mean, terminal_columns(), text);
    cli_out_status(bar->out, TN_STR_EMPTY);
    if (keep)
        cli_out_error(bar->out, tn_str_from(text));
    (void)pthread_cond_destroy(&bar->shared.wake);
    (void)pthread_mutex_destroy(&bar->shared.lock);
    tn_free(bar);
}
