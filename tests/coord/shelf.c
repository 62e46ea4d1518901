/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in a row; a segment is the place of one, as a pointer. */

#include "coord/shelf.h"

static int number_of(struct shelf *s, void *segment)
{
    return (int)((char *)segment - (char *)s);
}

static int create(void *arg, void **segment, struct tarn_error *err)
{
    struct shelf *s = arg;
    (void)err;
    if (s->made == SHELF_MAX)
        return TARN_ENOSPACE;
    tn_buf_init(&s->objects[s->made].bytes, 64 << 20);
    s->objects[s->made].is_there = true;
    *segment = (char *)s + s->made++;
    return TARN_OK;
}

static int write(void *arg, void *segment, const void *bytes, size_t len, struct tarn_error *err)
{
    struct shelf *s = arg;
    (void)err;
    if (s->writes_left == 0) {
        s->writes_left = -1;
        return TARN_EIO;
    }
    s->writes_left -= s->writes_left > 0;
    return tn_buf_append(&s->objects[number_of(s, segment)].bytes, bytes, len);
}

static int seal(void *arg, void *segment, struct tarn_error *err)
{
    struct shelf *s = arg;
    int i = number_of(s, segment);
    (void)err;
    if (s->seals_fail)
        return TARN_ENETWORK;
    s->objects[i].is_sealed = true;
    return TARN_OK;
}

static int64_t read(void *arg, void *segment, uint64_t offset, void *out, size_t len,
                    struct tarn_error *err)
{
    struct shelf *s = arg;
    int i = number_of(s, segment);
    const struct tn_buf *b = &s->objects[i].bytes;
    (void)err;
    if (!s->objects[i].is_sealed)
        return TARN_ENOTFOUND;
    if (offset >= b->len)
        return 0;
    if (len > b->len - offset)
        len = b->len - (size_t)offset;
    if (s->read_max && len > s->read_max)
        len = s->read_max;
    memcpy(out, b->data + offset, len);
    return (int64_t)len;
}

static void drop(void *arg, void *segment)
{
    struct shelf *s = arg;
    int i = number_of(s, segment);
    s->objects[i].is_there = s->objects[i].is_sealed = false;
    tn_buf_release(&s->objects[i].bytes);
}

void shelf_init(struct shelf *s)
{
    *s = (struct shelf){ .writes_left = -1 };
    s->storage = (struct tarn_buffer_storage){ create, write, seal, read, drop, s };
}

void shelf_release(struct shelf *s)
{
    for (int i = 0; i < s->made; i++)
        tn_buf_release(&s->objects[i].bytes);
}

int shelf_count(const struct shelf *s)
{
    int count = 0;
    for (int i = 0; i < s->made; i++)
        count += s->objects[i].is_there;
    return count;
}
