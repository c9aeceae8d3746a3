#include "lib/id.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "lib/limits.h"

#define UUID_CHARS    36
#define DECIMAL_CHARS 20 /* of 2^64-1 */

florin_id_t florin_id_from_bytes(const uint8_t *bytes)
{
    florin_id_t id = 0;
    for (size_t i = 0; i < FLORIN_ID_BYTES; i++)
        id = id << 8 | bytes[i];
    return id;
}

void florin_id_to_bytes(florin_id_t id, uint8_t *bytes)
{
    for (size_t i = FLORIN_ID_BYTES; i-- > 0; id >>= 8)
        bytes[i] = (uint8_t)id;
}

static bool is_hyphen_place(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool parse_uuid(const char *text, florin_id_t *id)
{
    *id = 0;
    for (size_t i = 0; i < UUID_CHARS; i++) {
        int digit = hex_value(text[i]);
        if (is_hyphen_place(i) ? text[i] != '-' : digit < 0)
            return false;
        if (digit >= 0)
            *id = *id << 4 | (unsigned)digit;
    }
    return true;
}

static bool parse_decimal(const char *text, size_t length, florin_id_t *id)
{
    if (length == 0 || length > DECIMAL_CHARS)
        return false;
    *id = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *id = *id * 10 + (unsigned)(text[i] - '0');
    }
    return *id <= UINT64_MAX;
}

int florin_id_parse(const char *text, const char *what, florin_id_t *id, florin_error_t *error)
{
    size_t length = strnlen(text, UUID_CHARS + 1);
    if (length == UUID_CHARS ? parse_uuid(text, id) : parse_decimal(text, length, id))
        return FLORIN_OK;
    return florin_error_set(error, FLORIN_ERROR_INVALID,
                            "%s: \"%.*s%s\" is no id: give a UUID or a number below 2^64", what,
                            UUID_CHARS, text, length > UUID_CHARS ? "..." : "");
}

char *florin_id_format_uuid(florin_id_t id, char *text)
{
    uint64_t high = (uint64_t)(id >> 64);
    uint64_t low = (uint64_t)id;
    (void)snprintf(text, FLORIN_ID_TEXT_BYTES,
                   "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                   high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffffffffffff);
    return text;
}

char *florin_id_format(florin_id_t id, char *text)
{
    if (id > UINT64_MAX)
        return florin_id_format_uuid(id, text);
    (void)snprintf(text, FLORIN_ID_TEXT_BYTES, "%" PRIu64, (uint64_t)id);
    return text;
}

unsigned florin_id_slot(florin_id_t id)
{
    return (unsigned)id & (FLORIN_SLOTS - 1);
}

florin_id_t florin_id_mint(uint64_t unix_ms, unsigned slot)
{
    uint8_t bytes[FLORIN_ID_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    for (size_t i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
    bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0f)); /* version 7 */
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f)); /* variant of RFC 9562 */
    florin_id_t id = florin_id_from_bytes(bytes);
    return (id & ~(florin_id_t)(FLORIN_SLOTS - 1)) | (slot & (FLORIN_SLOTS - 1));
}
