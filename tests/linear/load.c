/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients do, and how they judge the answers. */

#include "linear/load.h"

#include <stdarg.h>

#include "base/clock.h"
#include "linear/value.h"

#define BUCKET "/linear"

enum {
    LOAD_RETRY_NS = 3 * 1000 * 1000,
    LOAD_PATH_LEN = 160,
    LOAD_RECORDS_MIN = 1024,
    LOAD_HOT_SHARE = 8
};

/* What an answer means for the history. */
enum meaning { MEANS_RESULT, MEANS_NOTHING, MEANS_MAYBE };

int load_init(struct load *l, const struct linear_options *options, struct linear_server *server,
              struct tarn_error *err)
{
    *l = (struct load){ .options = options, .server = server };
    (void)pthread_mutex_init(&l->odd.lock, NULL);
    l->clients = tn_calloc(options->clients, sizeof *l->clients);
    if (!l->clients)
        return tn_fail(err, TARN_ENOMEM, "could not make the clients");
    for (uint32_t i = 0; i < options->clients; i++) {
        struct load_client *c = &l->clients[i];
        c->load = l;
        c->number = i;
        c->random = options->seed * UINT64_C(1000003) + i;
        linear_http_init(&c->http);
        tn_buf_init(&c->body, LINEAR_BODY_LEN_MAX);
    }
    return TARN_OK;
}

void load_release(struct load *l)
{
    for (size_t i = 0; l->clients && i < l->options->clients; i++) {
        linear_http_release(&l->clients[i].http);
        tn_buf_release(&l->clients[i].body);
        tn_free(l->clients[i].records);
    }
    tn_free(TN_TAKE(l->clients));
    (void)pthread_mutex_destroy(&l->odd.lock);
}

uint32_t load_key_end(struct load *l)
{
    uint64_t rounds = 0;
    for (size_t i = 0; i < l->options->active; i++) {
        uint64_t count = atomic_load(&l->uses[i]) / l->options->ops_per_key + 1;
        rounds = count > rounds ? count : rounds;
    }
    return (uint32_t)(rounds * l->options->active);
}

/* ---- Small parts ---- */

static uint32_t below(struct load_client *c, uint32_t limit)
{
    c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t mixed = c->random ^ (c->random >> 29);
    return (uint32_t)((mixed * UINT64_C(0xbf58476d1ce4e5b9)) >> 33) % limit;
}

static void nap(void)
{
    const struct timespec pause = { .tv_nsec = LOAD_RETRY_NS };
    (void)nanosleep(&pause, NULL);
}

/* Ends the load with a complaint; the first one is kept. */
static void TN_PRINTF(2, 3) complain(struct load_client *c, const char *format, ...)
{
    struct load *l = c->load;
    (void)pthread_mutex_lock(&l->odd.lock);
    if (!l->odd.text[0]) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(l->odd.text, sizeof l->odd.text, format, args);
        va_end(args);
    }
    (void)pthread_mutex_unlock(&l->odd.lock);
    atomic_store(&l->is_over, true);
}

static void complain_of_answer(struct load_client *c, const struct linear_op *op, uint32_t key)
{
    complain(c, "%s of key %u, value %u, expecting %u: unexpected answer %d %.*s", op->via,
             (unsigned)key, (unsigned)op->value, (unsigned)op->expected, c->http.status,
             TN_STR_ARG(linear_http_body(&c->http)));
}

/* Connected to the run that is up; waits while none is. False when the load is over. */
static bool connect_client(struct load_client *c)
{
    while (c->http.fd < 0) {
        if (atomic_load(&c->load->is_over))
            return false;
        unsigned port = linear_server_port(c->load->server, &c->run);
        if (linear_http_open(&c->http, port) == TARN_OK)
            break;
        nap();
    }
    return true;
}

static int record(struct load_client *c, const struct linear_op *op, uint32_t key)
{
    if (c->record_count == c->record_cap) {
        size_t cap = c->record_cap ? 2 * c->record_cap : LOAD_RECORDS_MIN;
        struct load_record *records = tn_realloc(c->records, cap * sizeof *records);
        if (!records)
            return TARN_ENOMEM;
        c->records = records;
        c->record_cap = cap;
    }
    c->records[c->record_count++] = (struct load_record){ *op, key, (uint32_t)c->run };
    return TARN_OK;
}

/* ---- Asking and judging ---- */

struct call {
    struct linear_request request;
    char path[LOAD_PATH_LEN];
    char query[LOAD_PATH_LEN];
    char number[16];
    char etag[LINEAR_ETAG_LEN];
};

