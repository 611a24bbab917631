#include "tests/support/cluster.h"

#include "lib/base/status.h"
#include "tests/support/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_TIMEOUT_MS = 20000, CHANGE_TIMEOUT_MS = 60000, LOAD_OUTSTANDING = 4 };

double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- what members say --- */

static void applied_take(struct cluster *cluster, unsigned long long revision,
                         unsigned long long operation)
{
    if (revision >= CLUSTER_OPERATION_MAX) {
        return;
    }
    if (cluster->applied[revision] != 0 && cluster->applied[revision] != operation + 1) {
        cluster->is_divergent = true;
    }
    cluster->applied[revision] = operation + 1;
    cluster->applied_max = revision > cluster->applied_max ? revision : cluster->applied_max;
}

static void line_take(struct cluster *cluster, struct cluster_member *member, const char *line)
{
    char word[32] = "", result[16] = "";
    unsigned long long first = 0, second = 0;

    (void)sscanf(line, "%31s", word);
    if (strcmp(word, "applied") == 0 && sscanf(line, "%*s %llu %llu", &first, &second) == 2) {
        applied_take(cluster, first, second);
    } else if ((strcmp(word, "done") == 0 || strcmp(word, "read") == 0) &&
               sscanf(line, "%*s %llu %15s %llu", &first, result, &second) == 3 &&
               first < cluster->operation_count) {
        struct operation *operation = &cluster->operations[first];

        operation->end_s = now_s();
        operation->revision = second;
        memcpy(operation->result, result, sizeof result);
    } else if (strcmp(word, "status") == 0) {
        int leads = 0, is_low = 0;

        if (sscanf(line, "%*s %d %llu %llu %llu %64s %llu %llu %llu %d", &leads,
                   &member->status.term, &member->status.leader, &member->status.revision,
                   member->status.digest, &member->status.applied, &member->status.snapshots,
                   &member->status.restored, &is_low) == 9) {
            member->status.leads = leads;
            member->status.is_disk_low = is_low;
            member->statuses++;
        }
    } else if (strcmp(word, "change") == 0) {
        (void)sscanf(line, "%*s %*s %15s", cluster->last_change);
        cluster->changes++;
    } else if (strcmp(word, "leads") == 0 || strcmp(word, "follows") == 0) {
        member->leads = *word == 'l';
    } else if (strcmp(word, "ready") == 0) {
        member->is_ready = true;
    } else if (strcmp(word, "fatal") == 0) {
        member->is_fatal = true;
        (void)snprintf(member->last_fatal, sizeof member->last_fatal, "%s", line + 6);
    } else if (strcmp(word, "failed") == 0) {
        (void)snprintf(member->last_failure, sizeof member->last_failure, "%s", line + 7);
    }
}

static void member_gone(struct cluster *cluster, struct cluster_member *member)
{
    (void)close(member->input);
    (void)close(member->output);
    member->input = member->output = -1;
    member->is_ready = member->leads = false;
    proxy_set_process(cluster->proxy, (unsigned)(member - cluster->members), 0);
}

static void output_take(struct cluster *cluster, struct cluster_member *member)
{
    ssize_t size = read(member->output, member->buffer + member->buffer_size,
                        sizeof member->buffer - member->buffer_size);
    char *start = member->buffer, *end;

    if (size <= 0) {
        if (size == 0 || errno != EAGAIN) {
            member_gone(cluster, member);
        }
        return;
    }
    member->buffer_size += (size_t)size;
    while ((end = memchr(start, '\n', member->buffer_size - (size_t)(start - member->buffer)))) {
        *end = 0;
        line_take(cluster, member, start);
        start = end + 1;
    }
    member->buffer_size -= (size_t)(start - member->buffer);
    memmove(member->buffer, start, member->buffer_size);
}

static void listen_once(struct cluster *cluster, int timeout_ms)
{
    struct pollfd polled[CLUSTER_MEMBER_MAX];

    for (unsigned i = 0; i < cluster->count; i++) {
        polled[i] = (struct pollfd){.fd = cluster->members[i].output, .events = POLLIN};
    }
    if (poll(polled, cluster->count, timeout_ms) <= 0) {
        return;
    }
    for (unsigned i = 0; i < cluster->count; i++) {
        if (polled[i].revents) {
            output_take(cluster, &cluster->members[i]);
        }
    }
}

void cluster_listen(struct cluster *cluster, unsigned duration_ms)
{
    double end_s = now_s() + duration_ms / 1e3;

    do {
        listen_once(cluster, 5);
    } while (now_s() < end_s);
}

