/* Accounts and transfers asked for by their ids. */
#ifndef FLORIN_CLI_LOOKUP_H
#define FLORIN_CLI_LOOKUP_H

#include "client/cli/cli.h"
#include "lib/id.h"

/* As cli_call: *reply has what was found, in the order asked. */
int lookup_accounts(cli_t *cli, ProtobufCBinaryData *ids, size_t count, const char *what,
                    Florin__V1__Reply **reply) FLORIN_MUST_USE;
int lookup_transfers(cli_t *cli, ProtobufCBinaryData *ids, size_t count, const char *what,
                     Florin__V1__Reply **reply) FLORIN_MUST_USE;

/* What became of an id. */
typedef struct {
    const Florin__V1__Transfer *transfer; /* made, or as it was refused; NULL: the id is free */
    Florin__V1__CreateTransferResult result;
    Florin__V1__PendingStatus pending; /* unspecified unless it was made as pending */
} lookup_transfer_t;

/* How far the lists of a reply are read. */
typedef struct {
    size_t transfers, refused, pending;
} lookup_place_t;

/* The next of the ids that were asked for; begin with a place of zeros. */
lookup_transfer_t lookup_next(const Florin__V1__LookupTransfersReply *reply, florin_id_t id,
                              lookup_place_t *place);

/* One account that has to be there, or one transfer: CLI_DONE, or the exit code after telling why
 * not. What was found lives in the reply, which has to be freed either way. */
int lookup_account(cli_t *cli, florin_id_t id, Florin__V1__Reply **reply,
                   const Florin__V1__Account **account) FLORIN_MUST_USE;
int lookup_transfer(cli_t *cli, florin_id_t id, Florin__V1__Reply **reply,
                    lookup_transfer_t *found) FLORIN_MUST_USE;
/* The same of a field's id, telling nothing: false when there is none, or no answer. */
bool lookup_account_quietly(cli_t *cli, const ProtobufCBinaryData *id, Florin__V1__Reply **reply,
                            const Florin__V1__Account **account) FLORIN_MUST_USE;
bool lookup_transfer_quietly(cli_t *cli, const ProtobufCBinaryData *id, Florin__V1__Reply **reply,
                             lookup_transfer_t *found) FLORIN_MUST_USE;

/* Tells that there is none. Returns CLI_REFUSED. */
int lookup_tell_no_account(cli_t *cli, florin_id_t id);
int lookup_tell_no_transfer(cli_t *cli, florin_id_t id);

#endif
