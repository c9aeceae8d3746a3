#include "client/cli/wire.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "lib/id.h"

/* The prefix of an enum's values comes from its name: CreateTransferResult,
 * CREATE_TRANSFER_RESULT_. Its length is that of the name, and an underscore for each capital
 * letter. */
static size_t prefix_length(const char *enum_name)
{
    size_t length = 0;
    for (const char *p = enum_name; *p; p++)
        length += isupper((unsigned char)*p) ? 2 : 1;
    return length;
}

char *wire_enum_name(const ProtobufCEnumDescriptor *descriptor, int value, char *name)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(descriptor, value);
    size_t prefix = prefix_length(descriptor->short_name);
    if (!found || strlen(found->name) <= prefix) {
        (void)snprintf(name, WIRE_NAME_BYTES, "unknown_%d", value);
        return name;
    }
    (void)snprintf(name, WIRE_NAME_BYTES, "%s", found->name + prefix);
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

json_t *wire_uint64(uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return json_string(text);
}

/* Ids are what all bytes fields that are shown hold. An empty one is zero. */
static json_t *bytes_json(const ProtobufCBinaryData *bytes)
{
    char text[FLORIN_ID_TEXT_BYTES];
    if (bytes->len != 0 && bytes->len != FLORIN_ID_BYTES)
        return json_null();
    florin_id_t id = bytes->len ? florin_id_from_bytes(bytes->data) : 0;
    return json_string(florin_id_format_uuid(id, text));
}

/* The value of a type at `member`, an address within the unpacked message. */
static json_t *value_json(const ProtobufCFieldDescriptor *field, const void *member)
{
    char name[WIRE_NAME_BYTES];
    switch (field->type) {
    case PROTOBUF_C_TYPE_ENUM:
        return json_string(wire_enum_name(field->descriptor, *(const int *)member, name));
    case PROTOBUF_C_TYPE_UINT32:
        return json_integer(*(const uint32_t *)member);
    case PROTOBUF_C_TYPE_UINT64:
        return wire_uint64(*(const uint64_t *)member);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)member);
    case PROTOBUF_C_TYPE_STRING:
        return json_string(*(char *const *)member);
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_json(member);
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)member
                   ? wire_json(*(const ProtobufCMessage *const *)member)
                   : json_null();
    default: /* no field of florin.proto has another type */
        return json_null();
    }
}

static size_t value_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    case PROTOBUF_C_TYPE_UINT32:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(void *);
    }
}

static json_t *field_json(const ProtobufCFieldDescriptor *field, const uint8_t *message)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return value_json(field, message + field->offset);
    json_t *array = json_array();
    size_t count = *(const size_t *)(const void *)(message + field->quantifier_offset);
    const uint8_t *elements = *(uint8_t *const *)(const void *)(message + field->offset);
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(array,
                                    value_json(field, elements + i * value_bytes(field->type)));
    return array;
}

json_t *wire_json(const ProtobufCMessage *message)
{
    json_t *object = json_object();
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        (void)json_object_set_new(object, field->name, field_json(field, (const uint8_t *)message));
    }
    return object;
}
