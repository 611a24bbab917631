/* One line from QEMU. */
#include "nodeagent/qmp_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(qmp_message) struct qmp_message *message = NULL;
    int64_t number;
    bool flag;

    if (qmp_message_parse((struct view){data, size}, &message) != STATUS_OK) {
        return 0;
    }
    (void)qmp_value_string(message->value, "status");
    (void)qmp_value_number(message->value, "ram.remaining", &number);
    (void)qmp_value_flag(message->value, "running", &flag);
    for (size_t i = 0; i < qmp_value_count(message->value, ""); i++) {
        (void)qmp_value_string(qmp_value_item(message->value, "", i), "id");
    }
    return 0;
}
