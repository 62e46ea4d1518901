/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: the queue, the places in I/O threads, the threads for what blocks. */

#include <tarn/job.h>

#include <signal.h>

#include "client/attributes.h"
#include "client/job_impl.h"
#include "client/partial.h"
#include "client/transfer_impl.h"

enum {
    OBJECTS_DEFAULT = 256,
    OBJECTS_LIMIT = 4096,
    THREADS_MAX = 64, /* blocking calls at once */
    THREAD_STACK_LEN = 512 * 1024,
    QUEUE_FACTOR = 2,
    TURN_OBJECTS_MAX = 32, /* that one turn begins: the others want theirs, too */
};
#define WARM_NS (20ull * 1000000000u)

/* ---- stations ---- */

/* Objects to begin with in this turn. What a request could not be started for at once stays in the
 * queue, where it costs nothing. */
static uint32_t room_of(const struct tn_station *s)
{
    uint32_t room = s->active_max - s->active_count;
    uint32_t requests = (uint32_t)tn_loop_room(s->loop);
    room = room < requests ? room : requests;
    return room < TURN_OBJECTS_MAX ? room : TURN_OBJECTS_MAX;
}

/* With the lock held: what the threads gave back, and as many of the queue as there is room for. */
static struct tn_object *take(struct tn_station *s, uint32_t room, uint32_t *taken)
{
    struct tarn_job *job = s->job;
    struct tn_object *list = TN_TAKE(s->returned);
    *taken = 0;
    while (job->shared.first && *taken < room) {
        struct tn_object *o = job->shared.first;
        job->shared.first = o->next;
        if (!o->next)
            job->shared.last = NULL;
        o->station = s;
        o->next = list;
        list = o;
        ++*taken;
    }
    /* The submitting thread is woken once in a while, not for every place. */
    bool was_full = job->shared.count > job->objects_max;
    job->shared.count -= *taken;
    if (was_full && job->shared.count <= job->objects_max)
        (void)pthread_cond_broadcast(&job->shared.has_room);
    s->is_idle = *taken < room;
    return list;
}

static void run_station(struct tn_station *s)
{
    struct tarn_job *job = s->job;
    uint32_t room = room_of(s);
    uint32_t taken;
    (void)pthread_mutex_lock(&job->shared.lock);
    struct tn_object *list = take(s, room, &taken);
    (void)pthread_mutex_unlock(&job->shared.lock);
    s->active_count += taken;
    if (taken == TURN_OBJECTS_MAX)
        tn_loop_call_inside(s->loop, &s->call);
    else if (taken == room && s->active_count < s->active_max)
        tn_loop_call_at_room(s->loop, &s->room_call);
    for (struct tn_object *o = list, *next; o; o = next) {
        next = o->next;
        o->next = NULL;
        tn_object_advance(o);
    }
    tn_station_hash(s);
}

static void on_call(struct tn_loop_call *call)
{
    run_station(TN_CONTAINER(call, struct tn_station, call));
}

static void on_room(struct tn_loop_call *call)
{
    run_station(TN_CONTAINER(call, struct tn_station, room_call));
}

static void on_end(struct tn_loop_call *call)
{
    struct tn_station *s = TN_CONTAINER(call, struct tn_station, call);
    tn_loop_forget(s->loop, &s->room_call);
}

void tn_station_leave(struct tn_station *s)
{
    struct tarn_job *job = s->job;
    s->active_count--;
    (void)pthread_mutex_lock(&job->shared.lock);
    s->is_idle = job->shared.first == NULL;
    if (!s->is_idle && !s->room_call.is_waiting) /* before the job can be over */
        tn_loop_call_inside(s->loop, &s->call);
    if (--job->shared.open == 0)
        (void)pthread_cond_broadcast(&job->shared.has_room);
    (void)pthread_mutex_unlock(&job->shared.lock);
}

/* ---- threads ---- */

