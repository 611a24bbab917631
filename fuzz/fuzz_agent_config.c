/* The agent's configuration: what is taken keeps every promise of nodeagent/config.h, and what is
 * refused is refused in one line that names the file. */
#include "lib/net/address.h"
#include "lib/tpm/tcti.h"
#include "nodeagent/config.h"

#include <string.h>

enum { NUMBER_MIN = 5, NUMBER_MAX = 600 };

/* The agent has no numbers: other programs do. */
static void try_numbers(struct view text)
{
    static const struct config_key keys[] = {
        {.name = "number",
         .type = CONFIG_NUMBER,
         .default_number = NUMBER_MIN,
         .number_min = NUMBER_MIN,
         .number_max = NUMBER_MAX},
        {.name = "development", .type = CONFIG_FLAG},
        {.name = "coordinators", .type = CONFIG_STRINGS},
    };
    OWN(config_file) struct config_file *file = NULL;
    char error[CONFIG_ERROR_SIZE];

    if (config_file_parse("f", text, keys, ARRAY_SIZE(keys), &file, error) == STATUS_OK) {
        ASSERT(config_number(file, "number") >= NUMBER_MIN);
        ASSERT(config_number(file, "number") <= NUMBER_MAX);
        ASSERT(config_list_size(file, "coordinators") <= CONFIG_LIST_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(config) struct config config = {0};
    char error[CONFIG_ERROR_SIZE] = "";
    struct address address;
    const char *why;

    if (size > CONFIG_FILE_SIZE_MAX) {
        return 0;
    }
    try_numbers((struct view){data, size});
    if (config_parse("the-file", (struct view){data, size}, &config, error) != STATUS_OK) {
        ASSERT(strncmp(error, "the-file:", 9) == 0);
        ASSERT(!strchr(error, '\n'));
        return 0;
    }
    ASSERT(config.coordinator_count >= 1 && config.coordinator_count <= COORDINATOR_COUNT_MAX);
    for (size_t i = 0; i < config.coordinator_count; i++) {
        ASSERT(address_parse(config.coordinators[i], &address) == STATUS_OK && !address.is_unix);
    }
    ASSERT(tcti_check(config.tcti, &why) == STATUS_OK);
    ASSERT(!config.shared_directory || config.shared_directory[0] == '/');
    return 0;
}
