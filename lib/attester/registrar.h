/*
 * The attester's side of registration with its I/O: finds the coordinator, checks that it is the
 * right one, proves this host to it. Compute nodes register with it, and members that join the
 * coordinator.
 *
 * Each attempt has a trusted key of its own, made here, its private half in locked memory only: a
 * registration that is lost is never taken up again with an old key. All calls are on the loop's
 * thread; the TPM works on its own.
 */
#ifndef TCCP_ATTESTER_REGISTRAR_H
#define TCCP_ATTESTER_REGISTRAR_H

#include "lib/attester/trusted_key.h"
#include "lib/daemon/worker.h"
#include "lib/net/client.h"
#include "lib/protocol/registration.h"
#include "lib/tpm/host_evidence.h"

struct registrar;

struct registrar_callbacks {
    /*
     * Registered, over the connection that client_connection() gives; further frames on it go to
     * on_frame. Key and admission are the callee's from now on (it may TAKE them); bundle and
     * channel are valid during the call. challenge_ms: time_boot_ms() when the challenge was
     * received that the registration answered: the lease counts from then.
     */
    void (*on_registered)(void *argument, struct trusted_key *key, struct admission *admission,
                          const struct bundle *bundle, struct view bundle_bytes,
                          const struct channel *channel, uint64_t challenge_ms);
    /* A frame after registration. */
    void (*on_frame)(void *argument, struct view frame);
    /* The connection of a registration is gone. */
    void (*on_disconnected)(void *argument, const char *detail);
    /* An attempt failed; the next one follows by itself, with backoff. by_coordinator: it refused
     * us (true), or we refuse it. refusal is NULL when it was the network or the TPM. */
    void (*on_failure)(void *argument, const struct refusal *refusal, bool by_coordinator,
                       const char *detail);
    void *argument;
};

struct registrar_config {
    struct uv_loop_s *loop;
    enum attester_role role;
    struct digest perimeter_id;
    struct perimeter_memory memory; /* raised as more is seen: registrar_memory() */
    const char *const *addresses;   /* 1 to CLIENT_ADDRESS_MAX, copied */
    size_t address_count;
    struct worker *tpm_worker; /* one thread */
    struct tpm *tpm;
    const struct tpm_identity *identity;
    const char *event_log_path, *ima_log_path;
    struct registrar_callbacks callbacks;
};

/* Starts at once. */
WARN_UNUSED enum status registrar_open(const struct registrar_config *config,
                                       struct registrar **ret_registrar);
/* Drops the connection and registers anew, with a new TK. */
void registrar_restart(struct registrar *registrar);
/* The connection's client, for sending. */
struct client *registrar_client(struct registrar *registrar);
/* The highest versions seen: write them down when they change. */
const struct perimeter_memory *registrar_memory(const struct registrar *registrar);
/* No callback after this. Memory is freed when the TPM has ended what it does. */
void registrar_close(struct registrar *registrar);

#endif