static void call_init(struct call *call, struct tn_str method, uint32_t key)
{
    *call = (struct call){ .request.method = method };
    (void)snprintf(call->path, sizeof call->path, BUCKET "/key-%08u", (unsigned)key);
    call->request.path = tn_str_from(call->path);
}

static void add_header(struct call *call, struct tn_str name, struct tn_str value)
{
    size_t i = 0;
    while (call->request.headers[i].name.len)
        i++;
    call->request.headers[i] = (struct tn_header){ name, value };
}

static void add_value(struct call *call, uint32_t value)
{
    (void)snprintf(call->number, sizeof call->number, "%u", (unsigned)value);
    add_header(call, TN_STR("x-amz-meta-value"), tn_str_from(call->number));
}

/* The condition of `op`; uses c->body. */
static int add_condition(struct load_client *c, struct call *call, const struct linear_op *op,
                         uint32_t key)
{
    if (op->kind == LINEAR_CREATE)
        add_header(call, TN_STR("if-none-match"), TN_STR("*"));
    if (op->kind != LINEAR_SWAP && op->kind != LINEAR_REMOVE)
        return TARN_OK;
    int rc = linear_value_body(key, op->expected, &c->body);
    if (rc < 0)
        return rc;
    linear_value_etag(op->expected, tn_buf_str(&c->body), false, call->etag);
    add_header(call, TN_STR("if-match"), tn_str_from(call->etag));
    return TARN_OK;
}

static bool is_slow_down(const struct load_client *c)
{
    return c->http.status == 503 &&
           tn_str_find(linear_http_body(&c->http), TN_STR("SlowDown")) != SIZE_MAX;
}

/* Asks; refusals for load and missing answers are counted here. */
static enum meaning ask(struct load_client *c, const struct call *call)
{
    if (linear_http_ask(&c->http, &call->request) < 0)
        return c->http.was_sent ? MEANS_MAYBE : MEANS_NOTHING;
    if (c->http.status == 409 || is_slow_down(c)) {
        c->refused++;
        nap();
        return MEANS_NOTHING;
    }
    if (c->http.status >= 500) {
        c->failed++;
        nap();
        return MEANS_MAYBE;
    }
    return MEANS_RESULT;
}

/* True when the answer to a change is one that S3 gives; sets op->result. */
static bool take_result(struct load_client *c, struct linear_op *op)
{
    int status = c->http.status;
    bool is_conditional = op->kind == LINEAR_SWAP || op->kind == LINEAR_REMOVE;
    bool is_delete = op->kind == LINEAR_DELETE || op->kind == LINEAR_REMOVE;
    if (status == (is_delete ? 204 : 200)) {
        op->result = LINEAR_DONE;
        return true;
    }
    if (status == 412 && (is_conditional || op->kind == LINEAR_CREATE)) {
        op->result = LINEAR_REFUSED;
        return true;
    }
    op->result = LINEAR_MISSING;
    return status == 404 && is_conditional &&
           tn_str_find(linear_http_body(&c->http), TN_STR("NoSuchKey")) != SIZE_MAX;
}

/* Asks for the change that `op` is and records it; op->end_ns stays 0 when it did not happen. */
static void change(struct load_client *c, const struct call *call, struct linear_op *op,
                   uint32_t key)
{
    enum meaning meaning = ask(c, call);
    if (meaning == MEANS_NOTHING)
        return;
    op->start_ns = c->http.asked_ns;
    op->end_ns = c->http.answered_ns;
    if (meaning == MEANS_MAYBE) {
        op->result = LINEAR_MAYBE;
        op->end_ns = LINEAR_NEVER;
    } else if (!take_result(c, op)) {
        complain_of_answer(c, op, key);
        return;
    }
    if (record(c, op, key) < 0)
        complain(c, "out of memory");
}

/* ---- The operations ---- */

static void check_etag(struct load_client *c, const struct linear_op *op, uint32_t key,
                       struct tn_str found, const char *expected)
{
    if (op->result == LINEAR_DONE && !tn_str_eq(found, tn_str_from(expected)))
        complain(c, "%s of key %u: value %u has ETag %s, the answer says %.*s", op->via,
                 (unsigned)key, (unsigned)op->value, expected, TN_STR_ARG(found));
}

