#include "lib/tpm/tcti.h"

#include "lib/base/bytes.h"

#include <string.h>

enum { DEVICE_DIGITS_MAX = 4, PORT_DIGITS_MAX = 5 };

#define DEVICE "device:"
#define SWTPM "swtpm:"
#define MSSIM "mssim:"
#define RESOURCE_MANAGER "/dev/tpmrm"

static const char *after(const char *text, const char *prefix)
{
    size_t size = strlen(prefix);

    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

static bool is_number(const char *text, size_t size, size_t digits_max)
{
    return size > 0 && size <= digits_max && strspn(text, "0123456789") >= size;
}

static bool is_host(const char *text, size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-:";

    return size > 0 && strspn(text, allowed) >= size;
}

static bool is_path(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f) {
            return false;
        }
    }
    return size > 1 && text[0] == '/';
}

/* "path=/x", or "host=h", "port=n" or both, each once at most. */
static bool is_socket(const char *text, bool takes_path)
{
    bool has_host = false, has_port = false;
    const char *value = after(text, "path=");

    if (value) {
        return takes_path && !strchr(value, ',') && is_path(value, strlen(value));
    }
    for (;;) {
        size_t size;

        if ((value = after(text, "host="))) {
            size = strcspn(value, ",");
            if (has_host || !is_host(value, size)) {
                return false;
            }
            has_host = true;
        } else if ((value = after(text, "port="))) {
            size = strcspn(value, ",");
            if (has_port || !is_number(value, size, PORT_DIGITS_MAX)) {
                return false;
            }
            has_port = true;
        } else {
            return false;
        }
        if (!value[size]) {
            return true;
        }
        text = value + size + 1;
    }
}

enum status tcti_check(const char *tcti, const char **ret_why)
{
    const char *rest;

    *ret_why = "a TPM is named as \"device:/dev/tpmrm0\" or, an emulator, as "
               "\"swtpm:path=/absolute/socket\"";
    if (strlen(tcti) > TCTI_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    if ((rest = after(tcti, DEVICE))) {
        const char *number = after(rest, RESOURCE_MANAGER);

        /* What a dead program left in /dev/tpm0 stays there, and only one may have it open. */
        *ret_why = "a device is the kernel's resource manager: write \"device:/dev/tpmrm0\"";
        return number && is_number(number, strlen(number), DEVICE_DIGITS_MAX) ? STATUS_OK
                                                                              : STATUS_MALFORMED;
    }
    if (((rest = after(tcti, SWTPM)) && is_socket(rest, true)) ||
        ((rest = after(tcti, MSSIM)) && is_socket(rest, false))) {
        return STATUS_OK;
    }
    return STATUS_MALFORMED;
}

bool tcti_is_raw(const char *tcti)
{
    return !after(tcti, DEVICE);
}

const char *tcti_device(const char *tcti)
{
    return after(tcti, DEVICE);
}
