/* Logs that somebody worked on. Under a quote that holds they are refused, or they say nothing that
 * anybody believes. */
#include "lib/attest/appraisal.h"

#include "tests/unit/lib/attest/learned.h"
#include "tests/unit/lib/attest/log_pieces.h"
#include "tests/unit/lib/attest/log_writer.h"

static enum status events_appraise(struct view log, const struct pcr_bank *quoted)
{
    struct refusal refusal;

    return event_log_appraise(log, quoted, quoted->mask & ~(1u << PCR_IMA), &refusal);
}

static enum status entries_lead_to(const struct pcr_bank *quoted, struct view log)
{
    struct ima_state ima = {0};
    struct refusal refusal;

    return ima_log_appraise(log, quoted, NULL, 0, &ima, &refusal);
}

static enum status entries_appraise(struct view log, const struct pcr_bank *quoted,
                                    const struct reference_set *set, struct refusal *refusal)
{
    struct file_judge judge = {.references = {set ? 1 : 0, {set}}};
    struct ima_state ima = {0};

    *refusal = (struct refusal){0};
    TRY(ima_log_appraise(log, quoted, &judge, 1, &ima, refusal));
    *refusal = judge.refusal;
    return judge.status;
}

/* --- logs that somebody worked on --- */

static void event_log_cut_anywhere_is_refused(void **state)
{
    OWN(pieces) struct pieces *pieces = events_load("uki-sb");
    struct pcr_bank quoted = quoted_by("uki-sb");

    (void)state;
    assert_ok(events_appraise(bytes_view(&pieces->log), &quoted));
    for (size_t size = 0; size < pieces->log.size; size++) {
        OWN(bytes) struct bytes cut = copy_of((struct view){pieces->log.data, size});

        assert_status(events_appraise(bytes_view(&cut), &quoted), STATUS_REFUSED);
    }
}

/* What follows the last entry that the quote covers may be missing. */
static void ima_log_cut_anywhere_within_the_quote_is_refused(void **state)
{
    OWN(pieces) struct pieces *pieces = entries_load("good");
    struct pcr_bank quoted = quoted_by("good");
    size_t covered = pieces->log.size - pieces->items[pieces->count - 1].size;
    struct refusal refusal;

    (void)state;
    for (size_t size = 0; size <= pieces->log.size; size++) {
        OWN(bytes) struct bytes cut = copy_of((struct view){pieces->log.data, size});

        assert_status(entries_appraise(bytes_view(&cut), &quoted, NULL, &refusal),
                      size < covered ? STATUS_REFUSED : STATUS_OK);
    }
}

static void log_in_another_order_is_refused(void **state)
{
    OWN(pieces) struct pieces *events = events_load("uki-sb");
    OWN(pieces) struct pieces *entries = entries_load("good");
    struct pcr_bank uki = quoted_by("uki-sb"), good = quoted_by("good");
    unsigned swapped = 0;

    (void)state;
    for (size_t i = 0; i + 1 < events->count; i++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
        size_t j = i + 1;

        while (j < events->count && events->events[j].pcr != events->events[i].pcr) {
            j++;
        }
        if (j == events->count || events->events[i].type == EVENT_NO_ACTION ||
            events->events[j].type == EVENT_NO_ACTION ||
            digest_equal(&events->events[i].digest, &events->events[j].digest)) {
            continue;
        }
        /* The two events of one PCR change places. */
        writer_view(&writer, events->head);
        pieces_write(&writer, events, 0, i);
        writer_view(&writer, events->items[j]);
        pieces_write(&writer, events, i + 1, j);
        writer_view(&writer, events->items[i]);
        pieces_write(&writer, events, j + 1, events->count);
        assert_status(events_appraise(written(&writer), &uki), STATUS_REFUSED);
        swapped++;
    }
    assert_true(swapped > 20);
    for (size_t i = 0; i + 2 < entries->count; i++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
        struct refusal refusal;

        pieces_write(&writer, entries, 0, i);
        writer_view(&writer, entries->items[i + 1]);
        writer_view(&writer, entries->items[i]);
        pieces_write(&writer, entries, i + 2, entries->count);
        assert_status(entries_appraise(written(&writer), &good, NULL, &refusal), STATUS_REFUSED);
    }
}

static bool same_digests(const struct pieces *pieces, const struct pieces *other, size_t from,
                         size_t to, bool is_ima)
{
    for (size_t i = from; i < to; i++) {
        if (is_ima) {
            struct digest first = ima_entry_digest(&pieces->entries[i]);
            struct digest second = ima_entry_digest(&other->entries[i]);

            if (!digest_equal(&first, &second)) {
                return false;
            }
        } else if (pieces->events[i].pcr != other->events[i].pcr ||
                   !digest_equal(&pieces->events[i].digest, &other->events[i].digest)) {
            return false;
        }
    }
    return true;
}

