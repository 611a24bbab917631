/* The client against a peer that the test plays itself, hostile mostly. Real QEMU: tests/system. */
#include "tests/support/test.h"

#include "nodeagent/qmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum { EVENT_SIZE = 64, TURNS_MAX = 100, PATIENCE_MS = 5000, TICK_MS = 2 };

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"

struct peer {
    uv_loop_t loop;
    int fd;
    struct qmp *qmp;
    unsigned ready, closed, replies, events;
    enum status closed_status, reply_status;
    char event[EVENT_SIZE], error[EVENT_SIZE];
    bool close_on_event, close_on_reply;
};

static void on_ready(void *argument)
{
    ((struct peer *)argument)->ready++;
}

static void on_event(void *argument, const char *name, const struct qmp_value *data)
{
    struct peer *peer = argument;

    (void)data;
    peer->events++;
    (void)snprintf(peer->event, sizeof peer->event, "%s", name);
    if (peer->close_on_event) {
        qmp_close(TAKE(peer->qmp));
    }
}

static void on_closed(void *argument, enum status status)
{
    struct peer *peer = argument;

    peer->closed++;
    peer->closed_status = status;
}

static void on_reply(void *argument, const struct qmp_reply *reply)
{
    struct peer *peer = argument;

    peer->replies++;
    peer->reply_status = reply->status;
    (void)snprintf(peer->error, sizeof peer->error, "%s", reply->error);
    if (peer->close_on_reply) {
        qmp_close(TAKE(peer->qmp));
    }
}

static const struct qmp_handlers handlers = {on_ready, on_event, on_closed};

static void peer_open(struct peer *peer, enum qmp_start start)
{
    int fds[2];

    memset(peer, 0, sizeof *peer);
    assert_int_equal(uv_loop_init(&peer->loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer->fd = fds[0];
    assert_ok(qmp_open(&peer->loop, fds[1], start, &handlers, peer, &peer->qmp));
}

static void peer_close(struct peer *peer)
{
    qmp_close(peer->qmp);
    (void)uv_run(&peer->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&peer->loop), 0);
    (void)close(peer->fd);
}

static void tick(uv_timer_t *timer)
{
    ++*(unsigned *)timer->data;
}

/* Runs the loop until the counter is what is wanted. The ticks keep the loop from sleeping on when
 * it has just run a timer of the client's. */
static void wait_for(struct peer *peer, const unsigned *counter, unsigned wanted)
{
    unsigned ticks = 0;
    uv_timer_t timer;

    assert_int_equal(uv_timer_init(&peer->loop, &timer), 0);
    timer.data = &ticks;
    assert_int_equal(uv_timer_start(&timer, tick, TICK_MS, TICK_MS), 0);
    while (*counter < wanted && ticks < PATIENCE_MS / TICK_MS) {
        (void)uv_run(&peer->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&peer->loop, UV_RUN_NOWAIT);
    assert_int_equal(*counter, wanted);
}

static void settle(struct peer *peer)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        (void)uv_run(&peer->loop, UV_RUN_NOWAIT);
    }
}

static void say(struct peer *peer, const char *text)
{
    assert_int_equal(write(peer->fd, text, strlen(text)), strlen(text));
}

/* Reads one command; its id goes to ret_id. Returns a descriptor that came along, or -1. */
static int hear(struct peer *peer, const char *expected, char ret_id[QMP_ID_SIZE_MAX])
{
    char text[4096] = "";
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vector = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    const char *at;
    int fd = -1;

    settle(peer);
    assert_true(recvmsg(peer->fd, &message, MSG_DONTWAIT) > 0);
    assert_non_null(strstr(text, expected));
    at = strstr(text, "\"id\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"id\":\"%63[^\"]", ret_id), 1);
    if (CMSG_FIRSTHDR(&message)) {
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    }
    return fd;
}

static void answer(struct peer *peer, const char *id)
{
    char text[256];

    (void)snprintf(text, sizeof text, "{\"return\": {}, \"id\": \"%s\"}\n", id);
    say(peer, text);
}

static void make_ready(struct peer *peer)
{
    char id[QMP_ID_SIZE_MAX];

    say(peer, GREETING);
    (void)hear(peer, "qmp_capabilities", id);
    answer(peer, id);
    wait_for(peer, &peer->ready, 1);
}

static void expect_broken_by(const char *text)
{
    struct peer peer;

    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    say(&peer, text);
    wait_for(&peer, &peer.closed, 1);
    assert_status(peer.closed_status, STATUS_MALFORMED);
    peer_close(&peer);
}