static void give_back(struct tn_object *o)
{
    struct tn_station *s = o->station;
    struct tarn_job *job = s->job;
    (void)pthread_mutex_lock(&job->shared.lock);
    bool is_first = s->returned == NULL;
    o->next = s->returned;
    s->returned = o;
    if (is_first) /* under the lock: the job cannot be over yet */
        tn_loop_call(s->loop, &s->call);
    (void)pthread_mutex_unlock(&job->shared.lock);
}

/* NULL: the thread is to end. */
static struct tn_object *take_work(struct tarn_job *job)
{
    (void)pthread_mutex_lock(&job->shared.lock);
    job->shared.waiting_count++;
    while (!job->shared.first_work && !job->shared.must_stop)
        (void)pthread_cond_wait(&job->shared.has_work, &job->shared.lock);
    job->shared.waiting_count--;
    struct tn_object *o = job->shared.first_work;
    if (o) {
        job->shared.first_work = o->next;
        if (!o->next)
            job->shared.last_work = NULL;
        job->shared.work_count--;
        o->next = NULL;
    }
    (void)pthread_mutex_unlock(&job->shared.lock);
    return o;
}

static void *work(void *arg)
{
    struct tarn_job *job = arg;
    struct tn_object *o;
    while ((o = take_work(job)) != NULL) {
        tn_object_work(o);
        give_back(o);
    }
    return NULL;
}

/* With the lock held. Signals are the program's business. */
static bool start_thread(struct tarn_job *job)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t kept;
    if (job->shared.thread_count == job->threads_max || pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_LEN);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &kept);
    int rc = pthread_create(&job->threads[job->shared.thread_count], &attributes, work, job);
    (void)pthread_sigmask(SIG_SETMASK, &kept, NULL);
    (void)pthread_attr_destroy(&attributes);
    job->shared.thread_count += rc == 0;
    return rc == 0;
}

void tn_job_hand_over(struct tn_object *o)
{
    struct tarn_job *job = o->job;
    (void)pthread_mutex_lock(&job->shared.lock);
    bool is_short = job->shared.work_count >= job->shared.waiting_count;
    bool has_thread = !is_short || start_thread(job) || job->shared.thread_count > 0;
    if (has_thread) {
        *(job->shared.last_work ? &job->shared.last_work->next : &job->shared.first_work) = o;
        job->shared.last_work = o;
        job->shared.work_count++;
        (void)pthread_cond_signal(&job->shared.has_work);
    }
    (void)pthread_mutex_unlock(&job->shared.lock);
    if (has_thread)
        return;
    tn_object_refuse(o);
    give_back(o);
}

/* ---- making and ending ---- */

static int set_stations_up(struct tarn_job *job, struct tarn_error *err)
{
    struct tarn_client *c = job->client;
    uint32_t count = c->has_wire ? 1 : (uint32_t)c->loops.max;
    if (count > job->objects_max)
        count = job->objects_max;
    for (uint32_t i = 0; i < count; i++) {
        struct tn_loop *loop = tn_client_loop_at(c, (int)i, err);
        if (!loop)
            return TARN_ENOMEM;
        job->stations[i] =
            (struct tn_station){ .job = job,
                                 .loop = loop,
                                 .active_max = (job->objects_max + count - 1) / count,
                                 .is_idle = true,
                                 .call = { .run = on_call },
                                 .room_call = { .run = on_room } };
        job->station_count = i + 1;
    }
    return TARN_OK;
}