/* The beginning of one boot's log with the rest of another's, cut at each place: accepted only
 * where it says what one of them said. */
static void spliced_log_is_refused_under_either_quote(void **state)
{
    static const struct {
        const char *head, *tail;
        bool is_ima;
        bool is_new; /* some splice says what nobody said */
    } cases[] = {
        {"good", "cmdline", false, false},   {"cmdline", "good", false, false},
        {"good", "secureboot", false, true}, {"good", "tampered", true, false},
        {"tampered", "good", true, false},   {"good", "cmdline", true, false},
        {"cmdline", "good", true, false},    {"good", "violation", true, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool is_ima = cases[i].is_ima;
        OWN(pieces)
        struct pieces *head = is_ima ? entries_load(cases[i].head) : events_load(cases[i].head);
        OWN(pieces)
        struct pieces *tail = is_ima ? entries_load(cases[i].tail) : events_load(cases[i].tail);
        struct pcr_bank by_head = quoted_by(cases[i].head), by_tail = quoted_by(cases[i].tail);
        /* The last entry is beyond the quote. */
        size_t end = (head->count < tail->count ? head->count : tail->count) - is_ima;
        unsigned refused = 0;

        for (size_t cut = 1; cut < end; cut++) {
            OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
            bool is_head = head->count == tail->count && same_digests(head, tail, cut, end, is_ima);
            bool is_tail = same_digests(head, tail, 0, cut, is_ima);

            writer_view(&writer, head->head);
            pieces_write(&writer, head, 0, cut);
            pieces_write(&writer, tail, cut, tail->count);
            assert_status(is_ima ? entries_lead_to(&by_head, written(&writer))
                                 : events_appraise(written(&writer), &by_head),
                          is_head ? STATUS_OK : STATUS_REFUSED);
            assert_status(is_ima ? entries_lead_to(&by_tail, written(&writer))
                                 : events_appraise(written(&writer), &by_tail),
                          is_tail ? STATUS_OK : STATUS_REFUSED);
            refused += !is_head && !is_tail;
        }
        /* Where two boots differ in one place, every splice says what one of them said. */
        assert_int_equal(refused > 0, cases[i].is_new);
    }
}

/* The logs of each boot under the quote of each other: accepted only where they say the same. */
static void logs_of_another_node_are_refused(void **state)
{
    static const char *const folders[] = {"good",     "good-reboot", "other-node", "cmdline",
                                          "tampered", "violation",   "secureboot"};
    unsigned refused_events = 0, refused_entries = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        struct pcr_bank quoted = quoted_by(folders[i]);

        for (size_t j = 0; j < ARRAY_SIZE(folders); j++) {
            OWN(pieces) struct pieces *events = events_load(folders[j]);
            OWN(pieces) struct pieces *entries = entries_load(folders[j]);
            struct pcr_bank theirs = quoted_by(folders[j]);
            bool same_boot = true,
                 same_files = digest_equal(&quoted.values[PCR_IMA], &theirs.values[PCR_IMA]);

            for (unsigned pcr = 0; pcr < PCR_IMA; pcr++) {
                same_boot &= digest_equal(&quoted.values[pcr], &theirs.values[pcr]);
            }
            assert_status(events_appraise(bytes_view(&events->log), &quoted),
                          same_boot ? STATUS_OK : STATUS_REFUSED);
            assert_status(entries_lead_to(&quoted, bytes_view(&entries->log)),
                          same_files ? STATUS_OK : STATUS_REFUSED);
            refused_events += !same_boot;
            refused_entries += !same_files;
        }
    }
    assert_true(refused_events >= 20 && refused_entries >= 20);
}

