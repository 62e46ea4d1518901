/* SPDX-License-Identifier: Apache-2.0 */
/* The hold: a lock between processes that keeps committed files where they are while a backup
 * copies them. The kernel drops it with the process, so that nothing is to clean up. */

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/file.h"
#include "server/store/engine.h"

int hold_open(const char *dir, int *fd, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 8];
    (void)snprintf(path, sizeof path, "%s/hold", dir);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return *fd < 0 ? tn_fail_errno(err, "could not open \"%s\"", path) : TARN_OK;
}

bool hold_try_alone(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

int hold_share(int fd, struct tarn_error *err)
{
    while (flock(fd, LOCK_SH) < 0) {
        if (errno != EINTR)
            return tn_fail_errno(err, "could not hold the store");
    }
    return TARN_OK;
}

void hold_drop(int fd)
{
    (void)flock(fd, LOCK_UN);
}
