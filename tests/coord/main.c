/* SPDX-License-Identifier: Apache-2.0 */
/* tarn-coord: proofs of locks, counters and copies. Writes one JSON object; ends with 3 when what
 * was to be proved does not hold. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "coord/setup.h"

static const struct option options[] = {
    { "endpoint", required_argument, NULL, 'e' }, { "bucket", required_argument, NULL, 'b' },
    { "name", required_argument, NULL, 'n' },     { "procs", required_argument, NULL, 'p' },
    { "rounds", required_argument, NULL, 'r' },   { "ttl-ms", required_argument, NULL, 't' },
    { "hold-us", required_argument, NULL, 'h' },  { "pauses", required_argument, NULL, 'P' },
    { "kills", required_argument, NULL, 'k' },    { "wall-step-ms", required_argument, NULL, 'w' },
    { "strategy", required_argument, NULL, 's' }, { "flawed", no_argument, NULL, 'f' },
    { "skip-probe", no_argument, NULL, 'x' },     { NULL, 0, NULL, 0 },
};

static long number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text) {
        fprintf(stderr, "tarn-coord: \"%s\" is no number\n", text);
        exit(2);
    }
    return value;
}

static void set(struct setup *s, int option)
{
    switch (option) {
    case 'e':
        s->endpoint = optarg;
        break;
    case 'b':
        s->bucket = optarg;
        break;
    case 'n':
        s->name = optarg;
        break;
    case 'p':
        s->procs = (int)number(optarg);
        break;
    case 'r':
        s->rounds = number(optarg);
        break;
    case 't':
        s->ttl_ms = number(optarg);
        break;
    case 'h':
        s->hold_us = number(optarg);
        break;
    case 'P':
        s->pauses = (int)number(optarg);
        break;
    case 'k':
        s->kills = (int)number(optarg);
        break;
    case 'w':
        s->wall_step_ms = number(optarg);
        break;
    case 's':
        s->strategy = optarg;
        break;
    case 'f':
        s->is_flawed = true;
        break;
    case 'x':
        s->skip_probe = true;
        break;
    default:
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct setup s = {
        .bucket = "coord", .name = "it", .procs = 16, .rounds = 100, .ttl_ms = 2000
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        set(&s, option);
    const char *what = optind < argc ? argv[optind] : "";
    if (s.procs < 1 || s.procs > 64 || s.rounds < 1)
        return 2;
    if (strcmp(what, "lock") == 0)
        return prove_locks(&s);
    if (strcmp(what, "cas") == 0)
        return prove_counter(&s);
    if (strcmp(what, "copy") == 0 && s.rounds <= 20000)
        return prove_copies(&s);
    if (strcmp(what, "case") == 0)
        return prove_case(&s);
    if (strcmp(what, "buffer") == 0)
        return prove_buffer(&s);
    if (strcmp(what, "bench") == 0)
        return measure(&s);
    fprintf(stderr, "usage: tarn-coord [options] lock|cas|copy|case|buffer|bench\n");
    return 2;
}
