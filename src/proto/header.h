/* SPDX-License-Identifier: Apache-2.0 */
/* One header field, as the parser saw it or as the sender will write it. */

#ifndef PROTO_HEADER_H
#define PROTO_HEADER_H

#include "base/str.h"

/* `name` in any case; `value` without blanks at its ends. Both borrow from the message. */
struct tn_header {
    struct tn_str name;
    struct tn_str value;
};

#endif
