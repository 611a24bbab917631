/*
 * What an appraisal costs: CPU time of one core, in process, everything loaded; beside what OpenSSL
 * alone needs for the same signature and the same hashes in the same run (the floor), and the
 * ratio.
 *
 *     bench/appraisal INPUTS.tar.gz
 *
 * The inputs are quotes and logs by scenario: SCENARIO/{rsa,ecc}.{attest,sig,nonce}, pcrs.json, and
 * common/ with keys (ak_{rsa,ecc}.tpm2b), logs (eventlog.bin, ima_{1k,10k,10k_inc10}.bin) and
 * allowed files (runtime_policy_{1k,10k}.json), each of which is looked up. What is expected of the
 * boot log is learned from it. Prints lines `name: value`; exits 1 when an appraisal does not
 * accept what it should.
 */
#include "lib/attest/appraisal.h"
#include "lib/attest/tpm_key.h"
#include "lib/base/text.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 64 << 20, ROUND_COUNT = 40, ROUND_US = 20000, HEX_DIGITS = 64 };

static const char *folder;

static _Noreturn void die(const char *what, const char *detail)
{
    (void)fprintf(stderr, "bench/appraisal: %s: %s\n", what, detail);
    exit(1);
}

static struct bytes file_read(const char *scenario, const char *name)
{
    char path[512];
    struct bytes bytes = {malloc(FILE_SIZE_MAX), 0};
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, scenario, name);
    file = fopen(path, "rb");
    if (!file || !bytes.data) {
        die("cannot read", path);
    }
    bytes.size = fread(bytes.data, 1, FILE_SIZE_MAX, file);
    (void)fclose(file);
    return bytes;
}

/* The PCR values of pcrs.json, {"0": "hex", ...}, in a bank with their mask. */
static struct pcr_bank values_read(const char *scenario)
{
    struct bytes json = file_read(scenario, "pcrs.json");
    struct pcr_bank bank = {0};
    char *at;

    json.data[json.size] = 0;
    at = (char *)json.data;
    while ((at = strchr(at, '"'))) {
        char value[HEX_DIGITS + 1];
        unsigned pcr;

        if (sscanf(at, "\"%u\": \"%64[0-9a-f]\"", &pcr, value) != 2 || pcr >= PCR_COUNT ||
            hex_decode(value, bank.values[pcr].bytes, SHA256_SIZE) != STATUS_OK) {
            die("not a list of PCRs", scenario);
        }
        bank.mask |= 1u << pcr;
        at = strchr(at, '\n');
        if (!at) {
            break;
        }
    }
    bytes_free(&json);
    return bank;
}

/* One appraisal, ready to be run again and again. */
struct scenario {
    struct evidence_view evidence;
    struct appraisal_inputs inputs;
    struct pcr_policy policy;
    struct reference_set set;
    struct tpm_public ak;
    struct attestation_key *key;
    struct boot_state previous;
};

static struct view keep(struct bytes bytes)
{
    return bytes_view(&bytes);
}

/* The files of a policy in the peer's form, {"path": ["sha256"]}, one after the other under
 * "digests". */
static struct ima_policy *files_read(const char *name)
{
    static struct ima_policy policies[3];
    static unsigned used;
    struct ima_policy *policy = &policies[used++];
    struct bytes json = file_read("common", name), set;
    struct file_set_builder builder = {0};
    char *at;

    json.data[json.size] = 0;
    at = strstr((char *)json.data, "\"digests\": {");
    while (at && (at = strstr(at, "\": [\""))) {
        char *path = at, value[HEX_DIGITS + 1];
        struct digest digest;

        while (path[-1] != '"') {
            path--;
        }
        if (sscanf(at, "\": [\"%64[0-9a-f]\"", value) != 1 ||
            hex_decode(value, digest.bytes, SHA256_SIZE) != STATUS_OK) {
            break; /* the end of the digests */
        }
        if (file_set_builder_add(&builder,
                                 (struct view){(const uint8_t *)path, (size_t)(at - path)},
                                 &digest) != STATUS_OK) {
            die("policy", name);
        }
        at++;
    }
    bytes_free(&json);
    if (file_set_builder_take(&builder, &set) != STATUS_OK ||
        file_set_open(bytes_view(&set), &policy->files) != STATUS_OK) {
        die("policy", name);
    }
    return policy;
}

