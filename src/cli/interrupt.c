/* SPDX-License-Identifier: Apache-2.0 */
/* SIGINT, SIGTERM, SIGHUP. A signal handler has no argument: the two variables here are its own. */

#include "cli/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

static struct tarn_client *_Atomic watched;
static _Atomic int caught;

static void on_signal(int number)
{
    atomic_store(&caught, number);
    struct tarn_client *client = atomic_load(&watched);
    if (client)
        tarn_client_cancel(client);
}

void cli_interrupt_watch(struct tarn_client *client)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    atomic_store(&watched, client);
    if (!client)
        return;
    for (size_t i = 0; i < TN_COUNT(numbers); i++) {
        struct sigaction before;
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
        /* nohup and background jobs of old shells start with the signal ignored: so it stays. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN)
            continue;
        (void)sigemptyset(&action.sa_mask);
        (void)sigaction(numbers[i], &action, NULL);
    }
}

int cli_interrupt_signal(void)
{
    return atomic_load(&caught);
}

void cli_interrupt_raise(void)
{
    int number = atomic_load(&caught);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}
