/*
 * How many 256-byte commands a second three members commit, through the mutually authenticated API,
 * client included, beside what the same disk can sync in the same run.
 *
 *     bench/commit [--folder FOLDER] [--seconds N]
 *         starts three members of the bare replicated log (bench/commit_member) in FOLDER
 *     bench/commit --folder FOLDER --identity PEM --address HOST:PORT [--address HOST:PORT ...]
 *         measures running coordinators whose data lies on FOLDER's disk; PEM holds the key and the
 *         certificate of a user who may write audit notes
 *
 * Prints `name: value` lines; targets: ratio_1 at least 0.6, ratio_256 at least 15.
 */
#include "bench/load.h"

#include "tests/support/credentials.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MEMBERS = 3,
    ADDRESS_MAX = 16,
    NOTE_SIZE = 256,
    DISK_BLOCK = 4096,
    DISK_FILE_SIZE = 8 * 1024 * 1024, /* as libraft's segments */
    SECONDS_DEFAULT = 3,
};

static const double DISK_SECONDS = 0.7;

struct bench {
    char folder[256];
    bool made_folder;
    pid_t pids[MEMBERS];
    FILE *to[MEMBERS], *from[MEMBERS];
    char addresses[ADDRESS_MAX][64];
    const char *address_list[ADDRESS_MAX];
    size_t address_count;
    unsigned seconds;
    struct credentials client;
    const char *identity;
};

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *walk)
{
    (void)about, (void)kind, (void)walk;
    return remove(path);
}

