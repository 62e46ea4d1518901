/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning a page of a listing: elements in the shape in which servers send them, each closed by
 * its own name, nothing but text in them. What has another shape, or what an XML reader would
 * refuse, is left to that one (TARN_ENOTSUPPORTED), so that nothing is read in two ways. The
 * document changes only once it was understood to its end. */

#include "client/list_page.h"

#include "client/list_shape.h"
#include "proto/xml.h"

enum { ENTITY_LEN_MAX = 8 };

struct scan {
    struct tn_list_page *page;
    const char *start;
    const char *at; /* a NUL stands at the end of the document, and nowhere before */
    const char *end;
    size_t nodes;
    bool has_references; /* in other texts than ETags */
    struct tn_list_shape shape;
};

/* An element without children. */
struct leaf {
    struct tn_str name;
    struct tn_str text;  /* as it stands there */
    bool has_references; /* "&quot;" and such */
};

#define NOT_MINE TARN_ENOTSUPPORTED

/* Inline, so that lengths that are constants stay so: this runs a dozen times for each key. */
static inline bool take(struct scan *s, const char *bytes, size_t len)
{
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, bytes, len) != 0)
        return false;
    s->at += len;
    return true;
}

#define TAKE(s, literal) take(s, "" literal, sizeof(literal) - 1)

static void skip_blanks(struct scan *s)
{
    while (*s->at == ' ' || *s->at == '\n' || *s->at == '\t')
        s->at++;
}

/* ---- text ---- */

/* The character that a reference stands for, with its length; 0 for one that is not known here. */
static char reference(struct tn_str text, size_t *len)
{
    static const struct {
        struct tn_str text;
        char c;
    } known[] = {
        { { "&quot;", 6 }, '"' }, { { "&amp;", 5 }, '&' },   { { "&lt;", 4 }, '<' },
        { { "&gt;", 4 }, '>' },   { { "&apos;", 6 }, '\'' }, { { "&#34;", 5 }, '"' },
        { { "&#38;", 5 }, '&' },  { { "&#39;", 5 }, '\'' },  { { "&#60;", 5 }, '<' },
        { { "&#62;", 5 }, '>' },
    };
    for (size_t i = 0; i < TN_COUNT(known); i++) {
        if (tn_str_starts(text, known[i].text)) {
            *len = known[i].text.len;
            return known[i].c;
        }
    }
    return 0;
}

/* What tn_list_plain_end did not vouch for, byte by byte. */
static int check_text(struct tn_str text, bool *has_references)
{
    bool is_ascii = true;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        size_t len = 0;
        if (c == '&' && !reference(tn_str_sub(text, i, ENTITY_LEN_MAX), &len))
            return NOT_MINE;
        *has_references |= c == '&';
        is_ascii &= c < 0x80;
        if (c < 0x20 && c != '\t' && c != '\n')
            return NOT_MINE;
        if (c == '>' && i >= 2 && text.data[i - 1] == ']' && text.data[i - 2] == ']')
            return NOT_MINE;
        /* U+FFFE and U+FFFF are no characters of XML. */
        if (c == 0xef && tn_str_starts(tn_str_sub(text, i + 1, 1), TN_STR("\xbf")))
            return NOT_MINE;
    }
    return is_ascii || tn_str_is_utf8(text) ? TARN_OK : NOT_MINE;
}

/* In place; the new length. */
static size_t resolve(char *text, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; to++) {
        size_t taken = 1;
        char c = text[i];
        if (c == '&')
            c = reference((struct tn_str){ text + i, len - i }, &taken);
        text[to] = c;
        i += taken;
    }
    return to;
}