/* What is expected of the boot, learned from its log. */
static void boot_learn(struct scenario *scenario)
{
    struct reference_set *set = &scenario->set;
    struct refusal refusal = {0};

    if (event_sequence_learn(scenario->evidence.event_log, 0x437f, &set->events, &refusal) !=
            STATUS_OK ||
        secure_boot_learn(scenario->evidence.event_log, &set->secure_boot, &refusal) != STATUS_OK) {
        die(refusal_name(refusal.code), refusal.detail);
    }
    set->has_events = set->has_secure_boot = true;
}

static void scenario_read(const char *name, const char *kind, const char *ima_log,
                          struct ima_policy *files, bool has_boot_log, struct scenario *scenario)
{
    static uint8_t values[8][PCR_COUNT * SHA256_SIZE];
    static unsigned used;
    struct pcr_bank bank = values_read(name);
    char path[64];
    size_t size = 0;

    *scenario = (struct scenario){0};
    (void)snprintf(path, sizeof path, "ak_%s.tpm2b", kind);
    scenario->evidence.ak_public = keep(file_read("common", path));
    scenario->evidence.ak_public.data += 2; /* the TPM2B's size */
    scenario->evidence.ak_public.size -= 2;
    (void)snprintf(path, sizeof path, "%s.attest", kind);
    scenario->evidence.quote = keep(file_read(name, path));
    (void)snprintf(path, sizeof path, "%s.sig", kind);
    scenario->evidence.signature = keep(file_read(name, path));
    (void)snprintf(path, sizeof path, "%s.nonce", kind);
    scenario->inputs.qualifying = keep(file_read(name, path));
    if (ima_log) {
        scenario->evidence.ima_log = keep(file_read("common", ima_log));
        scenario->set.files = *files;
        scenario->set.has_files = true;
    }
    if (has_boot_log) {
        scenario->evidence.event_log = keep(file_read("common", "eventlog.bin"));
        boot_learn(scenario);
    }
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (bank.mask >> pcr & 1) {
            memcpy(values[used] + size, bank.values[pcr].bytes, SHA256_SIZE);
            size += SHA256_SIZE;
            /* With logs the values of their PCRs follow from what is expected of the logs. */
            if (!(reference_set_mask(&scenario->set) >> pcr & 1) &&
                pcr_policy_allow(&scenario->policy, pcr, &bank.values[pcr]) != STATUS_OK) {
                die("policy", name);
            }
        }
    }
    scenario->evidence.pcr_values = (struct view){values[used++], size};
    if (tpm_public_parse(scenario->evidence.ak_public, &scenario->ak) != STATUS_OK) {
        die("attestation key", kind);
    }
    scenario->inputs.policy = &scenario->policy;
    if (reference_set_mask(&scenario->set) != 0) {
        scenario->inputs.references.enforced = (struct reference_list){1, {&scenario->set}};
    }
    scenario->inputs.ak_trust = AK_TRUST_BY_NAME;
    scenario->inputs.expected_ak = &scenario->ak.name;
    if (attestation_key_new(&scenario->ak, &scenario->key, NULL) != STATUS_OK) {
        die("attestation key", kind);
    }
    scenario->inputs.ak = scenario->key; /* as a coordinator keeps it from renewal to renewal */
}

/* The quotes were made in different boots: pretends that the one before was of this boot. */
static void quote_continue(struct scenario *scenario)
{
    struct tpm_quote_info info;

    if (tpm_quote_info_parse(scenario->evidence.quote, &info) != STATUS_OK) {
        die("quote", "malformed");
    }
    scenario->previous.reset_count = info.reset_count;
    scenario->previous.restart_count = info.restart_count;
    scenario->previous.firmware = info.firmware;
    scenario->inputs.previous = &scenario->previous;
}

static double cpu_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The least CPU time of one call over many rounds: what the work costs without the neighbours. */
static double measure(void (*work)(const void *), const void *argument)
{
    double best = 1e12, begin = cpu_us();
    unsigned count = 1;

    work(argument);
    while (cpu_us() - begin < ROUND_US) {
        work(argument);
        count++;
    }
    for (unsigned round = 0; round < ROUND_COUNT; round++) {
        double used;

        begin = cpu_us();
        for (unsigned i = 0; i < count; i++) {
            work(argument);
        }
        used = (cpu_us() - begin) / count;
        best = used < best ? used : best;
    }
    return best;
}

