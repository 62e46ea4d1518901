/* SPDX-License-Identifier: Apache-2.0 */
/* tarn_manpage: writes tarn(1) to standard output; run by hand when the tables change. A test
 * compares the result with docs/man/tarn.1. */

#include "base/file.h"
#include "cli/help.h"

int main(void)
{
    TN_AUTO_BUF page = TN_BUF_INIT(1 << 20);
    int rc = cli_manpage_append(&page);
    if (rc == TARN_OK)
        rc = tn_fd_write(1, page.data, page.len);
    return rc == TARN_OK ? 0 : 1;
}
