/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes: what every fallible function of libtarn returns. */

#ifndef TARN_STATUS_H
#define TARN_STATUS_H

#include <tarn/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, text): the text is lower case, without a period, and fits behind "could not ...:
 * ". */
#define TARN_STATUS_TABLE(X)                                                                       \
    X(TARN_OK, 0, "success")                                                                       \
    X(TARN_ENOMEM, -1, "out of memory")                                                            \
    X(TARN_EINVAL, -2, "invalid argument or malformed input")                                      \
    X(TARN_ETOOBIG, -3, "larger than the limit allows")                                            \
    X(TARN_EIO, -4, "input/output error")                                                          \
    X(TARN_EAGAIN, -5, "would have to wait")                                                       \
    X(TARN_EEOF, -6, "unexpected end of data")                                                     \
    X(TARN_ENOTFOUND, -7, "not found")                                                             \
    X(TARN_EEXISTS, -8, "exists already")                                                          \
    X(TARN_EDENIED, -9, "access denied")                                                           \
    X(TARN_EPRECOND, -10, "precondition failed")                                                   \
    X(TARN_ENOTMODIFIED, -11, "not modified")                                                      \
    X(TARN_ECONFLICT, -12, "conflicting operation in progress")                                    \
    X(TARN_ECHECKSUM, -13, "checksum mismatch")                                                    \
    X(TARN_ENETWORK, -14, "network error")                                                         \
    X(TARN_ETIMEOUT, -15, "timed out")                                                             \
    X(TARN_ETHROTTLED, -16, "too many requests")                                                   \
    X(TARN_ESERVER, -17, "server error")                                                           \
    X(TARN_ECREDENTIALS, -18, "no usable credentials")                                             \
    X(TARN_ENOSPACE, -19, "no space left")                                                         \
    X(TARN_ENOTSUPPORTED, -20, "not supported")                                                    \
    X(TARN_ECANCELLED, -21, "cancelled")                                                           \
    X(TARN_ECONFIG, -22, "invalid configuration")                                                  \
    X(TARN_EPROTOCOL, -23, "unexpected answer from the peer")                                      \
    X(TARN_ENOBUCKET, -24, "no such bucket")                                                       \
    X(TARN_ECORRUPT, -25, "stored data is damaged")                                                \
    X(TARN_ENOTEMPTY, -26, "not empty")                                                            \
    X(TARN_ERANGE, -27, "range not satisfiable")                                                   \
    X(TARN_EBUSY, -28, "in use")                                                                   \
    X(TARN_ELOST, -29, "lost to another holder")

enum tarn_status {
#define X(name, value, text) name = (value),
    TARN_STATUS_TABLE(X)
#undef X
};

/* Static text for a status; "unknown status" for any other number. Any thread. */
TARN_API const char *tarn_status_text(int status);

/* Static name of a status, such as "TARN_ENOMEM"; "unknown" for any other number. Any thread. */
TARN_API const char *tarn_status_name(int status);

#ifdef __cplusplus
}
#endif

#endif
