#include "lib/net/address.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static bool port_parse(const char *text, uint16_t *ret_port)
{
    unsigned value = 0;
    size_t length = strlen(text);

    if (length == 0 || length > 5) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *ret_port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool host_characters_are_good(const char *host, size_t length, bool is_ipv6)
{
    for (size_t i = 0; i < length; i++) {
        char c = host[i];
        bool is_alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_alphanumeric && c != '.' && !(is_ipv6 && (c == ':' || c == '%')) &&
            !(!is_ipv6 && (c == '-' || c == '_'))) {
            return false;
        }
    }
    return true;
}

static enum status host_set(struct address *address, const char *host, size_t length)
{
    if (length == 0 || length >= sizeof address->host) {
        return STATUS_MALFORMED;
    }
    memcpy(address->host, host, length);
    address->host[length] = 0;
    return STATUS_OK;
}

enum status address_parse(const char *text, struct address *ret_address)
{
    struct address address = {.is_unix = strncmp(text, "unix:", 5) == 0};
    const char *host = text, *end;

    if (address.is_unix) {
        size_t length = strlen(text + 5);

        /* The kernel's own limit, with the NUL. */
        if (length >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
            return STATUS_MALFORMED;
        }
        TRY(host_set(&address, text + 5, length));
        *ret_address = address;
        return STATUS_OK;
    }
    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (!end || end[1] != ':' || !port_parse(end + 2, &address.port) ||
            !memchr(host, ':', (size_t)(end - host))) {
            return STATUS_MALFORMED;
        }
    } else {
        end = strchr(host, ':');
        if (!end || !port_parse(end + 1, &address.port)) {
            return STATUS_MALFORMED;
        }
    }
    if (!host_characters_are_good(host, (size_t)(end - host), *text == '[')) {
        return STATUS_MALFORMED;
    }
    TRY(host_set(&address, host, (size_t)(end - host)));
    *ret_address = address;
    return STATUS_OK;
}

void address_format(const struct address *address, char *ret_text)
{
    if (address->is_unix) {
        (void)snprintf(ret_text, ADDRESS_TEXT_SIZE, "unix:%s", address->host);
    } else if (strchr(address->host, ':')) {
        (void)snprintf(ret_text, ADDRESS_TEXT_SIZE, "[%s]:%u", address->host, address->port);
    } else {
        (void)snprintf(ret_text, ADDRESS_TEXT_SIZE, "%s:%u", address->host, address->port);
    }
}
