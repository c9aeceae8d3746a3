/* Any message as JSON, by protobuf's own description of it: field names as in florin.proto, 64-bit
 * integers as strings, ids as UUIDs, enums by their names in lower case without the prefix. Fields
 * that are zero are there, too, so that a script finds them. */
#ifndef FLORIN_CLI_WIRE_H
#define FLORIN_CLI_WIRE_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* A new reference. */
json_t *wire_json(const ProtobufCMessage *message);

#define WIRE_NAME_BYTES 96

/* An enum value's name, "exceeds_credits"; "unknown_123" for one this program does not know yet.
 * `name` holds WIRE_NAME_BYTES. Returns name. */
char *wire_enum_name(const ProtobufCEnumDescriptor *descriptor, int value, char *name);

/* A 64-bit integer as protobuf's JSON mapping has it: a string. */
json_t *wire_uint64(uint64_t value);

#endif