/* Each event or entry a second time, and an event that never was, at each place. */
static void inflated_log_is_refused(void **state)
{
    static const struct digest extra = {{0xee}};
    OWN(pieces) struct pieces *events = events_load("uki-sb");
    OWN(pieces) struct pieces *entries = entries_load("good");
    struct pcr_bank uki = quoted_by("uki-sb"), good = quoted_by("good");

    (void)state;
    for (size_t i = 0; i < events->count; i++) {
        OWN(writer) struct writer twice = writer_new(LOG_SIZE_MAX);
        OWN(writer) struct writer more = writer_new(LOG_SIZE_MAX);
        bool counts = events->events[i].type != EVENT_NO_ACTION;

        writer_view(&twice, events->head);
        pieces_write(&twice, events, 0, i + 1);
        pieces_write(&twice, events, i, events->count);
        assert_status(events_appraise(written(&twice), &uki), counts ? STATUS_REFUSED : STATUS_OK);
        writer_view(&more, events->head);
        pieces_write(&more, events, 0, i);
        event_write(&more, events->events[i].pcr, EVENT_IPL, &extra, (struct view){0});
        pieces_write(&more, events, i, events->count);
        assert_status(events_appraise(written(&more), &uki), STATUS_REFUSED);
    }
    for (size_t i = 0; i + 1 < entries->count; i++) {
        OWN(writer) struct writer twice = writer_new(LOG_SIZE_MAX);
        OWN(writer) struct writer more = writer_new(LOG_SIZE_MAX);
        struct refusal refusal;

        pieces_write(&twice, entries, 0, i + 1);
        pieces_write(&twice, entries, i, entries->count);
        /* The last one that is quoted, twice: the second is beyond the quote. */
        assert_status(entries_appraise(written(&twice), &good, NULL, &refusal),
                      i + 2 < entries->count ? STATUS_REFUSED : STATUS_OK);
        pieces_write(&more, entries, 0, i);
        ima_write(&more, PCR_IMA, &extra, "/usr/bin/evil", NULL, false);
        pieces_write(&more, entries, i, entries->count);
        assert_status(entries_appraise(written(&more), &good, NULL, &refusal), STATUS_REFUSED);
    }
}

/* --- events whose parts do not belong together --- */

/* Data are believed only where somebody held them against the digest: separators, and PCR 7. */
static void data_under_another_digest_are_not_believed(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("uki-sb");
    OWN(pieces) struct pieces *events = events_load("uki-sb");
    OWN(learned) struct learned uki = learn("uki-sb", WITH_STUB);
    struct references references = {.enforced = {1, {uki.set}}};

    (void)state;
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->events[i];
        size_t at = (size_t)(event->data.data - events->log.data);
        struct refusal refusal;
        enum status status;
        bool is_judged = event->pcr == PCR_SECURE_BOOT ||
                         (event->type == EVENT_SEPARATOR && event->pcr < PCR_SECURE_BOOT);

        if (event->data.size == 0 || event->type == EVENT_NO_ACTION) {
            continue;
        }
        events->log.data[at + event->data.size - 1] ^= 1;
        status = appraise_logs(&files, bytes_view(&events->log), bytes_view(&files.ima_log),
                               &references, &refusal);
        events->log.data[at + event->data.size - 1] ^= 1;
        if (status != (is_judged ? STATUS_REFUSED : STATUS_OK) ||
            (is_judged && refusal.code != (event->type == EVENT_SEPARATOR ? REFUSAL_EVENT_LOG
                                                                          : REFUSAL_SECURE_BOOT))) {
            fail_msg("event %u of PCR %u: %s", event->number, event->pcr,
                     refusal_name(refusal.code));
        }
    }
}

static void digest_over_other_data_is_refused(void **state)
{
    OWN(pieces) struct pieces *events = events_load("uki-sb");
    struct pcr_bank quoted = quoted_by("uki-sb");

    (void)state;
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->events[i];
        /* PCR, type, count, algorithm. */
        size_t at = (size_t)(events->items[i].data - events->log.data) + 4 + 4 + 4 + 2;

        assert_memory_equal(events->log.data + at, event->digest.bytes, SHA256_SIZE);
        events->log.data[at + i % SHA256_SIZE] ^= 1;
        assert_status(events_appraise(bytes_view(&events->log), &quoted),
                      event->type == EVENT_NO_ACTION ? STATUS_OK : STATUS_REFUSED);
        events->log.data[at + i % SHA256_SIZE] ^= 1;
    }
}

/* No type makes an event one that nobody looks at: EV_NO_ACTION would, but then it does not extend
 * what the quote shows. */
