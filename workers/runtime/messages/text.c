#include "workers/runtime/messages/text.h"

#include <string.h>

#include "workers/runtime/messages/wire.h"

/* The message being looked through, and its place. */
typedef struct {
    florin_wire_t wire;
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *array; /* what it is an element of, or NULL */
    size_t index;
} message_t;

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
    while (self->wire.at < self->wire.end) {
        florin_wire_field_t found;
        if (!florin_wire_next(&self->wire, &found))
            return florin_error_set(error, FLORIN_ERROR_INVALID, "not a %s", self->type->name);
        const size_t size = (size_t)(found.contents.end - found.contents.at);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(self->type, found.number);
        if (field && field->type == PROTOBUF_C_TYPE_STRING && memchr(found.contents.at, '\0', size))
            return refuse(self, field, error);
        if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        bool array = field->label == PROTOBUF_C_LABEL_REPEATED;
        message_t inside = {.wire = found.contents,
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
    message_t body = {.wire = {bytes, bytes + size}, .type = type};
    return check(&body, error);
}
