#include "lib/daemon/config_file.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_COUNT_MAX = 128 };

struct config_file {
    char *path;
    const struct config_key *keys;
    size_t count;
    cfg_t *parsed;
};

/*
 * libconfuse's callbacks get nothing of ours, but it lets an annotation be attached to a file and
 * to each option, and frees them: the first error is kept as the file's, "LINE: message", and an
 * option's line number as its own.
 */
static void on_error(cfg_t *parsed, const char *format, va_list arguments)
{
    char message[CONFIG_ERROR_SIZE];

    if (parsed->comment) {
        return;
    }
    (void)vsnprintf(message, sizeof message, format, arguments);
    if (asprintf(&parsed->comment, "%d: %s", parsed->line, message) < 0) {
        parsed->comment = NULL;
    }
}

/*
 * Called after each value of a list, and again at its closing brace, when nothing has changed since
 * the last value; a call after that belongs to a second list of the same name. The annotation is
 * "LINE COUNT IS_CLOSED LAST", of which option_line() reads the first.
 */
static int on_list(cfg_t *parsed, cfg_opt_t *option)
{
    unsigned line = (unsigned)parsed->line, count = 0, is_closed = 0;
    unsigned now = cfg_opt_size(option);
    const char *last = cfg_opt_getnstr(option, now - 1);
    int last_at = 0;

    if (option->comment) {
        (void)sscanf(option->comment, "%u %u %u %n", &line, &count, &is_closed, &last_at);
        if (is_closed || now < count ||
            (now == count && strcmp(option->comment + last_at, last) != 0)) {
            cfg_error(parsed, "%s is given twice, first in line %u", option->name, line);
            return -1;
        }
        free(option->comment);
    }
    if (asprintf(&option->comment, "%u %u %u %s", line, now, now == count, last) < 0) {
        option->comment = NULL;
        return -1;
    }
    return 0;
}

static int on_option(cfg_t *parsed, cfg_opt_t *option)
{
    if (option->flags & CFGF_LIST) {
        return on_list(parsed, option);
    }
    if (option->comment) {
        cfg_error(parsed, "%s is given twice, first in line %s", option->name, option->comment);
        return -1;
    }
    if (asprintf(&option->comment, "%d", parsed->line) < 0) {
        option->comment = NULL;
        return -1;
    }
    return 0;
}

static unsigned option_line(const cfg_opt_t *option)
{
    return option->comment ? (unsigned)strtoul(option->comment, NULL, 10) : 0;
}

PRINTF_LIKE(4, 0)
static void error_write(const char *path, unsigned line, char *ret_error, const char *format,
                        va_list arguments)
{
    int used = line > 0 ? snprintf(ret_error, CONFIG_ERROR_SIZE, "%s:%u: ", path, line)
                        : snprintf(ret_error, CONFIG_ERROR_SIZE, "%s: ", path);

    if (used > 0 && used < CONFIG_ERROR_SIZE) {
        (void)vsnprintf(ret_error + used, (size_t)(CONFIG_ERROR_SIZE - used), format, arguments);
    }
    ret_error[strcspn(ret_error, "\n")] = 0;
}

PRINTF_LIKE(5, 6)
static enum status error_of(enum status status, const char *path, unsigned line, char *ret_error,
                            const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    error_write(path, line, ret_error, format, arguments);
    va_end(arguments);
    return status;
}

/* --- reading --- */

static enum status file_read(const char *path, char *buffer, size_t *ret_size, char *ret_error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;
    ssize_t size;

    if (fd < 0) {
        enum status status = errno == ENOENT   ? STATUS_NOT_FOUND
                             : errno == EACCES ? STATUS_DENIED
                                               : STATUS_IO;

        return error_of(status, path, 0, ret_error, "cannot open: %s", strerror(errno));
    }
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        (void)close(fd);
        return error_of(STATUS_IO, path, 0, ret_error, "is not a file");
    }
    size = read(fd, buffer, CONFIG_FILE_SIZE_MAX + 1);
    (void)close(fd);
    if (size < 0) {
        return error_of(STATUS_IO, path, 0, ret_error, "cannot read: %s", strerror(errno));
    }
    if (size > CONFIG_FILE_SIZE_MAX) {
        return error_of(STATUS_MALFORMED, path, 0, ret_error, "is larger than %d bytes",
                        CONFIG_FILE_SIZE_MAX);
    }
    *ret_size = (size_t)size;
    return STATUS_OK;
}

