#include "cli/remember.h"

#include "cli/files.h"
#include "cli/settings.h"

#include "lib/perimeter/root.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static enum exit_code path_of(const struct cli *cli, const struct digest *perimeter_id,
                              char ret_path[PATH_MAX])
{
    char name[PERIMETER_ID_TEXT_SIZE + 8];

    perimeter_id_print(perimeter_id, name);
    (void)strcat(name, ".seen");
    if (!path_of_state(name, PATH_MAX, ret_path)) {
        return report(cli, EXIT_FAILED, "set HOME or XDG_STATE_HOME",
                      "there is no folder to remember what was seen of the perimeter");
    }
    return EXIT_DONE;
}

enum exit_code remember_load(const struct cli *cli, const struct digest *perimeter_id,
                             struct perimeter_memory *ret_memory)
{
    OWN(bytes) struct bytes text = {0};
    char path[PATH_MAX];
    enum exit_code exit_code = path_of(cli, perimeter_id, path);

    *ret_memory = (struct perimeter_memory){0};
    if (exit_code != EXIT_DONE || !file_exists(path)) {
        return exit_code;
    }
    exit_code = file_load(cli, path, PERIMETER_MEMORY_TEXT_SIZE, &text);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (perimeter_memory_parse(bytes_view(&text), ret_memory) != STATUS_OK) {
        return report(cli, EXIT_FAILED,
                      "remove it only if you know that the perimeter you are shown is the newest",
                      "%s is damaged", path);
    }
    return EXIT_DONE;
}

enum exit_code remember(const struct cli *cli, const struct digest *perimeter_id,
                        const struct perimeter_memory *seen)
{
    char path[PATH_MAX], text[PERIMETER_MEMORY_TEXT_SIZE];
    struct perimeter_memory memory;
    enum exit_code exit_code = remember_load(cli, perimeter_id, &memory);

    if (exit_code != EXIT_DONE || !perimeter_memory_raise(&memory, seen)) {
        return exit_code;
    }
    exit_code = path_of(cli, perimeter_id, path);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    folders_make(path);
    perimeter_memory_print(&memory, text);
    return file_store(cli, path, 0600, view_string(text));
}
