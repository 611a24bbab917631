/*
 * What a machine's whole firmware log will be when it boots another image: from the log of one good
 * boot of that type of machine, with whatever kernel, and the image. Sans-I/O.
 *
 * An image cannot know the firmware's own events, and a boot that was learned cannot know the next
 * image. So each gives what it knows. Up to "Calling EFI Application from Boot Option" everything
 * is the firmware's. After it, these events of the learned log belong to what was booted then, and
 * are replaced: all of PCR 4 but separators, the authorities of PCR 7, what a boot loader tagged in
 * PCR 5, and all of PCR 8 and above. In the place of the first application come the image's events
 * (uki.h), and before them, under Secure Boot, its authority, computed from the learned db; the
 * firmware measures an authority once. The separators, the partition table and the end of boot
 * services stay.
 */
#ifndef TCCP_PREDICT_BOOT_H
#define TCCP_PREDICT_BOOT_H

#include "lib/predict/prediction.h"

/*
 * The prediction has every event of that boot but EV_NO_ACTION. Refusals: those of
 * event_log_open() and event_log_next(), of uki_predict() and authenticode_authority();
 * REFUSAL_EVENT_MISSING when the log shows no application started from a boot option;
 * REFUSAL_EVENT_UNEXPECTED when one returned, so that it was no straight boot;
 * REFUSAL_SECURE_BOOT when PCR 7 does not tell the state, or the firmware measures authorities in
 * another way.
 */
WARN_UNUSED enum status boot_predict(struct view good_log, struct view image,
                                     struct prediction *ret_prediction,
                                     struct refusal *ret_refusal);

#endif
