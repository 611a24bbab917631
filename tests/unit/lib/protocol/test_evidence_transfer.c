/* Evidence in parts, both sides joined in memory: what a receiver refuses, and what a sender never
 * sends. */
#include "lib/protocol/evidence_transfer.h"

#include "lib/base/protobuf.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { PART = EVIDENCE_PART_SIZE_MAX, SIZE = 3 * PART + 1000 };

static const Tccp__NodeMessageKind registering = TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE;
static const Tccp__NodeMessageKind renewing = TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE;

static struct bytes evidence_new(size_t size)
{
    struct bytes evidence = {malloc(size), size};

    assert_non_null(evidence.data);
    for (size_t i = 0; i < size; i++) {
        evidence.data[i] = (uint8_t)(i * 2654435761U >> 13);
    }
    return evidence;
}

/* --- announcement --- */

static enum status read_back(const struct evidence_announcement *sent,
                             Tccp__NodeMessageKind expected, struct evidence_announcement *received,
                             struct refusal *refusal)
{
    OWN(bytes) struct bytes message = {0};

    assert_ok(evidence_announce(sent, &message));
    return evidence_read_announcement(bytes_view(&message), expected, received, refusal);
}

static void evidence_larger_than_any_may_be_is_refused(void **state)
{
    struct evidence_announcement announcement = {
        registering, EVIDENCE_MESSAGE_SIZE_MAX + 1ULL, {{1}}};
    struct evidence_announcement received;
    struct refusal refusal = {0};

    (void)state;
    assert_refused(read_back(&announcement, registering, &received, &refusal), refusal,
                   REFUSAL_TOO_LARGE);
    assert_non_null(strstr(refusal.detail, "at most"));
    announcement.size = UINT64_MAX;
    assert_refused(read_back(&announcement, registering, &received, &refusal), refusal,
                   REFUSAL_TOO_LARGE);
    announcement.size = EVIDENCE_MESSAGE_SIZE_MAX;
    assert_ok(read_back(&announcement, registering, &received, &refusal));
    assert_int_equal(received.size, EVIDENCE_MESSAGE_SIZE_MAX);
    assert_true(digest_equal(&received.mac, &announcement.mac));
}

static void what_is_sent_at_once_is_not_announced(void **state)
{
    struct evidence_announcement announcement = {renewing, EVIDENCE_DIRECT_SIZE_MAX, {{0}}};
    struct evidence_announcement received;
    struct refusal refusal = {0};

    (void)state;
    assert_refused(read_back(&announcement, renewing, &received, &refusal), refusal,
                   REFUSAL_MALFORMED);
    announcement.size = 0;
    assert_refused(read_back(&announcement, renewing, &received, &refusal), refusal,
                   REFUSAL_MALFORMED);
    announcement.size = EVIDENCE_DIRECT_SIZE_MAX + 1;
    assert_ok(read_back(&announcement, renewing, &received, &refusal));
}

static void an_announcement_of_something_else_is_refused(void **state)
{
    const struct evidence_announcement registration = {registering, SIZE, {{1}}};
    const struct evidence_announcement renewal = {renewing, SIZE, {{0}}};
    Tccp__EvidenceAnnounce message = TCCP__EVIDENCE_ANNOUNCE__INIT;
    OWN(bytes) struct bytes bytes = {0};
    struct evidence_announcement received;
    struct refusal refusal = {0};

    (void)state;
    /* A renewal has no MAC, a registration has to have one. */
    assert_refused(read_back(&registration, renewing, &received, &refusal), refusal,
                   REFUSAL_MALFORMED);
    assert_refused(read_back(&renewal, registering, &received, &refusal), refusal,
                   REFUSAL_MALFORMED);
    message.kind = TCCP__NODE_MESSAGE_KIND__REGISTER_HELLO;
    message.size = SIZE;
    assert_ok(protobuf_pack(&message.base, SIZE, &bytes));
    assert_refused(evidence_read_announcement(bytes_view(&bytes), renewing, &received, &refusal),
                   refusal, REFUSAL_OUT_OF_ORDER);
    assert_refused(evidence_read_announcement(view_string("\xff"), renewing, &received, &refusal),
                   refusal, REFUSAL_MALFORMED);
}

/* --- parts --- */

static void nothing_is_sent_before_there_is_room_and_nothing_twice(void **state)
{
    OWN(evidence_sender) struct evidence_sender sender = {0};
    struct bytes evidence = evidence_new(SIZE);
    struct view part;

    (void)state;
    assert_status(evidence_sender_go(&sender), STATUS_CONFLICT);
    assert_false(evidence_sender_next(&sender, &part));
    evidence_sender_begin(&sender, &evidence);
    assert_null(evidence.data);
    assert_false(evidence_sender_next(&sender, &part));
    assert_ok(evidence_sender_go(&sender));
    assert_status(evidence_sender_go(&sender), STATUS_CONFLICT);
    for (size_t sent = 0; sent < SIZE; sent += part.size) {
        assert_true(evidence_sender_next(&sender, &part));
    }
    assert_false(evidence_sender_next(&sender, &part));
    assert_null(sender.evidence.data); /* given back as soon as it is sent */
    assert_status(evidence_sender_go(&sender), STATUS_CONFLICT);
}