/* `at` stands behind '<'. */
static int take_leaf(struct scan *s, struct leaf *leaf)
{
    const char *p = s->at;
    while (tn_is_alpha(*p))
        p++;
    leaf->name = (struct tn_str){ s->at, (size_t)(p - s->at) };
    if (*p != '>' || leaf->name.len == 0 || leaf->name.len > TN_XML_NAME_LEN_MAX ||
        ++s->nodes > TN_XML_NODE_COUNT_MAX)
        return NOT_MINE;
    const char *text = p + 1;
    p = tn_list_plain_end(text, s->end);
    bool is_plain = *p == '<';
    if (!is_plain)
        p = memchr(p, '<', (size_t)(s->end - p));
    if (!p || (size_t)(p - text) > TN_XML_TEXT_LEN_MAX)
        return NOT_MINE;
    leaf->text = (struct tn_str){ text, (size_t)(p - text) };
    leaf->has_references = false;
    if (!is_plain && check_text(leaf->text, &leaf->has_references) < 0)
        return NOT_MINE;
    s->at = p;
    return TAKE(s, "</") && take(s, leaf->name.data, leaf->name.len) && TAKE(s, ">") ? TARN_OK
                                                                                     : NOT_MINE;
}

static inline bool has_name(const struct leaf *leaf, const char *name, size_t len)
{
    return leaf->name.len == len && memcmp(leaf->name.data, name, len) == 0;
}

#define IS_NAMED(leaf, literal) has_name(leaf, "" literal, sizeof(literal) - 1)

/* ---- fields ---- */

static struct tn_list_text place_of(struct scan *s, const struct leaf *leaf)
{
    s->has_references |= leaf->has_references && leaf->name.len != TN_STR("ETag").len;
    return (struct tn_list_text){ (uint32_t)(leaf->text.data - s->start),
                                  (uint32_t)leaf->text.len };
}

static enum tn_list_field field_of(const struct leaf *f)
{
    switch (f->name.len) {
    case 3:
        return IS_NAMED(f, "Key") ? TN_LIST_KEY : TN_LIST_OTHER;
    case 4:
        return IS_NAMED(f, "ETag")   ? TN_LIST_ETAG
               : IS_NAMED(f, "Size") ? TN_LIST_SIZE
                                     : TN_LIST_OTHER;
    case 12:
        return IS_NAMED(f, "StorageClass")   ? TN_LIST_CLASS
               : IS_NAMED(f, "LastModified") ? TN_LIST_TIME
                                             : TN_LIST_OTHER;
    case 17:
        return IS_NAMED(f, "ChecksumAlgorithm") ? TN_LIST_CHECKSUM : TN_LIST_OTHER;
    default:
        return TN_LIST_OTHER;
    }
}

static int take_field(struct scan *s, struct tn_list_item *e, const struct leaf *f)
{
    enum tn_list_field field = field_of(f);
    tn_list_shape_note(&s->shape, field, f->text);
    switch (field) {
    case TN_LIST_KEY:
        e->key = place_of(s, f);
        return TARN_OK;
    case TN_LIST_ETAG:
        e->etag = place_of(s, f);
        return TARN_OK;
    case TN_LIST_SIZE:
        return tn_str_to_u64(tn_str_trim(f->text), &e->size) == TARN_OK ? TARN_OK : NOT_MINE;
    case TN_LIST_CLASS:
        e->storage_class = place_of(s, f);
        return TARN_OK;
    case TN_LIST_TIME:
        if (f->has_references)
            return NOT_MINE;
        e->last_modified_ms = tn_list_time_ms(&s->shape.day, f->text);
        return TARN_OK;
    case TN_LIST_CHECKSUM:
        e->checksum = place_of(s, f);
        return TARN_OK;
    case TN_LIST_QUOTED_ETAG:
    case TN_LIST_OWNER:
    case TN_LIST_OTHER:
    default:
        return IS_NAMED(f, "Prefix") ? NOT_MINE : TARN_OK;
    }
}

/* What is in <Owner>: no other element of an object has children that matter. */
static int take_owner(struct scan *s, struct tn_list_item *e)
{
    s->nodes++;
    for (;;) {
        struct leaf leaf;
        skip_blanks(s);
        if (TAKE(s, "</Owner>"))
            return TARN_OK;
        if (!TAKE(s, "<") || take_leaf(s, &leaf) < 0)
            return NOT_MINE;
        bool is_id = IS_NAMED(&leaf, "ID");
        tn_list_shape_note(&s->shape, is_id ? TN_LIST_OWNER : TN_LIST_OTHER, leaf.text);
        if (is_id)
            e->owner_id = place_of(s, &leaf);
    }
}

