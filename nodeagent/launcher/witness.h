/*
 * The launcher's own eye on a guest: a second QMP monitor, on which it says nothing but the
 * handshake and looks for one event, RESUME: the guest runs. So a guest that runs without a grant
 * (an agent's mistake, or QEMU's own resumption after a failed migration) is stopped at once. PURE.
 *
 * This is no JSON parser: QEMU writes each event as one line, and a quotation mark inside a string
 * is always escaped there, so the text below cannot come from a guest.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_WITNESS_H
#define TCCP_NODEAGENT_LAUNCHER_WITNESS_H

#include "lib/base/bytes.h"

#define WITNESS_HELLO "{\"execute\":\"qmp_capabilities\"}\n"

/* The text that is looked for, and how much of it has been seen. All zeroes at the start. */
struct witness {
    size_t matched;
};

/* Takes in what came; the number of RESUME events in it. */
unsigned witness_read(struct witness *witness, struct view data);

#endif
