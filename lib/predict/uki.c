#include "lib/predict/uki.h"

#include "lib/predict/stub_archive.h"

#include <stdio.h>
#include <string.h>

enum { PCR_BOOT_LOADER = 4, PCR_KERNEL_STUB = 9, PCR_UNIFIED_KERNEL = 11 };

/* The sections that systemd-stub knows, in the order in which it measures them. */
enum uki_section {
    UKI_LINUX,
    UKI_OSREL,
    UKI_CMDLINE,
    UKI_INITRD,
    UKI_SPLASH,
    UKI_DTB,
    UKI_PCRSIG, /* signatures of PCR values, so not measured itself */
    UKI_PCRPKEY,
};
enum { UKI_SECTION_COUNT = UKI_PCRPKEY + 1 };
static const char *const section_names[UKI_SECTION_COUNT] = {
    ".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrsig", ".pcrpkey",
};

struct uki {
    struct pe_image image;
    struct view sections[UKI_SECTION_COUNT]; /* as they are in memory; empty where there is none */
};

static enum status not_predictable(struct refusal *refusal, const char *why)
{
    return refuse(refusal, REFUSAL_NOT_PREDICTABLE, "%s", why);
}

static bool contains(struct view view, const char *text)
{
    return view.size > 0 && memmem(view.data, view.size, text, strlen(text));
}

/* systemd-stub compares no more of a section's name than the name that it looks for, and takes the
 * last that fits. Two that fit are refused instead: the first could only mislead. */
static enum status section_find(const struct pe_image *image, const char *name,
                                struct view *ret_content, struct refusal *refusal)
{
    const struct pe_section *found = NULL;

    for (size_t i = 0; i < image->section_count; i++) {
        const struct pe_section *section = &image->sections[i];

        if (strncmp(section->name, name, strlen(name)) != 0) {
            continue;
        }
        if (found) {
            return refuse(refusal, REFUSAL_NOT_PREDICTABLE, "two sections %s", name);
        }
        found = section;
    }
    *ret_content = (struct view){0};
    if (found && found->memory_size > 0) {
        if (found->memory_size > found->content.size) {
            return refuse(refusal, REFUSAL_NOT_PREDICTABLE,
                          "the section %s is larger in memory than in the file", name);
        }
        *ret_content = (struct view){found->content.data, found->memory_size};
    }
    return STATUS_OK;
}

/* systemd-stub says in .sdmagic of which version it is. */
static enum status stub_check(const struct pe_image *image, struct refusal *refusal)
{
    static const char known[] = "#### LoaderInfo: systemd-stub 252";
    struct view magic;

    TRY(section_find(image, ".sdmagic", &magic, refusal));
    if (magic.size <= sizeof known - 1 || memcmp(magic.data, known, sizeof known - 1) != 0 ||
        (magic.data[sizeof known - 1] >= '0' && magic.data[sizeof known - 1] <= '9')) {
        return not_predictable(refusal, "not an image of systemd-stub 252");
    }
    return STATUS_OK;
}

static enum status kernel_check(struct view linux_image, struct pe_image *ret_kernel,
                                struct refusal *refusal)
{
    if (linux_image.size == 0) {
        return not_predictable(refusal, "no section .linux");
    }
    TRY(pe_image_parse(linux_image, ret_kernel, refusal));
    if (ret_kernel->version_major < 1) {
        return not_predictable(refusal,
                               "the kernel is too old to take its initrd from systemd-stub");
    }
    /* Its EFI stub is not compressed; these are the texts of the events. */
    if (!contains(linux_image, "LOADED_IMAGE::LoadOptions") ||
        !contains(linux_image, "Linux initrd")) {
        return not_predictable(refusal,
                               "the kernel does not measure its load options and its initrd");
    }
    return STATUS_OK;
}

static enum status uki_open(struct view file, struct uki *ret_uki, struct pe_image *ret_kernel,
                            struct refusal *refusal)
{
    TRY(pe_image_parse(file, &ret_uki->image, refusal));
    TRY(stub_check(&ret_uki->image, refusal));
    for (unsigned section = 0; section < UKI_SECTION_COUNT; section++) {
        TRY(section_find(&ret_uki->image, section_names[section], &ret_uki->sections[section],
                         refusal));
    }
    return kernel_check(ret_uki->sections[UKI_LINUX], ret_kernel, refusal);
}

static enum status add(struct prediction *prediction, uint32_t pcr, uint32_t type,
                       enum event_role role, struct digest digest, const char *name)
{
    struct predicted_event event = {.pcr = pcr, .type = type, .role = role, .digest = digest};

    (void)snprintf(event.name, sizeof event.name, "%s", name);
    return prediction_add(prediction, &event);
}

static enum status add_sections(struct prediction *prediction, const struct uki *uki)
{
    for (unsigned section = 0; section < UKI_SECTION_COUNT; section++) {
        const char *name = section_names[section];
        char title[EVENT_NAME_SIZE];

        if (section == UKI_PCRSIG || uki->sections[section].size == 0) {
            continue;
        }
        (void)snprintf(title, sizeof title, "name of %s", name);
        TRY(add(prediction, PCR_UNIFIED_KERNEL, EVENT_IPL, EVENT_ROLE_NONE,
                sha256((struct view){(const uint8_t *)name, strlen(name) + 1}), title));
        (void)snprintf(title, sizeof title, "contents of %s", name);
        TRY(add(prediction, PCR_UNIFIED_KERNEL, EVENT_IPL, EVENT_ROLE_NONE,
                sha256(uki->sections[section]), title));
    }
    return STATUS_OK;
}

