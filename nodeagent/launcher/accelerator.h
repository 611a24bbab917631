/*
 * KVM or TCG. A /dev/kvm that opens proves nothing: a host that is a guest itself may offer one
 * that runs only modified guests and hangs an ordinary kernel.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_ACCELERATOR_H
#define TCCP_NODEAGENT_LAUNCHER_ACCELERATOR_H

#include "nodeagent/launcher/command.h"

/* What was seen of the host. */
struct accelerator_evidence {
    bool cpu_virtualizes; /* CPUID shows VMX or SVM */
    bool has_kvm_pvm;     /* the module for modified guests owns /dev/kvm */
    bool kvm_opens;
};

enum accelerator_choice { ACCELERATOR_AUTO, ACCELERATOR_CHOOSE_TCG, ACCELERATOR_CHOOSE_KVM };

/* "auto", "tcg" or "kvm". */
WARN_UNUSED enum status accelerator_choice_of_name(const char *text,
                                                   enum accelerator_choice *ret_choice);
void accelerator_look(struct accelerator_evidence *ret_evidence);
/* PURE. KVM by itself only where all of it speaks for it; whoever asks for KVM gets it. */
enum accelerator accelerator_decide(enum accelerator_choice choice,
                                    const struct accelerator_evidence *evidence);

#endif
