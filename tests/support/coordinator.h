/*
 * A coordinator for tests of its clients: one member with a TPM of its own, real TLS, the
 * verifier's side of lib/protocol, and nothing behind it: what is accepted is committed at once.
 * How it misbehaves is up to the test.
 */
#ifndef TCCP_TESTS_SUPPORT_COORDINATOR_H
#define TCCP_TESTS_SUPPORT_COORDINATOR_H

#include "lib/net/connection.h"
#include "lib/protocol/renewal.h"
#include "lib/tpm/host_evidence.h"

#include "tests/support/perimeter.h"
#include "tests/support/swtpm.h"

#include <uv.h>

/* What a host must not have changed: policies of members and nodes allow zero only. */
enum { COORDINATOR_QUOTED_PCRS = 0xff };

struct coordinator {
    uv_loop_t *loop;
    struct swtpm swtpm;
    struct tpm *tpm;
    struct tpm_identity identity;
    struct perimeter_test *perimeter;
    struct bytes bundle_bytes;
    struct bundle *bundle;
    struct public_key *tc_sign;
    struct bytes ca_certificate, certificate;
    struct tls_context *tls;
    struct listener *listener;
    char address[ADDRESS_TEXT_SIZE];
    struct coordinator_session *session; /* the last one */

    /* --- what the test wants --- */
    unsigned lease_ms;
    unsigned not_leader_times; /* so many Hellos are answered "ask ADDRESS", which is our own */
    bool is_silent;            /* answers nothing */
    bool answers_wrongly;      /* RegisterAccepted in the place of RegisterChallenge */

    /* --- what was seen --- */
    unsigned hellos, evidences, registrations, resumes, renewals;
    enum refusal_code last_refusal;
    uint64_t registration_id; /* the last one */
    struct digest tk_sign;    /* hash of the last one's key */
    struct tpm_name ak_name;
    struct boot_state boot;
    uint8_t tk_kem[P256_POINT_SIZE];
    struct bytes tk_spki;
};

/* Makes TPM and perimeter in the folder, with a node of this EK named "n1", and listens. */
void coordinator_open(struct coordinator *coordinator, uv_loop_t *loop, const char *folder,
                      struct view node_ek_name, unsigned lease_ms);
/* Asks the node on the last connection for a renewal. */
void coordinator_renew(struct coordinator *coordinator);
/* Tells it that its registration has ended. */
void coordinator_end_registration(struct coordinator *coordinator);
/* Drops the last connection. */
void coordinator_disconnect(struct coordinator *coordinator);
/* Then the loop must run until it is empty, then coordinator_free(). */
void coordinator_close(struct coordinator *coordinator);
void coordinator_free(struct coordinator *coordinator);

#endif
