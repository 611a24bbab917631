# Processes that a script starts, finds again and ends: for quickstart and for the system tests. Sourced by bash.
#
# Set $run, an absolute folder: it holds NAME.pid and NAME.log of each process. Every process gets a session of its own,
# so that its children are found with it; "PID START" in the pid file names it for good, however pids are reused.
#
#   process_start NAME COMMAND...   starts it in the background
#   process_alive NAME              whether it runs
#   process_pid NAME                prints its pid
#   pid_alive PID                   whether it exists and is no zombie
#   process_signal NAME SIGNAL      -KILL, -STOP, -CONT ...: to the process alone
#   process_end NAME [SECONDS]      TERM, then KILL to what is left of its session; forgets it
#   processes_end                   all of them, at once
#   processes                       prints their names
#   wait_until SECONDS COMMAND...   runs the command until it succeeds; fails when the time is up
#   free_ports COUNT                prints so many TCP ports of the loopback on which nobody listens
# shellcheck shell=bash disable=SC2154  # run is the caller's

process_end_s=5

# Field of /proc/PID/stat, counted after the name, which may hold anything. 1: state, 4: session, 20: start time.
process_field()
{
    local stat fields

    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    printf '%s' "${fields[$2 - 1]}"
}

pid_alive()
{
    local state

    state=$(process_field "$1" 1) && [ "$state" != Z ]
}

process_start()
{
    local name=$1 pid try

    shift
    mkdir -p "$run"
    if process_alive "$name"; then
        printf '%s runs already\n' "$name" >&2
        return 1
    fi
    # setsid in a background job of a script does not fork: $! is the process. Descriptor 3 belongs to bats.
    setsid "$@" </dev/null >>"$run/$name.log" 2>&1 3>&- &
    pid=$!
    # The shell is not to say anything when it ends.
    disown "$pid"
    printf '%s %s\n' "$pid" "$(process_field "$pid" 20)" >"$run/$name.pid"
    for ((try = 0; try < 100; try++)); do
        # Until then a signal to its session would miss it.
        [ "$(process_field "$pid" 4)" != "$pid" ] || return 0
        [ -e "/proc/$pid" ] || break
        sleep 0.01
    done
}

process_pid()
{
    local pid start

    read -r pid start 2>/dev/null <"$run/$1.pid" || return 1
    [ -n "$start" ] && [ "$(process_field "$pid" 20)" = "$start" ] && pid_alive "$pid" || return 1
    printf '%s' "$pid"
}

process_alive()
{
    process_pid "$1" >/dev/null 2>&1
}

process_signal()
{
    local pid

    pid=$(process_pid "$1") || return 1
    kill "$2" "$pid"
}

processes()
{
    local file

    for file in "$run"/*.pid; do
        [ ! -f "$file" ] || basename "$file" .pid
    done
}

# Living processes of the session that a process began, itself included. Also when it died before its children did:
# a session's number is not given to another process as long as anybody is in it.
process_session()
{
    local leader start

    read -r leader start 2>/dev/null <"$run/$1.pid" || return 0
    # The pid is somebody else's now.
    [ ! -e "/proc/$leader" ] || [ "$(process_field "$leader" 20)" = "$start" ] || return 0
    # Not by looking through /proc here: bats makes each command of bash slow.
    ps -o pid=,stat= -s "$leader" | awk '$2 !~ /^Z/ { print $1 }'
}

sessions_are_empty()
{
    local name

    for name in "$@"; do
        [ -z "$(process_session "$name")" ] || return 1
    done
}

sessions_end()
{
    local limit=$1 name pid

    shift
    for name in "$@"; do
        process_signal "$name" -TERM 2>/dev/null || true
        # One that was stopped would not hear it.
        process_signal "$name" -CONT 2>/dev/null || true
    done
    if ! wait_until "$limit" sessions_are_empty "$@"; then
        for name in "$@"; do
            for pid in $(process_session "$name"); do
                kill -KILL "$pid" 2>/dev/null || true
            done
        done
        wait_until 5 sessions_are_empty "$@" || return 1
    fi
    for name in "$@"; do
        rm -f "$run/$name.pid"
    done
}

process_end()
{
    sessions_end "${2:-$process_end_s}" "$1"
}

processes_end()
{
    local names

    mapfile -t names < <(processes)
    [ ${#names[@]} = 0 ] || sessions_end "$process_end_s" "${names[@]}"
}

wait_until()
{
    local deadline

    deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@"; do
        [ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# Below the range from which the kernel takes ports for outgoing connections.
free_ports()
{
    local count=$1 port listening tries=0

    listening=$(ss -Htln | awk '{ sub(/.*:/, "", $4); print $4 }')
    while [ "$count" -gt 0 ] && [ $tries -lt 1000 ]; do
        tries=$((tries + 1))
        port=$((15000 + (RANDOM * 32768 + RANDOM) % 15000))
        if ! grep -qx "$port" <<<"$listening"; then
            printf '%s\n' "$port"
            listening+=$'\n'$port
            count=$((count - 1))
        fi
    done
    [ "$count" = 0 ]
}
