/* A walk over a packed protobuf message, field by field, without unpacking it. */
#ifndef FLORIN_WIRE_H
#define FLORIN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes that are still to be read. */
typedef struct {
    const uint8_t *at, *end;
} florin_wire_t;

typedef struct {
    uint32_t number;
    uint64_t value;         /* of a varint; else 0 */
    florin_wire_t contents; /* what stands after its length; of a field without one, nothing */
} florin_wire_field_t;

/* Steps over a field. False when no whole one is left: at the end, or before bytes that are no
 * field. */
bool florin_wire_next(florin_wire_t *self, florin_wire_field_t *field);

#endif
