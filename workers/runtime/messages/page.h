/* Pages of lists: the wire's filter and its cursor. */
#ifndef FLORIN_PAGE_H
#define FLORIN_PAGE_H

#include "store/store.h"
#include "workers/runtime/messages/convert.h"

#define FLORIN_PAGE_LIMIT_DEFAULT 100

/* What a filter asks for; none asks for all. An error names the field. */
int florin_page_query(const Florin__V1__Filter *filter, florin_list_query_t *query,
                      florin_error_t *error) FLORIN_MUST_USE;

/* How many rows its page may have, at most FLORIN_EVENTS_MAX. */
size_t florin_page_limit(const Florin__V1__Filter *filter);

/* The cursor that goes on after a row; false when the arena is full. */
bool florin_page_cursor(uint64_t timestamp, florin_id_t id, florin_arena_t *arena,
                        ProtobufCBinaryData *cursor);

/* FLORIN_ERROR_INVALID, naming the field, for a value above the maximum. */
int florin_page_number(const char *field, uint64_t value, uint64_t max,
                       florin_error_t *error) FLORIN_MUST_USE;

#endif
