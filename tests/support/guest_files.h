/* The demo guest for tests: its images, sealed, with their keys, in a folder of their own. */
#ifndef TCCP_TESTS_SUPPORT_GUEST_FILES_H
#define TCCP_TESTS_SUPPORT_GUEST_FILES_H

#include "nodeagent/vm.h"

/* What all tests of a program share: the guest, its images and keys, in a folder of their own. */
struct guest_files {
    char folder[64];
    char base[96], overlay[96];
    int kernel_fd, initrd_fd, base_fd;
    struct bytes command_line;
    struct vm_keys keys;
};
/* Builds the guest if it is not there, seals its disk. Tests skip without root. */
void guest_files_open(struct guest_files *files);
void guest_files_close(struct guest_files *files);
/* A fresh overlay for each test. */
void guest_files_renew_overlay(struct guest_files *files);
int guest_files_open_overlay(const struct guest_files *files);

#endif