/* A NUL would end the parse early and silently. */
static enum status characters_check(const char *path, const char *text, size_t size,
                                    char *ret_error)
{
    unsigned line = 1;

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
            return error_of(STATUS_MALFORMED, path, line, ret_error,
                            "control character 0x%02x in the file", c);
        }
        line += c == '\n';
    }
    return STATUS_OK;
}

/* The character after a quoted string, or after the text. */
static char *string_skip(char *at)
{
    char quote = *at++;

    while (*at && *at != quote) {
        at += *at == '\\' && at[1] ? 2 : 1;
    }
    return *at ? at + 1 : at;
}

/*
 * Blanks comments (`#` or `//` to the end of the line, and C's): libconfuse counts lines wrongly
 * after them. Returns the text at a comment without an end, NULL when all end.
 */
static const char *comments_blank(char *text)
{
    bool begins_token = true;

    for (char *at = text; *at;) {
        if (*at == '"' || *at == '\'') {
            at = string_skip(at);
            begins_token = false;
        } else if (*at == '#' || (begins_token && at[0] == '/' && at[1] == '/')) {
            while (*at && *at != '\n') {
                *at++ = ' ';
            }
        } else if (begins_token && at[0] == '/' && at[1] == '*') {
            char *end = strstr(at + 2, "*/");

            if (!end) {
                return at;
            }
            for (; at < end + 2; at++) {
                *at = *at == '\n' ? '\n' : ' ';
            }
        } else {
            begins_token = strchr(" \t\r\n={},()+", *at) != NULL;
            at++;
        }
    }
    return NULL;
}

static unsigned line_of(const char *text, const char *at)
{
    unsigned line = 1;

    for (; text < at; text++) {
        line += *text == '\n';
    }
    return line;
}

static void options_make(const struct config_key *keys, size_t count, cfg_opt_t *ret_options)
{
    static const cfg_opt_t end = CFG_END();

    for (size_t i = 0; i < count; i++) {
        const struct config_key *key = &keys[i];
        cfg_opt_t string = CFG_STR(key->name, key->default_string, CFGF_NONE);
        cfg_opt_t number = CFG_INT(key->name, (long)key->default_number, CFGF_NONE);
        cfg_opt_t flag = CFG_BOOL(key->name, key->default_number ? cfg_true : cfg_false, CFGF_NONE);
        cfg_opt_t strings = CFG_STR_LIST(key->name, NULL, CFGF_NONE);

        switch (key->type) {
        case CONFIG_STRING:
            ret_options[i] = string;
            break;
        case CONFIG_NUMBER:
            ret_options[i] = number;
            break;
        case CONFIG_FLAG:
            ret_options[i] = flag;
            break;
        case CONFIG_STRINGS:
            ret_options[i] = strings;
            break;
        }
        ret_options[i].validcb = on_option;
    }
    ret_options[count] = end;
}

static enum status value_check(const struct config_file *config, const struct config_key *key,
                               char *ret_error)
{
    cfg_opt_t *option = cfg_getopt(config->parsed, key->name);
    unsigned line = option_line(option);
    long number;

    if (line == 0) {
        return key->is_required ? error_of(STATUS_MALFORMED, config->path, 0, ret_error,
                                           "%s is missing", key->name)
                                : STATUS_OK;
    }
    if (key->type == CONFIG_STRINGS && cfg_opt_size(option) > CONFIG_LIST_MAX) {
        return error_of(STATUS_MALFORMED, config->path, line, ret_error,
                        "%s has more than %d entries", key->name, CONFIG_LIST_MAX);
    }
    if (key->type != CONFIG_NUMBER) {
        return STATUS_OK;
    }
    number = cfg_opt_getnint(option, 0);
    if (number < 0 || (key->number_max > 0 && ((uint64_t)number < key->number_min ||
                                               (uint64_t)number > key->number_max))) {
        return error_of(STATUS_MALFORMED, config->path, line, ret_error,
                        "%s must be from %llu to %llu", key->name,
                        (unsigned long long)key->number_min,
                        (unsigned long long)(key->number_max ? key->number_max : INT64_MAX));
    }
    return STATUS_OK;
}

static enum status text_parse(struct config_file *config, char *text, char *ret_error)
{
    const char *endless = comments_blank(text), *variable = strstr(text, "${");
    cfg_opt_t options[KEY_COUNT_MAX + 1];

