#include "tcd/core/rests.h"

#include "tcd/core/nodes.h"
#include "tcd/core/vms.h"

bool rests_is_stale(enum refusal_code verdict)
{
    return verdict == REFUSAL_STALE_VERSION || verdict == REFUSAL_REGISTRATION ||
           verdict == REFUSAL_GENERATION;
}

static enum refusal_code moved(struct registry *registry, const char *what, uint64_t rested_on,
                               uint64_t now)
{
    return state_refuse(registry, REFUSAL_STALE_VERSION, "%s %llu, rested on %llu", what,
                        (unsigned long long)now, (unsigned long long)rested_on);
}

static enum refusal_code check_perimeter(struct registry *registry, const struct rests *rests,
                                         unsigned which)
{
    const struct perimeter *perimeter = &registry->perimeter;

    if ((which & RESTS_MANIFEST) && rests->manifest_version != perimeter->manifest_version) {
        return moved(registry, "manifest", rests->manifest_version, perimeter->manifest_version);
    }
    if ((which & RESTS_SUCCESSION) && rests->succession != perimeter->succession_count) {
        return moved(registry, "succession", rests->succession, perimeter->succession_count);
    }
    if ((which & RESTS_EPOCH) && rests->epoch != perimeter->epoch) {
        return moved(registry, "epoch", rests->epoch, perimeter->epoch);
    }
    return REFUSAL_NONE;
}

static enum refusal_code check_registration(struct registry *registry, const struct node *node,
                                            uint64_t registration)
{
    if (!node) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "registration %llu was replaced",
                            (unsigned long long)registration);
    }
    return REFUSAL_NONE;
}

static enum refusal_code check_policy(struct registry *registry, const struct digest *rested_on,
                                      const struct digest *now)
{
    return digest_equal(rested_on, now)
               ? REFUSAL_NONE
               : state_refuse(registry, REFUSAL_STALE_VERSION, "the appraisal policy has changed");
}

/* The policy that must be met before there is a registration. NULL: unknown host, which the kind
 * itself refuses. */
static const struct digest *policy_of_newcomer(const struct registry *registry,
                                               const struct command *command)
{
    const struct node *node;

    if (command->kind == COMMAND_MEMBER_JOINED) {
        return &registry->perimeter.member_policy;
    }
    node = registry_node_by_ek(registry, tpm_name_view(&command->node_registered.ek_name));
    return node ? &node->policy : NULL;
}

static enum refusal_code check_own(struct registry *registry, const struct command *command,
                                   unsigned which)
{
    const struct rests *rests = &command->rests;
    const struct node *node;
    enum refusal_code verdict = REFUSAL_NONE;

    if ((which & RESTS_REGISTRATION) == 0) {
        const struct digest *policy =
            (which & RESTS_POLICY) ? policy_of_newcomer(registry, command) : NULL;

        return policy ? check_policy(registry, &rests->policy, policy) : REFUSAL_NONE;
    }
    node = node_find_registration(registry, rests->registration);
    verdict = check_registration(registry, node, rests->registration);
    if (verdict == REFUSAL_NONE && (which & RESTS_RENEWAL) &&
        rests->renewal != node->registration.renewal) {
        verdict = moved(registry, "renewal", rests->renewal, node->registration.renewal);
    }
    if (verdict == REFUSAL_NONE && (which & RESTS_POLICY)) {
        verdict = check_policy(registry, &rests->policy, &node->policy);
    }
    return verdict;
}

static enum refusal_code check_peer(struct registry *registry, const struct rests *rests,
                                    unsigned which)
{
    const struct node *node;
    enum refusal_code verdict;

    if ((which & RESTS_PEER_REGISTRATION) == 0) {
        return REFUSAL_NONE;
    }
    node = node_find_registration(registry, rests->peer_registration);
    verdict = check_registration(registry, node, rests->peer_registration);
    if (verdict == REFUSAL_NONE && (which & RESTS_PEER_RENEWAL) &&
        rests->peer_renewal != node->registration.renewal) {
        verdict = moved(registry, "the destination's renewal", rests->peer_renewal,
                        node->registration.renewal);
    }
    if (verdict == REFUSAL_NONE && (which & RESTS_PEER_POLICY)) {
        verdict = check_policy(registry, &rests->peer_policy, &node->policy);
    }
    return verdict;
}

enum refusal_code rests_check(struct registry *registry, const struct command *command)
{
    unsigned which = command_kind_rests(command->kind);
    enum refusal_code verdict = check_perimeter(registry, &command->rests, which);

    if (verdict == REFUSAL_NONE && (which & RESTS_GENERATION)) {
        const struct vm *vm = vm_of_command(registry, command);

        if (command->rests.generation != vm->generation) {
            return state_refuse(registry, REFUSAL_GENERATION, "generation %llu, rested on %llu",
                                (unsigned long long)vm->generation,
                                (unsigned long long)command->rests.generation);
        }
    }
    if (verdict == REFUSAL_NONE) {
        verdict = check_own(registry, command, which);
    }
    return verdict == REFUSAL_NONE ? check_peer(registry, &command->rests, which) : verdict;
}

void registry_rest(const struct registry *registry, struct rests *rests)
{
    rests->manifest_version = registry->perimeter.manifest_version;
    rests->succession = registry->perimeter.succession_count;
    rests->epoch = registry->perimeter.epoch;
}

void registry_rest_on_node(const struct node *node, struct rests *rests)
{
    rests->registration = node->registration.id;
    rests->renewal = node->registration.renewal;
    rests->policy = node->policy;
}

void registry_rest_on_peer(const struct node *node, struct rests *rests)
{
    rests->peer_registration = node->registration.id;
    rests->peer_renewal = node->registration.renewal;
    rests->peer_policy = node->policy;
}
