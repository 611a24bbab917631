#!/usr/bin/env bats
# Wall clocks of members that jump while nodes hold leases: these are counted by clocks that do not.
# The tests of this file build on each other: one perimeter lives through all of them.

year_s=31622400

load_support() {
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    perimeter_lease=5s
}

setup_file() {
    local name

    load_support
    perimeter_begin
    perimeter_make 3 1
    for name in $(perimeter_names member); do
        LD_PRELOAD=$TOP_BUILDDIR/tests/support/wall_clock.so TEST_WALL_CLOCK=$perimeter/$name/clock \
            perimeter_start "$name"
    done
    perimeter_bootstrap
    perimeter_enroll
    perimeter_start n1
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
    eventually 15 n1 tc1 -- node_is n1 live
}

teardown_file() {
    load_support
    perimeter_finish
}

setup() {
    load_support
}

# A member that has jumped takes the others' certificates for expired: it is asked over its own machine's socket.
node_at() {
    perimeter_local_json "$1" "$2" node get n1
}

# jump MEMBER SECONDS: from now on its wall clock is so far off.
jump() {
    printf '%s' "$2" >"$perimeter/$1/clock.new"
    mv "$perimeter/$1/clock.new" "$perimeter/$1/clock"
    has_jumped() {
        [[ $(perimeter_local_json "$1" .now cluster status) == "$(date -u -d "$2 seconds" +%Y)"-* ]]
    }
    eventually 5 "$1" -- has_jumped "$1" "$2"
}

renewed_at() {
    local renewal

    renewal=$(node_at "$1" .renewal)
    [ -n "$renewal" ] && [ "$renewal" -ge "$2" ]
}

# With a third of the lease between them, four renewals are longer than a lease.
lease_goes_on() {
    local name=$1 registration=$2 renewal

    renewal=$(node_at "$name" .renewal)
    eventually 30 n1 tc1 tc2 tc3 -- renewed_at "$name" $((renewal + 4)) || {
        perimeter_local "$name" node get n1 --timeout 5s
        perimeter_local "$name" cluster status --timeout 5s
        return 1
    }
    [ "$(node_at "$name" '"\(.state) \(.registration)"')" = "live $registration" ]
    refute perimeter_logged n1 registration-lost
}

@test "a leader whose wall clock jumps a year costs no lease, forwards or back, and expires nothing" {
    local old registration off

    old=$(leader)
    registration=$(node_at "$old" .registration)
    for off in $year_s -$year_s 0; do
        jump "$old" "$off"
        lease_goes_on "$old" "$registration"
    done
    [ "$(leader)" = "$old" ]
    [ "$(perimeter_local_json "$old" .manifest_expired cluster status)" = false ]
    perimeter_step perimeter_ctl audit note "after the jumps" --wait --timeout 10s
    eventually 10 tc1 tc2 tc3 -- digests_agree
}

@test "all members' wall clocks jump a year: no lease is lost, and what was decided then keeps its order" {
    local old registration name

    old=$(leader)
    registration=$(node_at "$old" .registration)
    for name in $(perimeter_names member); do
        jump "$name" $year_s
    done
    lease_goes_on "$old" "$registration"
    for name in $(perimeter_names member); do
        jump "$name" 0
    done
    lease_goes_on "$old" "$registration"
    eventually 10 tc1 tc2 tc3 -- digests_agree
}
