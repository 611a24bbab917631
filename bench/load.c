#include "bench/load.h"

#include "lib/base/protobuf.h"
#include "lib/net/client.h"
#include "lib/net/timer.h"
#include "proto/admin.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

enum {
    ERROR_SIZE = 256,
    LEADER_TIMEOUT_MS = 30000,
    LATENCY_MAX = 4 * 1024 * 1024,
    ANSWER_SIZE_MAX = 65536
};

struct load {
    const struct load_config *config;
    uv_loop_t loop;
    struct client *client;
    struct timer *timer;
    char note[LOAD_NOTE_SIZE_MAX + 1];
    uint64_t session, next_number;
    double started_s[LOAD_OUTSTANDING_MAX]; /* by tag: the place among the outstanding */
    float *latencies_ms;
    size_t latency_count;
    bool is_measuring, is_over;
    double begun_s, ended_s;
    enum status status;
    char *error;
    struct load_result *result;
};

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void finish(struct load *load, enum status status, const char *error)
{
    if (load->is_over) {
        return;
    }
    load->is_over = true;
    load->status = status;
    (void)snprintf(load->error, ERROR_SIZE, "%s", error);
    timer_free(load->timer);
    client_close(load->client);
}

static void send_request(struct load *load, Tccp__AdminRequest *request)
{
    OWN(bytes) struct bytes bytes = {0};

    if (protobuf_pack(&request->base, FRAME_SIZE_MAX, &bytes) != STATUS_OK ||
        client_send(load->client, bytes_view(&bytes)) != STATUS_OK) {
        finish(load, STATUS_IO, "cannot send");
    }
}

static void send_note(struct load *load, uint64_t tag)
{
    Tccp__RequestId id = TCCP__REQUEST_ID__INIT;
    Tccp__AuditNote note = TCCP__AUDIT_NOTE__INIT;
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;

    id.session = load->session;
    id.number = ++load->next_number;
    note.text = load->note;
    request.tag = tag;
    request.id = &id;
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_AUDIT_NOTE;
    request.audit_note = &note;
    load->started_s[tag] = now_s();
    send_request(load, &request);
}

static void on_timer(void *argument)
{
    struct load *load = argument;

    if (load->session == 0) {
        finish(load, STATUS_TIMEOUT, "no leader was found");
    } else if (!load->is_measuring) {
        load->is_measuring = true;
        load->begun_s = now_s();
        timer_start(load->timer, load->config->duration_ms);
    } else {
        load->ended_s = now_s();
        finish(load, STATUS_OK, "");
    }
}

static void on_open(struct client *client, void *argument, const struct connection_peer *peer)
{
    struct load *load = argument;
    Tccp__SessionOpen open = TCCP__SESSION_OPEN__INIT;
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;

    (void)peer;
    connection_set_frame_size_max(client_connection(client), FRAME_SIZE_MAX);
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN;
    request.session_open = &open;
    send_request(load, &request);
}

static void session_begin(struct load *load, uint64_t session)
{
    client_confirm(load->client);
    load->session = session;
    timer_start(load->timer, load->config->warm_up_ms);
    for (uint64_t tag = 0; tag < load->config->outstanding && !load->is_over; tag++) {
        send_note(load, tag);
    }
}

static void note_answered(struct load *load, const Tccp__AdminResponse *response)
{
    if (response->tag >= load->config->outstanding) {
        finish(load, STATUS_IO, "an answer to nothing");
        return;
    }
    if (load->is_measuring && response->kind_case == TCCP__ADMIN_RESPONSE__KIND_DONE) {
        load->result->answered++;
        if (load->latency_count < LATENCY_MAX) {
            load->latencies_ms[load->latency_count++] =
                (float)((now_s() - load->started_s[response->tag]) * 1e3);
        }
    } else if (response->kind_case == TCCP__ADMIN_RESPONSE__KIND_FAILURE) {
        load->result->refused++;
        (void)snprintf(load->result->refusal, sizeof load->result->refusal, "%s",
                       response->failure->reason);
    }
    send_note(load, response->tag);
}