struct tarn_job *tarn_job_new(struct tarn_client *client, const struct tarn_job_options *options,
                              struct tarn_error *err)
{
    if (tn_check_given(client, "-", "-", NULL, err) < 0)
        return NULL;
    uint32_t objects_max = options && options->objects_max ? options->objects_max : OBJECTS_DEFAULT;
    if (objects_max > OBJECTS_LIMIT) {
        (void)tn_fail(err, TARN_EINVAL, "could not begin a job: more than %d objects at once",
                      OBJECTS_LIMIT);
        return NULL;
    }
    struct tarn_job *job = tn_calloc(1, sizeof *job);
    if (job) {
        job->client = client;
        job->objects_max = objects_max;
        job->threads_max = objects_max < THREADS_MAX ? objects_max : THREADS_MAX;
        job->threads = tn_calloc(job->threads_max, sizeof *job->threads);
        atomic_init(&job->nameless_tries, TN_SMALL_FILE_TRIES);
        (void)pthread_mutex_init(&job->shared.lock, NULL);
        (void)pthread_cond_init(&job->shared.has_room, NULL);
        (void)pthread_cond_init(&job->shared.has_work, NULL);
    }
    if (!job || !job->threads) {
        (void)tn_fail_no_memory(err, "begin a job");
        tarn_job_free(job);
        return NULL;
    }
    if (set_stations_up(job, err) < 0) {
        tarn_job_free(job);
        return NULL;
    }
    return job;
}

void tarn_job_cancel(struct tarn_job *job)
{
    atomic_store(&job->is_cancelled, true);
}

void tarn_job_wait(struct tarn_job *job)
{
    (void)pthread_mutex_lock(&job->shared.lock);
    while (job->shared.open > 0)
        (void)pthread_cond_wait(&job->shared.has_room, &job->shared.lock);
    (void)pthread_mutex_unlock(&job->shared.lock);
}

void tarn_job_free(struct tarn_job *job)
{
    if (!job)
        return;
    tarn_job_wait(job);
    (void)pthread_mutex_lock(&job->shared.lock);
    job->shared.must_stop = true;
    (void)pthread_cond_broadcast(&job->shared.has_work);
    (void)pthread_mutex_unlock(&job->shared.lock);
    for (uint32_t i = 0; i < job->shared.thread_count; i++)
        (void)pthread_join(job->threads[i], NULL);
    for (uint32_t i = 0; i < job->station_count; i++) {
        struct tn_station *s = &job->stations[i];
        tn_loop_fence(s->loop); /* it may still be on its way out of the station */
        s->call.run = on_end;
        tn_loop_call(s->loop, &s->call);
        tn_loop_fence(s->loop);
    }
    (void)pthread_cond_destroy(&job->shared.has_room);
    (void)pthread_cond_destroy(&job->shared.has_work);
    (void)pthread_mutex_destroy(&job->shared.lock);
    tn_free(job->threads);
    tn_free(job);
}

/* ---- submitting ---- */

static struct tn_object *make_object(struct tarn_job *job, enum tn_object_kind kind,
                                     tarn_job_done_fn done, void *arg, struct tarn_error *err)
{
    struct tn_object *o = tn_calloc(1, sizeof *o);
    if (!o) {
        (void)tn_fail_no_memory(err, "queue an object");
        return NULL;
    }
    o->job = job;
    o->kind = kind;
    o->done = done;
    o->arg = arg;
    o->fd = -1;
    return o;
}

/* So that nothing has to be waited for in the I/O thread. The source of a copy may have to go. */
static void warm(struct tarn_job *job, const char *bucket, const char *source_bucket)
{
    uint64_t now = tn_now_ns();
    if (bucket == job->warmed_bucket && now - job->warmed_ns < WARM_NS)
        return;
    tn_op_warm(job->client, bucket);
    if (source_bucket)
        tn_op_warm(job->client, source_bucket);
    job->warmed_bucket = bucket;
    job->warmed_ns = now;
}

/* With the lock held. */
static struct tn_station *find_idle(struct tarn_job *job)
{
    for (uint32_t i = 0; i < job->station_count; i++) {
        if (job->stations[i].is_idle)
            return &job->stations[i];
    }
    return NULL;
}

static void submit(struct tarn_job *job, struct tn_object *o)
{
    bool waits = o->kind != TN_OBJECT_DELETE;
    (void)pthread_mutex_lock(&job->shared.lock);
    while (waits && job->shared.count >= QUEUE_FACTOR * job->objects_max)
        (void)pthread_cond_wait(&job->shared.has_room, &job->shared.lock);
    *(job->shared.last ? &job->shared.last->next : &job->shared.first) = o;
    job->shared.last = o;
    job->shared.count++;
    job->shared.open++;
    struct tn_station *idle = find_idle(job);
    if (idle)
        idle->is_idle = false;
    (void)pthread_mutex_unlock(&job->shared.lock);
    if (idle)
        tn_loop_call(idle->loop, &idle->call);
}