/* --- processes --- */

void member_start(struct cluster *cluster, unsigned index, const char *first_option)
{
    struct cluster_member *member = &cluster->members[index];
    const char *driver = getenv("REPLICA_DRIVER"), *built = getenv("TOP_BUILDDIR");
    char path[512], id[16], *arguments[8 + CLUSTER_OPTION_MAX] = {0};
    int to_child[2], from_child[2];
    size_t count = 0;

    ASSERT(member->output < 0);
    (void)snprintf(path, sizeof path, "%s/tests/support/replica_driver", built ? built : ".");
    (void)snprintf(id, sizeof id, "%u", member->raft_id);
    arguments[count++] = (char *)(uintptr_t)(driver ? driver : path);
    arguments[count++] = member->directory;
    arguments[count++] = id;
    arguments[count++] = member->address;
    arguments[count++] = member->listen;
    arguments[count++] = member->credentials;
    if (first_option) {
        arguments[count++] = (char *)(uintptr_t)first_option;
    }
    for (size_t i = 0; member->options[i]; i++) {
        arguments[count++] = (char *)(uintptr_t)member->options[i];
    }
    ASSERT(pipe2(to_child, O_CLOEXEC) == 0 && pipe2(from_child, O_CLOEXEC) == 0);
    member->pid = fork();
    ASSERT(member->pid >= 0);
    if (member->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(to_child[0], STDIN_FILENO);
        (void)dup2(from_child[1], STDOUT_FILENO);
        (void)execv(arguments[0], arguments);
        _exit(127);
    }
    (void)close(to_child[0]);
    (void)close(from_child[1]);
    member->input = to_child[1];
    member->output = from_child[0];
    (void)fcntl(member->output, F_SETFL, O_NONBLOCK);
    member->buffer_size = 0;
    member->is_ready = member->leads = member->is_fatal = false;
    proxy_set_process(cluster->proxy, index, member->pid);
    for (double end_s = now_s() + START_TIMEOUT_MS / 1e3;
         !member->is_ready && member->output >= 0 && now_s() < end_s;) {
        listen_once(cluster, 5);
    }
}

static int member_reap(struct cluster *cluster, struct cluster_member *member)
{
    int status = 0;

    if (member->pid > 0) {
        (void)waitpid(member->pid, &status, 0);
        member->pid = 0;
    }
    while (member->output >= 0) {
        listen_once(cluster, 0); /* its last words */
    }
    return status;
}

void member_kill(struct cluster *cluster, unsigned index)
{
    member_signal(cluster, index, SIGKILL);
    (void)member_reap(cluster, &cluster->members[index]);
}

void member_signal(struct cluster *cluster, unsigned index, int signal_number)
{
    if (cluster->members[index].pid > 0) {
        (void)kill(cluster->members[index].pid, signal_number);
    }
}

