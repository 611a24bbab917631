#include "lib/attest/ima.h"

#include "tests/unit/lib/attest/evidence_files.h"
#include "tests/unit/lib/attest/log_writer.h"

static const struct digest file = {{0xf1, 0x1e}};

static void entry_write(struct writer *writer, const char *path)
{
    ima_write(writer, PCR_IMA, &file, path, NULL, false);
}

/* Three ordinary entries. */
static void log_begin(struct writer *writer)
{
    entry_write(writer, "boot_aggregate");
    entry_write(writer, "/init");
    entry_write(writer, "/bin/busybox");
}

static enum status replay(struct view log, const struct digest *quoted, struct ima_state *state,
                          struct refusal *refusal)
{
    return ima_replay(state, log, quoted, NULL, NULL, refusal);
}

/* The log as it was written is what PCR 10 holds, and yet it is refused. */
static void assert_log_refused(struct writer *writer)
{
    struct digest quoted = ima_value(written(writer));
    struct ima_state state = {0};
    struct refusal refusal = {0};

    assert_refused(replay(written(writer), &quoted, &state, &refusal), refusal, REFUSAL_IMA_LOG);
    assert_int_equal(state.count, 0);
    writer_free(writer);
}

static void log_that_does_not_lead_to_the_quoted_value_is_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct ima_state ima = {0};
    struct refusal refusal;

    (void)state;
    log_begin(&writer);
    assert_refused(replay(written(&writer), &file, &ima, &refusal), refusal, REFUSAL_IMA_LOG);
    assert_refused(replay((struct view){0}, &file, &ima, &refusal), refusal, REFUSAL_IMA_LOG);
    /* Nor does a PCR 10 that nobody extended speak for an IMA that is switched off. */
    assert_refused(replay((struct view){0}, &(struct digest){{0}}, &ima, &refusal), refusal,
                   REFUSAL_IMA_LOG);
    assert_int_equal(ima.count, 0);
}

static void truncated_or_reordered_log_is_refused(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/good/ima.bin");
    struct digest quoted = ima_value(bytes_view(&log));

    (void)state;
    for (size_t size = 0; size < log.size; size++) {
        OWN(bytes) struct bytes cut = copy_of((struct view){log.data, size});
        struct ima_state ima = {0};
        struct refusal refusal;

        assert_refused(replay(bytes_view(&cut), &quoted, &ima, &refusal), refusal, REFUSAL_IMA_LOG);
    }
    for (unsigned swapped = 0; swapped < 2; swapped++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
        static struct digest value;
        struct ima_state ima = {0};

        entry_write(&writer, "boot_aggregate");
        entry_write(&writer, swapped ? "/b" : "/a");
        entry_write(&writer, swapped ? "/a" : "/b");
        if (!swapped) {
            value = ima_value(written(&writer));
        }
        assert_status(replay(written(&writer), &value, &ima, NULL),
                      swapped ? STATUS_REFUSED : STATUS_OK);
    }
}

static void any_flipped_bit_before_the_quoted_end_is_refused(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/good/ima.bin");
    struct digest quoted = ima_value(bytes_view(&log));

    (void)state;
    for (size_t i = 0; i < log.size; i++) {
        struct ima_state ima = {0};
        enum status status;

        log.data[i] ^= 1 << (i % 8);
        status = replay(bytes_view(&log), &quoted, &ima, NULL);
        log.data[i] ^= 1 << (i % 8);
        if (status == STATUS_OK) {
            /* Only the SHA-1 in an entry's header is not believed anyway. */
            struct reader reader = reader_of(bytes_view(&log));
            bool in_header_digest = false;

            while (reader.left) {
                size_t at = (size_t)(reader.at - log.data);
                struct ima_entry entry;

                in_header_digest |= i >= at + 4 && i < at + 24;
                assert_ok(ima_entry_read(&reader, &entry));
            }
            assert_true(in_header_digest);
        }
    }
}

