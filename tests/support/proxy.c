#include "tests/support/proxy.h"

#include "lib/base/status.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FLOW_MAX = 256, BUFFER_SIZE = 65536, POLL_MS = 20, UNKNOWN = PROXY_MEMBER_MAX };
enum { FIRST_PORT = 15000, PORT_COUNT = 15000 };

struct flow {
    int outer, inner; /* -1: unused */
    unsigned from, to;
};

struct proxy {
    unsigned member_count;
    int listeners[PROXY_MEMBER_MAX];
    uint16_t ports[PROXY_MEMBER_MAX], inner_ports[PROXY_MEMBER_MAX];
    struct flow flows[FLOW_MAX];
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    bool is_cut[PROXY_MEMBER_MAX + 1][PROXY_MEMBER_MAX];
    pid_t pids[PROXY_MEMBER_MAX];
    bool is_ending;
};

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Below the kernel's own: a port that is given up here for its member must not become the local
 * end of somebody's connection meanwhile. */
static int bound_socket(uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in name;
    int tries = 0;

    ASSERT(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    do {
        uint16_t random;

        ASSERT(tries++ < 1000 && getrandom(&random, sizeof random, 0) == sizeof random);
        *ret_port = (uint16_t)(FIRST_PORT + random % PORT_COUNT);
        name = loopback(*ret_port);
    } while (bind(fd, (struct sockaddr *)&name, sizeof name) != 0);
    return fd;
}

/* The inode of the local socket that is bound to `port` and connected to `remote_port`. */
static unsigned long socket_inode(uint16_t port, uint16_t remote_port)
{
    FILE *table = fopen("/proc/net/tcp", "re");
    char line[512];
    unsigned long inode = 0;

    ASSERT(table);
    while (fgets(line, sizeof line, table)) {
        unsigned local, remote;
        unsigned long found;

        if (sscanf(line, "%*d: %*x:%x %*x:%x %*x %*x:%*x %*x:%*x %*x %*d %*d %lu", &local, &remote,
                   &found) == 3 &&
            local == port && remote == remote_port) {
            inode = found;
        }
    }
    (void)fclose(table);
    return inode;
}

static bool process_has_socket(pid_t pid, unsigned long inode)
{
    char path[64], link[512], target[64], wanted[64];
    struct dirent *entry;
    bool has = false;
    DIR *folder;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    (void)snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    folder = opendir(path);
    while (folder && !has && (entry = readdir(folder))) {
        ssize_t size;

        (void)snprintf(link, sizeof link, "%s/%s", path, entry->d_name);
        size = readlink(link, target, sizeof target - 1);
        if (size > 0) {
            target[size] = 0;
            has = strcmp(target, wanted) == 0;
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    return has;
}

static unsigned origin_of(struct proxy *proxy, const struct sockaddr_in *peer, unsigned to)
{
    unsigned long inode = socket_inode(ntohs(peer->sin_port), proxy->ports[to]);

    for (unsigned i = 0; i < proxy->member_count; i++) {
        pid_t pid;

        (void)pthread_mutex_lock(&proxy->lock);
        pid = proxy->pids[i];
        (void)pthread_mutex_unlock(&proxy->lock);
        if (pid > 0 && inode > 0 && process_has_socket(pid, inode)) {
            return i;
        }
    }
    return UNKNOWN;
}

static void flow_close(struct flow *flow)
{
    (void)close(flow->outer);
    (void)close(flow->inner);
    flow->outer = flow->inner = -1;
}

static void flow_accept(struct proxy *proxy, unsigned to)
{
    struct sockaddr_in peer, target = loopback(proxy->inner_ports[to]);
    socklen_t size = sizeof peer;
    struct flow *flow = NULL;
    int fd = accept4(proxy->listeners[to], (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
    int one = 1;

    for (size_t i = 0; i < FLOW_MAX && !flow; i++) {
        flow = proxy->flows[i].outer < 0 ? &proxy->flows[i] : NULL;
    }
    if (fd < 0 || !flow) {
        (void)close(fd);
        return;
    }
    flow->to = to;
    flow->from = origin_of(proxy, &peer, to);
    flow->outer = fd;
    flow->inner = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(flow->outer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(flow->inner, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(flow->inner, (struct sockaddr *)&target, sizeof target) != 0) {
        flow_close(flow);
    }
}

/* False when the flow has ended. */
static bool carry(int from, int to)
{
    static __thread char buffer[BUFFER_SIZE];
    ssize_t size = recv(from, buffer, sizeof buffer, MSG_DONTWAIT);

    if (size < 0) {
        return errno == EAGAIN;
    }
    for (ssize_t done = 0; done < size;) {
        ssize_t sent = send(to, buffer + done, (size_t)(size - done), MSG_NOSIGNAL);

        if (sent <= 0) {
            return false;
        }
        done += sent;
    }
    return size > 0;
}

static bool flow_is_cut(struct proxy *proxy, const struct flow *flow)
{
    bool is_cut;

    (void)pthread_mutex_lock(&proxy->lock);
    is_cut = proxy->is_cut[flow->from][flow->to];
    (void)pthread_mutex_unlock(&proxy->lock);
    return is_cut;
}

static void turn(struct proxy *proxy)
{
    struct pollfd polled[PROXY_MEMBER_MAX + 2 * FLOW_MAX];
    nfds_t count = 0;

    for (unsigned i = 0; i < proxy->member_count; i++) {
        polled[count++] = (struct pollfd){.fd = proxy->listeners[i], .events = POLLIN};
    }
    for (size_t i = 0; i < FLOW_MAX; i++) {
        struct flow *flow = &proxy->flows[i];
        bool is_cut = flow->outer < 0 || flow_is_cut(proxy, flow);

        polled[count++] = (struct pollfd){.fd = is_cut ? -1 : flow->outer, .events = POLLIN};
        polled[count++] = (struct pollfd){.fd = is_cut ? -1 : flow->inner, .events = POLLIN};
    }
    if (poll(polled, count, POLL_MS) <= 0) {
        return;
    }
    for (size_t i = 0; i < FLOW_MAX; i++) {
        struct flow *flow = &proxy->flows[i];
        const struct pollfd *ends = &polled[proxy->member_count + 2 * i];

        if ((ends[0].revents && !carry(flow->outer, flow->inner)) ||
            (ends[1].revents && !carry(flow->inner, flow->outer))) {
            flow_close(flow);
        }
    }
    for (unsigned i = 0; i < proxy->member_count; i++) {
        if (polled[i].revents) {
            flow_accept(proxy, i);
        }
    }
}

static void *run(void *argument)
{
    struct proxy *proxy = argument;
    bool is_ending = false;

    while (!is_ending) {
        turn(proxy);
        (void)pthread_mutex_lock(&proxy->lock);
        is_ending = proxy->is_ending;
        (void)pthread_mutex_unlock(&proxy->lock);
    }
    return NULL;
}

struct proxy *proxy_new(unsigned member_count)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);

    ASSERT(proxy && member_count <= PROXY_MEMBER_MAX);
    proxy->member_count = member_count;
    for (size_t i = 0; i < FLOW_MAX; i++) {
        proxy->flows[i].outer = proxy->flows[i].inner = -1;
    }
    for (unsigned i = 0; i < member_count; i++) {
        int reserved = bound_socket(&proxy->inner_ports[i]);

        proxy->listeners[i] = bound_socket(&proxy->ports[i]);
        ASSERT(listen(proxy->listeners[i], 64) == 0);
        (void)close(reserved); /* The member's from now on. */
    }
    (void)pthread_mutex_init(&proxy->lock, NULL);
    ASSERT(pthread_create(&proxy->thread, NULL, run, proxy) == 0);
    return proxy;
}

void proxy_free(struct proxy *proxy)
{
    (void)pthread_mutex_lock(&proxy->lock);
    proxy->is_ending = true;
    (void)pthread_mutex_unlock(&proxy->lock);
    (void)pthread_join(proxy->thread, NULL);
    for (unsigned i = 0; i < proxy->member_count; i++) {
        (void)close(proxy->listeners[i]);
    }
    for (size_t i = 0; i < FLOW_MAX; i++) {
        if (proxy->flows[i].outer >= 0) {
            flow_close(&proxy->flows[i]);
        }
    }
    (void)pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

uint16_t proxy_port(const struct proxy *proxy, unsigned member)
{
    return proxy->ports[member];
}

uint16_t proxy_inner_port(const struct proxy *proxy, unsigned member)
{
    return proxy->inner_ports[member];
}

void proxy_set_process(struct proxy *proxy, unsigned member, pid_t pid)
{
    (void)pthread_mutex_lock(&proxy->lock);
    proxy->pids[member] = pid;
    (void)pthread_mutex_unlock(&proxy->lock);
}

void proxy_set_cut(struct proxy *proxy, unsigned from, unsigned to, bool is_cut)
{
    (void)pthread_mutex_lock(&proxy->lock);
    proxy->is_cut[from][to] = is_cut;
    (void)pthread_mutex_unlock(&proxy->lock);
}

void proxy_isolate(struct proxy *proxy, unsigned member, bool is_cut)
{
    for (unsigned i = 0; i < proxy->member_count; i++) {
        proxy_set_cut(proxy, i, member, is_cut);
        proxy_set_cut(proxy, member, i, is_cut);
    }
    proxy_set_cut(proxy, UNKNOWN, member, is_cut);
}
