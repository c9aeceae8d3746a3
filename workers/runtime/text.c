#include "workers/runtime/text.h"

#include <string.h>

/* The message being looked through: bytes that are still to be read, and its place. */
typedef struct {
    const uint8_t *at, *end;
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *array; /* what it is an element of, or NULL */
    size_t index;
} message_t;

static bool read_varint(message_t *self, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && self->at < self->end; shift += 7) {
        uint8_t byte = *self->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Steps over a field; *content and *size are what stands in it after its length. */
static bool read_field(message_t *self, uint32_t *number, const uint8_t **content, size_t *size)
{
    uint64_t key, value, length = 0;
    if (!read_varint(self, &key))
        return false;
    switch (key & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        if (!read_varint(self, &value))
            return false;
        break;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        length = sizeof(uint64_t);
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        length = sizeof(uint32_t);
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!read_varint(self, &length))
            return false;
        break;
    default:
        return false;
    }
    if (length > (size_t)(self->end - self->at))
        return false;
    *number = (uint32_t)(key >> 3);
    *content = self->at;
    *size = (size_t)length;
    self->at += length;
    return true;
}

static int refuse(const message_t *self, const ProtobufCFieldDescriptor *field,
                  florin_error_t *error)
{
    if (self->array)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "%s[%zu].%s: holds a NUL byte",
                                self->array->name, self->index, field->name);
    return florin_error_set(error, FLORIN_ERROR_INVALID, "%s: holds a NUL byte", field->name);
}

static int check(message_t *self, florin_error_t *error)
{
    size_t elements = 0; /* no message has more than one array */
    while (self->at < self->end) {
        uint32_t number;
        const uint8_t *content;
        size_t size;
        if (!read_field(self, &number, &content, &size))
            return florin_error_set(error, FLORIN_ERROR_INVALID, "not a %s", self->type->name);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(self->type, number);
        if (field && field->type == PROTOBUF_C_TYPE_STRING && memchr(content, '\0', size))
            return refuse(self, field, error);
        if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        bool array = field->label == PROTOBUF_C_LABEL_REPEATED;
        message_t inside = {.at = content,
                            .end = content + size,
                            .type = field->descriptor,
                            .array = array ? field : NULL,
                            .index = array ? elements++ : 0};
        if (check(&inside, error))
            return error->code;
    }
    return 0;
}

int florin_text_check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                      florin_error_t *error)
{
    message_t body = {.at = bytes, .end = bytes + size, .type = type};
    return check(&body, error);
}
