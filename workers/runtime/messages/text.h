/* What unpacking hides: protobuf-c's strings end at their first NUL, so one on the wire would cut
 * off, unseen, what comes after it. */
#ifndef FLORIN_TEXT_H
#define FLORIN_TEXT_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "lib/error.h"

/* Looks through a packed message of that type, and those inside it, for strings that hold a NUL.
 * FLORIN_ERROR_INVALID for the first, named as "transfers[3].reference: ...", and for bytes that
 * are no message at all. Nests as deep as the types do, so they may not contain themselves. */
int florin_text_check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                      florin_error_t *error) FLORIN_MUST_USE;

#endif
