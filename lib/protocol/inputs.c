#include "lib/protocol/inputs.h"

#include "lib/base/merkle.h"
#include "lib/crypto/kdf.h"

struct digest key_pair_digest(const struct scope *scope, struct key_pair_view keys)
{
    struct canonical input = canonical_begin("tccp-key-pair", scope);

    canonical_field(&input, keys.sign);
    canonical_field(&input, keys.kem);
    return canonical_hash(&input);
}

static void add_channel(struct canonical *input, const struct channel *channel)
{
    canonical_digest(input, &channel->server_certificate);
    canonical_field(input, VIEW_OF_ARRAY(channel->exporter));
}

struct digest challenge_leaf(const struct scope *scope, const struct challenge_nonces *nonces,
                             struct key_pair_view coordinator_keys, const struct channel *channel)
{
    struct digest keys = key_pair_digest(scope, coordinator_keys);
    struct canonical input = canonical_begin("tccp-tc-challenge", scope);
    struct digest hash;

    canonical_field(&input, VIEW_OF_ARRAY(nonces->host));
    canonical_field(&input, VIEW_OF_ARRAY(nonces->coordinator));
    canonical_digest(&input, &keys);
    add_channel(&input, channel);
    hash = canonical_hash(&input);
    return merkle_leaf_hash(digest_view(&hash));
}

struct digest coordinator_qualifying(const struct scope *scope, const struct digest *root)
{
    struct canonical input = canonical_begin("tccp-tc-evidence", scope);

    canonical_digest(&input, root);
    return canonical_hash(&input);
}

struct digest host_qualifying(const struct scope *scope, enum attester_role role,
                              const struct challenge_nonces *nonces, struct view ek_name,
                              struct view ak_name, struct key_pair_view trusted_key,
                              const struct channel *channel)
{
    struct digest keys = key_pair_digest(scope, trusted_key);
    struct canonical input = canonical_begin(
        role == ATTESTER_MEMBER ? "tccp-member-evidence" : "tccp-node-evidence", scope);

    canonical_field(&input, VIEW_OF_ARRAY(nonces->coordinator));
    canonical_field(&input, VIEW_OF_ARRAY(nonces->host));
    canonical_field(&input, ek_name);
    canonical_field(&input, ak_name);
    canonical_digest(&input, &keys);
    add_channel(&input, channel);
    return canonical_hash(&input);
}

struct digest registration_transcript(const struct scope *scope, struct view hello,
                                      struct view challenge, const struct channel *channel)
{
    struct digest hello_hash = sha256(hello), challenge_hash = sha256(challenge);
    struct canonical input = canonical_begin("tccp-registration-transcript", scope);

    canonical_digest(&input, &hello_hash);
    canonical_digest(&input, &challenge_hash);
    add_channel(&input, channel);
    return canonical_hash(&input);
}

struct digest evidence_digest(const struct scope *scope, const struct evidence_view *evidence)
{
    struct digest event_log = sha256(evidence->event_log), ima_log = sha256(evidence->ima_log);
    struct canonical input = canonical_begin("tccp-evidence", scope);

    canonical_field(&input, evidence->quote);
    canonical_field(&input, evidence->signature);
    canonical_field(&input, evidence->pcr_values);
    canonical_digest(&input, &event_log);
    canonical_digest(&input, &ima_log);
    return canonical_hash(&input);
}

static struct canonical proof_input(const char *tag, const struct scope *scope,
                                    const struct digest *transcript, const struct digest *evidence)
{
    struct canonical input = canonical_begin(tag, scope);

    canonical_digest(&input, transcript);
    canonical_digest(&input, evidence);
    return input;
}

struct digest activation_mac(const struct scope *scope, struct view activated_secret,
                             const struct digest *transcript, const struct digest *evidence)
{
    struct canonical input = proof_input("tccp-node-activated", scope, transcript, evidence);
    struct digest hash = canonical_hash(&input);

    return hmac_sha256(activated_secret, digest_view(&hash));
}

enum status possession_input(const struct scope *scope, const struct digest *transcript,
                             const struct digest *evidence, struct bytes *ret_input)
{
    struct canonical input = proof_input("tccp-node-possession", scope, transcript, evidence);

    return canonical_take(&input, ret_input);
}

struct digest announcement_mac(const struct scope *scope, struct view activated_secret,
                               const struct digest *transcript, uint64_t size)
{
    struct canonical input = canonical_begin("tccp-evidence-announced", scope);
    struct digest hash;

    canonical_digest(&input, transcript);
    canonical_number(&input, size);
    hash = canonical_hash(&input);
    return hmac_sha256(activated_secret, digest_view(&hash));
}

struct digest renewal_qualifying(const struct scope *scope, const uint8_t nonce[NONCE_SIZE],
                                 uint64_t registration_id, struct key_pair_view trusted_key,
                                 const struct channel *channel)
{
    struct digest keys = key_pair_digest(scope, trusted_key);
    struct canonical input = canonical_begin("tccp-renewal", scope);

    canonical_field(&input, (struct view){nonce, NONCE_SIZE});
    canonical_number(&input, registration_id);
    canonical_digest(&input, &keys);
    canonical_field(&input, (struct view){channel->exporter, EXPORTER_SIZE});
    return canonical_hash(&input);
}

enum status seed_aad(const struct scope *scope, const char *member, uint64_t raft_id,
                     struct key_pair_view trusted_key, struct bytes *ret_aad)
{
    struct digest keys = key_pair_digest(scope, trusted_key);
    struct canonical input = canonical_begin("tccp-seed-for-member", scope);

    canonical_field(&input, view_string(member));
    canonical_number(&input, raft_id);
    canonical_digest(&input, &keys);
    return canonical_take(&input, ret_aad);
}