static void malformed_entries_are_refused(void **state)
{
    static const struct view no_signature = {0};
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    /* Another PCR. */
    log_begin(&writer);
    ima_write(&writer, 11, &file, "/x", NULL, false);
    assert_log_refused(&writer);
    /* Unknown template: last letter of "ima-ng" in the last entry. */
    log_begin(&writer);
    entry_write(&writer, "/x");
    writer.data[writer.size - (4 + 40 + 4 + 3) - 4 - 1] = 'x';
    assert_log_refused(&writer);
    /* Path without its NUL, with another NUL inside, and empty. */
    log_begin(&writer);
    entry_write(&writer, "/x");
    writer.data[writer.size - 1] = 'y';
    assert_log_refused(&writer);
    log_begin(&writer);
    entry_write(&writer, "/x/y");
    writer.data[writer.size - 3] = 0;
    assert_log_refused(&writer);
    log_begin(&writer);
    entry_write(&writer, "");
    assert_log_refused(&writer);
    /* A hash that is none, or SHA-1: "sha256:" lies 40 bytes before the path's length. */
    log_begin(&writer);
    entry_write(&writer, "/x");
    writer.data[writer.size - (40 + 4 + 3) + 3] = '3';
    assert_log_refused(&writer);
    /* A violation that has a digest all the same. */
    log_begin(&writer);
    ima_write(&writer, PCR_IMA, &file, "/x", NULL, true);
    assert_log_refused(&writer);
    /* A field that is longer than the template data. */
    log_begin(&writer);
    ima_write(&writer, PCR_IMA, &file, "/x", &no_signature, false);
    writer.data[writer.size - 4] = 1;
    assert_log_refused(&writer);
}

/* Each length within the template data, changed under a quote that covers the change. */
static void template_data_of_wrong_lengths_are_refused(void **state)
{
    static const int64_t changes[] = {-1, 1, 4, -4, INT32_MAX, -INT32_MAX};
    /* From the end of the entry: signature 4 + 3, path 4 + 3, digest 4 + 40. */
    static const size_t fields[] = {7, 7 + 7, 7 + 7 + 44};
    struct view signature = view_string("sig");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(changes); j++) {
            OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
            struct ima_state ima = {0};
            struct digest quoted;
            uint32_t length;
            uint8_t *at;
            struct refusal refusal;

            ima_write(&writer, PCR_IMA, &file, "boot_aggregate", &signature, false);
            ima_write(&writer, PCR_IMA, &file, "/x", &signature, false);
            quoted = ima_value(written(&writer));
            assert_ok(replay(written(&writer), &quoted, &ima, &refusal));
            ima = (struct ima_state){0};
            at = writer.data + writer.size - fields[i];
            length = (uint32_t)(at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24);
            length = (uint32_t)((int64_t)length + changes[j]);
            for (unsigned octet = 0; octet < 4; octet++) {
                at[octet] = (uint8_t)(length >> 8 * octet);
            }
            quoted = ima_value(written(&writer));
            assert_refused(replay(written(&writer), &quoted, &ima, &refusal), refusal,
                           REFUSAL_IMA_LOG);
        }
    }
}

