/* Small files that must be whole: state, memories, keys. */
#ifndef TCCP_DAEMON_FILE_H
#define TCCP_DAEMON_FILE_H

#include "lib/base/bytes.h"

/* STATUS_NOT_FOUND: there is none. STATUS_TOO_LARGE above size_max bytes. STATUS_IO, logged, for
 * anything else; a symbolic link is not followed. */
WARN_UNUSED enum status file_read(const char *path, size_t size_max, struct bytes *ret_content);

/*
 * Writes the file whole or not at all, whatever happens meanwhile, and durably: a new file beside
 * it ("PATH.new", mode 0600), fsync, rename over it, fsync of the folder. STATUS_IO, logged, when
 * anything fails; the old file is there then.
 */
WARN_UNUSED enum status file_replace(const char *path, struct view content);

#endif
