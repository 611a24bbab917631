#include "lib/attest/event_log.h"

#include "tests/unit/lib/attest/evidence_files.h"
#include "tests/unit/lib/attest/log_writer.h"

static const struct digest some = {{0xaa, 0xbb}};

#define assert_replay_refused(writer, expected)                                                    \
    do {                                                                                           \
        struct pcr_bank bank_;                                                                     \
        struct refusal refusal_ = {0};                                                             \
        assert_refused(event_log_replay(written(writer), &bank_, &refusal_), refusal_,             \
                       (expected));                                                                \
    } while (0)

static void any_truncation_is_refused(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/uki-sb/eventlog.bin");
    struct pcr_bank bank;

    (void)state;
    /* A log that was cut between two events is whole, but lacks what the quote covers. */
    assert_ok(event_log_replay(bytes_view(&log), &bank, NULL));
    for (size_t size = 0; size < log.size; size++) {
        OWN(bytes) struct bytes cut = copy_of((struct view){log.data, size});
        struct pcr_bank cut_bank;

        if (event_log_replay(bytes_view(&cut), &cut_bank, NULL) == STATUS_OK) {
            assert_memory_not_equal(cut_bank.values, bank.values, sizeof bank.values);
        }
    }
}

static void log_with_trailing_bytes_is_refused(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/good/eventlog.bin");
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    writer_view(&writer, bytes_view(&log));
    writer_u8(&writer, 0);
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
}

static void log_above_its_limit_is_refused(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/good/eventlog.bin");
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    OWN(writer) struct writer many = writer_new(LOG_SIZE_MAX);
    struct pcr_bank bank;

    (void)state;
    /* Filled up with one big event to the limit exactly, and then one byte more. */
    for (unsigned more = 0; more < 2; more++) {
        OWN(bytes) struct bytes filler = {0};

        writer_free(&writer);
        writer_view(&writer, bytes_view(&log));
        filler.size = EVENT_LOG_SIZE_MAX - log.size - 50 + more;
        filler.data = calloc(1, filler.size);
        event_write(&writer, 14, EVENT_IPL, &some, bytes_view(&filler));
        assert_int_equal(writer.size, EVENT_LOG_SIZE_MAX + more);
        if (more) {
            assert_replay_refused(&writer, REFUSAL_TOO_LARGE);
        } else {
            assert_ok(event_log_replay(written(&writer), &bank, NULL));
        }
    }
    event_log_begin(&many);
    separators_write(&many);
    for (unsigned i = 8; i < EVENT_COUNT_MAX; i++) {
        event_write(&many, 14, EVENT_IPL, &some, (struct view){0});
    }
    assert_ok(event_log_replay(written(&many), &bank, NULL));
    event_write(&many, 14, EVENT_IPL, &some, (struct view){0});
    assert_replay_refused(&many, REFUSAL_TOO_LARGE);
}

static void log_that_does_not_begin_with_spec_id_03_is_refused(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/good/eventlog.bin");
    static const size_t offsets[] = {0 /* PCR */, 4 /* type */, 10 /* digest */,
                                     28 + 4 + 14 /* "3" */, 28 + 4 + 21 /* major version */};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        OWN(bytes) struct bytes changed = copy_of(bytes_view(&log));
        struct refusal refusal;
        struct pcr_bank bank;

        changed.data[offsets[i]] ^= 1;
        assert_refused(event_log_replay(bytes_view(&changed), &bank, &refusal), refusal,
                       REFUSAL_EVENT_LOG);
    }
}

/* Separators for PCRs 0 to 7, each with the given digests. */
static void separators_write_as(struct writer *writer, const uint16_t *algorithms, size_t count)
{
    static const uint8_t zeroes[4], other[TPM_HASH_SIZE_MAX];
    struct digest digest = sha256(VIEW_OF_ARRAY(zeroes));

    for (uint32_t pcr = 0; pcr < 8; pcr++) {
        write_u32_le(writer, pcr);
        write_u32_le(writer, EVENT_SEPARATOR);
        write_u32_le(writer, (uint32_t)count);
        for (size_t i = 0; i < count; i++) {
            write_u16_le(writer, algorithms[i]);
            writer_view(writer, algorithms[i] == TPM_ALGORITHM_SHA256
                                    ? digest_view(&digest)
                                    : (struct view){other, tpm_hash_size(algorithms[i])});
        }
        write_u32_le(writer, sizeof zeroes);
        writer_view(writer, VIEW_OF_ARRAY(zeroes));
    }
}

