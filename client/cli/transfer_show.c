/* florin transfer show. */
#include <string.h>

#include "client/cli/booking.h"
#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"

#define FLAG(name) FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_##name

#define RESOLVES (FLAG(POST_PENDING_TRANSFER) | FLAG(VOID_PENDING_TRANSFER))

/* "open until 2026-11-22 18:04:22.123", "posted"; "" of one that is not pending. */
static char *describe_pending(const lookup_transfer_t *found, char *text, size_t bytes)
{
    const Florin__V1__Transfer *transfer = found->transfer;
    char name[WIRE_NAME_BYTES], end[VALUE_TEXT_BYTES];
    *text = '\0';
    if (found->pending == FLORIN__V1__PENDING_STATUS__PENDING_STATUS_UNSPECIFIED)
        return text;
    (void)wire_enum_name(&florin__v1__pending_status__descriptor, (int)found->pending, name);
    if (found->pending == FLORIN__V1__PENDING_STATUS__PENDING_STATUS_OPEN && transfer->timeout)
        (void)snprintf(
            text, bytes, "%s until %s", name,
            value_time(transfer->timestamp + transfer->timeout * UINT64_C(1000000000), end));
    else
        (void)snprintf(text, bytes, "%s", name);
    return text;
}

static void print_transfer(const lookup_transfer_t *found, const char *result)
{
    const Florin__V1__Transfer *transfer = found->transfer;
    char text[VALUE_FLAGS_BYTES];
    (void)printf("transfer %s\n", florin_id_format(ids_of(&transfer->id), text));
    (void)printf("  result     %s\n", result);
    if (*describe_pending(found, text, sizeof text))
        (void)printf("  pending    %s\n", text);
    if (transfer->flags & RESOLVES)
        (void)printf("  %s      transfer %s\n",
                     transfer->flags & FLAG(POST_PENDING_TRANSFER) ? "posts" : "voids",
                     florin_id_format(ids_of(&transfer->pending_id), text));
    if (booking_reverses(transfer))
        (void)printf("  reverses   transfer %s\n",
                     florin_id_format(ids_of(&transfer->user_data), text));
    (void)printf("  debit      account %s\n",
                 florin_id_format(ids_of(&transfer->debit_account_id), text));
    (void)printf("  credit     account %s\n",
                 florin_id_format(ids_of(&transfer->credit_account_id), text));
    (void)printf("  amount     %s\n", value_money(transfer->amount, transfer->ledger, text));
    (void)printf("  code       %u\n", transfer->code);
    if (transfer->flags)
        (void)printf("  flags      %s\n", value_transfer_flags(transfer->flags, text, sizeof text));
    if (transfer->timeout)
        (void)printf("  timeout    %u s\n", transfer->timeout);
    if (*transfer->reference)
        (void)printf("  reference  %s\n", value_printable(transfer->reference));
    if (ids_of(&transfer->user_data) != 0)
        (void)printf("  user data  %s\n", florin_id_format(ids_of(&transfer->user_data), text));
    (void)printf("  time       %s\n", value_time(transfer->timestamp, text));
}

static void print_json(const lookup_transfer_t *found, const char *result)
{
    char name[WIRE_NAME_BYTES];
    json_t *object = wire_json(&found->transfer->base);
    (void)json_object_set_new(object, "result", json_string(result));
    if (found->pending != FLORIN__V1__PENDING_STATUS__PENDING_STATUS_UNSPECIFIED)
        (void)json_object_set_new(
            object, "pending_status",
            json_string(wire_enum_name(&florin__v1__pending_status__descriptor, (int)found->pending,
                                       name)));
    cli_print_json(object);
}

static int show_all(cli_t *cli, const ids_t *ids, const Florin__V1__LookupTransfersReply *reply)
{
    int code = CLI_DONE;
    lookup_place_t place = {0};
    for (size_t i = 0; i < ids->count; i++) {
        florin_id_t id = ids_of(&ids->wire[i]);
        const lookup_transfer_t found = lookup_next(reply, id, &place);
        char result[WIRE_NAME_BYTES];
        (void)wire_enum_name(&florin__v1__create_transfer_result__descriptor, (int)found.result,
                             result);
        if (!found.transfer)
            code = lookup_tell_no_transfer(cli, id);
        else if (cli->json)
            print_json(&found, result);
        else
            print_transfer(&found, result);
    }
    return code;
}

int transfer_show(cli_t *cli, int argc, char **argv)
{
    ids_t ids;
    int code = ids_parse(cli, argc, argv, "Show transfers, also those refused for good.", &ids);
    if (code != CLI_DONE)
        return code;
    Florin__V1__Reply *reply;
    code = lookup_transfers(cli, ids.wire, ids.count, "transfer show", &reply);
    if (code == CLI_DONE)
        code = show_all(cli, &ids, reply->lookup_transfers);
    florin__v1__reply__free_unpacked(reply, NULL);
    ids_clear(&ids);
    return code;
}