    if (endless) {
        return error_of(STATUS_MALFORMED, config->path, line_of(text, endless), ret_error,
                        "the comment that begins here has no end");
    }
    /* libconfuse would put the environment's values in their place. */
    if (variable) {
        return error_of(STATUS_MALFORMED, config->path, line_of(text, variable), ret_error,
                        "variables of the environment are not taken");
    }
    options_make(config->keys, config->count, options);
    config->parsed = cfg_init(options, CFGF_NONE);
    if (!config->parsed) {
        return error_of(STATUS_NO_MEMORY, config->path, 0, ret_error, "out of memory");
    }
    (void)cfg_set_error_function(config->parsed, on_error);
    /* An empty text is "no input" to libconfuse, and a file of defaults to us. */
    if (*text && cfg_parse_buf(config->parsed, text) != CFG_SUCCESS) {
        (void)snprintf(ret_error, CONFIG_ERROR_SIZE, "%s:%s", config->path,
                       config->parsed->comment ? config->parsed->comment : " cannot be parsed");
        /* libconfuse quotes what it stumbled over. */
        ret_error[strcspn(ret_error, "\n")] = '\0';
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < config->count; i++) {
        TRY(value_check(config, &config->keys[i], ret_error));
    }
    return STATUS_OK;
}

enum status config_file_parse(const char *name, struct view text, const struct config_key *keys,
                              size_t key_count, struct config_file **ret_config, char *ret_error)
{
    OWN(config_file) struct config_file *config = calloc(1, sizeof *config);
    char *copy = malloc(text.size + 1);
    enum status status;

    ASSERT(key_count > 0 && key_count <= KEY_COUNT_MAX);
    ASSERT(text.size <= CONFIG_FILE_SIZE_MAX);
    if (config) {
        config->path = strdup(name);
        config->keys = keys;
        config->count = key_count;
    }
    if (!config || !config->path || !copy) {
        free(copy);
        return error_of(STATUS_NO_MEMORY, name, 0, ret_error, "out of memory");
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    copy[text.size] = '\0';
    status = characters_check(name, (const char *)text.data, text.size, ret_error);
    if (status == STATUS_OK) {
        status = text_parse(config, copy, ret_error);
    }
    free(copy);
    TRY(status);
    *ret_config = TAKE(config);
    return STATUS_OK;
}

enum status config_file_read(const char *path, const struct config_key *keys, size_t key_count,
                             struct config_file **ret_config, char *ret_error)
{
    char *text = malloc(CONFIG_FILE_SIZE_MAX + 1);
    size_t size = 0;
    enum status status;

    if (!text) {
        return error_of(STATUS_NO_MEMORY, path, 0, ret_error, "out of memory");
    }
    status = file_read(path, text, &size, ret_error);
    if (status == STATUS_OK) {
        status = config_file_parse(path, (struct view){(const uint8_t *)text, size}, keys,
                                   key_count, ret_config, ret_error);
    }
    free(text);
    return status;
}

void config_file_free(struct config_file *config)
{
    if (config->parsed) {
        (void)cfg_free(config->parsed);
    }
    free(config->path);
    free(config);
}

/* --- values --- */

static cfg_opt_t *option_find(const struct config_file *config, const char *name,
                              enum config_type type)
{
    cfg_opt_t *option = cfg_getopt(config->parsed, name);
    bool is_declared = false;

    for (size_t i = 0; i < config->count; i++) {
        is_declared |= strcmp(config->keys[i].name, name) == 0 && config->keys[i].type == type;
    }
    ASSERT(option && is_declared);
    return option;
}

const char *config_string(const struct config_file *config, const char *name)
{
    const char *value = cfg_opt_getnstr(option_find(config, name, CONFIG_STRING), 0);

    return value ? value : "";
}

uint64_t config_number(const struct config_file *config, const char *name)
{
    return (uint64_t)cfg_opt_getnint(option_find(config, name, CONFIG_NUMBER), 0);
}

bool config_flag(const struct config_file *config, const char *name)
{
    return cfg_opt_getnbool(option_find(config, name, CONFIG_FLAG), 0) == cfg_true;
}

size_t config_list_size(const struct config_file *config, const char *name)
{
    return cfg_opt_size(option_find(config, name, CONFIG_STRINGS));
}

const char *config_list_item(const struct config_file *config, const char *name, size_t index)
{
    ASSERT(index < config_list_size(config, name));
    return cfg_opt_getnstr(option_find(config, name, CONFIG_STRINGS), (unsigned)index);
}

bool config_has(const struct config_file *config, const char *name)
{
    cfg_opt_t *option = cfg_getopt(config->parsed, name);

    ASSERT(option);
    return option_line(option) > 0;
}

enum status config_error(const struct config_file *config, const char *name, char *ret_error,
                         const char *format, ...)
{
    char message[CONFIG_ERROR_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return error_of(STATUS_MALFORMED, config->path, option_line(cfg_getopt(config->parsed, name)),
                    ret_error, "%s: %s", name, message);
}
