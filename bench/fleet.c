#include "bench/fleet.h"

#include "bench/fleet_host.h"

#include "lib/base/text.h"
#include "lib/net/timer.h"
#include "lib/perimeter/member_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALPN_NODE "tccp-node/1"

/* --- what all hosts have in common --- */

static enum status verify_member(void *argument, const struct view *chain, size_t count,
                                 struct refusal *ret_refusal)
{
    struct fleet *fleet = argument;
    struct bundle_expectation expectation = {.perimeter_id = fleet->perimeter_id,
                                             .now_s = time_wall_s()};
    struct certificate certificate;

    for (size_t i = 0; i < fleet->known_count && count == 2; i++) {
        if (view_equal(chain[0], bytes_view(&fleet->known[i].leaf)) &&
            view_equal(chain[1], bytes_view(&fleet->known[i].ca))) {
            return STATUS_OK;
        }
    }
    TRY(member_chain_check(chain, count, &expectation, &fleet->trust, &certificate, ret_refusal));
    if (fleet->known_count < FLEET_KNOWN_MAX) {
        TRY(bytes_copy(chain[0], &fleet->known[fleet->known_count].leaf));
        TRY(bytes_copy(chain[1], &fleet->known[fleet->known_count].ca));
        fleet->known_count++;
    }
    return STATUS_OK;
}

struct tls_context *fleet_tls(struct fleet *fleet, const struct fleet_host *host)
{
    static const char *const protocols[] = {ALPN_NODE, NULL};
    struct view chain;
    struct tls_config config = {
        .role = TLS_CLIENT, .alpn = protocols, .verify = verify_member, .verify_argument = fleet};
    struct tls_context *context;

    if (host) {
        chain = bytes_view(&host->certificate);
        config.chain = &chain;
        config.chain_count = 1;
        config.private_key = host->node.key.sign;
    }
    ASSERT(tls_context_new(&config, &context) == STATUS_OK);
    return context;
}

enum status fleet_take_bundle(struct fleet *fleet, struct view bytes)
{
    struct bundle *bundle;

    if (fleet->bundle && view_equal(bytes, bytes_view(&fleet->bundle_bytes))) {
        return STATUS_OK;
    }
    TRY(bundle_check(
        bytes,
        &(struct bundle_expectation){.perimeter_id = fleet->perimeter_id, .now_s = time_wall_s()},
        &bundle, NULL));
    if (fleet->bundle) {
        bundle_free(fleet->bundle);
    }
    fleet->bundle = bundle;
    bytes_free(&fleet->bundle_bytes);
    return bytes_copy(bytes, &fleet->bundle_bytes);
}

/* --- counting --- */

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool fleet_watches(const struct fleet *fleet, const struct fleet_host *host)
{
    size_t index = (size_t)(host - fleet->hosts);

    return index >= fleet->watch_first && index - fleet->watch_first < fleet->watch_count;
}

void fleet_count_work(struct fleet *fleet)
{
    unsigned second = (unsigned)(now_s() - fleet->watched_since_s);

    if (second < FLEET_SECOND_MAX) {
        fleet->counts.work_per_s[second]++;
        if (fleet->counts.seconds <= second) {
            fleet->counts.seconds = second + 1;
        }
    }
}

void fleet_watch(struct fleet *fleet, size_t first, size_t count)
{
    float *latencies = fleet->counts.latencies_ms;

    fleet->counts = (struct fleet_counts){.latencies_ms = latencies};
    fleet->watch_first = first;
    fleet->watch_count = count;
    fleet->watched_since_s = now_s();
}

const struct fleet_counts *fleet_counts(struct fleet *fleet)
{
    uint64_t now_ms = time_boot_ms();

    for (size_t i = 0; i < fleet->watch_count; i++) {
        fleet_host_check_lease(&fleet->hosts[fleet->watch_first + i], now_ms);
    }
    return &fleet->counts;
}

