/* Inside the fleet: one host, and what all of them share. */
#ifndef TCCP_BENCH_FLEET_HOST_H
#define TCCP_BENCH_FLEET_HOST_H

#include "bench/fleet.h"

#include "lib/attester/evidence_outbox.h"
#include "lib/net/client.h"
#include "lib/perimeter/bundle.h"

enum { FLEET_KNOWN_MAX = 16 };

enum fleet_host_state { HOST_OFF, HOST_CONNECTING, HOST_SAID_HELLO, HOST_SENT_EVIDENCE, HOST_LIVE };

struct fleet_host {
    struct fleet *fleet;
    struct soft_node node;
    enum fleet_manner manner;
    enum fleet_host_state state;
    bool is_awaited; /* its first registration is */
    struct client *client;
    struct tls_context *tls; /* with the trusted key's certificate */
    struct channel channel;  /* of the connection */
    struct evidence_outbox outbox;

    /* registration under way */
    struct bytes hello;
    uint8_t nonce[NONCE_SIZE];

    /* the registration; 0: none */
    uint64_t registration_id;
    struct bytes certificate;
    struct evidence_demand demand; /* of the last challenge */
    struct soft_ima ima;           /* that the coordinator has appraised */
    struct soft_ima ima_sent;      /* with the evidence that was sent last */
    uint64_t lease_until_ms;       /* counted from the challenge that the last renewal answered */
    uint64_t challenged_at_ms;
    double challenged_at_s;
};

struct fleet {
    uv_loop_t *loop;
    size_t count;
    struct fleet_host *hosts;
    struct soft_ca ca; /* of their TPMs */

    struct digest perimeter_id;
    const char *addresses[FLEET_MEMBER_MAX];
    size_t address_count;
    const char *slow_address;
    struct tls_context *anonymous;
    struct cluster_trust trust;
    struct {
        struct bytes leaf, ca;
    } known[FLEET_KNOWN_MAX]; /* members' chains that were checked */
    size_t known_count;
    struct bundle *bundle; /* the last one, checked */
    struct bytes bundle_bytes;

    size_t register_next, register_end, registering;
    enum fleet_manner register_manner;
    void (*on_registered)(void *argument);
    void *argument;

    size_t watch_first, watch_count;
    double watched_since_s;
    struct fleet_counts counts;
    char leader[ADDRESS_TEXT_SIZE];
};

/* A client's context: with the host's certificate, or anonymous (NULL). */
struct tls_context *fleet_tls(struct fleet *fleet, const struct fleet_host *host);
/* fleet->bundle is what these bytes say, checked. */
WARN_UNUSED enum status fleet_take_bundle(struct fleet *fleet, struct view bytes);
bool fleet_watches(const struct fleet *fleet, const struct fleet_host *host);
void fleet_count_work(struct fleet *fleet);
void fleet_registered(struct fleet *fleet);

void fleet_host_open(struct fleet_host *host, enum fleet_manner manner);
void fleet_host_close(struct fleet_host *host);
/* Whether it lost its lease meanwhile: then it has no registration any more. */
void fleet_host_check_lease(struct fleet_host *host, uint64_t now_ms);

#endif