/* Well-formed but for the digest, which is not as long as its hash says. */
static void file_digest_of_another_length_is_refused(void **state)
{
    static const struct {
        const char *name;
        uint32_t digest_size;
        bool good;
    } cases[] = {
        {"sha256", 32, true}, {"sha256", 31, false}, {"sha256", 33, false}, {"sha256", 0, false},
        {"sha384", 48, true}, {"sha384", 32, false}, {"sha512", 64, true},  {"sha512", 63, false},
        {"sha1", 20, false},  {"sha224", 28, false}, {"", 32, false},
    };
    static const uint8_t octets[64] = {0xf2}, header[20] = {0x5a};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
        uint32_t field_size = (uint32_t)strlen(cases[i].name) + 2 + cases[i].digest_size;
        struct ima_state ima = {0};
        struct digest quoted;
        struct refusal refusal;

        ima_write(&writer, PCR_IMA, &file, "boot_aggregate", NULL, false);
        write_u32_le(&writer, PCR_IMA);
        writer_view(&writer, VIEW_OF_ARRAY(header));
        write_u32_le(&writer, 6);
        writer_view(&writer, view_string("ima-ng"));
        write_u32_le(&writer, 4 + field_size + 4 + 3);
        write_u32_le(&writer, field_size);
        writer_view(&writer, view_string(cases[i].name));
        writer_view(&writer, (struct view){(const uint8_t *)":", 2});
        writer_view(&writer, (struct view){octets, cases[i].digest_size});
        write_u32_le(&writer, 3);
        writer_view(&writer, (struct view){(const uint8_t *)"/x", 3});
        quoted = ima_value(written(&writer));
        assert_status(replay(written(&writer), &quoted, &ima, &refusal),
                      cases[i].good ? STATUS_OK : STATUS_REFUSED);
    }
}

static void log_that_does_not_begin_with_boot_aggregate_is_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    entry_write(&writer, "/init");
    assert_log_refused(&writer);
}

static void second_boot_aggregate_is_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    log_begin(&writer);
    entry_write(&writer, "boot_aggregate");
    assert_log_refused(&writer);
}

static void log_above_its_limit_is_refused(void **state)
{
    OWN(bytes) struct bytes log = {calloc(1, IMA_LOG_SIZE_MAX + 1), IMA_LOG_SIZE_MAX + 1};
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct digest quoted;
    struct refusal refusal;
    struct ima_state ima = {0};

    (void)state;
    log_begin(&writer);
    quoted = ima_value(written(&writer));
    memcpy(log.data, writer.data, writer.size);
    assert_refused(replay(bytes_view(&log), &quoted, &ima, &refusal), refusal, REFUSAL_TOO_LARGE);
    log.size--;
    assert_ok(replay(bytes_view(&log), &quoted, &ima, &refusal));
}

static void entries_above_their_count_are_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct ima_state ima = {.count = IMA_ENTRY_COUNT_MAX};
    struct refusal refusal;

    (void)state;
    entry_write(&writer, "/x");
    assert_refused(replay(written(&writer), &file, &ima, &refusal), refusal, REFUSAL_TOO_LARGE);
}

static void violation_is_counted_and_extends_ones(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("violation");
    struct ima_state ima = {0};
    struct pcr_bank quoted;

    (void)state;
    assert_ok(pcr_bank_of_view(bytes_view(&files.pcr_values), EVIDENCE_MASK, &quoted));
    assert_ok(replay(bytes_view(&files.ima_log), &quoted.values[PCR_IMA], &ima, NULL));
}

/* What follows the quoted prefix was measured after the quote, or made up: neither counts. */
static void entries_after_the_quote_carry_no_weight(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct ima_state ima = {0}, more = {0};
    struct pcr_bank quoted;

    (void)state;
    assert_ok(pcr_bank_of_view(bytes_view(&files.pcr_values), EVIDENCE_MASK, &quoted));
    assert_ok(replay(bytes_view(&files.ima_log), &quoted.values[PCR_IMA], &ima, NULL));
    assert_int_equal(ima.count, 21); /* of 22 */
    assert_true(digest_equal(&ima.aggregate, &quoted.values[PCR_IMA]));
    writer_view(&writer, bytes_view(&files.ima_log));
    writer_view(&writer, view_string("not an entry at all"));
    assert_ok(replay(written(&writer), &quoted.values[PCR_IMA], &more, NULL));
    assert_int_equal(more.count, 21);
}