size_t fleet_live(const struct fleet *fleet)
{
    uint64_t now_ms = time_boot_ms();
    size_t live = 0;

    for (size_t i = 0; i < fleet->watch_count; i++) {
        const struct fleet_host *host = &fleet->hosts[fleet->watch_first + i];

        live += host->registration_id != 0 && now_ms < host->lease_until_ms;
    }
    return live;
}

const char *fleet_leader(const struct fleet *fleet)
{
    return fleet->leader;
}

/* --- registering, so many at a time --- */

static void register_more(struct fleet *fleet)
{
    while (fleet->registering < FLEET_REGISTERING_MAX &&
           fleet->register_next < fleet->register_end) {
        struct fleet_host *host = &fleet->hosts[fleet->register_next++];

        fleet->registering++;
        fleet_host_open(host, fleet->register_manner);
    }
}

void fleet_registered(struct fleet *fleet)
{
    fleet->registering--;
    register_more(fleet);
    if (fleet->registering == 0) {
        fleet->on_registered(fleet->argument);
    }
}

void fleet_register(struct fleet *fleet, size_t first, size_t count, enum fleet_manner manner,
                    void (*on_done)(void *argument), void *argument)
{
    ASSERT(first + count <= fleet->count && fleet->registering == 0);
    fleet->register_next = first;
    fleet->register_end = first + count;
    fleet->register_manner = manner;
    fleet->on_registered = on_done;
    fleet->argument = argument;
    register_more(fleet);
}

/* --- making them --- */

struct fleet *fleet_new(uv_loop_t *loop, size_t count)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);

    ASSERT(fleet);
    fleet->loop = loop;
    fleet->count = count;
    fleet->ca = soft_ca_new(time_wall_s());
    fleet->hosts = calloc(count, sizeof *fleet->hosts);
    fleet->counts.latencies_ms = malloc(FLEET_LATENCY_MAX * sizeof(float));
    ASSERT(fleet->hosts && fleet->counts.latencies_ms);
    for (size_t i = 0; i < count; i++) {
        fleet->hosts[i].fleet = fleet;
        soft_node_make(&fleet->hosts[i].node, &fleet->ca);
    }
    return fleet;
}

void fleet_write(const struct fleet *fleet, const char *ca_path, const char *nodes_path,
                 size_t logging)
{
    FILE *file = fopen(ca_path, "w");

    ASSERT(file && fwrite(fleet->ca.der.data, 1, fleet->ca.der.size, file) == fleet->ca.der.size);
    ASSERT(fclose(file) == 0);
    file = fopen(nodes_path, "w");
    ASSERT(file);
    for (size_t i = 0; i < fleet->count; i++) {
        char name[HEX_SIZE(TPM_NAME_SIZE_MAX)];

        hex_encode(tpm_name_view(&fleet->hosts[i].node.ek_name), name);
        (void)fprintf(file, "node s%zu {\n    ek = %s\n    policy = %s\n}\n", i, name,
                      i + logging < fleet->count ? "any" : "logging");
    }
    ASSERT(fclose(file) == 0);
}

void fleet_point(struct fleet *fleet, const struct digest *perimeter_id,
                 const char *const *addresses, size_t count, const char *slow)
{
    ASSERT(count > 0 && count <= FLEET_MEMBER_MAX && !fleet->anonymous);
    fleet->perimeter_id = *perimeter_id;
    for (size_t i = 0; i < count; i++) {
        fleet->addresses[i] = addresses[i];
    }
    fleet->address_count = count;
    fleet->slow_address = slow;
    fleet->anonymous = fleet_tls(fleet, NULL);
}

void fleet_close(struct fleet *fleet, size_t first, size_t count)
{
    ASSERT(first + count <= fleet->count);
    for (size_t i = first; i < first + count; i++) {
        fleet_host_close(&fleet->hosts[i]);
    }
}