/* The next character of UTF-8 below U+10000, in its shortest form; bad otherwise. systemd-stub
 * skips what it cannot read, and nobody means that. */
static uint16_t character_read(struct reader *reader)
{
    uint8_t first = reader_u8(reader);
    unsigned more = first < 0x80 ? 0 : first >> 5 == 6 ? 1 : 2;
    uint32_t character = first;

    reader_require(reader, first < 0x80 || first >> 5 == 6 || first >> 4 == 14);
    if (more > 0) {
        character = first & (more == 1 ? 0x1f : 0x0f);
    }
    for (unsigned i = 0; i < more; i++) {
        uint8_t next = reader_u8(reader);

        reader_require(reader, next >> 6 == 2);
        character = character << 6 | (next & 0x3f);
    }
    reader_require(reader, more == 0 || character >= (more == 1 ? 0x80 : 0x800));
    reader_require(reader, character < 0xd800 || character > 0xdfff);
    return (uint16_t)character;
}

/* The load options that systemd-stub gives the kernel. */
static enum status load_options_digest(struct view command_line, struct digest *ret_digest,
                                       struct refusal *refusal)
{
    uint8_t text[2 * UKI_COMMAND_LINE_SIZE_MAX + 2];
    const uint8_t *nul = memchr(command_line.data, 0, command_line.size);
    struct reader reader;
    size_t size = 0;

    if (nul) {
        command_line.size = (size_t)(nul - command_line.data);
    }
    if (command_line.size > UKI_COMMAND_LINE_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, ".cmdline has %zu bytes, at most %d are read",
                      command_line.size, UKI_COMMAND_LINE_SIZE_MAX);
    }
    reader = reader_of(command_line);
    while (reader.left > 0 && !reader.bad) {
        uint16_t character = character_read(&reader);

        if (character < 0x20) {
            character = ' ';
        }
        text[size++] = (uint8_t)character;
        text[size++] = (uint8_t)(character >> 8);
    }
    if (!reader_done(&reader)) {
        return not_predictable(refusal, ".cmdline is not UTF-8 below U+10000");
    }
    while (size > 0 && text[size - 2] == ' ' && text[size - 1] == 0) {
        size -= 2;
    }
    text[size] = text[size + 1] = 0;
    *ret_digest = sha256((struct view){text, size + 2});
    return STATUS_OK;
}

static enum status add_load_options(struct prediction *prediction, const struct uki *uki,
                                    struct refusal *refusal)
{
    struct view command_line = uki->sections[UKI_CMDLINE];
    struct digest digest;

    if (command_line.size == 0) {
        return STATUS_OK;
    }
    TRY(load_options_digest(command_line, &digest, refusal));
    return add(prediction, PCR_KERNEL_STUB, EVENT_TAG, EVENT_ROLE_LOAD_OPTIONS, digest,
               "load options");
}

static enum status add_initrd(struct prediction *prediction, const struct uki *uki,
                              struct refusal *refusal)
{
    struct view initrd = uki->sections[UKI_INITRD], command_line = uki->sections[UKI_CMDLINE];
    struct view pcrsig = uki->sections[UKI_PCRSIG], pcrpkey = uki->sections[UKI_PCRPKEY];
    struct digest digest;

    if (contains(command_line, "noinitrd")) {
        return not_predictable(refusal, ".cmdline says noinitrd");
    }
    if (initrd.size == 0 && pcrsig.size == 0 && pcrpkey.size == 0) {
        /* The kernel then loads the files that its command line names, and measures none of them.
         */
        return contains(command_line, "initrd=")
                   ? not_predictable(refusal, ".cmdline names an initrd that nobody measures")
                   : STATUS_OK;
    }
    TRY(stub_initrd_digest(initrd, pcrsig, pcrpkey, &digest));
    return add(prediction, PCR_KERNEL_STUB, EVENT_TAG, EVENT_ROLE_INITRD, digest, "initrd");
}

enum status uki_predict(struct view image, bool secure_boot, struct prediction *ret_prediction,
                        struct refusal *refusal)
{
    OWN(prediction) struct prediction prediction = {0};
    struct pe_image kernel;
    struct uki uki;

    TRY(uki_open(image, &uki, &kernel, refusal));
    TRY(add(&prediction, PCR_BOOT_LOADER, EVENT_EFI_BOOT_SERVICES_APPLICATION, EVENT_ROLE_KERNEL,
            pe_image_digest(&uki.image), "unified kernel image"));
    TRY(add_sections(&prediction, &uki));
    if (!secure_boot) {
        TRY(add(&prediction, PCR_BOOT_LOADER, EVENT_EFI_BOOT_SERVICES_APPLICATION,
                EVENT_ROLE_KERNEL, pe_image_digest(&kernel), "kernel"));
    }
    TRY(add_load_options(&prediction, &uki, refusal));
    TRY(add_initrd(&prediction, &uki, refusal));
    *ret_prediction = TAKE(prediction);
    return STATUS_OK;
}

enum status uki_initrd(struct view image, struct view *ret_initrd, struct refusal *refusal)
{
    struct pe_image kernel;
    struct uki uki;

    TRY(uki_open(image, &uki, &kernel, refusal));
    *ret_initrd = uki.sections[UKI_INITRD];
    return STATUS_OK;
}
