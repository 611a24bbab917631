#include "lib/policy/policy_lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *lint_name(enum lint_code code)
{
    static const char *const names[LINT_CODE_COUNT] = {
#define X(code, name) [LINT_##code] = name,
        LINT_LIST(X)
#undef X
    };

    return names[code];
}

enum { PATH_SHOWN_MAX = 160 };

struct linter {
    lint_visitor visit;
    void *context;
    size_t count;
};

PRINTF_LIKE(3, 4)
static void found(struct linter *linter, enum lint_code code, const char *format, ...)
{
    char text[LINT_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    linter->visit(linter->context, code, text);
    linter->count++;
}

static void lint_empty(struct linter *linter, const struct reference_set *set)
{
    if (reference_set_mask(set) == 0) {
        found(linter, LINT_ACCEPTS_NOTHING,
              "It asks for nothing: a set that judges no PCR is never accepted.");
    }
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if ((set->pcrs.listed >> pcr & 1) && set->pcrs.allowed[pcr].count == 0) {
            found(linter, LINT_ACCEPTS_NOTHING, "PCR %u is listed without a value: no host fits.",
                  pcr);
        }
    }
    for (size_t i = 0; i < set->events.step_count; i++) {
        const struct event_step *step = &set->events.steps[i];

        if (step->digest_count == 0 && !step->optional) {
            found(linter, LINT_ACCEPTS_NOTHING, "PCR %u, %s has no digest: no boot fits.",
                  step->pcr, step->name);
        }
    }
    if (set->has_files && set->files.files.count == 0 && set->files.signer_count == 0) {
        found(linter, LINT_ACCEPTS_NOTHING,
              "Files are judged, and neither a file nor a signer is listed: no host fits.");
    }
}

static void lint_secure_boot(struct linter *linter, const struct reference_set *set)
{
    static const char *const names[SECURE_BOOT_PIN_COUNT] = {"PK", "KEK", "db",
                                                             "what images were verified with"};

    if (!set->has_secure_boot) {
        found(linter, LINT_NO_SECURE_BOOT,
              "Secure Boot is not required: whoever reaches the machine can start anything that "
              "measures as expected.");
        return;
    }
    for (unsigned pin = 0; pin < SECURE_BOOT_PIN_COUNT; pin++) {
        if (set->secure_boot.pins[pin].count == 0) {
            found(linter, LINT_SECURE_BOOT_UNPINNED, "No digest is listed for %s: no boot fits.",
                  names[pin]);
        }
    }
    if (set->secure_boot.dbx_required.count == 0) {
        found(linter, LINT_NO_DBX,
              "dbx need not revoke anything: boot loaders with known holes may be started.");
    }
}

/* What each of the PCRs of the firmware profile stands for (section 2.3.4), and those of
 * systemd-stub. */
static void lint_pcrs(struct linter *linter, const struct reference_set *set)
{
    static const struct {
        unsigned pcr;
        const char *what;
    } wanted[] = {
        {0, "the firmware"},
        {2, "option ROMs"},
        {4, "boot loader and kernel"},
        {7, "the Secure Boot state"},
    };
    uint32_t mask = reference_set_mask(set);

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        if (!(mask >> wanted[i].pcr & 1)) {
            found(linter, LINT_PCR_NOT_COVERED, "PCR %u (%s) is not judged.", wanted[i].pcr,
                  wanted[i].what);
        }
    }
    /* Command line and initrd are in one or the other, by the boot loader. */
    if (!(mask & (1u << 8 | 1u << 9 | 1u << 11 | 1u << 12))) {
        found(linter, LINT_PCR_NOT_COVERED,
              "None of PCRs 8, 9, 11 and 12 (command line, initrd) is judged.");
    }
}

static bool begins_with(struct view path, const char *prefix)
{
    return path.size >= strlen(prefix) && memcmp(path.data, prefix, strlen(prefix)) == 0;
}

/* A set may come from anybody, and what is found is shown on terminals. */
struct shown {
    char text[PATH_SHOWN_MAX + 1];
};

static struct shown path_shown(struct view path)
{
    struct shown shown = {""};

    for (size_t i = 0; i < path.size && i < PATH_SHOWN_MAX; i++) {
        shown.text[i] = path.data[i] >= 0x20 && path.data[i] < 0x7f ? (char)path.data[i] : '?';
    }
    return shown;
}

/* Whether programs, libraries or modules may lie there. */
static bool holds_executables(struct view path)
{
    static const char *const folders[] = {"/usr/bin/",     "/usr/sbin/", "/usr/lib",  "/usr/local/",
                                          "/usr/libexec/", "/bin/",      "/sbin/",    "/lib",
                                          "/opt/",         "/boot/",     "/home/",    "/root/",
                                          "/tmp/",         "/var/tmp/",  "/dev/shm/", "/run/user/"};

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        struct view folder = view_string(folders[i]);

        /* It lies in the folder, or is one that holds the folder. */
        if (begins_with(path, folders[i]) ||
            (path.data[path.size - 1] == '/' && folder.size >= path.size &&
             memcmp(folder.data, path.data, path.size) == 0)) {
            return true;
        }
    }
    return false;
}

static void lint_files(struct linter *linter, const struct reference_set *set)
{
    const struct ima_exceptions *files = &set->files.exceptions[IMA_EXCEPTION_FILE];
    const struct ima_exceptions *violations = &set->files.exceptions[IMA_EXCEPTION_VIOLATION];

    if (!set->has_files) {
        found(linter, LINT_NO_FILES,
              "Files are not judged: anything may run once the machine has booted.");
        return;
    }
    for (size_t i = 0; i < files->count; i++) {
        struct view path = bytes_view(&files->paths[i]);
        bool executables = holds_executables(path);

        found(linter, executables ? LINT_EXCEPTED_EXECUTABLES : LINT_EXCEPTED_FILES,
              executables ? "Programs may have any content: %s" : "Files may have any content: %s",
              path_shown(path).text);
    }
    for (size_t i = 0; i < violations->count; i++) {
        struct view path = bytes_view(&violations->paths[i]);

        found(linter,
              holds_executables(path) ? LINT_EXCEPTED_EXECUTABLES : LINT_EXCEPTED_VIOLATIONS,
              "Files may be written while they are measured: %s", path_shown(path).text);
    }
}

size_t reference_set_lint(const struct reference_set *set, lint_visitor visit, void *context)
{
    struct linter linter = {.visit = visit, .context = context};
    struct refusal refusal;

    lint_empty(&linter, set);
    if (set->has_events && event_sequence_check_roles(&set->events, &refusal) != STATUS_OK) {
        found(&linter, LINT_ROLE_MISSING, "No boot fits: %s.", refusal.detail);
    }
    lint_secure_boot(&linter, set);
    lint_pcrs(&linter, set);
    lint_files(&linter, set);
    if (set->firmware_count == 0) {
        found(&linter, LINT_ANY_FIRMWARE, "The TPM's firmware may be of any version.");
    }
    return linter.count;
}
