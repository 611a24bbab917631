/*
 * usage: cluster REPLICAS FIRST LAST [--break RULE] [-v]
 *
 * With -v it says what is committed and what happens to copies.
 *
 * Runs the seeds FIRST to LAST, those first that failed before (tests/simulation/seeds). Without
 * arguments: what `make check` runs. A seed that fails is printed and kept.
 */
#include "tests/simulation/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;

static void keep(unsigned replicas, uint64_t seed)
{
    const char *top = getenv("TOP_SRCDIR");
    char path[1024];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/tests/simulation/seeds", top ? top : ".");
    file = fopen(path, "a");
    if (file) {
        (void)fprintf(file, "%u %llu\n", replicas, (unsigned long long)seed);
        (void)fclose(file);
    }
}

static bool passes(unsigned replicas, uint64_t seed, struct broken broken, bool verbose)
{
    const bool trace = verbose;
    bool good = world_run(&world, seed, replicas, broken, trace);

    if (!good) {
        printf("# %u replicas, seed %llu: %s\n", replicas, (unsigned long long)seed, world.failure);
    }
    if (verbose) {
        printf("# seed %llu: %llu revisions, %llu refused, %llu repeated, %llu releases, "
               "%llu migrations, %llu reverts, %llu restarts, %llu readoptions, "
               "%llu withdrawals, %llu evacuations\n",
               (unsigned long long)seed, (unsigned long long)world.oracle.history_count,
               (unsigned long long)world.oracle.refusals, (unsigned long long)world.oracle.repeats,
               (unsigned long long)world.oracle.releases,
               (unsigned long long)world.oracle.migrations,
               (unsigned long long)world.oracle.reverts, (unsigned long long)world.oracle.restarts,
               (unsigned long long)world.oracle.readoptions,
               (unsigned long long)world.oracle.withdrawals,
               (unsigned long long)world.oracle.evacuations);
    }
    return good;
}

static bool run_range(unsigned replicas, uint64_t first, uint64_t last, bool verbose)
{
    unsigned failures = 0;

    for (uint64_t seed = first; seed <= last; seed++) {
        if (!passes(replicas, seed, (struct broken){0}, verbose)) {
            keep(replicas, seed);
            failures++;
        }
    }
    return failures == 0;
}

static bool run_kept(unsigned replicas)
{
    const char *top = getenv("TOP_SRCDIR");
    char path[1024], line[256];
    bool good = true;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/tests/simulation/seeds", top ? top : ".");
    file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        unsigned of;
        unsigned long long seed;

        if (sscanf(line, "%u %llu", &of, &seed) == 2 && of == replicas) {
            good = passes(replicas, seed, (struct broken){0}, false) && good;
        }
    }
    if (file) {
        (void)fclose(file);
    }
    return good;
}

static bool set_broken(struct broken *broken, const char *rule)
{
    if (strcmp(rule, "a") == 0) {
        broken->generations = true;
    } else if (strcmp(rule, "b") == 0) {
        broken->local_resume = true;
    } else if (strcmp(rule, "c") == 0) {
        broken->early_destroy = true;
    } else if (strcmp(rule, "e") == 0) {
        broken->no_deadline = true;
    } else if (strcmp(rule, "pause") == 0) {
        broken->no_pause = true;
    } else if (strcmp(rule, "once") == 0) {
        broken->executes_again = true;
    } else {
        return false;
    }
    return true;
}

/* A simulation that never finds anything proves nothing. */
static bool finds(unsigned replicas, const char *rule, uint64_t seeds)
{
    struct broken broken = {0};

    if (!set_broken(&broken, rule)) {
        return false;
    }
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        if (!world_run(&world, seed, replicas, broken, false)) {
            printf("# without rule %s, seed %llu: %s\n", rule, (unsigned long long)seed,
                   world.failure);
            return true;
        }
    }
    return false;
}

static void say(unsigned number, bool good, const char *claim)
{
    printf("%s %u - %s\n", good ? "ok" : "not ok", number, claim);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    unsigned replicas = CHECK_REPLICAS;
    bool verbose = argc > 1 && strcmp(argv[argc - 1], "-v") == 0;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 4) {
        replicas = (unsigned)strtoul(argv[1], NULL, 10);
        if (argc >= 6 && strcmp(argv[4], "--break") == 0) {
            printf("1..1\n");
            say(1, finds(replicas, argv[5], strtoull(argv[3], NULL, 10)), "the_fault_is_found");
            return 0;
        }
        printf("1..1\n");
        say(1,
            run_range(replicas, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), verbose),
            "no_seed_violates_an_invariant");
        return 0;
    }
    printf("1..8\n");
    say(1, run_kept(replicas), "seeds_that_failed_before_hold");
    say(2, run_range(replicas, CHECK_FIRST, CHECK_LAST, false), "no_seed_violates_an_invariant");
    say(3, finds(replicas, "a", 400), "a_launcher_without_generations_is_found");
    say(4, finds(replicas, "b", 400), "a_source_that_resumes_by_itself_is_found");
    say(5, finds(replicas, "c", 400), "a_losing_copy_destroyed_too_early_is_found");
    say(6, finds(replicas, "e", 400), "a_launcher_without_deadlines_is_found");
    say(7, finds(replicas, "pause", 400), "a_launcher_that_heeds_no_pause_is_found");
    say(8, finds(replicas, "once", 400), "a_request_executed_twice_is_found");
    return 0;
}
