#include "cli/archived_files.h"

#include <stdlib.h>
#include <string.h>

void archived_files_init(struct archived_files *files)
{
    *files = (struct archived_files){0};
    TABLE_INIT(&files->files, struct archived_file, key);
}

void archived_files_free(struct archived_files *files)
{
    struct archived_file *file;
    size_t cursor = 0;

    while ((file = table_next(&files->files, &cursor))) {
        bytes_free(&file->path);
        free(file);
    }
    table_free(&files->files);
}

/* Without what may stand before the first component. */
static struct view name_trim(struct view name)
{
    while (name.size > 0) {
        size_t skip = name.data[0] == '/' ? 1 : 0;

        if (name.size >= 2 && name.data[0] == '.' && name.data[1] == '/') {
            skip = 2;
        }
        if (skip == 0) {
            break;
        }
        name = (struct view){name.data + skip, name.size - skip};
    }
    return name;
}

static bool component_is_sound(struct view component)
{
    return component.size > 0 && !view_equal(component, view_string(".")) &&
           !view_equal(component, view_string(".."));
}

/* The size of the path's folder, without the slash; 0 for one in the root. */
static size_t folder_size(struct view path)
{
    const uint8_t *slash = memrchr(path.data, '/', path.size);

    return slash ? (size_t)(slash - path.data) : 0;
}

/* Every component is one, and none but the last a symbolic link. Paths are absolute here. */
static enum status path_check(const struct archived_files *files, struct view path,
                              struct refusal *refusal)
{
    while (path.size > 0) {
        size_t size = folder_size(path);
        struct view folder = {path.data, size};
        struct digest key = sha256(folder);
        const struct archived_file *at = size > 0 ? table_find(&files->files, &key) : NULL;

        if (!component_is_sound((struct view){path.data + size + 1, path.size - size - 1})) {
            return refuse(refusal, REFUSAL_MALFORMED, "the path \"%.*s\" leads elsewhere",
                          (int)path.size, (const char *)path.data);
        }
        if (at && at->kind == ARCHIVED_LINK) {
            return refuse(refusal, REFUSAL_MALFORMED,
                          "the path \"%.*s\" leads through a symbolic link", (int)path.size,
                          (const char *)path.data);
        }
        path = folder;
    }
    return STATUS_OK;
}

/* "/" and the name; ret_path is the caller's to free. */
static enum status path_of(struct view name, struct bytes *ret_path)
{
    OWN(writer) struct writer writer = writer_new(MEASURED_PATH_SIZE_MAX);

    writer_u8(&writer, '/');
    writer_view(&writer, name_trim(name));
    return writer_take(&writer, ret_path);
}

enum status archived_files_put(struct archived_files *files, struct view name,
                               enum archived_kind kind, const struct digest *digest, uint64_t size,
                               struct refusal *refusal)
{
    OWN(bytes) struct bytes path = {0};
    struct archived_file *file;
    struct digest key;

    while (name.size > 1 && name.data[name.size - 1] == '/') { /* tar writes folders so */
        name.size--;
    }
    if (name_trim(name).size == 0 || view_equal(name, view_string("."))) {
        return STATUS_OK; /* the root */
    }
    if (path_of(name, &path) != STATUS_OK) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "a path of %zu bytes, at most %d are read",
                      name.size, MEASURED_PATH_SIZE_MAX);
    }
    TRY(path_check(files, bytes_view(&path), refusal));
    key = sha256(bytes_view(&path));
    file = table_find(&files->files, &key);
    if (!file) {
        if (files->files.count >= MEASURED_FILE_COUNT_MAX) {
            return refuse(refusal, REFUSAL_TOO_LARGE, "more than %d files",
                          MEASURED_FILE_COUNT_MAX);
        }
        file = calloc(1, sizeof *file);
        if (!file) {
            return STATUS_NO_MEMORY;
        }
        file->key = key;
        file->path = TAKE(path);
        table_insert(&files->files, file);
    }
    file->kind = kind;
    file->digest = digest ? *digest : (struct digest){{0}};
    file->size = size;
    if (kind == ARCHIVED_FILE) {
        files->file_count++;
        files->byte_count += size;
    }
    return STATUS_OK;
}

const struct archived_file *archived_files_find(const struct archived_files *files,
                                                struct view name)
{
    OWN(bytes) struct bytes path = {0};
    struct digest key;

    if (path_of(name, &path) != STATUS_OK) {
        return NULL;
    }
    key = sha256(bytes_view(&path));
    return table_find(&files->files, &key);
}

void archived_files_tell(const struct archived_files *files, const struct file_visitor *visitor)
{
    if (visitor->progress) {
        visitor->progress(visitor->context, files->file_count, files->byte_count);
    }
}

/* Folders of the root that are links into /usr where /usr is merged. */
static bool is_in_merged_folder(struct view path)
{
    static const char *const folders[] = {"/bin/",   "/sbin/",  "/lib/",
                                          "/lib32/", "/lib64/", "/libx32/"};

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        size_t size = strlen(folders[i]);

        if (path.size > size && memcmp(path.data, folders[i], size) == 0) {
            return true;
        }
    }
    return false;
}

static enum status visit_below_usr(const struct archived_file *file,
                                   const struct file_visitor *visitor)
{
    OWN(writer) struct writer writer = writer_new(MEASURED_PATH_SIZE_MAX + sizeof "/usr");
    OWN(bytes) struct bytes path = {0};

    writer_view(&writer, view_string("/usr"));
    writer_view(&writer, bytes_view(&file->path));
    TRY(writer_take(&writer, &path));
    return visitor->visit(visitor->context, bytes_view(&path), &file->digest, file->size);
}

enum status archived_files_visit(const struct archived_files *files, bool merged_usr,
                                 const struct file_visitor *visitor)
{
    const struct archived_file *file;
    size_t cursor = 0;

    while ((file = table_next(&files->files, &cursor))) {
        if (file->kind != ARCHIVED_FILE) {
            continue;
        }
        TRY(visitor->visit(visitor->context, bytes_view(&file->path), &file->digest, file->size));
        if (merged_usr && is_in_merged_folder(bytes_view(&file->path))) {
            TRY(visit_below_usr(file, visitor));
        }
    }
    return STATUS_OK;
}
