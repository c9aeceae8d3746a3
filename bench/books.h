/* What the books say: the bench's accounts in the trial balance, and transfers looked up. */
#ifndef FLORIN_BENCH_BOOKS_H
#define FLORIN_BENCH_BOOKS_H

#include "client/florin.h"
#include "lib/id.h"

/* Opens accounts 0 to count - 1 of the traffic; those that are open already are as good. */
int books_open(florin_client_t *client, size_t count, florin_error_t *error) FLORIN_MUST_USE;

/* The sum of all debits of the bench's accounts, minor units. FLORIN_ERROR_REFUSED when it is not
 * that of their credits. */
int books_moved(florin_client_t *client, uint64_t *moved, florin_error_t *error) FLORIN_MUST_USE;

/* Looks transfers up, at most FLORIN_EVENTS_MAX. FLORIN_ERROR_REFUSED when one is missing, or is
 * another than it was. */
int books_find(florin_client_t *client, const florin_id_t *ids, size_t count,
               florin_error_t *error) FLORIN_MUST_USE;

#endif