int member_quit(struct cluster *cluster, unsigned index)
{
    int status;

    if (cluster->members[index].output >= 0) {
        member_order(cluster, index, "quit");
    }
    for (double end_s = now_s() + 10; cluster->members[index].output >= 0 && now_s() < end_s;) {
        listen_once(cluster, 5);
    }
    if (cluster->members[index].output >= 0) {
        member_kill(cluster, index);
        return -1;
    }
    status = member_reap(cluster, &cluster->members[index]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void member_order(struct cluster *cluster, unsigned index, const char *format, ...)
{
    char line[CLUSTER_LINE_SIZE];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    line[size++] = '\n';
    if (cluster->members[index].input >= 0) {
        (void)!write(cluster->members[index].input, line, (size_t)size);
    }
}

const char *member_change(struct cluster *cluster, unsigned index, const char *order,
                          unsigned raft_id, const char *rest)
{
    unsigned before = cluster->changes;

    member_order(cluster, index, "%s c %u %s", order, raft_id, rest);
    for (double end_s = now_s() + CHANGE_TIMEOUT_MS / 1e3;
         cluster->changes == before && now_s() < end_s;) {
        listen_once(cluster, 5);
    }
    return cluster->changes == before ? "no answer" : cluster->last_change;
}

bool member_ask_status(struct cluster *cluster, unsigned index, unsigned timeout_ms)
{
    struct cluster_member *member = &cluster->members[index];
    unsigned before = member->statuses;

    member_order(cluster, index, "status");
    for (double end_s = now_s() + timeout_ms / 1e3;
         member->statuses == before && member->output >= 0 && now_s() < end_s;) {
        listen_once(cluster, 2);
    }
    return member->statuses != before;
}

/* --- clusters --- */

struct cluster *cluster_new(unsigned count)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);

    ASSERT(cluster && count <= CLUSTER_MEMBER_MAX);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(cluster->folder, sizeof cluster->folder, "/tmp/tccp-cluster-XXXXXX");
    ASSERT(mkdtemp(cluster->folder) != NULL);
    cluster->count = count;
    cluster->proxy = proxy_new(count);
    cluster->operations = calloc(CLUSTER_OPERATION_MAX, sizeof *cluster->operations);
    cluster->applied = calloc(CLUSTER_OPERATION_MAX, sizeof *cluster->applied);
    ASSERT(cluster->operations && cluster->applied);
    for (unsigned i = 0; i < count; i++) {
        struct cluster_member *member = &cluster->members[i];
        struct credentials credentials;
        char name[24];

        member->raft_id = i + 1;
        member->input = member->output = -1;
        (void)snprintf(name, sizeof name, "member%u", i + 1);
        credentials = credentials_make(name);
        (void)snprintf(member->credentials, sizeof member->credentials, "%s/%s.pem",
                       cluster->folder, name);
        credentials_save(&credentials, member->credentials);
        credentials_free(&credentials);
        (void)snprintf(member->directory, sizeof member->directory, "%s/%s", cluster->folder, name);
        ASSERT(mkdir(member->directory, 0700) == 0);
        (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
                       proxy_port(cluster->proxy, i));
        (void)snprintf(member->listen, sizeof member->listen, "127.0.0.1:%u",
                       proxy_inner_port(cluster->proxy, i));
    }
    return cluster;
}

struct cluster *cluster_running(unsigned count, const char *const *options)
{
    struct cluster *cluster = cluster_new(count);

    for (unsigned i = 0; i < count; i++) {
        for (size_t k = 0; options && options[k]; k++) {
            ASSERT(k < CLUSTER_OPTION_MAX);
            cluster->members[i].options[k] = options[k];
        }
        member_start(cluster, i, i == 0 ? "bootstrap=1" : NULL);
        ASSERT(cluster->members[i].is_ready);
    }
    ASSERT(cluster_wait_leader(cluster, count, START_TIMEOUT_MS) == 0);
    for (unsigned i = 1; i < count; i++) {
        ASSERT(strcmp(member_change(cluster, 0, "add", i + 1, cluster->members[i].address), "OK") ==
               0);
        ASSERT(strcmp(member_change(cluster, 0, "assign", i + 1, "1"), "OK") == 0);
    }
    return cluster;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *walk)
{
    (void)about, (void)kind, (void)walk;
    return remove(path);
}

void cluster_free(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        if (cluster->members[i].pid > 0) {
            member_kill(cluster, i);
        }
    }
    proxy_free(cluster->proxy);
    (void)nftw(cluster->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(cluster->operations);
    free(cluster->applied);
    free(cluster);
}

unsigned cluster_wait_leader(struct cluster *cluster, unsigned except, unsigned timeout_ms)
{
    double end_s = now_s() + timeout_ms / 1e3;

    do {
        for (unsigned i = 0; i < cluster->count; i++) {
            if (i != except && cluster->members[i].leads) {
                return i;
            }
        }
        listen_once(cluster, 2);
    } while (now_s() < end_s);
    return cluster->count;
}

/* --- operations --- */

static size_t operation_begin(struct cluster *cluster, enum operation_kind kind, unsigned member)
{
    size_t index = cluster->operation_count++;

    ASSERT(index < CLUSTER_OPERATION_MAX);
    cluster->operations[index] =
        (struct operation){.kind = kind, .member = member, .start_s = now_s()};
    return index;
}

size_t cluster_propose(struct cluster *cluster, unsigned member, size_t size)
{
    size_t index = operation_begin(cluster, OPERATION_PROPOSE, member);

    member_order(cluster, member, "propose %zu %zu", index, size);
    return index;
}

size_t cluster_read(struct cluster *cluster, unsigned member)
{
    size_t index = operation_begin(cluster, OPERATION_READ, member);

    member_order(cluster, member, "read %zu 0", index);
    return index;
}

bool cluster_wait(struct cluster *cluster, size_t operation, unsigned timeout_ms)
{
    double end_s = now_s() + timeout_ms / 1e3;

    while (cluster->operations[operation].end_s <= 0 && now_s() < end_s) {
        listen_once(cluster, 2);
    }
    return cluster->operations[operation].end_s > 0;
}

