#include "lib/base/canonical.h"

struct canonical canonical_begin(const char *tag, const struct scope *scope)
{
    struct canonical canonical = {.writer = writer_new(CANONICAL_SIZE_MAX)};

    writer_sized32(&canonical.writer, view_string(tag));
    writer_view(&canonical.writer, digest_view(&scope->perimeter_id));
    writer_u64(&canonical.writer, scope->epoch);
    return canonical;
}

void canonical_field(struct canonical *canonical, struct view field)
{
    writer_sized32(&canonical->writer, field);
}

void canonical_digest(struct canonical *canonical, const struct digest *digest)
{
    canonical_field(canonical, digest_view(digest));
}

void canonical_number(struct canonical *canonical, uint64_t number)
{
    writer_u32(&canonical->writer, sizeof number);
    writer_u64(&canonical->writer, number);
}

enum status canonical_take(struct canonical *canonical, struct bytes *ret_bytes)
{
    return writer_take(&canonical->writer, ret_bytes);
}

struct digest canonical_hash(struct canonical *canonical)
{
    struct digest digest;

    ASSERT(canonical->writer.status == STATUS_OK);
    digest = sha256((struct view){canonical->writer.data, canonical->writer.size});
    writer_free(&canonical->writer);
    return digest;
}
