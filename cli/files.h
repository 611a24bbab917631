/* Files that the user named. */
#ifndef TCCP_CLI_FILES_H
#define TCCP_CLI_FILES_H

#include "cli/cli.h"

#include "lib/base/secret.h"

#include <sys/types.h>

/* The whole file, "-" for standard input. Failures are reported; EXIT_DONE or what to end with. */
enum exit_code file_load(const struct cli *cli, const char *path, size_t size_max,
                         struct bytes *ret_content);
/* The same for a file with a secret in it. */
enum exit_code file_load_secret(const struct cli *cli, const char *path,
                                struct secret *ret_content);
bool file_exists(const char *path);

/* Writes it whole or not at all: beside it, fsync, rename. `mode`: 0600 or 0644. */
enum exit_code file_store(const struct cli *cli, const char *path, mode_t mode,
                          struct view content);
/* The same, of a file that must not exist yet. */
enum exit_code file_create(const struct cli *cli, const char *path, mode_t mode,
                           struct view content);
/* A folder that may exist already; its parents must. */
enum exit_code folder_make(const struct cli *cli, const char *path);

/* The folders in which the file is to lie; what goes wrong shows when it is written. */
void folders_make(const char *path);

/* "FOLDER/NAME", FOLDER being the one in which `path` lies. */
void path_beside(const char *path, const char *name, size_t size, char *ret_path);

#endif