static void log_without_exactly_the_announced_digests_is_refused(void **state)
{
    enum { SHA1 = TPM_ALGORITHM_SHA1, SHA256 = TPM_ALGORITHM_SHA256 };
    static const struct {
        size_t announced_count;
        uint16_t announced[2];
        size_t count;
        uint16_t digests[2];
        bool good;
    } cases[] = {
        {1, {SHA256}, 1, {SHA256}, true},
        {2, {SHA1, SHA256}, 2, {SHA256, SHA1}, true},
        {0, {0}, 0, {0}, false},
        {1, {SHA1}, 1, {SHA1}, false}, /* no SHA-256 */
        {2, {SHA256, SHA256}, 2, {SHA256, SHA256}, false},
        {2, {SHA1, SHA256}, 1, {SHA256}, false},         /* one of two */
        {2, {SHA1, SHA256}, 2, {SHA256, SHA256}, false}, /* one of them twice */
        {1, {SHA256}, 2, {SHA256, SHA1}, false},         /* one that was not announced */
        {1, {SHA256}, 1, {SHA1}, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

        event_header_write(&writer, cases[i].announced, cases[i].announced_count);
        separators_write_as(&writer, cases[i].digests, cases[i].count);
        if (cases[i].good) {
            assert_ok(event_log_replay(written(&writer), &(struct pcr_bank){0}, NULL));
        } else {
            assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
        }
    }
}

static void header_without_sha256_is_refused_at_once(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct refusal refusal;
    struct event_log log;

    (void)state;
    event_header_write(&writer, (const uint16_t[]){TPM_ALGORITHM_SHA1}, 1);
    assert_refused(event_log_open(written(&writer), &log, &refusal), refusal, REFUSAL_EVENT_LOG);
}

static void event_of_a_pcr_above_23_is_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    event_log_begin(&writer);
    separators_write(&writer);
    event_write(&writer, 24, EVENT_IPL, &some, (struct view){0});
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
}

static void event_longer_than_the_log_is_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    event_log_begin(&writer);
    separators_write(&writer);
    event_write(&writer, 4, EVENT_IPL, &some, (struct view){0});
    memset(writer.data + writer.size - 4, 0xff, 4);
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
}

static void missing_or_second_separator_is_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    event_log_begin(&writer);
    for (uint32_t pcr = 0; pcr < 7; pcr++) {
        separator_write(&writer, pcr);
    }
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
    separator_write(&writer, 7);
    assert_ok(event_log_replay(written(&writer), &(struct pcr_bank){0}, NULL));
    separator_write(&writer, 4);
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
}

static void separator_that_marks_an_error_is_refused(void **state)
{
    static const uint8_t error[4] = {1}, zeroes[4];
    struct digest digest = sha256(VIEW_OF_ARRAY(error));
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    event_log_begin(&writer);
    for (uint32_t pcr = 0; pcr < 7; pcr++) {
        separator_write(&writer, pcr);
    }
    event_write(&writer, 7, EVENT_SEPARATOR, &digest, VIEW_OF_ARRAY(error));
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
    /* Data that claims there was none, under the digest of the error. */
    memcpy(writer.data + writer.size - 4, zeroes, 4);
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
}

static void no_action_extends_nothing(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct pcr_bank with, without;

    (void)state;
    event_log_begin(&writer);
    separators_write(&writer);
    assert_ok(event_log_replay(written(&writer), &without, NULL));
    event_write(&writer, 4, EVENT_NO_ACTION, &some, view_string("whatever it says"));
    assert_ok(event_log_replay(written(&writer), &with, NULL));
    assert_memory_equal(with.values, without.values, sizeof with.values);
}

