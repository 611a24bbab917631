#include "nodeagent/qmp_message.h"

#include "nodeagent/qmp_json.h"

#include <stdlib.h>
#include <string.h>

static const struct qmp_value *value_of(const json_t *json)
{
    return (const struct qmp_value *)(const void *)json;
}

/* Our ids are strings; one that is absent is "". */
static enum status message_id(const json_t *root, char ret_id[QMP_ID_SIZE_MAX])
{
    const json_t *id = json_object_get(root, "id");
    size_t size;

    ret_id[0] = '\0';
    if (!id) {
        return STATUS_OK;
    }
    size = json_string_length(id);
    if (!json_is_string(id) || size >= QMP_ID_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    memcpy(ret_id, json_string_value(id), size + 1);
    return STATUS_OK;
}

static enum status message_interpret(const json_t *root, struct qmp_message *message)
{
    const json_t *greeting = json_object_get(root, "QMP");
    const json_t *result = json_object_get(root, "return");
    const json_t *error = json_object_get(root, "error");
    const json_t *event = json_object_get(root, "event");

    if (!!greeting + !!result + !!error + !!event != 1) {
        return STATUS_MALFORMED;
    }
    TRY(message_id(root, message->id));
    if (greeting) {
        message->kind = QMP_GREETING;
        message->value = value_of(greeting);
        return json_is_object(greeting) ? STATUS_OK : STATUS_MALFORMED;
    }
    if (result) {
        message->kind = QMP_RETURN;
        message->value = value_of(result);
        return STATUS_OK;
    }
    if (error) {
        message->kind = QMP_ERROR;
        message->name = json_string_value(json_object_get(error, "class"));
        message->description = json_string_value(json_object_get(error, "desc"));
        return message->name && message->description ? STATUS_OK : STATUS_MALFORMED;
    }
    message->kind = QMP_EVENT;
    message->name = json_string_value(event);
    message->value = value_of(json_object_get(root, "data"));
    return message->name ? STATUS_OK : STATUS_MALFORMED;
}

enum status qmp_message_parse(struct view line, struct qmp_message **ret_message)
{
    OWN(qmp_message) struct qmp_message *message = NULL;
    json_error_t error;

    if (line.size > QMP_LINE_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    message = calloc(1, sizeof *message);
    if (!message) {
        return STATUS_NO_MEMORY;
    }
    /* jansson limits the depth itself, and refuses NUL and what is not UTF-8. */
    message->document =
        json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES, &error);
    if (!message->document) {
        return json_error_code(&error) == json_error_out_of_memory ? STATUS_NO_MEMORY
                                                                   : STATUS_MALFORMED;
    }
    if (!json_is_object((json_t *)message->document)) {
        return STATUS_MALFORMED;
    }
    TRY(message_interpret(message->document, message));
    *ret_message = TAKE(message);
    return STATUS_OK;
}

void qmp_message_free(struct qmp_message *message)
{
    if (message) {
        json_decref(message->document);
        free(message);
    }
}

enum status qmp_command_encode(const char *command, const char *id,
                               const struct qmp_arguments *arguments, struct bytes *ret_line)
{
    const json_t *json = qmp_arguments_json(arguments);
    json_t *root;
    size_t size;
    uint8_t *line;

    if (arguments && !json) {
        return STATUS_NO_MEMORY;
    }
    root = json_pack("{s:s, s:s}", "execute", command, "id", id);
    if (!root) {
        return STATUS_NO_MEMORY;
    }
    if (json && json_object_set(root, "arguments", (json_t *)(uintptr_t)json) != 0) {
        json_decref(root);
        return STATUS_NO_MEMORY;
    }
    size = json_dumpb(root, NULL, 0, JSON_COMPACT);
    line = size && size < QMP_LINE_SIZE_MAX ? malloc(size + 1) : NULL;
    if (line) {
        ASSERT(json_dumpb(root, (char *)line, size, JSON_COMPACT) == size);
        line[size] = '\n';
        *ret_line = (struct bytes){line, size + 1};
    }
    json_decref(root);
    if (line) {
        return STATUS_OK;
    }
    return size >= QMP_LINE_SIZE_MAX ? STATUS_TOO_LARGE : STATUS_NO_MEMORY;
}