static void appraise(const void *argument)
{
    const struct scenario *scenario = argument;
    struct appraisal appraisal;
    struct refusal refusal = {0};

    if (appraisal_run(&scenario->evidence, &scenario->inputs, &appraisal, &refusal) != STATUS_OK) {
        die(refusal_name(refusal.code), refusal.detail);
    }
}

/* The signature of a quote as OpenSSL wants it, and the key, imported once. */
struct floor_signature {
    EVP_PKEY *key;
    struct view message;
    uint8_t signature[TPM_RSA_SIZE_MAX];
    size_t signature_size;
};

static void floor_signature_of(const struct scenario *scenario, struct floor_signature *floor)
{
    struct tpm_signature signature;

    floor->message = scenario->evidence.quote;
    if (tpm_key_import(&scenario->ak, &floor->key) != STATUS_OK ||
        tpm_signature_parse(scenario->evidence.signature, &signature) != STATUS_OK) {
        die("floor", "key or signature");
    }
    if (signature.scheme == TPM_ALGORITHM_ECDSA) {
        ECDSA_SIG *parsed = ECDSA_SIG_new();
        uint8_t *at = floor->signature;

        (void)ECDSA_SIG_set0(parsed, BN_bin2bn(signature.r, sizeof signature.r, NULL),
                             BN_bin2bn(signature.s, sizeof signature.s, NULL));
        floor->signature_size = (size_t)i2d_ECDSA_SIG(parsed, &at);
        ECDSA_SIG_free(parsed);
    } else {
        memcpy(floor->signature, signature.rsa, signature.rsa_size);
        floor->signature_size = signature.rsa_size;
    }
}

static void verify(const void *argument)
{
    const struct floor_signature *floor = argument;
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, floor->key) != 1 ||
        EVP_DigestVerify(context, floor->signature, floor->signature_size, floor->message.data,
                         floor->message.size) != 1) {
        die("floor", "the signature does not hold");
    }
    EVP_MD_CTX_free(context);
}

/* The hashes of an IMA log alone: each entry's template data, and the extension. Lengths are taken
 * from the log, which was parsed before. */
static void hash_log(const void *argument)
{
    const struct view *log = argument;
    const uint8_t *at = log->data, *end = log->data + log->size;
    struct digest value = {{0}};

    while (at < end) {
        uint32_t name_size, data_size;
        struct digest digest;

        memcpy(&name_size, at + 24, 4);
        memcpy(&data_size, at + 28 + name_size, 4);
        digest = sha256((struct view){at + 32 + name_size, data_size});
        value = sha256_two(digest_view(&value), digest_view(&digest));
        at += 32 + name_size + data_size;
    }
    if (view_is_zero(digest_view(&value))) {
        die("floor", "no log");
    }
}

/* A boot log's data, once. */
static void hash_bytes(const void *argument)
{
    const struct view *log = argument;
    struct digest digest = sha256(*log);

    if (view_is_zero(digest_view(&digest))) {
        die("floor", "no log");
    }
}

/* Looks the paths of an IMA log up in a large set. */
struct lookup {
    const struct ima_policy *policy;
    struct view log;
    uint64_t count;
};

static void look_up(const void *argument)
{
    const struct lookup *lookup = argument;
    struct reader reader = reader_of(lookup->log);
    size_t unknown = 0;

    while (reader.left) {
        struct ima_entry entry;
        struct digest digest;

        if (ima_entry_read(&reader, &entry) != STATUS_OK ||
            digest_of_view(entry.file_digest, &digest) != STATUS_OK) {
            die("lookup", "log");
        }
        unknown += file_set_find(&lookup->policy->files, entry.path, &digest, NULL) != FILE_ALLOWED;
    }
    if (unknown > 1) { /* boot_aggregate is no file */
        die("lookup", "a file of the log is not in the large set");
    }
}

static void parse_only(const void *argument)
{
    const struct lookup *lookup = argument;
    struct reader reader = reader_of(lookup->log);
    struct ima_entry entry;

    while (reader.left) {
        if (ima_entry_read(&reader, &entry) != STATUS_OK) {
            die("lookup", "log");
        }
    }
}

static void report(const char *name, double value)
{
    printf("%s: %.3g\n", name, value);
    (void)fflush(stdout);
}