void cluster_load(struct cluster *cluster, unsigned duration_ms)
{
    double end_s = now_s() + duration_ms / 1e3;
    size_t outstanding[CLUSTER_MEMBER_MAX][LOAD_OUTSTANDING];
    unsigned turn = 0;

    memset(outstanding, 0xff, sizeof outstanding);
    while (now_s() < end_s) {
        for (unsigned i = 0; i < cluster->count; i++) {
            for (unsigned k = 0; k < LOAD_OUTSTANDING && cluster->members[i].leads; k++) {
                size_t index = outstanding[i][k];

                /* One that a stopped member does not answer is left behind by restarting it. */
                if (index == SIZE_MAX || cluster->operations[index].end_s > 0) {
                    outstanding[i][k] = turn++ % 3 == 0 ? cluster_read(cluster, i)
                                                        : cluster_propose(cluster, i, 100);
                }
            }
        }
        listen_once(cluster, 2);
    }
}

bool cluster_converge(struct cluster *cluster, unsigned timeout_ms)
{
    double end_s = now_s() + timeout_ms / 1e3;
    unsigned long long acknowledged = 0;

    do {
        const struct cluster_member *first = NULL;
        bool are_equal = true;

        cluster_listen(cluster, 20);
        for (size_t i = 0; i < cluster->operation_count; i++) {
            const struct operation *operation = &cluster->operations[i];

            if (strcmp(operation->result, "OK") == 0 && operation->revision > acknowledged) {
                acknowledged = operation->revision;
            }
        }
        for (unsigned i = 0; i < cluster->count; i++) {
            const struct cluster_member *member = &cluster->members[i];

            if (member->output < 0) {
                continue;
            }
            are_equal &= member_ask_status(cluster, i, 2000);
            first = first ? first : member;
            are_equal &= strcmp(member->status.digest, first->status.digest) == 0 &&
                         member->status.revision == first->status.revision &&
                         member->status.revision >= acknowledged;
        }
        if (first && are_equal) {
            return true;
        }
    } while (now_s() < end_s);
    return false;
}

/* --- the checker --- */

static bool is_ok(const struct operation *operation)
{
    return strcmp(operation->result, "OK") == 0;
}

/* Whether b, which began after a had ended, contradicts it. */
static const char *order_check(const struct operation *a, const struct operation *b)
{
    if (a->kind == OPERATION_PROPOSE && b->kind == OPERATION_PROPOSE &&
        b->revision <= a->revision) {
        return "a command was ordered before one that had been acknowledged";
    }
    if (b->kind == OPERATION_READ && b->revision < a->revision) {
        return "a stale read";
    }
    if (a->kind == OPERATION_READ && b->kind == OPERATION_PROPOSE && b->revision <= a->revision) {
        return "a read saw what was proposed later";
    }
    return NULL;
}

const char *cluster_check(struct cluster *cluster)
{
    if (cluster->is_divergent) {
        return "two members applied different commands at one revision";
    }
    for (size_t i = 0; i < cluster->operation_count; i++) {
        const struct operation *operation = &cluster->operations[i];
        size_t index = (size_t)operation->revision;

        if (is_ok(operation) && operation->kind == OPERATION_PROPOSE &&
            (index >= CLUSTER_OPERATION_MAX || cluster->applied[index] != i + 1)) {
            return "an acknowledged command is not in the log at its place";
        }
        /* "Never will be committed" must be true. */
        if (strcmp(operation->result, "NOT_LEADER") == 0 ||
            strcmp(operation->result, "BUSY") == 0 || strcmp(operation->result, "NOT_READY") == 0) {
            for (size_t k = 0; k <= cluster->applied_max; k++) {
                if (cluster->applied[k] == i + 1) {
                    return "a command that was refused was committed";
                }
            }
        }
    }
    for (size_t i = 0; i < cluster->operation_count; i++) {
        for (size_t k = i + 1; k < cluster->operation_count; k++) {
            const struct operation *a = &cluster->operations[i], *b = &cluster->operations[k];
            const char *wrong = NULL;

            if (!is_ok(a) || !is_ok(b)) {
                continue;
            }
            if (a->end_s < b->start_s) {
                wrong = order_check(a, b);
            }
            if (wrong) {
                return wrong;
            }
        }
    }
    return NULL;
}

size_t cluster_count_ok(const struct cluster *cluster, enum operation_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < cluster->operation_count; i++) {
        count += cluster->operations[i].kind == kind && is_ok(&cluster->operations[i]);
    }
    return count;
}
