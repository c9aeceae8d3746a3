#include "workers/accounts/accounts.h"
#include "workers/runtime/storage.h"

/* In both messages that write: the array, and the account in its elements (florin.proto). */
enum { ELEMENTS = 1, ACCOUNT_ID = 1 };

static florin_route_t route_write(const florin_slots_t *slots, florin_wire_t request)
{
    florin_wire_field_t element, field;
    florin_places_t places = {.slots = slots};
    while (!florin_places_several(&places) && florin_wire_next(&request, &element)) {
        florin_wire_t account = {NULL, NULL};
        if (element.number != ELEMENTS)
            continue;
        while (florin_wire_next(&element.contents, &field))
            if (field.number == ACCOUNT_ID)
                account = field.contents;
        florin_places_add(&places, account);
    }
    return florin_books_route(FLORIN_BOOKS_SHARD, &places, true);
}

florin_route_t florin_accounts_route(const florin_slots_t *slots, florin_wire_t body)
{
    florin_wire_t contents;
    switch (florin_route_operation(body, &contents)) {
    case FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS:
    case FLORIN__V1__REQUEST__OPERATION_SET_CREDIT_LIMITS:
        return route_write(slots, contents);
    case FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS:
    case FLORIN__V1__REQUEST__OPERATION_BALANCE_AT:
        return florin_books_route_read(FLORIN_BOOKS_LOOKUPS, slots, contents);
    case FLORIN__V1__REQUEST__OPERATION_STATEMENT:
        return florin_books_route_read(FLORIN_BOOKS_SCANS, slots, contents);
    case FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE:
    case FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS:
        return (florin_route_t){.kind = FLORIN_BOOKS_SCANS_CROSSING};
    default: /* what is refused, at once */
        return (florin_route_t){.kind = FLORIN_BOOKS_LOOKUPS_CROSSING};
    }
}
