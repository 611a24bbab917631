#include "nodeagent/launcher/message.h"

#include <stdio.h>
#include <string.h>

enum { FLAG_INCOMING = 1, FLAG_KERNEL = 2, FLAGS_ALL = 3 };

static const char *const state_names[VM_STATE_COUNT] = {
    [VM_PREPARING] = "preparing", [VM_RUNNING] = "running", [VM_SETTLING] = "settling",
    [VM_FROZEN] = "frozen",       [VM_STOPPED] = "stopped", [VM_KILLED] = "killed",
};

const char *vm_state_name(enum vm_state state)
{
    return state < VM_STATE_COUNT ? state_names[state] : "unknown";
}

unsigned launcher_request_fd_count(const struct launcher_request *request)
{
    return request->kind == LAUNCHER_START && request->shape.has_kernel ? 2 : 0;
}

unsigned launcher_notice_fd_count(const struct launcher_notice *notice)
{
    /* Only START's answer has them; whoever asked knows, so an answer may have none or all. */
    return notice->kind == LAUNCHER_INVENTORY ? VM_FD_COUNT : 0;
}

static struct digest read_digest(struct reader *reader)
{
    struct digest digest;

    reader_copy(reader, digest.bytes, sizeof digest.bytes);
    return digest;
}

/* --- requests --- */

static void parse_start(struct reader *reader, struct launcher_request *request)
{
    struct vm_shape *shape = &request->shape;
    uint8_t flags;

    request->vm = read_digest(reader);
    request->generation = reader_u64(reader);
    request->prepare_ms = reader_u32(reader);
    shape->memory_mib = reader_u32(reader);
    shape->vcpus = reader_u16(reader);
    flags = reader_u8(reader);
    shape->command_line = reader_sized16(reader, GUEST_COMMAND_LINE_SIZE_MAX);
    shape->is_incoming = flags & FLAG_INCOMING;
    shape->has_kernel = flags & FLAG_KERNEL;
    reader_require(reader, !(flags & ~FLAGS_ALL));
    reader_require(reader, request->generation > 0 && request->prepare_ms > 0);
    reader_require(reader, shape->memory_mib >= GUEST_MEMORY_MIB_MIN &&
                               shape->memory_mib <= GUEST_MEMORY_MIB_MAX);
    reader_require(reader, shape->vcpus >= 1 && shape->vcpus <= GUEST_VCPUS_MAX);
    reader_require(reader, shape->has_kernel || shape->command_line.size == 0);
    /* It becomes an argument: no byte may end it early. */
    reader_require(reader, !shape->command_line.size ||
                               !memchr(shape->command_line.data, '\0', shape->command_line.size));
}

enum status launcher_request_parse(struct view message, struct launcher_request *ret_request)
{
    struct reader reader = reader_of(message);
    struct launcher_request request = {0};
    uint8_t kind = reader_u8(&reader);

    reader_require(&reader, message.size <= LAUNCHER_MESSAGE_SIZE_MAX);
    reader_require(&reader, kind >= LAUNCHER_TRUST && kind <= LAUNCHER_LIST);
    request.tag = reader_u32(&reader);
    if (reader.bad) {
        return STATUS_MALFORMED;
    }
    request.kind = (enum launcher_request_kind)kind;
    switch (request.kind) {
    case LAUNCHER_TRUST:
        request.payload = reader_sized32(&reader, CA_CERTIFICATE_SIZE_MAX);
        break;
    case LAUNCHER_LEASE:
        request.registration = reader_u64(&reader);
        request.renewed_ms = reader_u64(&reader);
        break;
    case LAUNCHER_START:
        parse_start(&reader, &request);
        break;
    case LAUNCHER_GRANT:
        request.payload = reader_sized32(&reader, GRANT_SIZE_MAX);
        break;
    case LAUNCHER_SETTLE:
    case LAUNCHER_FREEZE:
    case LAUNCHER_DESTROY:
        request.vm = read_digest(&reader);
        break;
    case LAUNCHER_LIST:
        break;
    }
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    *ret_request = request;
    return STATUS_OK;
}

enum status launcher_request_encode(const struct launcher_request *request,
                                    struct bytes *ret_message)
{
    OWN(writer) struct writer writer = writer_new(LAUNCHER_MESSAGE_SIZE_MAX);
    const struct vm_shape *shape = &request->shape;

