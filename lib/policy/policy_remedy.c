#include "lib/policy/policy_remedy.h"

#include "lib/base/sha256.h"

#include <stdio.h>
#include <string.h>

enum { DIGEST_LENGTH = 2 * SHA256_SIZE, TYPE_LENGTH_MAX = 40 };

static bool is_digest(const char *text)
{
    return strlen(text) == DIGEST_LENGTH && strspn(text, "0123456789abcdef") == DIGEST_LENGTH;
}

/* As a policy's text wants it. */
static void path_quote(const char *path, size_t size, char *ret_text)
{
    size_t used = 0;

    for (; *path && used + 4 < size; path++) {
        used += (size_t)snprintf(ret_text + used, size - used,
                                 *path <= 0x20 || *path == '%' || *path == '#' ? "%%%02x" : "%c",
                                 (unsigned char)*path);
    }
    ret_text[used] = '\0';
}

static bool path_remedy(const char *form, const struct finding *finding, char *ret_line)
{
    char path[2 * FINDING_SUBJECT_SIZE];

    path_quote(finding->subject, sizeof path, path);
    return snprintf(ret_line, REMEDY_SIZE, "%s = %s", form, path) < REMEDY_SIZE;
}

static bool file_remedy(const struct finding *finding, char *ret_line)
{
    char form[FINDING_VALUE_SIZE + 8];

    (void)snprintf(form, sizeof form, "file %s", finding->seen);
    return is_digest(finding->seen) && path_remedy(form, finding, ret_line);
}

static bool event_remedy(const struct finding *finding, char *ret_line)
{
    char type[TYPE_LENGTH_MAX + 1];
    unsigned number, pcr;

    if (!is_digest(finding->seen)) {
        return false;
    }
    if (strcmp(finding->expected, "nothing") != 0) {
        (void)snprintf(ret_line, REMEDY_SIZE, "or = %s", finding->seen);
        return true;
    }
    if (sscanf(finding->subject, "event %u, PCR %u, %40[A-Z0-9_x]", &number, &pcr, type) != 3) {
        return false;
    }
    (void)snprintf(ret_line, REMEDY_SIZE, "event %u %s = %s", pcr, type, finding->seen);
    return true;
}

static bool secure_boot_remedy(const struct finding *finding, char *ret_line)
{
    static const char *const pins[][2] = {
        {"PK", "pk"},
        {"KEK", "kek"},
        {"db", "db"},
        {"what an image was verified with", "authority"},
    };

    for (size_t i = 0; is_digest(finding->seen) && i < ARRAY_SIZE(pins); i++) {
        if (strcmp(finding->subject, pins[i][0]) == 0) {
            (void)snprintf(ret_line, REMEDY_SIZE, "%s = %s", pins[i][1], finding->seen);
            return true;
        }
    }
    return false;
}

bool policy_remedy(enum refusal_code code, const struct finding *finding,
                   char ret_line[REMEDY_SIZE])
{
    unsigned pcr;

    if (code == REFUSAL_FILE_NOT_ALLOWED) {
        return file_remedy(finding, ret_line);
    }
    if (code == REFUSAL_IMA_VIOLATION) {
        return finding->subject[0] == '/' && path_remedy("except_violation", finding, ret_line);
    }
    if (code == REFUSAL_EVENT_UNEXPECTED) {
        return event_remedy(finding, ret_line);
    }
    if (code == REFUSAL_SECURE_BOOT) {
        return secure_boot_remedy(finding, ret_line);
    }
    if (code == REFUSAL_PCR_NOT_ALLOWED && sscanf(finding->subject, "PCR %u", &pcr) == 1) {
        (void)snprintf(ret_line, REMEDY_SIZE, "pcr %u = %s", pcr, finding->seen);
        return true;
    }
    if (code == REFUSAL_FIRMWARE) {
        (void)snprintf(ret_line, REMEDY_SIZE, "firmware = %s", finding->seen);
        return true;
    }
    return false;
}
