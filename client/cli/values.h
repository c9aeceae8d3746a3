/* What people type and read: amounts of any size, balances, times, flags. */
#ifndef FLORIN_CLI_VALUES_H
#define FLORIN_CLI_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/id.h"
#include "lib/money.h"

/* Longest text that any of these write, with NUL. */
#define VALUE_TEXT_BYTES 80

/* A sum of money that may pass 64 bits. */
__extension__ typedef unsigned __int128 sum_t;

/* Decimal digits, as in a trial balance; false when they are none or too many. */
bool sum_parse(const char *digits, sum_t *sum) FLORIN_MUST_USE;
/* False when it would overflow. */
bool sum_add(sum_t *sum, sum_t more) FLORIN_MUST_USE;

/* "1234.50" in the ledger's currency; in a ledger that is no currency, whole minor units. All
 * return `text`, which holds VALUE_TEXT_BYTES. */
char *value_sum(sum_t sum, uint32_t ledger, char *text);
char *value_amount(uint64_t amount, uint32_t ledger, char *text);

/* "EUR", or "ledger 7" for one that is no currency. */
char *value_ledger(uint32_t ledger, char *text);

/* "12.50 EUR", or "1250 ledger 7". */
char *value_money(uint64_t amount, uint32_t ledger, char *text);

/* What remains when debits and credits are set off, and on which side: "3.00 CR", "1.00 DR",
 * "0.00". */
char *value_balance(uint64_t debits, uint64_t credits, uint32_t ledger, char *text);

/* Nanoseconds since 1970 as UTC: "2026-11-22 18:04:22.123"; "-" for 0. */
char *value_time(uint64_t timestamp, char *text);

/* Reads "2026-11-22", "2026-11-22T18:04[:22[.123456789]]" with Z, an offset (+01:00) or nothing for
 * UTC, or nanoseconds since 1970. */
int value_time_parse(const char *text, const char *what, uint64_t *timestamp,
                     florin_error_t *error) FLORIN_MUST_USE;

/* Holds the names of all flags that there are, with NUL. */
#define VALUE_FLAGS_BYTES 200

/* The names of an account's or a transfer's flags, joined with '|'; "" for none. */
char *value_account_flags(uint32_t flags, char *text, size_t bytes);
char *value_transfer_flags(uint32_t flags, char *text, size_t bytes);
/* Reads such names, of flags that one who asks may set; "" is none. The error lists them. */
int value_account_flags_parse(const char *text, const char *what, uint32_t *flags,
                              florin_error_t *error) FLORIN_MUST_USE;
int value_transfer_flags_parse(const char *text, const char *what, uint32_t *flags,
                               florin_error_t *error) FLORIN_MUST_USE;

/* A whole number from min to max. */
int value_number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *number,
                 florin_error_t *error) FLORIN_MUST_USE;

/* Reads "90", "90s", "15m", "24h" or "7d" as seconds, 1 to 2^32-1. */
int value_seconds(const char *text, const char *what, uint32_t *seconds,
                  florin_error_t *error) FLORIN_MUST_USE;

/* The currency of a code; the error names the code. */
int value_currency(const char *code, const char *what, const florin_currency_t **currency,
                   florin_error_t *error) FLORIN_MUST_USE;

/* Reads "12.50" in the ledger's currency; in a ledger that is no currency, whole minor units. */
int value_amount_parse(const char *text, const char *what, uint32_t ledger, uint64_t *amount,
                       florin_error_t *error) FLORIN_MUST_USE;

/* Copies a transfer's reference: UTF-8 without control characters, at most
 * FLORIN_REFERENCE_BYTES_MAX bytes, for which and a NUL there is room. */
int value_reference(const char *text, const char *what, char *reference,
                    florin_error_t *error) FLORIN_MUST_USE;

/* Writes '?' over control characters, which could play with the terminal, and over what is not
 * UTF-8. Returns text. */
char *value_printable(char *text);

#endif