static void report_pair(const char *name, double value, double floor)
{
    char text[64];

    printf("%s_us: %.1f\n", name, value);
    printf("%s_floor_us: %.1f\n", name, floor);
    (void)snprintf(text, sizeof text, "%s_ratio", name);
    report(text, value / floor);
}

static void unpack(const char *archive, char *target)
{
    pid_t child;
    int status;

    if (!mkdtemp(target)) {
        die("temporary folder", target);
    }
    child = fork();
    if (child == 0) {
        (void)execlp("tar", "tar", "-xzf", archive, "-C", target, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        die("cannot unpack", archive);
    }
    folder = target;
}

static void clean_up(const char *target)
{
    pid_t child = fork();

    if (child == 0) {
        (void)execlp("rm", "rm", "-rf", "--", target, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    static struct scenario rsa, ecc, ima1k, ima10k, inc10, boot, full;
    struct ima_policy *files_1k, *files_10k;
    struct lookup lookup;
    static struct floor_signature rsa_floor, ecc_floor;
    char target[] = "/tmp/bench-appraisal-XXXXXX";
    struct appraisal appraisal;
    struct refusal refusal;
    double rsa_floor_us, ecc_floor_us;
    static struct scenario first;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: bench/appraisal INPUTS.tar.gz\n");
        return 64;
    }
    unpack(argv[1], target);
    files_1k = files_read("runtime_policy_1k.json");
    files_10k = files_read("runtime_policy_10k.json");
    lookup.policy = files_read("runtime_policy_100k.json");
    scenario_read("pcr", "rsa", NULL, NULL, false, &rsa);
    scenario_read("pcr", "ecc", NULL, NULL, false, &ecc);
    scenario_read("ima1k", "ecc", "ima_1k.bin", files_1k, false, &ima1k);
    scenario_read("ima10k", "ecc", "ima_10k.bin", files_10k, false, &ima10k);
    scenario_read("ima10k_inc10", "ecc", "ima_10k_inc10.bin", files_10k, false, &inc10);
    scenario_read("mb", "ecc", NULL, NULL, true, &boot);
    scenario_read("full1k", "ecc", "ima_1k.bin", files_1k, true, &full);
    clean_up(target);

    /* The ten entries continue what the ten thousand left. */
    if (appraisal_run(&ima10k.evidence, &ima10k.inputs, &appraisal, &refusal) != STATUS_OK) {
        die(refusal_name(refusal.code), refusal.detail);
    }
    inc10.previous = appraisal.boot;
    quote_continue(&inc10);

    floor_signature_of(&rsa, &rsa_floor);
    floor_signature_of(&ecc, &ecc_floor);
    rsa_floor_us = measure(verify, &rsa_floor);
    ecc_floor_us = measure(verify, &ecc_floor);
    report_pair("pcr_rsa", measure(appraise, &rsa), rsa_floor_us);
    report_pair("pcr_ecc", measure(appraise, &ecc), ecc_floor_us);
    /* The first appraisal of a key, which is imported then. */
    first = ecc;
    first.inputs.ak = NULL;
    report_pair("pcr_ecc_first", measure(appraise, &first), ecc_floor_us);
    report_pair("ima1k", measure(appraise, &ima1k),
                ecc_floor_us + measure(hash_log, &ima1k.evidence.ima_log));
    report_pair("ima10k", measure(appraise, &ima10k),
                ecc_floor_us + measure(hash_log, &ima10k.evidence.ima_log));
    report_pair("ima10k_inc10", measure(appraise, &inc10),
                ecc_floor_us + measure(hash_log, &inc10.evidence.ima_log));
    report_pair("mb", measure(appraise, &boot),
                ecc_floor_us + measure(hash_bytes, &boot.evidence.event_log));
    report_pair("full1k", measure(appraise, &full),
                ecc_floor_us + measure(hash_bytes, &full.evidence.event_log) +
                    measure(hash_log, &full.evidence.ima_log));
    lookup.log = ima10k.evidence.ima_log;
    lookup.count = appraisal.boot.ima.count;
    report("file_lookup_100k_us",
           (measure(look_up, &lookup) - measure(parse_only, &lookup)) / (double)lookup.count);
    printf("reference_100k_bytes: %zu\n",
           (size_t)FILE_SET_HEADER_SIZE + lookup.policy->files.count * FILE_SET_ENTRY_SIZE);
    return 0;
}
