/* PURE. Where a member listens: "host:port", "[2001:db8::1]:port" or, on this machine only,
 * "unix:/path". */
#ifndef TCCP_NET_ADDRESS_H
#define TCCP_NET_ADDRESS_H

#include "lib/base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ADDRESS_HOST_SIZE = 256,                    /* A DNS name has at most 253 characters. */
    ADDRESS_TEXT_SIZE = ADDRESS_HOST_SIZE + 10, /* "[" host "]:" port NUL */
};

struct address {
    char host[ADDRESS_HOST_SIZE]; /* Name or numeric address without brackets; the path of a unix
                                     socket. */
    uint16_t port;
    bool is_unix;
};

/*
 * STATUS_MALFORMED unless the text is one of the three forms. The port is decimal, 0 to 65535 (0
 * makes sense for listening only); an IPv6 address must stand in brackets; an empty host
 * (":port") is refused: say 0.0.0.0 or [::] to listen everywhere.
 */
WARN_UNUSED enum status address_parse(const char *text, struct address *ret_address);
/* Writes the text that address_parse() reads; ret_text holds ADDRESS_TEXT_SIZE characters. */
void address_format(const struct address *address, char *ret_text);

#endif
