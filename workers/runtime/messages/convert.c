#include "workers/runtime/messages/convert.h"

#include <string.h>

#include "lib/id.h"
#include "lib/limits.h"
#include "lib/utf8.h"

/* What is being read, to be named in an error. */
typedef struct {
    const char *array; /* "transfers" */
    size_t index;
    florin_error_t *error;
} place_t;

static int read_bytes16(const ProtobufCBinaryData *bytes, florin_id_t *id)
{
    if (bytes->len != 0 && bytes->len != FLORIN_ID_BYTES)
        return FLORIN_ERROR_INVALID;
    *id = bytes->len == 0 ? 0 : florin_id_from_bytes(bytes->data);
    return 0;
}

static int place_bytes16(const place_t *place, const char *field, const ProtobufCBinaryData *bytes,
                         florin_id_t *id)
{
    if (read_bytes16(bytes, id))
        return florin_error_set(place->error, FLORIN_ERROR_INVALID,
                                "%s[%zu].%s: %zu bytes; it has %d, or none for zero", place->array,
                                place->index, field, bytes->len, FLORIN_ID_BYTES);
    return 0;
}

static int place_number(const place_t *place, const char *field, uint64_t value, uint64_t max)
{
    if (value > max)
        return florin_error_set(place->error, FLORIN_ERROR_INVALID,
                                "%s[%zu].%s: %llu; it is at most %llu", place->array, place->index,
                                field, (unsigned long long)value, (unsigned long long)max);
    return 0;
}

static int place_reference(const place_t *place, const char *text, florin_transfer_t *transfer)
{
    size_t bytes = strnlen(text, FLORIN_REFERENCE_BYTES_MAX + 1);
    if (bytes > FLORIN_REFERENCE_BYTES_MAX)
        return florin_error_set(place->error, FLORIN_ERROR_INVALID,
                                "%s[%zu].reference: longer than %d bytes", place->array,
                                place->index, FLORIN_REFERENCE_BYTES_MAX);
    for (size_t i = 0; i < bytes;) {
        size_t step = florin_utf8_length(text + i);
        if (step == 0)
            return florin_error_set(place->error, FLORIN_ERROR_INVALID,
                                    "%s[%zu].reference: not UTF-8 at byte %zu", place->array,
                                    place->index, i);
        i += step;
    }
    transfer->reference = text;
    transfer->reference_bytes = (uint8_t)bytes;
    return 0;
}

int florin_convert_id(const ProtobufCBinaryData *bytes, const char *field, size_t index,
                      florin_id_t *id, florin_error_t *error)
{
    if (read_bytes16(bytes, id) == 0)
        return 0;
    if (index == FLORIN_CONVERT_NO_INDEX)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "%s: %zu bytes; an id has %d", field,
                                bytes->len, FLORIN_ID_BYTES);
    return florin_error_set(error, FLORIN_ERROR_INVALID, "%s[%zu]: %zu bytes; an id has %d", field,
                            index, bytes->len, FLORIN_ID_BYTES);
}

int florin_convert_account(const Florin__V1__Account *wire, size_t index, florin_account_t *account,
                           florin_error_t *error)
{
    const place_t place = {"accounts", index, error};
    *account = (florin_account_t){
        .balances = {wire->debits_pending, wire->debits_posted, wire->credits_pending,
                     wire->credits_posted},
        .credit_limit = wire->credit_limit,
        .timestamp = wire->timestamp,
        .ledger = wire->ledger,
        .flags = wire->flags,
        .code = (uint16_t)wire->code,
    };
    if (place_bytes16(&place, "id", &wire->id, &account->id) ||
        place_bytes16(&place, "user_data", &wire->user_data, &account->user_data) ||
        place_number(&place, "code", wire->code, UINT16_MAX) ||
        place_number(&place, "credit_limit", wire->credit_limit, FLORIN_LEDGER_AMOUNT_MAX))
        return FLORIN_ERROR_INVALID;
    return 0;
}

