#include "nodeagent/launcher/supervisor.h"

#include "nodeagent/launcher/agent_config.h"
#include "nodeagent/launcher/sandbox.h"

#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The agent gets its descriptors under fixed numbers; on their way there they stay clear of them.
 */
enum { CHANNEL_FD = 3, CONFIG_FD = 4, ASIDE_FD = 16, EXIT_BEFORE_EXEC = 127 };

void agent_init(struct agent *agent, const struct agent_settings *settings)
{
    *agent = (struct agent){
        .settings = settings,
        .pidfd = -1,
        .channel = -1,
        .restart_at_ms = 0,
        .delay_ms = AGENT_RESTART_MIN_MS,
    };
}

/* Only those two and the standard three remain. config: -1 where there is none. */
static const char *arrange_descriptors(int end, int config)
{
    int last = config < 0 ? CHANNEL_FD : CONFIG_FD;

    if ((end = fcntl(end, F_DUPFD, ASIDE_FD)) < 0 ||
        (config >= 0 && (config = fcntl(config, F_DUPFD, ASIDE_FD)) < 0) ||
        dup2(end, CHANNEL_FD) < 0 || (config >= 0 && dup2(config, CONFIG_FD) < 0) ||
        syscall(SYS_close_range, last + 1, ~0U, 0) != 0) {
        return "descriptors";
    }
    return NULL;
}

static const char *arrange_environment(const struct agent_settings *settings)
{
    char channel[32], config[32];

    (void)snprintf(channel, sizeof channel, "%d", CHANNEL_FD);
    (void)snprintf(config, sizeof config, "%d", CONFIG_FD);
    if (setenv(CHANNEL_ENVIRONMENT, channel, 1) != 0 ||
        (settings->config_path &&
         (setenv(AGENT_CONFIG_FD_ENVIRONMENT, config, 1) != 0 ||
          setenv(AGENT_CONFIG_PATH_ENVIRONMENT, settings->config_path, 1) != 0))) {
        return "environment";
    }
    return NULL;
}

/* None is -1; errno stays. */
static void fd_close(int fd)
{
    int error = errno;

    if (fd >= 0) {
        (void)close(fd);
    }
    errno = error;
}

_Noreturn static void child_run(const struct agent_settings *settings, int end, int config)
{
    sigset_t none;
    const char *failed = NULL;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (settings->network_fd >= 0 && setns(settings->network_fd, CLONE_NEWNET) != 0) {
        failed = "network namespace";
    } else if (!(failed = arrange_environment(settings)) && settings->changes_user) {
        failed = sandbox_drop_privileges(settings->uid, settings->gid, settings->groups,
                                         settings->group_count);
    }
    if (!failed && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        failed = "no_new_privs";
    }
    if (!failed && !(failed = sandbox_end_with_launcher(end)) &&
        !(failed = arrange_descriptors(end, config))) {
        (void)execv(settings->arguments[0], settings->arguments);
        failed = "exec of the agent";
    }
    (void)dprintf(STDERR_FILENO, "agent: %s: %s\n", failed, strerror(errno));
    _exit(EXIT_BEFORE_EXEC);
}

enum status agent_start(struct agent *agent, uint64_t now_ms, const char **ret_step)
{
    const char *config_path = agent->settings->config_path;
    int ends[2], config = -1, pidfd = -1;
    long pid;

    ASSERT(agent->pidfd < 0 && agent->channel < 0);
    *ret_step = config_path;
    if (config_path) {
        TRY(agent_config_seal(config_path, &config));
    }
    *ret_step = "process";
    if (channel_pair(ends) != STATUS_OK) {
        fd_close(config);
        return STATUS_IO;
    }
    pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
    if (pid == 0) {
        (void)close(ends[0]);
        child_run(agent->settings, ends[1], config);
    }
    fd_close(ends[1]);
    fd_close(config);
    if (pid < 0) {
        fd_close(ends[0]);
        return STATUS_IO;
    }
    agent->pid = (pid_t)pid;
    agent->pidfd = pidfd;
    agent->channel = ends[0];
    agent->started_ms = now_ms;
    agent->restart_at_ms = UINT64_MAX;
    log_event(LOG_NOTICE, "agent-started", "pid=%d", (int)pid);
    return STATUS_OK;
}

bool agent_collect(struct agent *agent, uint64_t now_ms)
{
    siginfo_t info = {0};

    if (agent->pidfd < 0 || waitid(P_PIDFD, (id_t)agent->pidfd, &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0) {
        return false;
    }
    (void)close(agent->pidfd);
    (void)close(agent->channel);
    agent->pidfd = agent->channel = -1;
    if (now_ms - agent->started_ms >= AGENT_STEADY_MS) {
        agent->delay_ms = AGENT_RESTART_MIN_MS;
    }
    agent->restart_at_ms = now_ms + agent->delay_ms;
    log_event(LOG_WARNING, "agent-ended", "%s=%d restart_in_ms=%u",
              info.si_code == CLD_EXITED ? "status" : "signal", info.si_status, agent->delay_ms);
    agent->delay_ms *= 2;
    if (agent->delay_ms > AGENT_RESTART_MAX_MS) {
        agent->delay_ms = AGENT_RESTART_MAX_MS;
    }
    return true;
}

void agent_kill(struct agent *agent)
{
    if (agent->pidfd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, agent->pidfd, SIGKILL, NULL, 0);
    }
}

void agent_stop(struct agent *agent, unsigned patience_ms)
{
    struct pollfd end = {.fd = agent->pidfd, .events = POLLIN};

    if (agent->pidfd < 0) {
        return;
    }
    (void)syscall(SYS_pidfd_send_signal, agent->pidfd, SIGTERM, NULL, 0);
    if (poll(&end, 1, (int)patience_ms) != 1) {
        agent_kill(agent);
    }
    (void)waitid(P_PIDFD, (id_t)agent->pidfd, NULL, WEXITED);
    (void)close(agent->pidfd);
    (void)close(agent->channel);
    agent->pidfd = agent->channel = -1;
}
