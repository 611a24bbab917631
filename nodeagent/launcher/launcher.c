#include "nodeagent/launcher/launcher.h"

#include "lib/base/log.h"
#include "lib/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* What an event is about. The descriptor in it says whose it is: owners are looked up, so that an
 * event for something that has just ended finds nothing. */
struct launcher {
    const struct launcher_settings *settings;
    const struct grant_verifier *verifier;
    int epoll_fd, timer_fd, signal_fd;
    struct agent agent;
    struct lease_mark lease;
    struct guest *guests;
    unsigned guest_count;
    uint64_t memory_mib;
    bool slot_taken[GUESTS_MAX];
    struct grant_record remembered[REMEMBERED_MAX]; /* a ring, oldest overwritten */
    size_t remembered_count;
    struct channel_message message;
    bool is_stopping;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    ASSERT(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum status watch(struct launcher *launcher, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(launcher->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? STATUS_OK : STATUS_IO;
}

/* --- what is remembered of VMs that are not here any more --- */

static struct grant_record *remembered_find(struct launcher *launcher, const struct digest *vm)
{
    size_t count =
        launcher->remembered_count < REMEMBERED_MAX ? launcher->remembered_count : REMEMBERED_MAX;

    for (size_t i = 0; i < count; i++) {
        if (digest_equal(&launcher->remembered[i].vm, vm)) {
            return &launcher->remembered[i];
        }
    }
    return NULL;
}

static void remember(struct launcher *launcher, const struct grant_record *record)
{
    struct grant_record *place = remembered_find(launcher, &record->vm);

    if (!place) {
        place = &launcher->remembered[launcher->remembered_count++ % REMEMBERED_MAX];
    }
    *place = *record;
}

/* --- telling the agent --- */

static void tell(struct launcher *launcher, const struct launcher_notice *notice, const int *fds,
                 unsigned fd_count)
{
    OWN(bytes) struct bytes message = {0};
    enum status status = launcher_notice_encode(notice, &message);

    if (launcher->agent.channel < 0) {
        return;
    }
    if (status == STATUS_OK) {
        status = channel_send(launcher->agent.channel, bytes_view(&message), fds, fd_count);
    }
    if (status != STATUS_OK) {
        /* An agent that missed something must not go on: the next one asks for everything. */
        log_event(LOG_WARNING, "agent-not-listening", "status=\"%s\"", status_text(status));
        agent_kill(&launcher->agent);
    }
}

static void tell_state(struct launcher *launcher, const struct guest *guest)
{
    const struct launcher_notice notice = {
        .kind = LAUNCHER_STATE,
        .vm = guest->fence.record.vm,
        .generation = guest->fence.record.generation,
        .registration = guest->fence.record.registration,
        .state = guest->fence.state,
    };

    tell(launcher, &notice, NULL, 0);
}

/* --- guests --- */

static struct guest *guest_find(struct launcher *launcher, const struct digest *vm)
{
    struct guest *guest = launcher->guests;

    while (guest && !digest_equal(&guest->fence.record.vm, vm)) {
        guest = guest->next;
    }
    return guest;
}

static void log_guest(const struct guest *guest, const char *event)
{
    log_event(LOG_NOTICE, event, "vm=%s generation=%" PRIu64 " state=%s pid=%d",
              hex_short(digest_view(&guest->fence.record.vm)).text, guest->fence.record.generation,
              vm_state_name(guest->fence.state), (int)guest->process.pid);
}

static void guest_remove(struct launcher *launcher, struct guest *guest)
{
    struct guest **at = &launcher->guests;

    while (*at != guest) {
        at = &(*at)->next;
    }
    *at = guest->next;
    remember(launcher, &guest->fence.record);
    launcher->slot_taken[guest->uid_slot] = false;
    launcher->guest_count--;
    launcher->memory_mib -= guest->memory_mib;
    guest_free(guest);
}

/* A signal that the fence demands by itself: carried out first, told and logged afterwards. */
static void guest_enforce(struct launcher *launcher, struct guest *guest, enum fence_signal signal)
{
    if (signal == FENCE_NO_SIGNAL) {
        return;
    }
    guest_signal(guest, signal);
    log_guest(guest, "vm-fenced");
    tell_state(launcher, guest);
}

static void guest_look(struct launcher *launcher, struct guest *guest)
{
    if (guest->witness_fd >= 0 && guest_watch(guest)) {
        guest_enforce(launcher, guest, fence_resumed(&guest->fence));
    }
}

static void guest_ended(struct launcher *launcher, struct guest *guest)
{
    struct launcher_notice notice = {
        .kind = LAUNCHER_GONE,
        .vm = guest->fence.record.vm,
        .generation = guest->fence.record.generation,
        .registration = guest->fence.record.registration,
        .was_killed = guest->was_killed,
    };

    if (guest_collect(guest, notice.detail)) {
        log_event(LOG_NOTICE, "vm-ended", "vm=%s generation=%" PRIu64 " killed=%d detail=\"%s\"",
                  hex_short(digest_view(&notice.vm)).text, notice.generation, notice.was_killed,
                  notice.detail);
        tell(launcher, &notice, NULL, 0);
        guest_remove(launcher, guest);
    }
}

/* --- requests --- */

static enum status check_start(struct launcher *launcher, const struct launcher_request *request,
                               struct refusal *refusal)
{
    const struct launcher_settings *settings = launcher->settings;

    if (guest_find(launcher, &request->vm)) {
        return refuse(refusal, REFUSAL_ALREADY_EXISTS, "this VM is here already");
    }
    TRY(grant_check_start(remembered_find(launcher, &request->vm), request->generation, refusal));
    if (launcher->guest_count >= settings->guest_count_max) {
        return refuse(refusal, REFUSAL_LIMIT, "%u VMs are here already", launcher->guest_count);
    }
    if (launcher->memory_mib + request->shape.memory_mib > settings->memory_mib_max) {
        return refuse(refusal, REFUSAL_LIMIT, "%" PRIu64 " MiB of %" PRIu64 " are in use",
                      launcher->memory_mib, settings->memory_mib_max);
    }
    if (request->prepare_ms > settings->prepare_max_ms) {
        return refuse(refusal, REFUSAL_LIMIT, "%u ms without a grant; at most %" PRIu64,
                      request->prepare_ms, settings->prepare_max_ms);
    }
    return STATUS_OK;
}

static enum status do_start(struct launcher *launcher, const struct launcher_request *request,
                            struct refusal *refusal)
{
    OWN(guest) struct guest *guest = NULL;
    const int *fds = launcher->message.fds;
    unsigned slot = 0;

    TRY(check_start(launcher, request, refusal));
    while (launcher->slot_taken[slot]) {
        slot++;
    }
    TRY(guest_start(&launcher->settings->guests, request, slot,
                    request->shape.has_kernel ? fds[0] : -1,
                    request->shape.has_kernel ? fds[1] : -1, now_ms(), &guest, refusal));
    TRY(watch(launcher, guest->process.pidfd));
    TRY(watch(launcher, guest->process.output));
    TRY(watch(launcher, guest->witness_fd));
    launcher->slot_taken[slot] = true;
    launcher->guest_count++;
    launcher->memory_mib += guest->memory_mib;
    log_guest(guest, "vm-started");
    guest->next = launcher->guests;
    launcher->guests = TAKE(guest);
    return STATUS_OK;
}

static enum status do_grant(struct launcher *launcher, const struct launcher_request *request,
                            struct refusal *refusal)
{
    struct run_grant grant;
    struct guest *guest;
    uint64_t now = now_ms();
    enum vm_state before;

    TRY(launcher->verifier->verify(launcher->verifier->context, request->payload,
                                   launcher->lease.registration, &grant, refusal));
    guest = guest_find(launcher, &grant.vm);
    if (!guest) {
        return refuse(refusal, REFUSAL_NOT_FOUND, "no such VM here");
    }
    TRY(grant_check(&guest->fence.record, &grant, &launcher->lease, now, refusal));
    before = guest->fence.state;
    if (before == VM_KILLED) {
        return refuse(refusal, REFUSAL_WRONG_STATE, "the VM was killed");
    }
    guest_signal(guest, fence_grant(&guest->fence, &grant, &launcher->lease, now));
    if (before != guest->fence.state) {
        log_guest(guest, "vm-granted");
    }
    return STATUS_OK;
}

static enum status do_vm(struct launcher *launcher, const struct launcher_request *request,
                         struct refusal *refusal)
{
    struct guest *guest = guest_find(launcher, &request->vm);
    enum fence_signal signal = FENCE_NO_SIGNAL;
    enum status status = STATUS_OK;

    if (!guest) {
        return refuse(refusal, REFUSAL_NOT_FOUND, "no such VM here");
    }
    /* What QEMU said before this counts for the state before this. */
    guest_look(launcher, guest);
    if (request->kind == LAUNCHER_SETTLE) {
        status = fence_settle(&guest->fence);
    } else if (request->kind == LAUNCHER_FREEZE) {
        status = fence_freeze(&guest->fence, &signal);
    } else {
        signal = fence_destroy(&guest->fence);
    }
    if (status != STATUS_OK) {
        return refuse(refusal, REFUSAL_WRONG_STATE, "the VM is %s",
                      vm_state_name(guest->fence.state));
    }
    guest_signal(guest, signal);
    log_guest(guest, request->kind == LAUNCHER_SETTLE   ? "vm-settled"
                     : request->kind == LAUNCHER_FREEZE ? "vm-frozen"
                                                        : "vm-destroyed");
    return STATUS_OK;
}

static void do_list(struct launcher *launcher, uint32_t tag)
{
    for (const struct guest *guest = launcher->guests; guest; guest = guest->next) {
        const struct grant_record *record = &guest->fence.record;
        const struct launcher_notice notice = {
            .kind = LAUNCHER_INVENTORY,
            .tag = tag,
            .vm = record->vm,
            .generation = record->generation,
            .registration = record->registration,
            .state = guest->fence.state,
            .deadline_ms = record->deadline_ms,
            .memory_mib = guest->memory_mib,
            .has_run = record->has_run,
        };
        const int fds[VM_FD_COUNT] = {guest->qmp_fd, guest->memory_fd, guest->secrets_fd};

        tell(launcher, &notice, fds, ARRAY_SIZE(fds));
    }
}

static enum status do_lease(struct launcher *launcher, const struct launcher_request *request,
                            struct refusal *refusal)
{
    const struct lease_mark lease = {request->registration, request->renewed_ms};
    uint64_t now = now_ms();

    TRY(lease_mark_check(&launcher->lease, &lease, now, refusal));
    launcher->lease = lease;
    for (struct guest *guest = launcher->guests; guest; guest = guest->next) {
        enum vm_state before = guest->fence.state;

        guest_signal(guest, fence_renew(&guest->fence, &lease, now));
        if (before != guest->fence.state) {
            log_guest(guest, "vm-renewed");
        }
    }
    return STATUS_OK;
}

static enum status request_do(struct launcher *launcher, const struct launcher_request *request,
                              struct refusal *refusal)
{
    if (launcher->message.fd_count != launcher_request_fd_count(request)) {
        return refuse(refusal, REFUSAL_MALFORMED, "%u descriptors", launcher->message.fd_count);
    }
    switch (request->kind) {
    case LAUNCHER_TRUST:
        return launcher->verifier->trust(launcher->verifier->context, request->payload, refusal);
    case LAUNCHER_LEASE:
        return do_lease(launcher, request, refusal);
    case LAUNCHER_START:
        return do_start(launcher, request, refusal);
    case LAUNCHER_GRANT:
        return do_grant(launcher, request, refusal);
    case LAUNCHER_SETTLE:
    case LAUNCHER_FREEZE:
    case LAUNCHER_DESTROY:
        return do_vm(launcher, request, refusal);
    case LAUNCHER_LIST:
        do_list(launcher, request->tag);
        return STATUS_OK;
    }
    return STATUS_MALFORMED;
}

static void request_answer(struct launcher *launcher, const struct launcher_request *request)
{
    struct launcher_notice answer = {.kind = LAUNCHER_ANSWER, .tag = request->tag};

    answer.status = request_do(launcher, request, &answer.refusal);
    if (answer.status != STATUS_OK) {
        log_event(LOG_WARNING, "request-refused", "kind=%d reason=%s detail=\"%s\"",
                  (int)request->kind, refusal_name(answer.refusal.code), answer.refusal.detail);
    }
    if (answer.status == STATUS_OK && request->kind == LAUNCHER_START) {
        const struct guest *guest = launcher->guests;
        const int fds[VM_FD_COUNT] = {guest->qmp_fd, guest->memory_fd, guest->secrets_fd};

        tell(launcher, &answer, fds, ARRAY_SIZE(fds));
    } else {
        tell(launcher, &answer, NULL, 0);
    }
}

static void agent_read(struct launcher *launcher)
{
    struct launcher_request request;
    enum status status = channel_receive(launcher->agent.channel, &launcher->message);

    if (status == STATUS_BUSY) {
        return;
    }
    if (status == STATUS_OK) {
        status = launcher_request_parse(
            (struct view){launcher->message.data, launcher->message.size}, &request);
    }
    if (status == STATUS_OK) {
        request_answer(launcher, &request);
    } else {
        /* An agent that closes its channel or talks nonsense is of no use; the next may be. */
        if (status != STATUS_CLOSED) {
            log_event(LOG_WARNING, "agent-misbehaved", "status=\"%s\"", status_text(status));
        }
        (void)epoll_ctl(launcher->epoll_fd, EPOLL_CTL_DEL, launcher->agent.channel, NULL);
        agent_kill(&launcher->agent);
    }
    channel_message_close_fds(&launcher->message);
}

/* --- time --- */

static void agent_tick(struct launcher *launcher, uint64_t now)
{
    struct agent *agent = &launcher->agent;
    const char *step;

    if (agent->pidfd >= 0 || now < agent->restart_at_ms) {
        return;
    }
    if (agent_start(agent, now, &step) != STATUS_OK) {
        agent->restart_at_ms = now + AGENT_RESTART_MAX_MS;
        log_event(LOG_ERROR, "agent-not-started", "step=\"%s\" error=\"%s\"", step,
                  strerror(errno));
        return;
    }
    if (watch(launcher, agent->pidfd) != STATUS_OK ||
        watch(launcher, agent->channel) != STATUS_OK) {
        /* Its end would not be noticed. */
        agent_stop(agent, 0);
        agent->restart_at_ms = now + AGENT_RESTART_MAX_MS;
    }
}

static void set_timer(struct launcher *launcher)
{
    uint64_t next = launcher->agent.restart_at_ms;
    struct itimerspec when = {0};

    for (const struct guest *guest = launcher->guests; guest; guest = guest->next) {
        uint64_t fence = fence_next_ms(&guest->fence);

        next = fence < next ? fence : next;
    }
    if (next != UINT64_MAX) {
        /* Zero would disarm it. */
        when.it_value.tv_sec = (time_t)(next / 1000);
        when.it_value.tv_nsec = (long)(next % 1000) * 1000000 + 1;
    }
    ASSERT(timerfd_settime(launcher->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

/* Whatever woke us: deadlines come first. */
static void tick(struct launcher *launcher)
{
    uint64_t now = now_ms();

    for (struct guest *guest = launcher->guests; guest; guest = guest->next) {
        guest_enforce(launcher, guest, fence_tick(&guest->fence, now));
    }
    agent_tick(launcher, now);
    set_timer(launcher);
}

/* --- events --- */

static void on_signal(struct launcher *launcher)
{
    struct signalfd_siginfo info;

    if (read(launcher->signal_fd, &info, sizeof info) == (ssize_t)sizeof info &&
        info.ssi_signo != SIGCHLD) {
        log_event(LOG_NOTICE, "stopping", "signal=%u", info.ssi_signo);
        launcher->is_stopping = true;
    }
}

static void on_guest_event(struct launcher *launcher, int fd)
{
    struct guest *guest = launcher->guests;

    while (guest && fd != guest->process.pidfd && fd != guest->process.output &&
           fd != guest->witness_fd) {
        guest = guest->next;
    }
    if (!guest) {
        return;
    }
    if (fd == guest->process.pidfd) {
        guest_ended(launcher, guest);
    } else if (fd == guest->witness_fd) {
        guest_look(launcher, guest);
    } else {
        guest_read_output(guest);
    }
}

static void on_event(struct launcher *launcher, const struct epoll_event *event)
{
    int fd = event->data.fd;
    uint64_t count;

    if (fd == launcher->timer_fd) {
        ssize_t ignored = read(fd, &count, sizeof count);

        (void)ignored;
    } else if (fd == launcher->signal_fd) {
        on_signal(launcher);
    } else if (fd == launcher->agent.channel) {
        agent_read(launcher);
    } else if (fd == launcher->agent.pidfd) {
        (void)agent_collect(&launcher->agent, now_ms());
    } else {
        on_guest_event(launcher, fd);
        if (event->events & EPOLLHUP) {
            /* QEMU closed its end: nothing more to hear from there. */
            (void)epoll_ctl(launcher->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        }
    }
}

static enum status launcher_open(struct launcher *launcher)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return STATUS_IO;
    }
    launcher->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    launcher->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    launcher->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (launcher->epoll_fd < 0 || launcher->timer_fd < 0 || launcher->signal_fd < 0) {
        return STATUS_IO;
    }
    TRY(watch(launcher, launcher->timer_fd));
    TRY(watch(launcher, launcher->signal_fd));
    TRY(channel_message_new(&launcher->message));
    agent_init(&launcher->agent, &launcher->settings->agent);
    return STATUS_OK;
}

static void launcher_free(struct launcher *launcher)
{
    agent_stop(&launcher->agent, AGENT_PATIENCE_MS);
    while (launcher->guests) {
        guest_remove(launcher, launcher->guests);
    }
    channel_message_free(&launcher->message);
    (void)close(launcher->epoll_fd);
    (void)close(launcher->timer_fd);
    (void)close(launcher->signal_fd);
    free(launcher);
}
DEFINE_OWN_POINTER(launcher, launcher_free)

enum status launcher_run(const struct launcher_settings *settings,
                         const struct grant_verifier *verifier)
{
    OWN(launcher) struct launcher *launcher = calloc(1, sizeof *launcher);

    if (!launcher) {
        return STATUS_NO_MEMORY;
    }
    ASSERT(settings->guest_count_max <= GUESTS_MAX);
    launcher->settings = settings;
    launcher->verifier = verifier;
    launcher->epoll_fd = launcher->timer_fd = launcher->signal_fd = -1;
    agent_init(&launcher->agent, &settings->agent);
    TRY(launcher_open(launcher));
    tick(launcher);
    while (!launcher->is_stopping) {
        struct epoll_event event;
        /* One at a time: handling one may end what the next would be about. */
        int count = epoll_wait(launcher->epoll_fd, &event, 1, -1);

        if (count < 0 && errno != EINTR) {
            return STATUS_IO;
        }
        /* A flood of messages must not hold up a deadline. */
        tick(launcher);
        if (count == 1) {
            on_event(launcher, &event);
            tick(launcher);
        }
    }
    return STATUS_OK;
}
