/*
 * What a unified kernel image adds to the event log when it boots, from its bytes alone. Pure.
 *
 * The image is one of systemd-stub 252 (Debian 12) around an x86-64 kernel whose EFI stub measures
 * its load options and its initrd (6.1 of Debian 12); other stubs measure other things and are
 * refused. In the order of the boot:
 *
 *     PCR 4   the image, by the firmware
 *     PCR 11  .linux .osrel .cmdline .initrd .splash .dtb .pcrpkey, those that there are: the name
 *             with its NUL, then the contents, by systemd-stub
 *     PCR 4   the kernel, by the firmware; under Secure Boot systemd-stub keeps the firmware from
 * it PCR 9   the load options: .cmdline in UTF-16 with its NUL, control characters made blanks,
 *             blanks at the end cut off; then the initrd: .initrd and, where the image has a
 *             .pcrsig or .pcrpkey, the archives that systemd-stub puts these into; by the kernel
 *
 * This is a good boot: the boot entry has no options of its own, so that nothing goes into PCR 12
 * and an image without .cmdline has no load options, and the ESP no credentials or system
 * extensions beside the image. What userspace may extend into PCR 11 later (systemd-pcrphase) is in
 * no firmware log.
 */
#ifndef TCCP_PREDICT_UKI_H
#define TCCP_PREDICT_UKI_H

#include "lib/predict/pe_image.h"
#include "lib/predict/prediction.h"

enum { UKI_COMMAND_LINE_SIZE_MAX = 4096 }; /* bytes of .cmdline */

/* Refused: REFUSAL_MALFORMED and REFUSAL_TOO_LARGE of pe_image_parse(); REFUSAL_NOT_PREDICTABLE,
 * which says why: no unified kernel image, another systemd-stub, a kernel that does not measure, an
 * initrd that would be loaded without being measured. */
WARN_UNUSED enum status uki_predict(struct view image, bool secure_boot,
                                    struct prediction *ret_prediction, struct refusal *ret_refusal);

/* The section .initrd, in place; empty where there is none. Refused as above. */
WARN_UNUSED enum status uki_initrd(struct view image, struct view *ret_initrd,
                                   struct refusal *ret_refusal);

#endif