/* "StartupLocality", NUL, locality. */
static void locality_write(struct writer *writer, uint8_t locality)
{
    uint8_t data[17] = "StartupLocality";

    data[16] = locality;
    event_write(writer, 0, EVENT_NO_ACTION, &(struct digest){{0}}, VIEW_OF_ARRAY(data));
}

static void startup_locality_sets_where_pcr_0_starts(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    static const uint8_t zeroes[4];
    struct digest separator = sha256(VIEW_OF_ARRAY(zeroes)), expected = {{0}};
    struct pcr_bank bank;

    (void)state;
    event_log_begin(&writer);
    locality_write(&writer, 3);
    separators_write(&writer);
    assert_ok(event_log_replay(written(&writer), &bank, NULL));
    expected.bytes[31] = 3;
    pcr_extend(&expected, &separator);
    assert_true(digest_equal(&bank.values[0], &expected));
}

static void startup_locality_that_comes_late_or_twice_is_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    event_log_begin(&writer);
    separators_write(&writer);
    locality_write(&writer, 3);
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
    writer_free(&writer);
    event_log_begin(&writer);
    locality_write(&writer, 0);
    locality_write(&writer, 3);
    separators_write(&writer);
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
    writer_free(&writer);
    event_log_begin(&writer);
    locality_write(&writer, 2);
    separators_write(&writer);
    assert_replay_refused(&writer, REFUSAL_EVENT_LOG);
}

static void events_in_another_order_lead_elsewhere(void **state)
{
    static const struct digest first = {{1}}, second = {{2}};
    struct pcr_bank banks[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

        event_log_begin(&writer);
        separators_write(&writer);
        event_write(&writer, 4, EVENT_IPL, i ? &second : &first, (struct view){0});
        event_write(&writer, 4, EVENT_IPL, i ? &first : &second, (struct view){0});
        assert_ok(event_log_replay(written(&writer), &banks[i], NULL));
    }
    assert_false(digest_equal(&banks[0].values[4], &banks[1].values[4]));
    assert_true(digest_equal(&banks[0].values[5], &banks[1].values[5]));
}

static void captured_logs_lead_to_the_quoted_values(void **state)
{
    static const struct {
        const char *folder;
        uint32_t mask;
    } folders[] = {{"good", EVIDENCE_MASK},       {"cmdline", EVIDENCE_MASK},
                   {"tampered", EVIDENCE_MASK},   {"other-node", EVIDENCE_MASK},
                   {"secureboot", EVIDENCE_MASK}, {"uki-sb", EVIDENCE_MASK_UKI}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        OWN(evidence_files) struct evidence_files files = evidence_load(folders[i].folder);
        struct pcr_bank quoted, replayed;

        assert_ok(pcr_bank_of_view(bytes_view(&files.pcr_values), folders[i].mask, &quoted));
        assert_ok(event_log_replay(bytes_view(&files.event_log), &replayed, NULL));
        for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
            if ((folders[i].mask >> pcr & 1) && pcr != PCR_IMA) {
                assert_true(digest_equal(&quoted.values[pcr], &replayed.values[pcr]));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_truncation_is_refused),
        cmocka_unit_test(log_with_trailing_bytes_is_refused),
        cmocka_unit_test(log_above_its_limit_is_refused),
        cmocka_unit_test(log_that_does_not_begin_with_spec_id_03_is_refused),
        cmocka_unit_test(log_without_exactly_the_announced_digests_is_refused),
        cmocka_unit_test(header_without_sha256_is_refused_at_once),
        cmocka_unit_test(event_of_a_pcr_above_23_is_refused),
        cmocka_unit_test(event_longer_than_the_log_is_refused),
        cmocka_unit_test(missing_or_second_separator_is_refused),
        cmocka_unit_test(separator_that_marks_an_error_is_refused),
        cmocka_unit_test(startup_locality_that_comes_late_or_twice_is_refused),
        cmocka_unit_test(startup_locality_sets_where_pcr_0_starts),
        cmocka_unit_test(no_action_extends_nothing),
        cmocka_unit_test(events_in_another_order_lead_elsewhere),
        cmocka_unit_test(captured_logs_lead_to_the_quoted_values),
    };
    return cmocka_run_group_tests_name("event_log", tests, NULL, NULL);
}