static void on_frame(struct client *client, void *argument, struct view frame)
{
    struct load *load = argument;
    Tccp__AdminResponse *response = (Tccp__AdminResponse *)protobuf_unpack(
        &tccp__admin_response__descriptor, frame, ANSWER_SIZE_MAX);

    if (!response) {
        finish(load, STATUS_IO, "a malformed answer");
        return;
    }
    if (response->kind_case == TCCP__ADMIN_RESPONSE__KIND_FAILURE &&
        strcmp(response->failure->reason, "not-leader") == 0) {
        if (load->session != 0) {
            finish(load, STATUS_IO, "the leader changed");
        } else {
            (void)client_redirect(client, response->failure->leader_address);
        }
    } else if (response->kind_case == TCCP__ADMIN_RESPONSE__KIND_SESSION_OPENED) {
        session_begin(load, response->session_opened->session);
    } else if (load->session != 0) {
        note_answered(load, response);
    } else if (response->kind_case == TCCP__ADMIN_RESPONSE__KIND_FAILURE) {
        /* A member that does not know yet whether it leads, say. */
        (void)client_redirect(client, "");
    }
    tccp__admin_response__free_unpacked(response, NULL);
}

static void on_failure(struct client *client, void *argument, enum status reason,
                       const char *detail, bool is_final)
{
    struct load *load = argument;

    (void)client, (void)is_final;
    if (load->session != 0 || reason == STATUS_REFUSED) {
        finish(load, STATUS_IO, detail);
    }
}

static int compare_floats(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;

    return (a > b) - (a < b);
}

static void summarize(struct load *load)
{
    struct load_result *result = load->result;
    size_t count = load->latency_count;

    result->per_s = (double)result->answered / (load->ended_s - load->begun_s);
    qsort(load->latencies_ms, count, sizeof *load->latencies_ms, compare_floats);
    if (count > 0) {
        result->p50_ms = (double)load->latencies_ms[count / 2];
        result->p99_ms = (double)load->latencies_ms[count * 99 / 100];
        result->longest_ms = (double)load->latencies_ms[count - 1];
    }
}

enum status load_run(const struct load_config *config, struct load_result *ret_result,
                     char *ret_error)
{
    struct load *load = calloc(1, sizeof *load);
    struct client_config client;
    enum status status;

    ASSERT(load && config->outstanding > 0 && config->outstanding <= LOAD_OUTSTANDING_MAX);
    ASSERT(config->note_size > 0 && config->note_size <= LOAD_NOTE_SIZE_MAX);
    *ret_result = (struct load_result){0};
    load->config = config;
    load->result = ret_result;
    load->error = ret_error;
    load->latencies_ms = malloc(LATENCY_MAX * sizeof *load->latencies_ms);
    memset(load->note, 'n', config->note_size);
    ASSERT(load->latencies_ms && uv_loop_init(&load->loop) == 0);
    client = (struct client_config){
        .loop = &load->loop,
        .addresses = config->addresses,
        .address_count = config->address_count,
        .tls = config->tls,
        .backoff_max_ms = 500,
        .callbacks = {on_open, on_frame, on_failure},
        .argument = load,
    };
    ASSERT(timer_new(&load->loop, on_timer, load, &load->timer) == STATUS_OK);
    timer_start(load->timer, LEADER_TIMEOUT_MS);
    status = client_open(&client, &load->client);
    if (status != STATUS_OK) {
        timer_free(load->timer);
        (void)snprintf(ret_error, ERROR_SIZE, "not an address");
    }
    (void)uv_run(&load->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&load->loop);
    if (status == STATUS_OK) {
        status = load->status;
        summarize(load);
    }
    free(load->latencies_ms);
    free(load);
    return status;
}
