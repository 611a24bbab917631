/* The files of an archive while it is read: what a later entry replaces, hard links, and paths that
 * are not to be trusted. */
#ifndef TCCP_CLI_ARCHIVED_FILES_H
#define TCCP_CLI_ARCHIVED_FILES_H

#include "cli/file_measurements.h"

#include "lib/base/table.h"

enum archived_kind { ARCHIVED_FILE, ARCHIVED_LINK, ARCHIVED_OTHER };

struct archived_file {
    struct digest key; /* SHA-256 of the path */
    enum archived_kind kind;
    struct digest digest; /* of a file */
    uint64_t size;
    struct bytes path; /* absolute */
};

struct archived_files {
    struct table files; /* by key */
    uint64_t file_count, byte_count;
};
void archived_files_init(struct archived_files *files);
void archived_files_free(struct archived_files *files);
DEFINE_OWN_VALUE(archived_files, archived_files_free)

/*
 * What is at the name from now on. The name is taken from the archive: "./usr/bin/x", "usr/bin/x"
 * or
 * "/usr/bin/x". REFUSAL_MALFORMED for "..", empty and "." components, and where a folder on the way
 * is a symbolic link of the archive; REFUSAL_TOO_LARGE.
 */
WARN_UNUSED enum status archived_files_put(struct archived_files *files, struct view name,
                                           enum archived_kind kind, const struct digest *digest,
                                           uint64_t size, struct refusal *ret_refusal);
/* What is at the name; NULL when there is nothing. */
const struct archived_file *archived_files_find(const struct archived_files *files,
                                                struct view name);

/* Tells the visitor of the progress. */
void archived_files_tell(const struct archived_files *files, const struct file_visitor *visitor);
/* Visits the regular files, in the order in which their paths first came. merged_usr: see
 * file_measurements_of_package(). */
WARN_UNUSED enum status archived_files_visit(const struct archived_files *files, bool merged_usr,
                                             const struct file_visitor *visitor);

#endif