static void a_part_of_another_size_than_the_next_one_has_is_refused(void **state)
{
    static const size_t wrong[] = {0, 1, PART - 1, PART + 1};
    OWN(bytes) struct bytes evidence = evidence_new(SIZE);
    struct refusal refusal = {0};

    (void)state;
    for (size_t whole = 0; whole < 3; whole++) {
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
            OWN(evidence_receiver) struct evidence_receiver receiver = {0};

            assert_ok(evidence_receiver_open(&receiver, SIZE));
            for (size_t k = 0; k < whole; k++) {
                assert_ok(evidence_receiver_take(
                    &receiver, (struct view){evidence.data + k * PART, PART}, &refusal));
            }
            assert_refused(
                evidence_receiver_take(&receiver, (struct view){evidence.data, wrong[i]}, &refusal),
                refusal, REFUSAL_MALFORMED);
            assert_int_equal(receiver.received, whole * PART);
        }
    }
}

static void more_than_was_announced_is_refused(void **state)
{
    OWN(evidence_receiver) struct evidence_receiver receiver = {0};
    OWN(bytes) struct bytes evidence = evidence_new(SIZE);
    struct refusal refusal = {0};

    (void)state;
    assert_refused(evidence_receiver_take(&receiver, bytes_view(&evidence), &refusal), refusal,
                   REFUSAL_OUT_OF_ORDER);
    assert_ok(evidence_receiver_open(&receiver, SIZE));
    for (size_t k = 0; k < 3; k++) {
        assert_ok(evidence_receiver_take(&receiver, (struct view){evidence.data + k * PART, PART},
                                         &refusal));
    }
    /* A fourth whole part, where 1000 bytes are left. */
    assert_refused(evidence_receiver_take(&receiver, (struct view){evidence.data, PART}, &refusal),
                   refusal, REFUSAL_MALFORMED);
    assert_refused(evidence_receiver_take(&receiver, (struct view){evidence.data, 1001}, &refusal),
                   refusal, REFUSAL_MALFORMED);
    assert_false(evidence_receiver_is_whole(&receiver));
    assert_ok(evidence_receiver_take(&receiver, (struct view){evidence.data, 1000}, &refusal));
    assert_true(evidence_receiver_is_whole(&receiver));
    assert_refused(evidence_receiver_take(&receiver, (struct view){evidence.data, 1}, &refusal),
                   refusal, REFUSAL_OUT_OF_ORDER);
}

static void evidence_of_every_size_comes_as_it_was_sent(void **state)
{
    static const size_t sizes[] = {EVIDENCE_DIRECT_SIZE_MAX + 1, 2 * PART, 2 * PART + 1, SIZE,
                                   EVIDENCE_MESSAGE_SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct bytes evidence = evidence_new(sizes[i]);
        OWN(bytes) struct bytes received = {0};
        OWN(evidence_sender) struct evidence_sender sender = {0};
        OWN(evidence_receiver) struct evidence_receiver receiver = {0};
        const struct digest digest = sha256(bytes_view(&evidence));
        struct digest received_digest;
        struct refusal refusal = {0};
        struct view part;

        evidence_sender_begin(&sender, &evidence);
        assert_ok(evidence_receiver_open(&receiver, sizes[i]));
        assert_ok(evidence_sender_go(&sender));
        while (evidence_sender_next(&sender, &part)) {
            assert_false(evidence_receiver_is_whole(&receiver));
            assert_ok(evidence_receiver_take(&receiver, part, &refusal));
        }
        assert_true(evidence_receiver_is_whole(&receiver));
        received = evidence_receiver_finish(&receiver);
        received_digest = sha256(bytes_view(&received));
        assert_int_equal(received.size, sizes[i]);
        assert_true(digest_equal(&received_digest, &digest));
    }
}

static void a_sender_that_begins_anew_forgets_what_it_had(void **state)
{
    OWN(evidence_sender) struct evidence_sender sender = {0};
    struct bytes first = evidence_new(SIZE), second = evidence_new(2 * PART);
    struct view part;

    (void)state;
    evidence_sender_begin(&sender, &first);
    assert_ok(evidence_sender_go(&sender));
    assert_true(evidence_sender_next(&sender, &part));
    evidence_sender_begin(&sender, &second);
    assert_false(evidence_sender_next(&sender, &part));
    assert_ok(evidence_sender_go(&sender));
    assert_true(evidence_sender_next(&sender, &part));
    assert_true(evidence_sender_next(&sender, &part));
    assert_false(evidence_sender_next(&sender, &part));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_larger_than_any_may_be_is_refused),
        cmocka_unit_test(what_is_sent_at_once_is_not_announced),
        cmocka_unit_test(an_announcement_of_something_else_is_refused),
        cmocka_unit_test(nothing_is_sent_before_there_is_room_and_nothing_twice),
        cmocka_unit_test(a_part_of_another_size_than_the_next_one_has_is_refused),
        cmocka_unit_test(more_than_was_announced_is_refused),
        cmocka_unit_test(evidence_of_every_size_comes_as_it_was_sent),
        cmocka_unit_test(a_sender_that_begins_anew_forgets_what_it_had),
    };
    return cmocka_run_group_tests_name("evidence_transfer", tests, NULL, NULL);
}