/* By the long way; the next ones will look the same. */
static int read_object(struct scan *s, struct tn_list_item *e)
{
    int rc = TARN_OK;
    size_t nodes = s->nodes++;
    tn_list_shape_begin(&s->shape, s->at);
    while (rc == TARN_OK) {
        struct leaf leaf;
        skip_blanks(s);
        if (TAKE(s, "</Contents>")) {
            tn_list_shape_end(&s->shape, s->at, s->nodes - nodes);
            return TARN_OK;
        }
        if (TAKE(s, "<Owner>")) {
            rc = take_owner(s, e);
            continue;
        }
        if (!TAKE(s, "<") || take_leaf(s, &leaf) < 0)
            return NOT_MINE;
        rc = take_field(s, e, &leaf);
    }
    return rc == TARN_ENOMEM ? rc : NOT_MINE;
}

static int take_object(struct scan *s)
{
    static const struct tn_list_item none = { .last_modified_ms = -1 };
    struct tn_list_items *objects = &s->page->objects;
    int rc = tn_list_items_add(objects);
    if (rc < 0)
        return rc == TARN_ENOMEM ? rc : NOT_MINE;
    struct tn_list_item *e = &objects->items[objects->count - 1];
    if (s->shape.is_known && s->nodes + s->shape.node_count <= TN_XML_NODE_COUNT_MAX &&
        tn_list_shape_take(&s->shape, s->start, &s->at, s->end, e)) {
        s->nodes += s->shape.node_count;
        return TARN_OK;
    }
    *e = none;
    return read_object(s, e);
}

static int take_prefix(struct scan *s)
{
    struct tn_list_items *prefixes = &s->page->prefixes;
    struct leaf leaf;
    int rc = tn_list_items_add(prefixes);
    s->nodes++;
    skip_blanks(s);
    if (rc < 0 || !TAKE(s, "<") || take_leaf(s, &leaf) < 0 || !IS_NAMED(&leaf, "Prefix"))
        return rc == TARN_ENOMEM ? rc : NOT_MINE;
    prefixes->items[prefixes->count - 1].key = place_of(s, &leaf);
    skip_blanks(s);
    return TAKE(s, "</CommonPrefixes>") ? TARN_OK : NOT_MINE;
}

static int take_page_field(struct scan *s)
{
    struct tn_list_page *p = s->page;
    struct tn_str token = p->uses_markers ? TN_STR("NextMarker") : TN_STR("NextContinuationToken");
    struct leaf leaf;
    if (!TAKE(s, "<") || take_leaf(s, &leaf) < 0)
        return NOT_MINE;
    if (has_name(&leaf, token.data, token.len)) {
        size_t start = p->token.len;
        int rc = tn_buf_append_str(&p->token, leaf.text);
        if (rc < 0)
            return rc == TARN_ENOMEM ? rc : NOT_MINE;
        tn_buf_truncate(&p->token, start + resolve(p->token.data + start, leaf.text.len));
        return TARN_OK;
    }
    if (IS_NAMED(&leaf, "IsTruncated"))
        p->is_truncated = tn_str_eq(tn_str_trim(leaf.text), TN_STR("true"));
    else if (IS_NAMED(&leaf, "EncodingType"))
        p->is_encoded = tn_str_eq(tn_str_trim(leaf.text), TN_STR("url"));
    return TARN_OK;
}

/* ---- the document ---- */

