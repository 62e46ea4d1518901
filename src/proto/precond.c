/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests. */

#include "proto/precond.h"

bool tn_precond_is_empty(const struct tn_precond *c)
{
    return !c->has_if_match && !c->has_if_none_match && !c->has_if_modified_since &&
           !c->has_if_unmodified_since;
}

enum tn_precond_result tn_precond_read(const struct tn_precond *c, struct tn_str etag,
                                       int64_t mtime)
{
    if (c->has_if_match) {
        if (!tn_etag_list_has(c->if_match, etag, false))
            return TN_PRECOND_FAILED;
    } else if (c->has_if_unmodified_since && mtime > c->if_unmodified_since) {
        return TN_PRECOND_FAILED;
    }
    if (c->has_if_none_match) {
        if (tn_etag_list_has(c->if_none_match, etag, true))
            return TN_PRECOND_NOT_MODIFIED;
    } else if (c->has_if_modified_since && mtime <= c->if_modified_since) {
        return TN_PRECOND_NOT_MODIFIED;
    }
    return TN_PRECOND_PASS;
}

enum tn_precond_result tn_precond_copy_source(const struct tn_precond *c, struct tn_str etag,
                                              int64_t mtime)
{
    bool is_pass = tn_precond_read(c, etag, mtime) == TN_PRECOND_PASS;
    return is_pass ? TN_PRECOND_PASS : TN_PRECOND_FAILED;
}

enum tn_precond_result tn_precond_write(const struct tn_precond *c, bool exists, struct tn_str etag)
{
    if (c->has_if_none_match && !tn_etag_list_is_fine(c->if_none_match))
        return TN_PRECOND_UNSUPPORTED;
    if (c->has_if_match) {
        if (!exists)
            return TN_PRECOND_NO_SUCH_KEY;
        if (!tn_etag_list_has(c->if_match, etag, false))
            return TN_PRECOND_FAILED;
    }
    if (c->has_if_none_match && exists && tn_etag_list_has(c->if_none_match, etag, true))
        return TN_PRECOND_FAILED;
    return TN_PRECOND_PASS;
}