static void put(struct load_client *c, struct linear_op *op, uint32_t key)
{
    struct call call;
    char etag[LINEAR_ETAG_LEN];
    call_init(&call, TN_STR("PUT"), key);
    add_value(&call, op->value);
    int rc = add_condition(c, &call, op, key);
    if (rc == TARN_OK)
        rc = linear_value_body(key, op->value, &c->body);
    if (rc < 0) {
        complain(c, "out of memory");
        return;
    }
    call.request.body = tn_buf_str(&c->body);
    linear_value_etag(op->value, tn_buf_str(&c->body), false, etag);
    op->via = "PUT";
    change(c, &call, op, key);
    if (op->end_ns && op->result == LINEAR_DONE)
        check_etag(c, op, key, linear_http_header(&c->http, TN_STR("etag")), etag);
}

static void remove_key(struct load_client *c, struct linear_op *op, uint32_t key)
{
    struct call call;
    call_init(&call, TN_STR("DELETE"), key);
    op->via = "DELETE";
    if (add_condition(c, &call, op, key) < 0)
        complain(c, "out of memory");
    else
        change(c, &call, op, key);
}

/* Is what was read one of our values, whole, with its own ETag? */
static void take_read(struct load_client *c, struct linear_op *op, uint32_t key, bool is_head)
{
    char etag[LINEAR_ETAG_LEN];
    uint64_t value;
    uint64_t len;
    struct tn_str text = linear_http_header(&c->http, TN_STR("x-amz-meta-value"));
    struct tn_str len_text = linear_http_header(&c->http, TN_STR("content-length"));
    if (tn_str_to_u64(text, &value) < 0 || value == 0 || value > LINEAR_VALUE_MAX ||
        tn_str_to_u64(len_text, &len) < 0) {
        complain(c, "%s of key %u gave an object that was never put: value \"%.*s\"", op->via,
                 (unsigned)key, TN_STR_ARG(text));
        return;
    }
    op->value = (uint32_t)value;
    if (linear_value_body(key, op->value, &c->body) < 0) {
        complain(c, "out of memory");
        return;
    }
    linear_value_etag(op->value, tn_buf_str(&c->body), false, etag);
    check_etag(c, op, key, linear_http_header(&c->http, TN_STR("etag")), etag);
    bool is_same =
        is_head ? len == c->body.len : tn_str_eq(linear_http_body(&c->http), tn_buf_str(&c->body));
    if (!is_same)
        complain(c, "%s of key %u: the body is not that of value %u", op->via, (unsigned)key,
                 (unsigned)op->value);
}

static void read_key(struct load_client *c, struct linear_op *op, uint32_t key, bool is_head)
{
    struct call call;
    call_init(&call, is_head ? TN_STR("HEAD") : TN_STR("GET"), key);
    op->via = is_head ? "HEAD" : "GET";
    if (ask(c, &call) != MEANS_RESULT) {
        c->unheard++;
        return;
    }
    op->start_ns = c->http.asked_ns;
    op->end_ns = c->http.answered_ns;
    if (c->http.status == 200)
        take_read(c, op, key, is_head);
    else if (c->http.status != 404)
        complain_of_answer(c, op, key);
    if (record(c, op, key) < 0)
        complain(c, "out of memory");
}

/* ---- Uploads in parts ---- */

/* A step before the completion; true when it gave `status`. */
static bool prepare(struct load_client *c, const struct call *call, const struct linear_op *op,
                    uint32_t key, int status)
{
    if (ask(c, call) != MEANS_RESULT) {
        c->unheard++;
        return false;
    }
    if (c->http.status != status)
        complain_of_answer(c, op, key);
    return c->http.status == status;
}

static bool start_upload(struct load_client *c, const struct linear_op *op, uint32_t key,
                         char id[LOAD_PATH_LEN])
{
    struct call call;
    const struct tn_str mark = TN_STR("<UploadId>");
    call_init(&call, TN_STR("POST"), key);
    call.request.query = TN_STR("uploads");
    add_value(&call, op->value);
    if (!prepare(c, &call, op, key, 200))
        return false;
    struct tn_str body = linear_http_body(&c->http);
    size_t at = tn_str_find(body, mark);
    struct tn_str rest = tn_str_sub(body, at == SIZE_MAX ? body.len : at + mark.len, body.len);
    struct tn_str found = tn_str_split(&rest, '<');
    if (found.len == 0 || found.len >= LOAD_PATH_LEN / 2) {
        complain_of_answer(c, op, key);
        return false;
    }
    (void)snprintf(id, LOAD_PATH_LEN, "%.*s", TN_STR_ARG(found));
    return true;
}

