/* What manifest.c and manifest_parse.c share, and nobody else. */
#ifndef TCCP_PERIMETER_MANIFEST_PRIVATE_H
#define TCCP_PERIMETER_MANIFEST_PRIVATE_H

#include "lib/perimeter/manifest.h"

/* One TPM of the perimeter: each has one place in it. */
struct tpm_entry {
    struct view ek_name;
    const struct manifest_member *member;
    const struct manifest_node *node;
};

struct manifest_private {
    Tccp__PerimeterManifest *message; /* strings and keys lie in it */
    struct manifest_attribute *attributes;
    size_t tpm_count;
    struct tpm_entry *tpms; /* sorted by EK name */
};

/* Order of the index; for qsort and bsearch. */
int tpm_entry_compare(const void *left, const void *right);

/* ASCII only, whatever the locale. */
bool character_is_alphanumeric(char character);

#endif