static int scan_document(struct scan *s)
{
    int rc = TARN_OK;
    if (TAKE(s, "<?xml version=\"1.0\"")) {
        (void)TAKE(s, " encoding=\"UTF-8\"");
        if (!TAKE(s, "?>"))
            return NOT_MINE;
    }
    skip_blanks(s);
    if (!TAKE(s, "<ListBucketResult"))
        return NOT_MINE;
    (void)TAKE(s, " xmlns=\"" TN_XML_S3_NAMESPACE "\"");
    if (!TAKE(s, ">"))
        return NOT_MINE;
    while (rc == TARN_OK) {
        skip_blanks(s);
        if (TAKE(s, "<Contents>"))
            rc = take_object(s);
        else if (TAKE(s, "</ListBucketResult>"))
            break;
        else
            rc = TAKE(s, "<CommonPrefixes>") ? take_prefix(s) : take_page_field(s);
    }
    skip_blanks(s);
    return rc == TARN_OK && s->at != s->end ? NOT_MINE : rc;
}

/* ---- what was understood becomes texts ---- */

static void finish_text(struct tn_list_page *p, struct tn_list_text *t, bool is_trimmed)
{
    struct tn_str kept = { p->texts.data + t->at, t->len };
    if (t->at == 0)
        return;
    if (is_trimmed)
        kept = tn_str_trim(kept);
    t->at = (uint32_t)(kept.data - p->texts.data);
    t->len = (uint32_t)kept.len;
    p->texts.data[t->at + t->len] = '\0';
}

static void resolve_text(struct tn_list_page *p, struct tn_list_text *t)
{
    if (t->at != 0)
        t->len = (uint32_t)resolve(p->texts.data + t->at, t->len);
}

static bool is_quoted(struct tn_str text)
{
    static const struct tn_str quote = { "&quot;", 6 };
    return text.len >= 2 * quote.len && tn_str_starts(text, quote) && tn_str_ends(text, quote) &&
           !memchr(text.data + quote.len, '&', text.len - 2 * quote.len);
}

/* Most are in quotes that are written as references. */
static void finish_etag(struct tn_list_page *p, struct tn_list_text *t)
{
    if (t->at != 0 && is_quoted(tn_list_text_of(p, *t))) {
        t->at += 6;
        t->len -= 12;
        p->texts.data[t->at + t->len] = '\0';
        return;
    }
    if (t->at != 0 && memchr(p->texts.data + t->at, '&', t->len))
        resolve_text(p, t);
    finish_text(p, t, true);
    const char *text = p->texts.data + t->at;
    if (t->at == 0 || t->len < 2 || text[0] != '"' || text[t->len - 1] != '"')
        return;
    t->at++;
    t->len -= 2;
    p->texts.data[t->at + t->len] = '\0';
}

/* A text that is not told ends at the page's first byte, which is nobody's. */
static void end_texts(char *texts, const struct tn_list_item *item)
{
    texts[item->key.at + item->key.len] = '\0';
    texts[item->etag.at + item->etag.len] = '\0';
    texts[item->storage_class.at + item->storage_class.len] = '\0';
    texts[item->owner_id.at + item->owner_id.len] = '\0';
    texts[item->checksum.at + item->checksum.len] = '\0';
}

static void finish_items(struct scan *s, struct tn_list_items *e)
{
    struct tn_list_page *p = s->page;
    for (size_t i = 0; i < e->count; i++) {
        struct tn_list_item *item = &e->items[i];
        if (item->is_final) {
            end_texts(p->texts.data, item);
            continue;
        }
        if (s->has_references) {
            resolve_text(p, &item->key);
            resolve_text(p, &item->storage_class);
            resolve_text(p, &item->owner_id);
            resolve_text(p, &item->checksum);
        }
        finish_text(p, &item->key, false);
        finish_etag(p, &item->etag);
        finish_text(p, &item->storage_class, true);
        finish_text(p, &item->owner_id, true);
        finish_text(p, &item->checksum, true);
    }
}

int tn_list_page_scan(struct tn_list_page *p)
{
    struct scan s = { .page = p, .start = p->texts.data, .at = p->texts.data };
    s.end = s.start + p->texts.len;
    int rc = scan_document(&s);
    if (rc < 0)
        return rc;
    finish_items(&s, &p->objects);
    finish_items(&s, &p->prefixes);
    return TARN_OK;
}
