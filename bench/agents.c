/*
 * The simulated hosts of bench/renewal, and what they and the coordinator cost. Reads orders, one a
 * line, and answers each with one line: `key=value` pairs, or "ok".
 *
 *     bench/agents COUNT LOGGING CA NODES
 *         makes so many hosts; writes their manufacturer's certificate and their entries for a
 *         manifest, the last LOGGING of them with the policy "logging", the others with "any"; says
 *         "ready"
 *
 *     point PERIMETER ADDRESS PID [...]     where the coordinator's members are
 *     register FIRST COUNT MANNER           these hosts register: prompt, mute, slow or loud
 *     watch FIRST COUNT SECONDS             what happens to these hosts meanwhile
 *     close FIRST COUNT                     these hosts leave
 *     floor                                 what OpenSSL needs on this machine
 *
 * cpu_us and rss are the leader's: of the member that leads when the answer is given.
 */
#include "bench/fleet.h"
#include "bench/trickle.h"

#include "lib/net/timer.h"
#include "lib/perimeter/root.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 1024, FLOOR_ROUND_COUNT = 20, FLOOR_ROUND_US = 10000, HASH_SIZE = 1 << 20 };

struct member {
    char address[64];
    pid_t pid;
    double cpu_us; /* when the measurement began */
};

struct bench {
    uv_loop_t loop;
    uv_pipe_t input;
    char line[LINE_SIZE];
    size_t line_size;
    struct fleet *fleet;
    struct trickle *trickle;
    char slow_address[32];
    struct member members[FLEET_MEMBER_MAX];
    size_t member_count;
    struct timer *timer;
    double begun_s;
};

static double seconds_of(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what, const char *detail)
{
    (void)fprintf(stderr, "bench/agents: %s: %s\n", what, detail);
    exit(1);
}

static void say(const char *text)
{
    (void)puts(text);
    (void)fflush(stdout);
}

/* --- what a member costs --- */

/* Of all its threads; 0 when it is not there. */
static double process_cpu_us(pid_t pid)
{
    clockid_t clock;

    return clock_getcpuclockid(pid, &clock) == 0 ? seconds_of(clock) * 1e6 : 0;
}

static long process_rss(pid_t pid)
{
    char path[64];
    long pages = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) {
        pages = 0;
    }
    if (file) {
        (void)fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static const struct member *leader(const struct bench *bench)
{
    for (size_t i = 0; i < bench->member_count; i++) {
        if (strcmp(bench->members[i].address, fleet_leader(bench->fleet)) == 0) {
            return &bench->members[i];
        }
    }
    return &bench->members[0];
}

/* --- a measurement --- */

static int compare_floats(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;

    return (a > b) - (a < b);
}

static double percentile(const struct fleet_counts *counts, double share)
{
    return counts->latency_count == 0
               ? 0
               : (double)
                     counts->latencies_ms[(size_t)((double)(counts->latency_count - 1) * share)];
}

static void measure_begin(struct bench *bench, size_t first, size_t count)
{
    fleet_watch(bench->fleet, first, count);
    for (size_t i = 0; i < bench->member_count; i++) {
        bench->members[i].cpu_us = process_cpu_us(bench->members[i].pid);
    }
    bench->begun_s = seconds_of(CLOCK_MONOTONIC);
}

static void measure_end(void *argument)
{
    struct bench *bench = argument;
    const struct fleet_counts *counts = fleet_counts(bench->fleet);
    const struct member *member = leader(bench);
    unsigned peak = 0;
    double seconds = seconds_of(CLOCK_MONOTONIC) - bench->begun_s;

    timer_stop(bench->timer);
    for (unsigned i = 0; i < counts->seconds; i++) {
        peak = counts->work_per_s[i] > peak ? counts->work_per_s[i] : peak;
    }
    qsort(counts->latencies_ms, counts->latency_count, sizeof *counts->latencies_ms,
          compare_floats);
    (void)printf("seconds=%.3f cpu_us=%.0f rss=%ld registrations=%llu renewals=%llu "
                 "connections=%llu disconnections=%llu redirects=%llu refusals=%llu lost=%llu "
                 "live=%zu peak=%u p50_ms=%.2f p99_ms=%.2f longest_ms=%.2f leader=%s pid=%d "
                 "refusal=\"%s\" failure=\"%s\"\n",
                 seconds, process_cpu_us(member->pid) - member->cpu_us, process_rss(member->pid),
                 (unsigned long long)counts->registrations, (unsigned long long)counts->renewals,
                 (unsigned long long)counts->connections,
                 (unsigned long long)counts->disconnections, (unsigned long long)counts->redirects,
                 (unsigned long long)counts->refusals, (unsigned long long)counts->leases_lost,
                 fleet_live(bench->fleet), peak, percentile(counts, 0.5), percentile(counts, 0.99),
                 percentile(counts, 1), member->address, (int)member->pid, counts->first_refusal,
                 counts->first_failure);
    (void)fflush(stdout);
}

/* --- the floor --- */

struct floor {
    struct soft_node node;
    struct bytes message, signature;
    uint8_t data[HASH_SIZE];
};

static void verify_once(struct floor *floor)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    ASSERT(context &&
           EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, floor->node.ak.key) == 1 &&
           EVP_DigestVerify(context, floor->signature.data, floor->signature.size,
                            floor->message.data, floor->message.size) == 1);
    EVP_MD_CTX_free(context);
}

static void hash_once(struct floor *floor)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    ASSERT(EVP_Digest(floor->data, sizeof floor->data, digest, NULL, EVP_sha256(), NULL) == 1);
}