static void renewal_continues_where_the_last_one_ended(void **state)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct ima_state ima = {0}, before;
    struct digest first, second;
    struct refusal refusal;
    size_t known;

    (void)state;
    log_begin(&writer);
    known = writer.size;
    first = ima_value(written(&writer));
    entry_write(&writer, "/new");
    second = ima_value(written(&writer));
    assert_ok(replay((struct view){writer.data, known}, &first, &ima, NULL));
    assert_int_equal(ima.count, 3);
    /* Nothing new: an empty log is right. */
    assert_ok(replay((struct view){0}, &first, &ima, NULL));
    assert_int_equal(ima.count, 3);
    /* New entries alone, without the old ones. */
    before = ima;
    assert_ok(replay((struct view){writer.data + known, writer.size - known}, &second, &ima, NULL));
    assert_int_equal(ima.count, 4);
    /* The old ones again do not lead there. */
    assert_refused(replay(written(&writer), &second, &before, &refusal), refusal, REFUSAL_IMA_LOG);
    assert_int_equal(before.count, 3);
}

struct seen {
    uint64_t count, refuse_at;
};

static enum status see(void *context, uint64_t number, const struct ima_entry *entry,
                       struct refusal *refusal)
{
    struct seen *seen = context;

    assert_true(entry->path.size > 0 && entry->file_digest.size == SHA256_SIZE);
    assert_int_equal(number, ++seen->count);
    return number == seen->refuse_at ? refuse(refusal, REFUSAL_IMA_LOG, "not this one") : STATUS_OK;
}

static void visitor_sees_each_quoted_entry_and_may_refuse(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct ima_state ima = {0};
    struct seen seen = {.refuse_at = 5};
    struct pcr_bank quoted;
    struct refusal refusal;

    (void)state;
    assert_ok(pcr_bank_of_view(bytes_view(&files.pcr_values), EVIDENCE_MASK, &quoted));
    assert_refused(
        ima_replay(&ima, bytes_view(&files.ima_log), &quoted.values[PCR_IMA], see, &seen, &refusal),
        refusal, REFUSAL_IMA_LOG);
    assert_int_equal(ima.count, 0);
    seen = (struct seen){0};
    assert_ok(ima_replay(&ima, bytes_view(&files.ima_log), &quoted.values[PCR_IMA], see, &seen,
                         &refusal));
    assert_int_equal(seen.count, 21);
}

static void boot_aggregate_follows_from_the_firmware_pcrs(void **state)
{
    static const char *const folders[] = {"good", "cmdline", "secureboot"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        OWN(evidence_files) struct evidence_files files = evidence_load(folders[i]);
        struct ima_state ima = {0};
        struct pcr_bank quoted;
        struct digest expected;

        assert_ok(pcr_bank_of_view(bytes_view(&files.pcr_values), EVIDENCE_MASK, &quoted));
        assert_ok(replay(bytes_view(&files.ima_log), &quoted.values[PCR_IMA], &ima, NULL));
        expected = ima_boot_aggregate(&quoted);
        assert_true(digest_equal(&ima.boot_aggregate, &expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_that_does_not_lead_to_the_quoted_value_is_refused),
        cmocka_unit_test(truncated_or_reordered_log_is_refused),
        cmocka_unit_test(any_flipped_bit_before_the_quoted_end_is_refused),
        cmocka_unit_test(malformed_entries_are_refused),
        cmocka_unit_test(template_data_of_wrong_lengths_are_refused),
        cmocka_unit_test(file_digest_of_another_length_is_refused),
        cmocka_unit_test(log_that_does_not_begin_with_boot_aggregate_is_refused),
        cmocka_unit_test(second_boot_aggregate_is_refused),
        cmocka_unit_test(log_above_its_limit_is_refused),
        cmocka_unit_test(entries_above_their_count_are_refused),
        cmocka_unit_test(violation_is_counted_and_extends_ones),
        cmocka_unit_test(entries_after_the_quote_carry_no_weight),
        cmocka_unit_test(renewal_continues_where_the_last_one_ended),
        cmocka_unit_test(visitor_sees_each_quoted_entry_and_may_refuse),
        cmocka_unit_test(boot_aggregate_follows_from_the_firmware_pcrs),
    };
    return cmocka_run_group_tests_name("ima", tests, NULL, NULL);
}
