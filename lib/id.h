/* Ids: 16 bytes, big-endian, what a UUID is. As numbers they sort as their bytes do. */
#ifndef FLORIN_ID_H
#define FLORIN_ID_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

__extension__ typedef unsigned __int128 florin_id_t;

#define FLORIN_ID_BYTES      16
#define FLORIN_ID_TEXT_BYTES 37 /* a UUID's 36 characters and NUL */

/* The bytes at `bytes` (16 of them) as an id, and back. */
FLORIN_API florin_id_t florin_id_from_bytes(const uint8_t *bytes);
FLORIN_API void florin_id_to_bytes(florin_id_t id, uint8_t *bytes);

/* Reads a UUID (8-4-4-4-12, any case) or a decimal number up to 2^64-1. The whole of the text must
 * be one. Returns 0, or FLORIN_ERROR_INVALID with a message that names `what`. */
FLORIN_API int florin_id_parse(const char *text, const char *what, florin_id_t *id,
                               florin_error_t *error) FLORIN_MUST_USE;

/* Writes a number below 2^64 in decimal, any other id as a UUID. `text` holds
 * FLORIN_ID_TEXT_BYTES. Returns text. */
FLORIN_API char *florin_id_format(florin_id_t id, char *text);

/* Writes any id as a UUID, as JSON output and PostgreSQL show it. Returns text. */
FLORIN_API char *florin_id_format_uuid(florin_id_t id, char *text);

/* The id's slot, 0 to FLORIN_SLOTS-1: its low 10 bits. */
FLORIN_API unsigned florin_id_slot(florin_id_t id);

/* A new UUID version 7 for the time `unix_ms`: time-ordered, random (libsodium), its low 10 bits
 * the slot given. A transfer's id carries the slot of its debit account. */
FLORIN_API florin_id_t florin_id_mint(uint64_t unix_ms, unsigned slot);

#endif