static bool upload_part(struct load_client *c, const struct linear_op *op, uint32_t key,
                        const char *id)
{
    struct call call;
    call_init(&call, TN_STR("PUT"), key);
    (void)snprintf(call.query, sizeof call.query, "partNumber=1&uploadId=%.*s", LOAD_PATH_LEN / 2,
                   id);
    call.request.query = tn_str_from(call.query);
    call.request.body = tn_buf_str(&c->body);
    return prepare(c, &call, op, key, 200);
}

/* What is left of an upload that lost; when nobody answers it stays. */
static void abort_upload(struct load_client *c, const struct linear_op *op, uint32_t key,
                         const char *id)
{
    struct call call;
    call_init(&call, TN_STR("DELETE"), key);
    (void)snprintf(call.query, sizeof call.query, "uploadId=%.*s", LOAD_PATH_LEN / 2, id);
    call.request.query = tn_str_from(call.query);
    if (connect_client(c))
        (void)prepare(c, &call, op, key, 204);
}

static void check_completed(struct load_client *c, const struct linear_op *op, uint32_t key,
                            const char *etag)
{
    struct tn_str body = linear_http_body(&c->http);
    struct tn_str hex = tn_str_sub(tn_str_from(etag), 1, strlen(etag) - 2);
    if (tn_str_find(body, TN_STR("<CompleteMultipartUploadResult")) == SIZE_MAX ||
        tn_str_find(body, hex) == SIZE_MAX)
        complain_of_answer(c, op, key);
}

static void complete(struct load_client *c, struct linear_op *op, uint32_t key)
{
    struct call call;
    char id[LOAD_PATH_LEN];
    char etag[LINEAR_ETAG_LEN];
    char part_etag[LINEAR_ETAG_LEN];
    char xml[256];
    op->via = "CompleteMultipartUpload";
    if (linear_value_body(key, op->value, &c->body) < 0) {
        complain(c, "out of memory");
        return;
    }
    linear_value_etag(op->value, tn_buf_str(&c->body), false, etag);
    linear_value_etag(op->value, tn_buf_str(&c->body), true, part_etag);
    if (!start_upload(c, op, key, id) || !connect_client(c) || !upload_part(c, op, key, id) ||
        !connect_client(c))
        return;
    call_init(&call, TN_STR("POST"), key);
    (void)snprintf(call.query, sizeof call.query, "uploadId=%.*s", LOAD_PATH_LEN / 2, id);
    call.request.query = tn_str_from(call.query);
    (void)snprintf(xml, sizeof xml,
                   "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>"
                   "</CompleteMultipartUpload>",
                   part_etag);
    call.request.body = tn_str_from(xml);
    if (add_condition(c, &call, op, key) < 0) {
        complain(c, "out of memory");
        return;
    }
    change(c, &call, op, key);
    if (op->end_ns == 0 || op->result == LINEAR_MAYBE)
        return;
    if (op->result == LINEAR_DONE)
        check_completed(c, op, key, etag);
    else
        abort_upload(c, op, key, id);
}

/* ---- The clients ---- */

static uint32_t fresh_value(struct load_client *c, bool is_multipart)
{
    uint32_t number = (uint32_t)atomic_fetch_add(&c->load->numbers, 1) + 1;
    return linear_value(number, below(c, (uint32_t)c->load->options->big_every) == 0, is_multipart);
}

enum deed { DEED_GET, DEED_HEAD, DEED_PUT, DEED_COMPLETE, DEED_DELETE };

static const struct {
    uint32_t percent;
    enum deed deed;
    enum linear_kind kind;
} deeds[] = {
    { 27, DEED_GET, LINEAR_READ },       { 13, DEED_HEAD, LINEAR_READ },
    { 15, DEED_PUT, LINEAR_PUT },        { 11, DEED_PUT, LINEAR_CREATE },
    { 13, DEED_PUT, LINEAR_SWAP },       { 9, DEED_DELETE, LINEAR_DELETE },
    { 4, DEED_DELETE, LINEAR_REMOVE },   { 3, DEED_COMPLETE, LINEAR_PUT },
    { 3, DEED_COMPLETE, LINEAR_CREATE }, { 2, DEED_COMPLETE, LINEAR_SWAP },
};

static size_t choose(struct load_client *c, const struct load_seen *seen)
{
    uint32_t dice = below(c, 100);
    size_t i = 0;
    while (dice >= deeds[i].percent)
        dice -= deeds[i++].percent;
    bool is_blind = deeds[i].kind == LINEAR_SWAP || deeds[i].kind == LINEAR_REMOVE;
    return is_blind && seen->value == LINEAR_ABSENT ? 0 : i;
}

