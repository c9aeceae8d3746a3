/* Currencies (ISO 4217) and amounts in minor units. */
#ifndef FLORIN_MONEY_H
#define FLORIN_MONEY_H

#include <stdint.h>

#include "lib/error.h"

#define FLORIN_AMOUNT_MAX       UINT64_C(9223372036854775807)
#define FLORIN_MONEY_TEXT_BYTES 40

typedef struct {
    char code[4];     /* "EUR" */
    uint16_t numeric; /* 978: the ledger's number */
    uint8_t exponent; /* digits after the point: 2 */
} florin_currency_t;

/* The currency of that code (three letters, any case) or ledger number; NULL when there is none.
 * Static. Source: ISO 4217 list one. */
FLORIN_API const florin_currency_t *florin_currency_by_code(const char *code);
FLORIN_API const florin_currency_t *florin_currency_by_numeric(uint32_t numeric);

/* Reads "12.50" as 1250 for exponent 2: digits, at most one point, no sign, no more decimals than
 * the currency has, at most FLORIN_AMOUNT_MAX. Returns 0 or FLORIN_ERROR_INVALID with a message
 * that names `what`. */
FLORIN_API int florin_money_parse(const char *text, const char *what,
                                  const florin_currency_t *currency, uint64_t *amount,
                                  florin_error_t *error) FLORIN_MUST_USE;

/* Writes 1250 and EUR as "12.50 EUR" (the first without the code: "12.50"). `text` holds
 * FLORIN_MONEY_TEXT_BYTES. Returns text. */
FLORIN_API char *florin_money_format_bare(uint64_t amount, const florin_currency_t *currency,
                                          char *text);
FLORIN_API char *florin_money_format(uint64_t amount, const florin_currency_t *currency,
                                     char *text);

#endif
