#include <string.h>

#include "workers/runtime/storage.h"
#include "workers/transactions/transactions.h"

/* The numbers of the fields in the messages (florin.proto). */
enum { TRANSFERS = 1, DRY_RUN = 2 };
enum { ID = 1, DEBIT_ACCOUNT_ID = 2, CREDIT_ACCOUNT_ID = 3, PENDING_ID = 5 };

static bool is_empty(florin_wire_t bytes)
{
    return bytes.at == bytes.end;
}

/* Adds the shards of a transfer; false when it leaves accounts to the pending transfer that it
 * posts or voids, which may be anywhere. */
static bool add_transfer(florin_places_t *places, florin_wire_t transfer)
{
    florin_wire_field_t field;
    florin_wire_t ids[PENDING_ID + 1] = {{NULL, NULL}};
    while (florin_wire_next(&transfer, &field))
        if (field.number <= PENDING_ID)
            ids[field.number] = field.contents;
    florin_places_add(places, ids[ID]);
    florin_places_add(places, ids[DEBIT_ACCOUNT_ID]);
    florin_places_add(places, ids[CREDIT_ACCOUNT_ID]);
    florin_places_add(places, ids[PENDING_ID]);
    return is_empty(ids[PENDING_ID]) ||
           (!is_empty(ids[DEBIT_ACCOUNT_ID]) && !is_empty(ids[CREDIT_ACCOUNT_ID]));
}

static florin_route_t route_transfers(const florin_slots_t *slots, florin_wire_t request)
{
    florin_wire_field_t field;
    florin_places_t places = {.slots = slots};
    bool known = true, dry = false;
    while (florin_wire_next(&request, &field)) {
        if (field.number == DRY_RUN)
            dry = field.value != 0;
        else if (field.number == TRANSFERS && known && !florin_places_several(&places))
            known = add_transfer(&places, field.contents);
    }
    return florin_books_route(dry ? FLORIN_BOOKS_SCANS : FLORIN_BOOKS_SHARD, &places, known);
}

florin_route_t florin_transactions_route(const florin_slots_t *slots, florin_wire_t body)
{
    florin_wire_t contents;
    switch (florin_route_operation(body, &contents)) {
    case FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS:
        return route_transfers(slots, contents);
    case FLORIN__V1__REQUEST__OPERATION_TRANSFER_OUTCOMES:
        return (florin_route_t){.kind = FLORIN_BOOKS_CROSSING};
    case FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS:
        return florin_books_route_read(FLORIN_BOOKS_LOOKUPS, slots, contents);
    case FLORIN__V1__REQUEST__OPERATION_LIST_TRANSFERS:
        return (florin_route_t){.kind = FLORIN_BOOKS_SCANS_CROSSING};
    default: /* what is refused, at once */
        return (florin_route_t){.kind = FLORIN_BOOKS_LOOKUPS_CROSSING};
    }
}
