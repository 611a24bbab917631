/*
 * Configuration files: `key = value` lines (libconfuse's syntax; strings in quotes, lists in
 * braces). The only door to libconfuse. A program declares what it knows; anything else in the
 * file is refused, and so is what would be read from elsewhere: the values
 * are those of the bytes. Every error is one line that names file and line.
 */
#ifndef TCCP_DAEMON_CONFIG_FILE_H
#define TCCP_DAEMON_CONFIG_FILE_H

#include "lib/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_ERROR_SIZE = 512, CONFIG_LIST_MAX = 256, CONFIG_FILE_SIZE_MAX = 1 << 20 };

enum config_type { CONFIG_STRING, CONFIG_NUMBER, CONFIG_FLAG, CONFIG_STRINGS };

/* One key that the program knows. */
struct config_key {
    const char *name;
    enum config_type type;
    bool is_required;
    /* Used when the key is absent and not required. */
    const char *default_string;      /* NULL: "" */
    uint64_t default_number;         /* flags: 0 or 1 */
    uint64_t number_min, number_max; /* checked, with the line named; both 0: any */
};

struct config_file;

/*
 * STATUS_NOT_FOUND, STATUS_DENIED or STATUS_IO: the file; STATUS_MALFORMED: its content: syntax, an
 * unknown key, a key given twice, a missing required key, a number out of range. ret_error
 * (CONFIG_ERROR_SIZE characters) then holds one line, "path:line: what is wrong".
 */
WARN_UNUSED enum status config_file_read(const char *path, const struct config_key *keys,
                                         size_t key_count, struct config_file **ret_config,
                                         char *ret_error);
/* The same of a text of at most CONFIG_FILE_SIZE_MAX bytes that was read already; errors call it
 * `name`. */
WARN_UNUSED enum status config_file_parse(const char *name, struct view text,
                                          const struct config_key *keys, size_t key_count,
                                          struct config_file **ret_config, char *ret_error);
void config_file_free(struct config_file *config);
DEFINE_OWN_POINTER(config_file, config_file_free)

/* The name is one of the declared keys, of that type; views live as long as the config. */
const char *config_string(const struct config_file *config, const char *name);
uint64_t config_number(const struct config_file *config, const char *name);
bool config_flag(const struct config_file *config, const char *name);
size_t config_list_size(const struct config_file *config, const char *name);
const char *config_list_item(const struct config_file *config, const char *name, size_t index);
/* True when the file itself has the key. */
bool config_has(const struct config_file *config, const char *name);

/* For a check of the program's own on a value that was read: writes "path:line: key: ..." of that
 * key to error and returns STATUS_MALFORMED. */
PRINTF_LIKE(4, 5)
WARN_UNUSED enum status config_error(const struct config_file *config, const char *name,
                                     char *ret_error, const char *format, ...);

#endif
