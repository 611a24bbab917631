#include "tcd/boot_record.h"

struct boot_counters counters_of_boot(const struct boot_state *boot)
{
    return (struct boot_counters){
        .reset_count = boot->reset_count,
        .restart_count = boot->restart_count,
        .clock_ms = boot->clock_ms,
    };
}

struct appraisal_progress progress_of_boot(const struct boot_state *boot)
{
    return (struct appraisal_progress){
        .ima_count = boot->ima.count,
        .ima_aggregate = boot->ima.aggregate,
        .boot_pcrs = boot->boot_pcrs,
        .references = boot->references,
    };
}

struct boot_state boot_of_registration(const struct registration *registration)
{
    const struct appraisal_progress *progress = &registration->progress;

    return (struct boot_state){
        .reset_count = registration->boot.reset_count,
        .restart_count = registration->boot.restart_count,
        .clock_ms = registration->boot.clock_ms,
        .firmware = registration->firmware_version,
        .ima = {.count = progress->ima_count, .aggregate = progress->ima_aggregate},
        .boot_pcrs = progress->boot_pcrs,
        .references = progress->references,
    };
}
