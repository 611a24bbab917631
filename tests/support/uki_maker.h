/*
 * Unified kernel images made as Debian's users make them: systemd-stub, a kernel, objcopy, sbsign.
 * Whatever goes wrong fails the test.
 */
#ifndef TCCP_TESTS_SUPPORT_UKI_MAKER_H
#define TCCP_TESTS_SUPPORT_UKI_MAKER_H

#include "lib/base/bytes.h"

struct uki_maker {
    char folder[64];
    struct bytes kernel; /* Debian's cloud kernel */
};

struct uki_part {
    const char *section; /* ".cmdline" and so on */
    uint32_t address;    /* in memory, above the stub's sections; .linux is at UKI_LINUX_ADDRESS */
    struct view content;
};
#define UKI_LINUX_ADDRESS 0x2000000u

/* Builds the demo guest if its kernel is not there yet. */
void uki_maker_open(struct uki_maker *maker);
void uki_maker_close(struct uki_maker *maker);
/* Debian's stub, the parts, and the kernel in .linux. The caller frees it. */
struct bytes uki_make(const struct uki_maker *maker, const struct uki_part *parts, size_t count);
/* Signed with the key and certificate (PEM files), beside the signatures that are there. */
struct bytes uki_sign(const struct uki_maker *maker, struct view image, const char *key,
                      const char *certificate);
/* A key pair of its own: FOLDER/NAME.key, FOLDER/NAME.pem, and the certificate in DER. */
struct bytes uki_key_make(const struct uki_maker *maker, const char *name);
/* A key pair whose certificate, which has expired, was issued by that of uki_key_make(ISSUER). */
struct bytes uki_key_issue(const struct uki_maker *maker, const char *issuer, const char *name);
/* The key of OVMF's snakeoil variables, without its passphrase: FOLDER/snakeoil.key, .pem. */
struct bytes uki_snakeoil_key(const struct uki_maker *maker);

#endif
