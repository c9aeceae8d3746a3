#include "workers/runtime/messages/page.h"

#include "lib/id.h"
#include "lib/limits.h"

/* 8 bytes of timestamp, 16 of id, both big-endian. */
#define TIMESTAMP_BYTES 8
#define CURSOR_BYTES    (TIMESTAMP_BYTES + FLORIN_ID_BYTES)

int florin_page_number(const char *field, uint64_t value, uint64_t max, florin_error_t *error)
{
    if (value > max)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "%s: %llu; it is at most %llu", field,
                                (unsigned long long)value, (unsigned long long)max);
    return 0;
}

static int read_cursor(const ProtobufCBinaryData *cursor, florin_list_query_t *query,
                       florin_error_t *error)
{
    if (cursor->len == 0)
        return 0;
    if (cursor->len != CURSOR_BYTES)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "filter.cursor: %zu bytes; it is the next_cursor of a reply",
                                cursor->len);
    for (size_t i = 0; i < TIMESTAMP_BYTES; i++)
        query->after_timestamp = query->after_timestamp << 8 | cursor->data[i];
    query->after_id = florin_id_from_bytes(cursor->data + TIMESTAMP_BYTES);
    return florin_page_number("filter.cursor", query->after_timestamp, INT64_MAX, error);
}

size_t florin_page_limit(const Florin__V1__Filter *filter)
{
    if (!filter || filter->limit == 0)
        return FLORIN_PAGE_LIMIT_DEFAULT;
    return filter->limit < FLORIN_EVENTS_MAX ? filter->limit : FLORIN_EVENTS_MAX;
}

int florin_page_query(const Florin__V1__Filter *filter, florin_list_query_t *query,
                      florin_error_t *error)
{
    *query = (florin_list_query_t){.limit = florin_page_limit(filter)};
    if (!filter)
        return 0;
    query->ledger = filter->ledger;
    query->code = (uint16_t)filter->code;
    query->from = filter->from_timestamp;
    query->until = filter->until_timestamp;
    query->newest_first = filter->newest_first;
    if (filter->limit > FLORIN_EVENTS_MAX)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                                "filter.limit: %u; a page has at most %d rows: ask for the others "
                                "with next_cursor",
                                filter->limit, FLORIN_EVENTS_MAX);
    if (florin_page_number("filter.code", filter->code, UINT16_MAX, error) ||
        florin_page_number("filter.from_timestamp", filter->from_timestamp, INT64_MAX, error) ||
        florin_page_number("filter.until_timestamp", filter->until_timestamp, INT64_MAX, error) ||
        florin_convert_id(&filter->user_data, "filter.user_data", FLORIN_CONVERT_NO_INDEX,
                          &query->user_data, error))
        return error->code;
    return read_cursor(&filter->cursor, query, error);
}

bool florin_page_cursor(uint64_t timestamp, florin_id_t id, florin_arena_t *arena,
                        ProtobufCBinaryData *cursor)
{
    cursor->data = florin_arena_alloc(arena, CURSOR_BYTES);
    if (!cursor->data)
        return false;
    cursor->len = CURSOR_BYTES;
    for (size_t i = 0; i < TIMESTAMP_BYTES; i++)
        cursor->data[i] = (uint8_t)(timestamp >> (8 * (TIMESTAMP_BYTES - 1 - i)));
    florin_id_to_bytes(id, cursor->data + TIMESTAMP_BYTES);
    return true;
}