static void clean_up(struct bench *bench)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (bench->pids[i] > 0) {
            (void)kill(bench->pids[i], SIGKILL);
            (void)waitpid(bench->pids[i], NULL, 0);
        }
    }
    if (bench->made_folder) {
        (void)nftw(bench->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

static _Noreturn void die(struct bench *bench, const char *what, const char *detail)
{
    (void)fprintf(stderr, "bench/commit: %s: %s\n", what, detail);
    clean_up(bench);
    exit(1);
}

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- the floor: what the disk can do --- */

static double fdatasync_per_s(struct bench *bench)
{
    static const char block[DISK_BLOCK] = {1};
    char path[300];
    double begun_s, ended_s;
    unsigned count = 0;
    int fd;

    (void)snprintf(path, sizeof path, "%s/fdatasync", bench->folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    /* Written before it is measured: the first write to a block costs the file system's journal
     * besides, and would make the floor look low. */
    for (off_t at = 0; fd >= 0 && at < DISK_FILE_SIZE; at += DISK_BLOCK) {
        if (pwrite(fd, block, sizeof block, at) != DISK_BLOCK) {
            die(bench, "cannot write", path);
        }
    }
    if (fd < 0 || fsync(fd) != 0) {
        die(bench, "cannot write", path);
    }
    for (begun_s = ended_s = now_s(); ended_s - begun_s < DISK_SECONDS; ended_s = now_s()) {
        off_t at = (off_t)(count * DISK_BLOCK % DISK_FILE_SIZE);

        if (pwrite(fd, block, sizeof block, at) != DISK_BLOCK || fdatasync(fd) != 0) {
            die(bench, "cannot write", path);
        }
        count++;
    }
    (void)close(fd);
    (void)unlink(path);
    return count / (ended_s - begun_s);
}

/* --- own members --- */

static unsigned free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0 &&
           getsockname(fd, (struct sockaddr *)&name, &size) == 0);
    (void)close(fd);
    return ntohs(name.sin_port);
}

/* The next line that begins so. */
static void expect(struct bench *bench, unsigned member, const char *beginning)
{
    char line[300];

    while (fgets(line, sizeof line, bench->from[member])) {
        if (strncmp(line, beginning, strlen(beginning)) == 0) {
            return;
        }
    }
    die(bench, "a member ended early, waiting for", beginning);
}

static void member_start(struct bench *bench, unsigned index, const char *program,
                         const char *raft_address)
{
    char directory[300], credentials_path[300], id[8], name[16];
    struct credentials credentials;
    int to[2], from[2];

    (void)snprintf(id, sizeof id, "%u", index + 1);
    (void)snprintf(name, sizeof name, "member%u", index + 1);
    (void)snprintf(directory, sizeof directory, "%s/%s", bench->folder, name);
    (void)snprintf(credentials_path, sizeof credentials_path, "%s/%s.pem", bench->folder, name);
    credentials = credentials_make(name);
    credentials_save(&credentials, credentials_path);
    credentials_free(&credentials);
    if (mkdir(directory, 0700) != 0 || pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
        die(bench, "cannot make", directory);
    }
    bench->pids[index] = fork();
    if (bench->pids[index] == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(to[0], STDIN_FILENO);
        (void)dup2(from[1], STDOUT_FILENO);
        (void)execl(program, program, directory, id, raft_address, bench->addresses[index],
                    credentials_path, index == 0 ? "bootstrap" : NULL, NULL);
        _exit(127);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    bench->to[index] = fdopen(to[1], "w");
    bench->from[index] = fdopen(from[0], "r");
    expect(bench, index, "ready");
}

static void members_start(struct bench *bench, const char *own_path)
{
    char raft_addresses[MEMBERS][64], program[512];
    const char *slash = strrchr(own_path, '/');

    (void)snprintf(program, sizeof program, "%.*scommit_member",
                   slash ? (int)(slash - own_path + 1) : 0, own_path);
    for (unsigned i = 0; i < MEMBERS; i++) {
        (void)snprintf(raft_addresses[i], sizeof raft_addresses[i], "127.0.0.1:%u", free_port());
        (void)snprintf(bench->addresses[i], sizeof bench->addresses[i], "127.0.0.1:%u",
                       free_port());
        bench->address_list[i] = bench->addresses[i];
        member_start(bench, i, program, raft_addresses[i]);
    }
    bench->address_count = MEMBERS;
    expect(bench, 0, "leads");
    for (unsigned i = 1; i < MEMBERS; i++) {
        (void)fprintf(bench->to[0], "add %u %s\n", i + 1, raft_addresses[i]);
        (void)fflush(bench->to[0]);
        expect(bench, 0, "change ok");
        (void)fprintf(bench->to[0], "assign %u\n", i + 1);
        (void)fflush(bench->to[0]);
        expect(bench, 0, "change ok");
    }
}

/* --- the measurement --- */

static void measure(struct bench *bench)
{
    static const unsigned outstanding[] = {1, 16, 64, 256};
    struct load_result results[ARRAY_SIZE(outstanding)];
    struct tls_context *tls = credentials_context(&bench->client, TLS_CLIENT, "tccp-admin/1", NULL);
    /* Before, between and after: on a shared machine the disk is another one every few seconds. */
    double disk[ARRAY_SIZE(outstanding) + 1] = {fdatasync_per_s(bench)}, disk_sum = disk[0];
    char error[256];

    for (size_t i = 0; i < ARRAY_SIZE(outstanding); i++) {
        struct load_config config = {
            .addresses = bench->address_list,
            .address_count = bench->address_count,
            .tls = tls,
            .note_size = NOTE_SIZE,
            .outstanding = outstanding[i],
            .warm_up_ms = 500,
            .duration_ms = bench->seconds * 1000,
        };

        if (load_run(&config, &results[i], error) != STATUS_OK) {
            die(bench, "the load failed", error);
        }
        if (results[i].refused > 0) {
            die(bench, "requests were refused", results[i].refusal);
        }
        disk[i + 1] = fdatasync_per_s(bench);
        disk_sum += disk[i + 1];
    }
    tls_context_release(tls);
    (void)printf("fdatasync_per_s: %.0f\n", disk_sum / (double)ARRAY_SIZE(disk));
    for (size_t i = 0; i < ARRAY_SIZE(outstanding); i++) {
        (void)printf("commits_per_s_%u: %.0f\n", outstanding[i], results[i].per_s);
        (void)printf("p50_ms_%u: %.3f\n", outstanding[i], results[i].p50_ms);
        (void)printf("p99_ms_%u: %.3f\n", outstanding[i], results[i].p99_ms);
        (void)printf("longest_ms_%u: %.3f\n", outstanding[i], results[i].longest_ms);
        (void)printf("ratio_%u: %.2f\n", outstanding[i],
                     results[i].per_s / ((disk[i] + disk[i + 1]) / 2));
    }
}

static void options_read(struct bench *bench, int argc, char **argv)
{
    static const struct option options[] = {{"folder", required_argument, NULL, 'f'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"identity", required_argument, NULL, 'i'},
                                            {"address", required_argument, NULL, 'a'},
                                            {NULL, 0, NULL, 0}};
    const char *folder = NULL;
    int chosen;

    bench->seconds = SECONDS_DEFAULT;
    while ((chosen = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (chosen == 'f') {
            folder = optarg;
        } else if (chosen == 's') {
            bench->seconds = (unsigned)strtoul(optarg, NULL, 10);
        } else if (chosen == 'i') {
            bench->identity = optarg;
        } else if (chosen == 'a' && bench->address_count < ADDRESS_MAX) {
            bench->address_list[bench->address_count++] = optarg;
        } else {
            exit(64);
        }
    }
    if (optind < argc || bench->seconds == 0 || (bench->address_count > 0) != !!bench->identity) {
        (void)fprintf(stderr, "bench/commit: see the head of bench/commit.c for its options\n");
        exit(64);
    }
    if (bench->address_count > 0) {
        (void)snprintf(bench->folder, sizeof bench->folder, "%s", folder ? folder : ".");
    } else {
        (void)snprintf(bench->folder, sizeof bench->folder, "%s/tccp-commit-XXXXXX",
                       folder ? folder : ".");
        if (!mkdtemp(bench->folder)) {
            die(bench, "cannot make", bench->folder);
        }
        bench->made_folder = true;
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;

    (void)signal(SIGPIPE, SIG_IGN);
    options_read(&bench, argc, argv);
    if (bench.identity) {
        bench.client = credentials_load(bench.identity);
    } else {
        bench.client = credentials_make("client");
        members_start(&bench, argv[0]);
    }
    measure(&bench);
    credentials_free(&bench.client);
    clean_up(&bench);
    return 0;
}
