/*
 * The agent's side of the channel to the launcher, on libuv. Requests are answered in order of
 * arrival; notices come as things happen. When the launcher ends, the agent ends with it (and is
 * killed by the kernel anyway).
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_CLIENT_H
#define TCCP_NODEAGENT_LAUNCHER_CLIENT_H

#include "nodeagent/launcher/message.h"

struct uv_loop_s;
struct launcher_client;

struct launcher_client_handlers {
    /* A VM's state was changed by the launcher itself, or a VM has ended. */
    void (*on_notice)(void *argument, const struct launcher_notice *notice);
    /* One VM of the inventory that was asked for, with its descriptors (VM_FD_...; its monitor is
     * to be opened with QMP_RESUMED). The handler owns them. */
    void (*on_inventory)(void *argument, const struct launcher_notice *notice,
                         const int fds[VM_FD_COUNT]);
    /* The launcher is gone or broke the protocol. Outstanding requests have been answered before.
     */
    void (*on_closed)(void *argument, enum status status);
};

struct launcher_reply {
    enum status status; /* STATUS_REFUSED: see refusal */
    const struct refusal *refusal;
    int fds[VM_FD_COUNT]; /* of a START that succeeded: the callback's own; -1 otherwise */
};
typedef void (*launcher_on_reply)(void *argument, const struct launcher_reply *reply);

/* The end that the launcher handed to this process ($TCCP_LAUNCHER_FD): close-on-exec from here on.
 * STATUS_NOT_FOUND when this process was not started by a launcher. */
WARN_UNUSED enum status launcher_client_inherited(int *ret_fd);

/* Takes `fd` when it succeeds. */
WARN_UNUSED enum status launcher_client_open(struct uv_loop_s *loop, int fd,
                                             const struct launcher_client_handlers *handlers,
                                             void *argument, struct launcher_client **ret_client);

/* Sends a request (its tag is set here). fds: as launcher_request_fd_count() says; they stay the
 * caller's. on_reply (may be NULL) runs once, never from inside this call, unless
 * launcher_client_close() comes first. */
void launcher_client_request(struct launcher_client *client, struct launcher_request *request,
                             const int *fds, launcher_on_reply on_reply, void *argument);

/* No on_reply with this argument comes any more. */
void launcher_client_forget(struct launcher_client *client, const void *argument);

void launcher_client_close(struct launcher_client *client);

#endif
