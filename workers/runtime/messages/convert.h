/* Between the wire's messages and the ledger's structs, with every range checked. */
#ifndef FLORIN_CONVERT_H
#define FLORIN_CONVERT_H

#include "florin/v1/florin.pb-c.h"
#include "ledger/ledger.h"
#include "lib/arena.h"

/* The index of a field that is in no array. */
#define FLORIN_CONVERT_NO_INDEX SIZE_MAX

/* Each reads element `index` of a request's array; an error is FLORIN_ERROR_INVALID and names it:
 * "transfers[3].amount: ...". References are borrowed from the message. What the ledger has a
 * result of its own for (a zero id, an unknown flag) is let through to it. */
int florin_convert_id(const ProtobufCBinaryData *bytes, const char *field, size_t index,
                      florin_id_t *id, florin_error_t *error) FLORIN_MUST_USE;
int florin_convert_account(const Florin__V1__Account *wire, size_t index, florin_account_t *account,
                           florin_error_t *error) FLORIN_MUST_USE;
int florin_convert_transfer(const Florin__V1__Transfer *wire, size_t index,
                            florin_transfer_t *transfer, florin_error_t *error) FLORIN_MUST_USE;

/* New messages in the arena; NULL past its bound. A zero id is an empty field. */
Florin__V1__Account *florin_convert_account_out(const florin_account_t *account,
                                                florin_arena_t *arena);
Florin__V1__Transfer *florin_convert_transfer_out(const florin_transfer_t *transfer,
                                                  florin_arena_t *arena);
bool florin_convert_id_out(florin_id_t id, florin_arena_t *arena, ProtobufCBinaryData *bytes);

#endif
