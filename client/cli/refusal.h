/* Refused accounts, transfers and limits, told in sentences that say what to do next. */
#ifndef FLORIN_CLI_REFUSAL_H
#define FLORIN_CLI_REFUSAL_H

#include "client/cli/cli.h"

/* True for `created` and `exists`: what was asked for is there. */
bool refusal_none_account(Florin__V1__OpenAccountResult result);
bool refusal_none_transfer(Florin__V1__CreateTransferResult result);

/* True for a refusal that has spent the transfer's id. */
bool refusal_spends(Florin__V1__CreateTransferResult result);

/* One result as JSON: {"id", "result", "timestamp"}, and for transfers what else the reply says. */
json_t *refusal_account_json(const ProtobufCBinaryData *id,
                             const Florin__V1__AccountResult *result);
json_t *refusal_transfer_json(const ProtobufCBinaryData *id,
                              const Florin__V1__TransferResult *result);

/* Why, and what to do next, in `bytes` of text. */
void refusal_explain_account(const Florin__V1__AccountResult *result, char *text, size_t bytes);
void refusal_explain_transfer(const Florin__V1__TransferResult *result, char *text, size_t bytes);
void refusal_explain_limit(Florin__V1__SetCreditLimitResult result, char *text, size_t bytes);

/* Risk's reasons, "amount_above_review, ..."; "" for none. Returns text. */
char *refusal_reasons(const Florin__V1__TransferResult *result, char *text, size_t bytes);

/* Tells of one refused event; asks for what is in its way, to say the numbers. After a dry run
 * (`tried`) nothing is spent. */
void refusal_tell_account(cli_t *cli, const Florin__V1__Account *account,
                          const Florin__V1__AccountResult *result);
void refusal_tell_transfer(cli_t *cli, const Florin__V1__Transfer *transfer,
                           const Florin__V1__TransferResult *result, bool tried);

#endif
