/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the references' weaknesses, by name. */

#include "coord/cases.h"

struct tarn_request scene_request(struct scene *c)
{
    return (struct tarn_request){ .headers = &c->fault, .header_count = 1 };
}

bool scene_has_key(struct scene *c, const char *key)
{
    return tarn_object_head(c->b, c->s->bucket, key, NULL, NULL, NULL) == TARN_OK;
}

bool scene_key_is(struct scene *c, const char *key, const char *text)
{
    char *bytes = NULL;
    size_t len = 0;
    int rc = tarn_object_get_bytes(c->b, c->s->bucket, key, MIB, &bytes, &len, NULL, NULL, &c->err);
    bool is_same = rc == TARN_OK && len == strlen(text) && memcmp(bytes, text, len) == 0;
    tarn_bytes_free(bytes);
    return is_same;
}

static int count_upload(void *arg, const struct tarn_upload_entry *entry)
{
    (void)entry;
    *(int *)arg += 1;
    return TARN_OK;
}

int scene_count_uploads(struct scene *c)
{
    int uploads = 0;
    int rc = tarn_multipart_list_uploads(c->b, c->s->bucket, NULL, NULL, count_upload, &uploads,
                                         &c->err);
    return rc < 0 ? rc : uploads;
}

int scene_count_keys(struct scene *c)
{
    struct tarn_list *list = tarn_list_open(c->b, c->s->bucket, NULL, &c->err);
    const struct tarn_list_entry *entry = NULL;
    int count = 0, rc = list ? TARN_OK : TARN_ENOMEM;
    while (rc == TARN_OK) {
        rc = tarn_list_next(list, &entry, &c->err);
        if (rc < 0 || !entry)
            break;
        count++;
    }
    tarn_list_free(list);
    return rc < 0 ? rc : count;
}

int prove_case(const struct setup *s)
{
    static const struct scene_case *const tables[] = { lock_cases,   copy_cases,  store_cases,
                                                       buffer_cases, spool_cases, review_cases };
    struct scene c = { .s = s, .fault = { "x-tarn-fault", "none none" } };
    int code = 2;
    test_clock_init(&c.clock_a);
    test_clock_init(&c.clock_b);
    test_clock_stop(&c.clock_a);
    test_clock_stop(&c.clock_b);
    c.clock_b.jumps = true;
    c.a = setup_client(s->endpoint, 3);
    c.b = setup_client(NULL, 4);
    c.o = (struct tarn_lock_options){ .request = scene_request(&c),
                                      .ttl_ms = TTL_MS,
                                      .wait_ms = AWAIT_MS };
    for (size_t i = 0; i < TN_COUNT(tables); i++) {
        for (const struct scene_case *row = tables[i]; row->name; row++) {
            if (strcmp(row->name, s->name) == 0)
                code = row->run(&c);
        }
    }
    tarn_lock_free(c.la);
    tarn_lock_free(c.lb);
    tarn_client_free(c.a);
    tarn_client_free(c.b);
    return code;
}