static void event_under_another_type_still_counts(void **state)
{
    static const uint32_t types[] = {EVENT_NO_ACTION, EVENT_SEPARATOR, EVENT_IPL, EVENT_ACTION,
                                     0x12345678};
    OWN(evidence_files) struct evidence_files cmdline = evidence_load("cmdline");
    OWN(pieces) struct pieces *events = events_load("uki-sb"), *other = events_load("cmdline");
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    struct references references = {.enforced = {1, {good.set}}};
    struct pcr_bank quoted = quoted_by("uki-sb");
    struct refusal refusal;

    (void)state;
    for (size_t i = 0; i < events->count; i++) {
        size_t at = (size_t)(events->items[i].data - events->log.data) + 4;
        uint8_t before[4];

        if (events->events[i].type == EVENT_NO_ACTION) {
            continue;
        }
        memcpy(before, events->log.data + at, sizeof before);
        memcpy(events->log.data + at, (const uint8_t[]){EVENT_NO_ACTION, 0, 0, 0}, sizeof before);
        assert_status(events_appraise(bytes_view(&events->log), &quoted), STATUS_REFUSED);
        memcpy(events->log.data + at, before, sizeof before);
    }
    /* The changed command line, under every type that could look harmless. */
    for (size_t i = 0; i < other->count; i++) {
        size_t at = (size_t)(other->items[i].data - other->log.data) + 4;

        for (size_t j = 0; j < ARRAY_SIZE(types); j++) {
            uint8_t before[4];
            const uint8_t now[4] = {(uint8_t)types[j], (uint8_t)(types[j] >> 8),
                                    (uint8_t)(types[j] >> 16), (uint8_t)(types[j] >> 24)};

            memcpy(before, other->log.data + at, sizeof before);
            memcpy(other->log.data + at, now, sizeof now);
            assert_status(appraise_logs(&cmdline, bytes_view(&other->log),
                                        bytes_view(&cmdline.ima_log), &references, &refusal),
                          STATUS_REFUSED);
            memcpy(other->log.data + at, before, sizeof before);
        }
    }
}

/* A PCR that was quoted, and of which the log knows nothing. */
static void pcr_that_is_absent_from_the_log_is_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("uki-sb");
    OWN(pieces) struct pieces *events = events_load("uki-sb");
    OWN(learned) struct learned uki = learn("uki-sb", WITH_STUB);
    struct references references = {.enforced = {1, {uki.set}}};
    unsigned absent = 0;

    (void)state;
    for (uint32_t pcr = 0; pcr < PCR_COUNT; pcr++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
        bool was_there = false;
        struct refusal refusal;

        writer_view(&writer, events->head);
        for (size_t i = 0; i < events->count; i++) {
            bool is_it = events->events[i].pcr == pcr && events->events[i].type != EVENT_NO_ACTION;

            if (!is_it) {
                writer_view(&writer, events->items[i]);
            }
            was_there |= is_it;
        }
        assert_status(appraise_logs(&files, written(&writer), bytes_view(&files.ima_log),
                                    &references, &refusal),
                      was_there ? STATUS_REFUSED : STATUS_OK);
        absent += was_there;
        if (was_there && pcr > PCR_SECURE_BOOT) {
            assert_int_equal(refusal.code, REFUSAL_QUOTE_DIGEST);
        }
    }
    assert_true(absent > 8);
}

/* What would be refused is refused where the quote covers it, and says nothing where it does not.
 */
static void only_entries_within_the_quote_carry_weight(void **state)
{
    static const struct digest evil = {{0xee}}, zero;
    static const struct {
        const char *path;
        bool violation;
        enum refusal_code code;
    } cases[] = {
        {"/usr/bin/evil", false, REFUSAL_FILE_NOT_ALLOWED},
        {"/usr/bin/evil", true, REFUSAL_IMA_VIOLATION},
        {"boot_aggregate", false, REFUSAL_IMA_LOG},
        {"", false, REFUSAL_IMA_LOG}, /* malformed */
    };
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    OWN(bytes) struct bytes log = vector_load("evidence/good/ima.bin");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
        struct pcr_bank quoted = quoted_by("good");
        struct refusal refusal;

        writer_view(&writer, bytes_view(&log));
        ima_write(&writer, PCR_IMA, cases[i].violation ? &zero : &evil, cases[i].path, NULL,
                  cases[i].violation);
        assert_ok(entries_appraise(written(&writer), &quoted, good.set, &refusal));
        quoted.values[PCR_IMA] = ima_value(written(&writer));
        assert_refused(entries_appraise(written(&writer), &quoted, good.set, &refusal), refusal,
                       cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_log_cut_anywhere_is_refused),
        cmocka_unit_test(ima_log_cut_anywhere_within_the_quote_is_refused),
        cmocka_unit_test(log_in_another_order_is_refused),
        cmocka_unit_test(spliced_log_is_refused_under_either_quote),
        cmocka_unit_test(logs_of_another_node_are_refused),
        cmocka_unit_test(inflated_log_is_refused),
        cmocka_unit_test(data_under_another_digest_are_not_believed),
        cmocka_unit_test(digest_over_other_data_is_refused),
        cmocka_unit_test(event_under_another_type_still_counts),
        cmocka_unit_test(pcr_that_is_absent_from_the_log_is_refused),
        cmocka_unit_test(only_entries_within_the_quote_carry_weight),
    };
    return cmocka_run_group_tests_name("hostile_logs", tests, NULL, NULL);
}