static int submit_transfer(struct tarn_job *job, struct tn_object *o,
                           const struct tarn_transfer_options *options)
{
    if (options)
        o->options = *options;
    warm(job, o->bucket, NULL);
    submit(job, o);
    return TARN_OK;
}

int tarn_job_upload(struct tarn_job *job, const char *path, const char *bucket, const char *key,
                    const struct tarn_transfer_options *options, tarn_job_done_fn done, void *arg,
                    struct tarn_error *err)
{
    int given = tn_check_given(job, bucket, key, TN_MISSING(path), err);
    if (given < 0)
        return given;
    int rc = tn_upload_check(options, err);
    struct tn_object *o = rc < 0 ? NULL : make_object(job, TN_OBJECT_UPLOAD, done, arg, err);
    if (!o)
        return rc < 0 ? rc : TARN_ENOMEM;
    o->path = path;
    o->bucket = bucket;
    o->key = key;
    return submit_transfer(job, o, options);
}

int tarn_job_download(struct tarn_job *job, const char *bucket, const char *key, const char *path,
                      const struct tarn_transfer_options *options, tarn_job_done_fn done, void *arg,
                      struct tarn_error *err)
{
    int given = tn_check_given(job, bucket, key, TN_MISSING(path), err);
    if (given < 0)
        return given;
    int rc = tn_download_check(path, options, err);
    struct tn_object *o = rc < 0 ? NULL : make_object(job, TN_OBJECT_DOWNLOAD, done, arg, err);
    if (!o)
        return rc < 0 ? rc : TARN_ENOMEM;
    o->path = path;
    o->bucket = bucket;
    o->key = key;
    return submit_transfer(job, o, options);
}

int tarn_job_copy(struct tarn_job *job, const char *source_bucket, const char *source_key,
                  const char *bucket, const char *key, const struct tarn_copy_options *options,
                  tarn_job_done_fn done, void *arg, struct tarn_error *err)
{
    int given = tn_check_given(job, bucket, key, NULL, err);
    if (given == TARN_OK)
        given = tn_check_object(source_bucket, source_key, err);
    if (given < 0)
        return given;
    struct tn_object *o = make_object(job, TN_OBJECT_COPY, done, arg, err);
    if (!o)
        return TARN_ENOMEM;
    o->source_bucket = source_bucket;
    o->source_key = source_key;
    o->bucket = bucket;
    o->key = key;
    if (options)
        o->copy = *options;
    warm(job, bucket, source_bucket);
    submit(job, o);
    return TARN_OK;
}

int tarn_job_delete(struct tarn_job *job, const char *bucket, const char *key,
                    const struct tarn_delete_options *options, tarn_job_done_fn done, void *arg,
                    struct tarn_error *err)
{
    int given = tn_check_given(job, bucket, key, NULL, err);
    if (given < 0)
        return given;
    struct tn_object *o = make_object(job, TN_OBJECT_DELETE, done, arg, err);
    if (!o)
        return TARN_ENOMEM;
    o->bucket = bucket;
    o->key = key;
    if (options)
        o->removal = *options;
    submit(job, o);
    return TARN_OK;
}

int tarn_job_call(struct tarn_job *job, tarn_job_call_fn call, tarn_job_done_fn done, void *arg,
                  struct tarn_error *err)
{
    int given = tn_check_missing(tn_missing(TN_MISSING(job), TN_MISSING(call)), err);
    if (given < 0)
        return given;
    struct tn_object *o = make_object(job, TN_OBJECT_CALL, done, arg, err);
    if (!o)
        return TARN_ENOMEM;
    o->call = call;
    submit(job, o);
    return TARN_OK;
}
