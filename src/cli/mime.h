/* SPDX-License-Identifier: Apache-2.0 */
/* Media types by the extension of a name. */

#ifndef CLI_MIME_H
#define CLI_MIME_H

/* Never NULL: "application/octet-stream" for what is not known. */
const char *cli_mime_guess(const char *name);

#endif