static void a_reply_that_nobody_asked_for_ends_the_connection(void **state)
{
    (void)state;
    expect_broken_by("{\"return\": {}, \"id\": \"00000000-2\"}\n");
    expect_broken_by("{\"return\": {}}\n");
    expect_broken_by("{\"error\": {\"class\": \"a\", \"desc\": \"b\"}}\n");
}

static void a_second_greeting_ends_the_connection(void **state)
{
    (void)state;
    expect_broken_by(GREETING);
}

static void malformed_json_ends_the_connection(void **state)
{
    (void)state;
    expect_broken_by("hello\n");
    expect_broken_by("{\"event\": \"STOP\", \"event\": \"RESUME\"}\n");
}

static void a_reply_to_a_command_answered_before_ends_the_connection(void **state)
{
    char id[QMP_ID_SIZE_MAX];
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    qmp_execute(peer.qmp, "stop", NULL, -1, 1000, on_reply, &peer);
    (void)hear(&peer, "stop", id);
    answer(&peer, id);
    wait_for(&peer, &peer.replies, 1);
    answer(&peer, id);
    wait_for(&peer, &peer.closed, 1);
    assert_status(peer.closed_status, STATUS_MALFORMED);
    assert_int_equal(peer.replies, 1);
    peer_close(&peer);
}

static void a_line_without_end_ends_the_connection(void **state)
{
    enum { CHUNK = 65536 };
    static char chunk[CHUNK];
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    memset(chunk, ' ', sizeof chunk);
    for (unsigned i = 0; i < QMP_LINE_SIZE_MAX / CHUNK + 2 && !peer.closed; i++) {
        size_t sent = 0;

        while (sent < sizeof chunk && !peer.closed) {
            ssize_t size = send(peer.fd, chunk + sent, sizeof chunk - sent, MSG_DONTWAIT);

            sent += size > 0 ? (size_t)size : 0;
            settle(&peer);
        }
    }
    assert_int_equal(peer.closed, 1);
    assert_status(peer.closed_status, STATUS_MALFORMED);
    peer_close(&peer);
}

static void a_refused_negotiation_ends_a_fresh_connection(void **state)
{
    char id[QMP_ID_SIZE_MAX], text[256];
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    say(&peer, GREETING);
    (void)hear(&peer, "qmp_capabilities", id);
    (void)snprintf(text, sizeof text,
                   "{\"error\": {\"class\": \"a\", \"desc\": \"b\"}, \"id\": \"%s\"}\n", id);
    say(&peer, text);
    wait_for(&peer, &peer.closed, 1);
    assert_int_equal(peer.ready, 0);
    peer_close(&peer);
}

static void a_command_that_is_not_answered_times_out_and_its_late_answer_is_ignored(void **state)
{
    char id[QMP_ID_SIZE_MAX];
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    qmp_execute(peer.qmp, "stop", NULL, -1, 20, on_reply, &peer);
    (void)hear(&peer, "stop", id);
    wait_for(&peer, &peer.replies, 1);
    assert_status(peer.reply_status, STATUS_TIMEOUT);
    answer(&peer, id);
    settle(&peer);
    assert_int_equal(peer.replies, 1);
    assert_int_equal(peer.closed, 0);
    peer_close(&peer);
}

static void the_end_of_the_peer_answers_everything_outstanding(void **state)
{
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    qmp_execute(peer.qmp, "stop", NULL, -1, 1000, on_reply, &peer);
    qmp_execute(peer.qmp, "cont", NULL, -1, 1000, on_reply, &peer);
    (void)shutdown(peer.fd, SHUT_RDWR);
    wait_for(&peer, &peer.closed, 1);
    assert_int_equal(peer.replies, 2);
    assert_status(peer.reply_status, STATUS_CLOSED);
    assert_status(peer.closed_status, STATUS_CLOSED);
    /* And what comes after is answered, too, never from inside the call. */
    qmp_execute(peer.qmp, "cont", NULL, -1, 1000, on_reply, &peer);
    assert_int_equal(peer.replies, 2);
    wait_for(&peer, &peer.replies, 3);
    assert_status(peer.reply_status, STATUS_CLOSED);
    peer_close(&peer);
}

static void more_commands_than_the_limit_are_refused_as_busy(void **state)
{
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    for (unsigned i = 0; i <= QMP_OUTSTANDING_MAX; i++) {
        qmp_execute(peer.qmp, "stop", NULL, -1, 60000, on_reply, &peer);
    }
    wait_for(&peer, &peer.replies, 1);
    assert_status(peer.reply_status, STATUS_BUSY);
    settle(&peer);
    assert_int_equal(peer.replies, 1);
    peer_close(&peer);
}