static void remember(struct load_seen *seen, const struct linear_op *op)
{
    if (op->end_ns == 0 || op->result == LINEAR_MAYBE)
        return;
    if (op->result == LINEAR_MISSING)
        seen->value = LINEAR_ABSENT;
    else if (op->result == LINEAR_DONE)
        seen->value = op->value;
}

/* Half of the work goes to a few keys, where it races; on the others a wrong answer is not hidden
 * by the next write. */
static uint32_t choose_slot(struct load_client *c)
{
    uint32_t active = (uint32_t)c->load->options->active;
    return below(c, below(c, 2) ? active : (active + LOAD_HOT_SHARE - 1) / LOAD_HOT_SHARE);
}

static void act(struct load_client *c)
{
    struct load *l = c->load;
    uint32_t slot = choose_slot(c);
    uint64_t round = atomic_fetch_add(&l->uses[slot], 1) / l->options->ops_per_key;
    uint32_t key = (uint32_t)(round * l->options->active + slot);
    struct load_seen *seen = &c->seen[slot];
    if (seen->key != key)
        *seen = (struct load_seen){ .key = key };
    size_t i = choose(c, seen);
    struct linear_op op = { .kind = deeds[i].kind, .client = c->number, .expected = 0 };
    if (op.kind == LINEAR_SWAP || op.kind == LINEAR_REMOVE)
        op.expected = seen->value;
    if (deeds[i].deed == DEED_PUT || deeds[i].deed == DEED_COMPLETE)
        op.value = fresh_value(c, deeds[i].deed == DEED_COMPLETE);
    if (deeds[i].deed == DEED_PUT)
        put(c, &op, key);
    else if (deeds[i].deed == DEED_COMPLETE)
        complete(c, &op, key);
    else if (deeds[i].deed == DEED_DELETE)
        remove_key(c, &op, key);
    else
        read_key(c, &op, key, deeds[i].deed == DEED_HEAD);
    remember(seen, &op);
}

static void *run_client(void *arg)
{
    struct load_client *c = arg;
    struct load *l = c->load;
    while (connect_client(c) && !atomic_load(&l->is_over) &&
           atomic_load(&l->recorded) < l->options->ops && (!l->end_ns || tn_now_ns() < l->end_ns)) {
        size_t before = c->record_count;
        act(c);
        atomic_fetch_add(&l->recorded, c->record_count - before);
    }
    atomic_fetch_sub(&l->running, 1);
    return NULL;
}

static int make_bucket(struct load *l, struct tarn_error *err)
{
    struct load_client *c = &l->clients[0];
    const struct linear_request request = { .method = TN_STR("PUT"), .path = TN_STR(BUCKET) };
    if (!connect_client(c) || linear_http_ask(&c->http, &request) < 0 || c->http.status != 200)
        return tn_fail(err, TARN_ENETWORK, "could not make the bucket: status %d", c->http.status);
    return TARN_OK;
}

int load_start(struct load *l, struct tarn_error *err)
{
    int rc = make_bucket(l, err);
    if (rc < 0)
        return rc;
    if (l->options->seconds)
        l->end_ns = tn_now_ns() + l->options->seconds * UINT64_C(1000000000);
    for (size_t i = 0; i < l->options->clients; i++) {
        atomic_fetch_add(&l->running, 1);
        if (pthread_create(&l->clients[i].thread, NULL, run_client, &l->clients[i]) == 0)
            continue;
        atomic_fetch_sub(&l->running, 1);
        atomic_store(&l->is_over, true);
        while (i-- > 0)
            (void)pthread_join(l->clients[i].thread, NULL);
        return tn_fail(err, TARN_ENOMEM, "could not start a thread");
    }
    return TARN_OK;
}

bool load_is_running(struct load *l)
{
    return atomic_load(&l->running) > 0;
}

void load_join(struct load *l)
{
    for (size_t i = 0; i < l->options->clients; i++)
        (void)pthread_join(l->clients[i].thread, NULL);
}

int load_read_all(struct load *l, struct tarn_error *err)
{
    struct load_client *c = &l->clients[0];
    uint32_t end = load_key_end(l);
    linear_http_close(&c->http);
    for (uint32_t key = 0; key < end; key++) {
        struct linear_op op = { .kind = LINEAR_READ, .client = c->number };
        if (connect_client(c))
            read_key(c, &op, key, false);
        if (op.end_ns == 0)
            return tn_fail(err, TARN_ENETWORK, "could not read key %u at the end", (unsigned)key);
    }
    return TARN_OK;
}
