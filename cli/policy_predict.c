/* `policy predict`: what a host will measure, from the image that it is going to boot, offline. */
#include "cli/commands.h"
#include "cli/file_measurements.h"
#include "cli/files.h"
#include "cli/policy_file.h"
#include "cli/policy_make.h"

#include "lib/predict/boot.h"
#include "lib/predict/pe_image.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROGRESS_FILE_COUNT = 1000 };

/* --- the boot --- */

/* What images are verified with is the new image's business; the keys stay the machine's. */
static enum status secure_boot_predict(const struct prediction *prediction, struct view good_log,
                                       struct policy *policy)
{
    struct digest_set *authority = &policy->secure_boot.pins[SECURE_BOOT_AUTHORITY];
    struct refusal objection;

    policy->wants_secure_boot =
        secure_boot_learn(good_log, &policy->secure_boot, &objection) == STATUS_OK;
    if (!policy->wants_secure_boot) {
        return STATUS_OK;
    }
    digest_set_free(authority);
    *authority = (struct digest_set){0};
    for (size_t i = 0; i < prediction->count; i++) {
        if (prediction->events[i].type == EVENT_EFI_VARIABLE_AUTHORITY) {
            TRY(digest_set_add(authority, &prediction->events[i].digest));
        }
    }
    return STATUS_OK;
}

static enum status boot_add(struct view image, struct view good_log, struct policy *policy,
                            struct refusal *refusal)
{
    OWN(prediction) struct prediction prediction = {0};
    uint32_t judged = 0;

    TRY(boot_predict(good_log, image, &prediction, refusal));
    for (size_t i = 0; i < prediction.count; i++) {
        judged |= 1u << prediction.events[i].pcr;
    }
    TRY(prediction_sequence(&prediction, judged & POLICY_BOOT_PCRS, &policy->events));
    TRY(event_sequence_check_roles(&policy->events, refusal));
    return secure_boot_predict(&prediction, good_log, policy);
}

/* --- the files --- */

struct gatherer {
    const struct cli *cli;
    struct policy *policy;
    const char *what;
    bool shows_progress;
};

static enum status add_file(void *context, struct view path, const struct digest *digest,
                            uint64_t size)
{
    const struct gatherer *gatherer = context;

    (void)size;
    return policy_add_file(gatherer->policy, path, digest);
}

static void show_progress(void *context, uint64_t file_count, uint64_t byte_count)
{
    const struct gatherer *gatherer = context;

    if (gatherer->shows_progress && file_count % PROGRESS_FILE_COUNT == 0) {
        (void)fprintf(stderr, "\r%s: %llu files, %llu MiB", gatherer->what,
                      (unsigned long long)file_count, (unsigned long long)(byte_count >> 20));
    }
}

static struct file_visitor visitor_of(struct gatherer *gatherer, const char *what)
{
    gatherer->what = what;
    return (struct file_visitor){gatherer, add_file, show_progress};
}

static enum exit_code ended(const struct gatherer *gatherer, size_t count_before,
                            enum status status, const struct refusal *refusal)
{
    if (gatherer->shows_progress) {
        (void)fprintf(stderr, "\r");
    }
    if (status != STATUS_OK) {
        return report_about(gatherer->cli, "read", gatherer->what, status, refusal);
    }
    note(gatherer->cli, "%s: %zu files", gatherer->what,
         gatherer->policy->file_count - count_before);
    return EXIT_DONE;
}

typedef enum status (*measurement)(const char *path, const struct file_visitor *visitor,
                                   struct refusal *ret_refusal);

static enum exit_code gather(struct gatherer *gatherer, const char *option, measurement measure)
{
    enum exit_code exit_code = EXIT_DONE;

    for (size_t i = 0; exit_code == EXIT_DONE && option_value_at(gatherer->cli, option, i); i++) {
        const char *path = option_value_at(gatherer->cli, option, i);
        const struct file_visitor visitor = visitor_of(gatherer, path);
        struct refusal refusal = {.code = REFUSAL_NONE};
        size_t before = gatherer->policy->file_count;
        enum status status = measure(path, &visitor, &refusal);

        exit_code = ended(gatherer, before, status, &refusal);
    }
    return exit_code;
}

/* A host that boots with a RAM disk runs its files, too. */
static enum exit_code gather_initrd(struct gatherer *gatherer, struct view image)
{
    struct refusal refusal = {.code = REFUSAL_NONE};
    const struct file_visitor visitor = visitor_of(gatherer, "the image's initrd");
    size_t before = gatherer->policy->file_count;
    struct pe_image pe;
    enum status status = pe_image_parse(image, &pe, &refusal);

    for (size_t i = 0; status == STATUS_OK && i < pe.section_count; i++) {
        if (strcmp(pe.sections[i].name, ".initrd") == 0) {
            struct view initrd = pe.sections[i].content;

            if (initrd.size > pe.sections[i].memory_size) {
                initrd.size = pe.sections[i].memory_size;
            }
            status = file_measurements_of_initramfs(initrd, &visitor, &refusal);
        }
    }
    return ended(gatherer, before, status, &refusal);
}

static enum exit_code files_add(const struct cli *cli, struct view image, struct policy *policy)
{
    struct gatherer gatherer = {cli, policy, NULL, !cli->quiet && isatty(STDERR_FILENO)};
    enum exit_code exit_code;

    if (option_is_set(cli, "no-files")) {
        return EXIT_DONE;
    }
    policy->judges_files = true;
    exit_code = gather_initrd(&gatherer, image);
    if (exit_code == EXIT_DONE) {
        exit_code = gather(&gatherer, "root", file_measurements_of_root);
    }
    return exit_code == EXIT_DONE ? gather(&gatherer, "package", file_measurements_of_package)
                                  : exit_code;
}

/* --- the command --- */

enum exit_code policy_predict_run(struct cli *cli)
{
    const char *image_path = option_value(cli, "image"), *like = option_value(cli, "like");
    OWN(evidence_folder) struct evidence_folder good = {0};
    OWN(policy) struct policy *policy = NULL;
    OWN(bytes) struct bytes image = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    enum exit_code exit_code;
    enum status status;

    if (!image_path || !like) {
        return report_usage(cli,
                            "--image takes the unified kernel image, and --like the evidence "
                            "of a good boot of such a machine, for what its firmware measures");
    }
    exit_code = policy_begin(cli, "predicted", &policy);
    if (exit_code == EXIT_DONE) {
        exit_code = good_evidence_load(cli, like, &good, NULL);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = file_load(cli, image_path, PE_IMAGE_SIZE_MAX, &image);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = boot_add(bytes_view(&image), bytes_view(&good.event_log), policy, &refusal);
    if (status == STATUS_OK && option_is_set(cli, "firmware")) {
        status = policy_add_firmware(policy, good.firmware);
    }
    if (status != STATUS_OK) {
        return report_about(cli, "predict a boot of", image_path, status, &refusal);
    }
    exit_code = files_add(cli, bytes_view(&image), policy);
    return exit_code == EXIT_DONE ? policy_write(cli, policy) : exit_code;
}