    writer_u8(&writer, (uint8_t)request->kind);
    writer_u32(&writer, request->tag);
    switch (request->kind) {
    case LAUNCHER_TRUST:
    case LAUNCHER_GRANT:
        writer_sized32(&writer, request->payload);
        break;
    case LAUNCHER_LEASE:
        writer_u64(&writer, request->registration);
        writer_u64(&writer, request->renewed_ms);
        break;
    case LAUNCHER_START:
        writer_view(&writer, digest_view(&request->vm));
        writer_u64(&writer, request->generation);
        writer_u32(&writer, request->prepare_ms);
        writer_u32(&writer, shape->memory_mib);
        writer_u16(&writer, shape->vcpus);
        writer_u8(&writer, (uint8_t)((shape->is_incoming ? FLAG_INCOMING : 0) |
                                     (shape->has_kernel ? FLAG_KERNEL : 0)));
        writer_sized16(&writer, shape->command_line);
        break;
    case LAUNCHER_SETTLE:
    case LAUNCHER_FREEZE:
    case LAUNCHER_DESTROY:
        writer_view(&writer, digest_view(&request->vm));
        break;
    case LAUNCHER_LIST:
        break;
    }
    return writer_take(&writer, ret_message);
}

/* --- notices --- */

static void read_text(struct reader *reader, char *ret_text, size_t size)
{
    struct view text = reader_sized16(reader, size - 1);

    if (text.size) {
        memcpy(ret_text, text.data, text.size);
    }
    ret_text[text.size] = '\0';
}

static void parse_answer(struct reader *reader, struct launcher_notice *notice)
{
    char name[64];
    uint8_t status;

    notice->tag = reader_u32(reader);
    status = reader_u8(reader);
    read_text(reader, name, sizeof name);
    read_text(reader, notice->refusal.detail, sizeof notice->refusal.detail);
    notice->refusal.code = refusal_of_name(name);
    reader_require(reader, status < STATUS_COUNT && notice->refusal.code < REFUSAL_CODE_COUNT);
    notice->status = (enum status)status;
}

static void read_state(struct reader *reader, enum vm_state *ret_state)
{
    uint8_t state = reader_u8(reader);

    reader_require(reader, state < VM_STATE_COUNT);
    *ret_state = (enum vm_state)state;
}

static bool read_bool(struct reader *reader)
{
    uint8_t value = reader_u8(reader);

    reader_require(reader, value <= 1);
    return value;
}

enum status launcher_notice_parse(struct view message, struct launcher_notice *ret_notice)
{
    struct reader reader = reader_of(message);
    struct launcher_notice notice = {0};
    uint8_t kind = reader_u8(&reader);

    reader_require(&reader, message.size <= LAUNCHER_MESSAGE_SIZE_MAX);
    reader_require(&reader, kind >= LAUNCHER_ANSWER && kind <= LAUNCHER_GONE);
    if (reader.bad) {
        return STATUS_MALFORMED;
    }
    notice.kind = (enum launcher_notice_kind)kind;
    if (notice.kind == LAUNCHER_ANSWER) {
        parse_answer(&reader, &notice);
    } else {
        notice.tag = reader_u32(&reader);
        notice.vm = read_digest(&reader);
        notice.generation = reader_u64(&reader);
        notice.registration = reader_u64(&reader);
    }
    switch (notice.kind) {
    case LAUNCHER_ANSWER:
        break;
    case LAUNCHER_INVENTORY:
        read_state(&reader, &notice.state);
        notice.deadline_ms = reader_u64(&reader);
        notice.memory_mib = reader_u32(&reader);
        notice.has_run = read_bool(&reader);
        break;
    case LAUNCHER_STATE:
        read_state(&reader, &notice.state);
        break;
    case LAUNCHER_GONE:
        notice.was_killed = read_bool(&reader);
        read_text(&reader, notice.detail, sizeof notice.detail);
        break;
    }
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    *ret_notice = notice;
    return STATUS_OK;
}

enum status launcher_notice_encode(const struct launcher_notice *notice, struct bytes *ret_message)
{
    OWN(writer) struct writer writer = writer_new(LAUNCHER_MESSAGE_SIZE_MAX);

    writer_u8(&writer, (uint8_t)notice->kind);
    writer_u32(&writer, notice->tag);
    if (notice->kind == LAUNCHER_ANSWER) {
        writer_u8(&writer, (uint8_t)notice->status);
        writer_sized16(&writer, view_string(refusal_name(notice->refusal.code)));
        writer_sized16(&writer, view_string(notice->refusal.detail));
    } else {
        writer_view(&writer, digest_view(&notice->vm));
        writer_u64(&writer, notice->generation);
        writer_u64(&writer, notice->registration);
    }
    switch (notice->kind) {
    case LAUNCHER_ANSWER:
        break;
    case LAUNCHER_INVENTORY:
        writer_u8(&writer, (uint8_t)notice->state);
        writer_u64(&writer, notice->deadline_ms);
        writer_u32(&writer, notice->memory_mib);
        writer_u8(&writer, notice->has_run);
        break;
    case LAUNCHER_STATE:
        writer_u8(&writer, (uint8_t)notice->state);
        break;
    case LAUNCHER_GONE:
        writer_u8(&writer, notice->was_killed);
        writer_sized16(&writer, view_string(notice->detail));
        break;
    }
    return writer_take(&writer, ret_message);
}
