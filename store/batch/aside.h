/* Rows that cannot be: who needs them is told so, and the others of a batch go on. */
#ifndef FLORIN_STORE_ASIDE_H
#define FLORIN_STORE_ASIDE_H

#include "store/batch/plan.h"

/* Keeps in mind that a row cannot be, and says it in the log, once in a while. */
void florin_aside_note(florin_store_t *self, florin_id_t id, const char *why);
/* The row is as it should be: forgets that it was not. */
void florin_aside_clear(florin_store_t *self, florin_id_t id);

/* Sets aside a row that was read; call it in the order of the ids. `most`: how many may come. False
 * when there is no memory. */
bool florin_batch_set_aside(florin_plan_t *self, florin_odd_rows_t *odd, size_t most,
                            florin_id_t id, const char *why);
/* Fails the requests that need what was set aside. False when there was something. */
bool florin_batch_avoid_odd(florin_plan_t *self);
/* Fails a request for an account that the ledger met and that cannot be (florin_ledger_impossible).
 */
void florin_batch_fail_impossible(florin_plan_t *self, florin_store_request_t *request,
                                  florin_id_t id);

#endif
