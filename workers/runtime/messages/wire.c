#include "workers/runtime/messages/wire.h"

#include <protobuf-c/protobuf-c.h>

static bool read_varint(florin_wire_t *self, uint64_t *value)
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

bool florin_wire_next(florin_wire_t *self, florin_wire_field_t *field)
{
    uint64_t key, length = 0;
    if (!read_varint(self, &key))
        return false;
    field->number = (uint32_t)(key >> 3);
    field->value = 0;
    switch (key & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        if (!read_varint(self, &field->value))
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
    field->contents = (florin_wire_t){self->at, self->at + length};
    self->at += length;
    return true;
}