static void signature_make(struct floor *floor)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t octets[256];
    size_t size = sizeof octets;
    struct digest digest = sha256(VIEW_OF_ARRAY(floor->data));
    struct soft_quote quote = soft_quote_new(digest_view(&digest), 1, &digest);

    floor->message = soft_quote_bytes(&quote);
    ASSERT(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, floor->node.ak.key) == 1 &&
           EVP_DigestSign(context, octets, &size, floor->message.data, floor->message.size) == 1);
    ASSERT(bytes_copy((struct view){octets, size}, &floor->signature) == STATUS_OK);
    EVP_MD_CTX_free(context);
}

/* The best of some rounds: CPU time, in microseconds. */
static double once_us(void (*once)(struct floor *floor), struct floor *floor)
{
    double best = 1e12;

    for (unsigned round = 0; round < FLOOR_ROUND_COUNT; round++) {
        double begun = seconds_of(CLOCK_THREAD_CPUTIME_ID), us;
        unsigned count = 0;

        do {
            once(floor);
            count++;
            us = (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun) * 1e6;
        } while (us < FLOOR_ROUND_US);
        best = us / count < best ? us / count : best;
    }
    return best;
}

static void floor_say(void)
{
    static struct floor floor;
    struct soft_ca ca = soft_ca_new(time_wall_s());

    soft_node_make(&floor.node, &ca);
    signature_make(&floor);
    (void)printf("verify_us=%.1f hash_mb_per_s=%.0f\n", once_us(verify_once, &floor),
                 HASH_SIZE / once_us(hash_once, &floor));
    (void)fflush(stdout);
    bytes_free(&floor.message);
    bytes_free(&floor.signature);
    soft_node_free(&floor.node);
    soft_ca_free(&ca);
}

/* --- orders --- */

static void point(struct bench *bench, char *words)
{
    const char *addresses[FLEET_MEMBER_MAX];
    char *save = NULL, *word = strtok_r(words, " ", &save);
    struct digest perimeter_id;

    if (!word || perimeter_id_parse(word, &perimeter_id) != STATUS_OK) {
        die("point", "not a perimeter");
    }
    while ((word = strtok_r(NULL, " ", &save)) && bench->member_count < FLEET_MEMBER_MAX) {
        struct member *member = &bench->members[bench->member_count];
        const char *pid = strtok_r(NULL, " ", &save);

        (void)snprintf(member->address, sizeof member->address, "%s", word);
        member->pid = pid ? atoi(pid) : 0;
        addresses[bench->member_count++] = member->address;
    }
    bench->trickle = trickle_open(&bench->loop);
    (void)snprintf(bench->slow_address, sizeof bench->slow_address, "127.0.0.1:%u",
                   trickle_port(bench->trickle));
    fleet_point(bench->fleet, &perimeter_id, addresses, bench->member_count, bench->slow_address);
    say("ok");
}

static void on_registered(void *argument)
{
    measure_end(argument);
}

static enum fleet_manner manner_of(const char *name)
{
    return strcmp(name, "prompt") == 0 ? FLEET_PROMPT
           : strcmp(name, "mute") == 0 ? FLEET_MUTE
           : strcmp(name, "slow") == 0 ? FLEET_SLOW
                                       : FLEET_LOUD;
}

static void obey(struct bench *bench, char *line)
{
    size_t first, count;
    unsigned seconds;
    char manner[16];

    if (strncmp(line, "point ", 6) == 0) {
        point(bench, line + 6);
    } else if (sscanf(line, "register %zu %zu %15s", &first, &count, manner) == 3) {
        const char *port = strrchr(leader(bench)->address, ':');

        trickle_point(bench->trickle, (uint16_t)atoi(port + 1));
        measure_begin(bench, first, count);
        fleet_register(bench->fleet, first, count, manner_of(manner), on_registered, bench);
    } else if (sscanf(line, "watch %zu %zu %u", &first, &count, &seconds) == 3) {
        measure_begin(bench, first, count);
        timer_start(bench->timer, (uint64_t)seconds * 1000);
    } else if (sscanf(line, "close %zu %zu", &first, &count) == 2) {
        fleet_close(bench->fleet, first, count);
        say("ok");
    } else if (strcmp(line, "floor") == 0) {
        floor_say();
    } else {
        die("not an order", line);
    }
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct bench *bench = handle->data;

    (void)suggested;
    *ret_buffer = uv_buf_init(bench->line + bench->line_size,
                              (unsigned)(sizeof bench->line - bench->line_size));
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct bench *bench = stream->data;

    (void)buffer;
    if (size < 0) {
        _exit(0); /* Nobody gives orders any more; ten thousand farewells serve nobody. */
    }
    bench->line_size += (size_t)size;
    if (bench->line_size > 0 && bench->line[bench->line_size - 1] == '\n') {
        bench->line[bench->line_size - 1] = 0;
        bench->line_size = 0;
        obey(bench, bench->line);
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    size_t count = argc == 5 ? strtoul(argv[1], NULL, 10) : 0;
    size_t logging = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;

    if (count == 0) {
        (void)fprintf(stderr, "usage: bench/agents COUNT LOGGING CA NODES\n");
        return 64;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    ASSERT(uv_loop_init(&bench.loop) == 0);
    ASSERT(timer_new(&bench.loop, measure_end, &bench, &bench.timer) == STATUS_OK);
    bench.fleet = fleet_new(&bench.loop, count);
    fleet_write(bench.fleet, argv[3], argv[4], logging);
    ASSERT(uv_pipe_init(&bench.loop, &bench.input, 0) == 0);
    bench.input.data = &bench;
    ASSERT(uv_pipe_open(&bench.input, STDIN_FILENO) == 0);
    ASSERT(uv_read_start((uv_stream_t *)&bench.input, on_allocate, on_input) == 0);
    say("ready");
    return uv_run(&bench.loop, UV_RUN_DEFAULT);
}