static void an_error_of_qemu_is_handed_on(void **state)
{
    char id[QMP_ID_SIZE_MAX], text[256];
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    qmp_execute(peer.qmp, "cont", NULL, -1, 1000, on_reply, &peer);
    (void)hear(&peer, "cont", id);
    (void)snprintf(text, sizeof text,
                   "{\"error\": {\"class\": \"a\", \"desc\": \"not now\"}, \"id\": \"%s\"}\n", id);
    say(&peer, text);
    wait_for(&peer, &peer.replies, 1);
    assert_status(peer.reply_status, STATUS_REFUSED);
    assert_string_equal(peer.error, "not now");
    peer_close(&peer);
}

static void a_descriptor_travels_with_its_command(void **state)
{
    char id[QMP_ID_SIZE_MAX], letter = 0;
    struct peer peer;
    int ends[2], passed;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    assert_int_equal(pipe(ends), 0);
    qmp_execute(peer.qmp, "add-fd", NULL, ends[1], 1000, on_reply, &peer);
    (void)close(ends[1]);
    passed = hear(&peer, "add-fd", id);
    assert_true(passed >= 0);
    assert_int_equal(write(passed, "x", 1), 1);
    assert_int_equal(read(ends[0], &letter, 1), 1);
    assert_int_equal(letter, 'x');
    (void)close(passed);
    (void)close(ends[0]);
    peer_close(&peer);
}

static void events_come_whole_however_they_are_cut(void **state)
{
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    say(&peer, "{\"event\": \"ST");
    settle(&peer);
    assert_int_equal(peer.events, 0);
    say(&peer, "OP\"}\r\n{\"event\": \"RESUME\"}\n");
    wait_for(&peer, &peer.events, 2);
    assert_string_equal(peer.event, "RESUME");
    peer_close(&peer);
}

static void the_owner_may_close_from_any_handler(void **state)
{
    char id[QMP_ID_SIZE_MAX];
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    peer.close_on_event = true;
    say(&peer, "{\"event\": \"A\"}\n{\"event\": \"B\"}\n");
    wait_for(&peer, &peer.events, 1);
    settle(&peer);
    assert_int_equal(peer.events, 1);
    peer_close(&peer);

    peer_open(&peer, QMP_FRESH);
    make_ready(&peer);
    peer.close_on_reply = true;
    qmp_execute(peer.qmp, "stop", NULL, -1, 1000, on_reply, &peer);
    qmp_execute(peer.qmp, "cont", NULL, -1, 1000, on_reply, &peer);
    (void)hear(&peer, "stop", id);
    answer(&peer, id);
    wait_for(&peer, &peer.replies, 1);
    settle(&peer);
    assert_int_equal(peer.replies, 1);
    assert_int_equal(peer.closed, 0);
    peer_close(&peer);
}

static void a_resumed_connection_ignores_what_was_left_of_the_old_one(void **state)
{
    char id[QMP_ID_SIZE_MAX], text[512];
    struct peer peer;

    (void)state;
    peer_open(&peer, QMP_RESUMED);
    (void)hear(&peer, "\xff\n", id);
    (void)snprintf(text, sizeof text,
                   "tus\": \"running\"}, \"id\": \"0badcafe-7\"}\r\n"
                   "{\"event\": \"STOP\"}\r\n"
                   "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\r\n"
                   "{\"return\": {}, \"id\": \"0badcafe-8\"}\r\n"
                   "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"already\"}, "
                   "\"id\": \"%s\"}\r\n",
                   id);
    say(&peer, text);
    wait_for(&peer, &peer.ready, 1);
    assert_int_equal(peer.events, 0);
    assert_int_equal(peer.closed, 0);
    /* From here on a line must be one. */
    say(&peer, "garbage\n");
    wait_for(&peer, &peer.closed, 1);
    peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_that_nobody_asked_for_ends_the_connection),
        cmocka_unit_test(a_second_greeting_ends_the_connection),
        cmocka_unit_test(malformed_json_ends_the_connection),
        cmocka_unit_test(a_reply_to_a_command_answered_before_ends_the_connection),
        cmocka_unit_test(a_line_without_end_ends_the_connection),
        cmocka_unit_test(a_refused_negotiation_ends_a_fresh_connection),
        cmocka_unit_test(a_command_that_is_not_answered_times_out_and_its_late_answer_is_ignored),
        cmocka_unit_test(the_end_of_the_peer_answers_everything_outstanding),
        cmocka_unit_test(more_commands_than_the_limit_are_refused_as_busy),
        cmocka_unit_test(an_error_of_qemu_is_handed_on),
        cmocka_unit_test(a_descriptor_travels_with_its_command),
        cmocka_unit_test(events_come_whole_however_they_are_cut),
        cmocka_unit_test(the_owner_may_close_from_any_handler),
        cmocka_unit_test(a_resumed_connection_ignores_what_was_left_of_the_old_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
