#include "tcd/replica_internal.h"

#include "lib/base/log.h"

#include <stdlib.h>
#include <sys/statvfs.h>

struct append {
    struct raft_io_append request;
    struct replica *replica;
    struct raft_io_append *outer;
    raft_io_append_cb done;
};

static void on_appended(struct raft_io_append *request, int error)
{
    struct append *append = request->data;
    struct raft_io_append *outer = append->outer;
    raft_io_append_cb done = append->done;

    append->replica->appends--;
    append->replica->append_progress_ms = time_boot_ms();
    free(append);
    done(outer, error);
}

/* Between libraft and its files: libraft tries a failing write again and again without a word. */
static int append_watch(struct raft_io *io, struct raft_io_append *outer,
                        const struct raft_entry entries[], unsigned count, raft_io_append_cb done)
{
    struct raft *raft = io->data;
    struct replica *replica = raft->data;
    struct append *append = malloc(sizeof *append);
    int error;

    if (!append) {
        return RAFT_NOMEM;
    }
    *append = (struct append){.replica = replica, .outer = outer, .done = done};
    append->request.data = append;
    if (replica->appends++ == 0) {
        replica->append_progress_ms = time_boot_ms();
    }
    error = replica->io_append(io, &append->request, entries, count, on_appended);
    if (error != 0) {
        replica->appends--;
        free(append);
    }
    return error;
}

static void space_check(struct replica *replica)
{
    uint64_t enough = replica->config.disk_free_min;
    struct statvfs about;

    if (statvfs(replica->config.directory, &about) != 0) {
        replica_fatal(replica, "disk", "cannot ask for free space");
    }
    replica->disk_free = (uint64_t)about.f_bavail * about.f_frsize;
    /* Half as much again ends it, or each file that is made would begin it anew. */
    if (!replica->is_disk_low && replica->disk_free < enough) {
        replica->is_disk_low = true;
        log_event(LOG_ERROR, "disk-low", "free=%llu minimum=%llu",
                  (unsigned long long)replica->disk_free, (unsigned long long)enough);
    } else if (replica->is_disk_low && replica->disk_free >= enough + enough / 2) {
        replica->is_disk_low = false;
        log_event(LOG_NOTICE, "disk-enough", "free=%llu", (unsigned long long)replica->disk_free);
    }
}

void replica_check_disk(struct replica *replica)
{
    space_check(replica);
    if (replica->is_disk_low) {
        replica_hand_over(replica);
    } else if (replica->appends > 0 && replica_is_awake(replica) &&
               time_boot_ms() - replica->append_progress_ms > replica->config.disk_timeout_ms) {
        replica_fatal(replica, "disk", "a write to the log does not come to an end");
    }
    if (replica->raft.state == RAFT_UNAVAILABLE) {
        replica_fatal(replica, "log", raft_errmsg(&replica->raft));
    }
}

void replica_watch_disk(struct replica *replica)
{
    replica->io_append = replica->io.append;
    replica->io.append = append_watch;
}
