#include "lib/net/frame.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static void a_frame_above_the_limit_is_refused_from_its_header_alone(void **state)
{
    const uint8_t header[] = {0, 0, 0, 11};
    OWN(frame_decoder) struct frame_decoder decoder;
    struct view frame;

    (void)state;
    frame_decoder_init(&decoder, 10);
    assert_ok(frame_decoder_feed(&decoder, VIEW_OF_ARRAY(header)));
    assert_status(frame_decoder_next(&decoder, &frame), STATUS_TOO_LARGE);
    /* For good: there is no way to find the next frame's beginning. */
    frame_decoder_set_max(&decoder, 20);
    assert_status(frame_decoder_feed(&decoder, VIEW_OF_ARRAY(header)), STATUS_TOO_LARGE);
    assert_status(frame_decoder_next(&decoder, &frame), STATUS_TOO_LARGE);
}

static void an_empty_frame_is_refused(void **state)
{
    const uint8_t header[] = {0, 0, 0, 0};
    OWN(frame_decoder) struct frame_decoder decoder;
    struct view frame;

    (void)state;
    frame_decoder_init(&decoder, 10);
    assert_ok(frame_decoder_feed(&decoder, VIEW_OF_ARRAY(header)));
    assert_status(frame_decoder_next(&decoder, &frame), STATUS_MALFORMED);
}

static void a_promised_length_takes_no_memory(void **state)
{
    const uint8_t header[] = {0, 0x3f, 0xff, 0xff, 1};
    OWN(frame_decoder) struct frame_decoder decoder;
    struct view frame;

    (void)state;
    frame_decoder_init(&decoder, FRAME_SIZE_MAX);
    assert_ok(frame_decoder_feed(&decoder, VIEW_OF_ARRAY(header)));
    assert_status(frame_decoder_next(&decoder, &frame), STATUS_NOT_READY);
    assert_true(decoder.capacity <= 4096);
}

static void frames_come_out_however_they_were_cut(void **state)
{
    const uint8_t stream[] = {0, 0, 0, 2, 'a', 'b', 0, 0, 0, 1, 'c', 0, 0, 0, 3, 'd', 'e', 'f'};

    (void)state;
    for (size_t step = 1; step <= sizeof stream; step++) {
        OWN(frame_decoder) struct frame_decoder decoder;
        char text[16] = "";
        struct view frame;

        frame_decoder_init(&decoder, 10);
        for (size_t at = 0; at < sizeof stream; at += step) {
            size_t left = sizeof stream - at;

            assert_ok(frame_decoder_feed(&decoder,
                                         (struct view){stream + at, left < step ? left : step}));
            while (frame_decoder_next(&decoder, &frame) == STATUS_OK) {
                strncat(text, (const char *)frame.data, frame.size);
                strcat(text, "|");
            }
        }
        assert_string_equal(text, "ab|c|def|");
        frame_decoder_trim(&decoder);
        assert_null(decoder.data); /* An idle decoder holds nothing. */
    }
}

static void a_header_says_the_length_in_network_order(void **state)
{
    uint8_t header[FRAME_HEADER_SIZE];

    (void)state;
    frame_header(0x010203, header);
    assert_memory_equal(header, ((uint8_t[]){0, 1, 2, 3}), sizeof header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_above_the_limit_is_refused_from_its_header_alone),
        cmocka_unit_test(an_empty_frame_is_refused),
        cmocka_unit_test(a_promised_length_takes_no_memory),
        cmocka_unit_test(frames_come_out_however_they_were_cut),
        cmocka_unit_test(a_header_says_the_length_in_network_order),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
