#include "nodeagent/launcher/accelerator.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum status accelerator_choice_of_name(const char *text, enum accelerator_choice *ret_choice)
{
    static const char *const names[] = {"auto", "tcg", "kvm"};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_choice = (enum accelerator_choice)i;
            return STATUS_OK;
        }
    }
    return STATUS_MALFORMED;
}

static bool cpu_virtualizes(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    return (__get_cpuid(1, &a, &b, &c, &d) && (c & (1U << 5))) ||
           (__get_cpuid(0x80000001, &a, &b, &c, &d) && (c & (1U << 2)));
#else
    return false;
#endif
}

void accelerator_look(struct accelerator_evidence *ret_evidence)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    ret_evidence->cpu_virtualizes = cpu_virtualizes();
    ret_evidence->has_kvm_pvm = access("/sys/module/kvm_pvm", F_OK) == 0;
    ret_evidence->kvm_opens = fd >= 0;
    if (fd >= 0) {
        (void)close(fd);
    }
}

enum accelerator accelerator_decide(enum accelerator_choice choice,
                                    const struct accelerator_evidence *evidence)
{
    switch (choice) {
    case ACCELERATOR_CHOOSE_TCG:
        return ACCELERATOR_TCG;
    case ACCELERATOR_CHOOSE_KVM:
        return ACCELERATOR_KVM;
    case ACCELERATOR_AUTO:
        break;
    }
    return evidence->cpu_virtualizes && !evidence->has_kvm_pvm && evidence->kvm_opens
               ? ACCELERATOR_KVM
               : ACCELERATOR_TCG;
}