int florin_convert_transfer(const Florin__V1__Transfer *wire, size_t index,
                            florin_transfer_t *transfer, florin_error_t *error)
{
    const place_t place = {"transfers", index, error};
    *transfer = (florin_transfer_t){
        .amount = wire->amount,
        .timestamp = wire->timestamp,
        .timeout_s = wire->timeout,
        .ledger = wire->ledger,
        .flags = wire->flags,
        .code = (uint16_t)wire->code,
    };
    if (place_bytes16(&place, "id", &wire->id, &transfer->id) ||
        place_bytes16(&place, "debit_account_id", &wire->debit_account_id,
                      &transfer->debit_account_id) ||
        place_bytes16(&place, "credit_account_id", &wire->credit_account_id,
                      &transfer->credit_account_id) ||
        place_bytes16(&place, "pending_id", &wire->pending_id, &transfer->pending_id) ||
        place_bytes16(&place, "user_data", &wire->user_data, &transfer->user_data) ||
        place_number(&place, "amount", wire->amount, FLORIN_LEDGER_AMOUNT_MAX) ||
        place_number(&place, "code", wire->code, UINT16_MAX) ||
        place_reference(&place, wire->reference, transfer))
        return FLORIN_ERROR_INVALID;
    return 0;
}

bool florin_convert_id_out(florin_id_t id, florin_arena_t *arena, ProtobufCBinaryData *bytes)
{
    *bytes = (ProtobufCBinaryData){0};
    if (id == 0)
        return true;
    bytes->data = florin_arena_alloc(arena, FLORIN_ID_BYTES);
    if (!bytes->data)
        return false;
    bytes->len = FLORIN_ID_BYTES;
    florin_id_to_bytes(id, bytes->data);
    return true;
}

Florin__V1__Account *florin_convert_account_out(const florin_account_t *account,
                                                florin_arena_t *arena)
{
    Florin__V1__Account *wire = florin_arena_alloc(arena, sizeof(*wire));
    if (!wire)
        return NULL;
    florin__v1__account__init(wire);
    if (!florin_convert_id_out(account->id, arena, &wire->id) ||
        !florin_convert_id_out(account->user_data, arena, &wire->user_data))
        return NULL;
    wire->ledger = account->ledger;
    wire->code = account->code;
    wire->flags = account->flags;
    wire->debits_pending = account->balances.debits_pending;
    wire->debits_posted = account->balances.debits_posted;
    wire->credits_pending = account->balances.credits_pending;
    wire->credits_posted = account->balances.credits_posted;
    wire->credit_limit = account->credit_limit;
    wire->timestamp = account->timestamp;
    return wire;
}

Florin__V1__Transfer *florin_convert_transfer_out(const florin_transfer_t *transfer,
                                                  florin_arena_t *arena)
{
    Florin__V1__Transfer *wire = florin_arena_alloc(arena, sizeof(*wire));
    if (!wire)
        return NULL;
    florin__v1__transfer__init(wire);
    if (!florin_convert_id_out(transfer->id, arena, &wire->id) ||
        !florin_convert_id_out(transfer->debit_account_id, arena, &wire->debit_account_id) ||
        !florin_convert_id_out(transfer->credit_account_id, arena, &wire->credit_account_id) ||
        !florin_convert_id_out(transfer->pending_id, arena, &wire->pending_id) ||
        !florin_convert_id_out(transfer->user_data, arena, &wire->user_data))
        return NULL;
    if (transfer->reference_bytes > 0) {
        wire->reference =
            florin_arena_printf(arena, "%.*s", (int)transfer->reference_bytes, transfer->reference);
        if (!wire->reference)
            return NULL;
    }
    wire->amount = transfer->amount;
    wire->timeout = transfer->timeout_s;
    wire->ledger = transfer->ledger;
    wire->code = transfer->code;
    wire->flags = transfer->flags;
    wire->timestamp = transfer->timestamp;
    return wire;
}
