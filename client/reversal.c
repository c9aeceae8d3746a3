#include <sodium.h>
#include <string.h>

#include "client/florin.h"
#include "lib/limits.h"

florin_id_t florin_reversal_id(florin_id_t id, florin_id_t credit_account_id)
{
    static const char domain[] = "florin reversal";
    enum { DOMAIN_BYTES = sizeof domain - 1 };
    uint8_t text[DOMAIN_BYTES + FLORIN_ID_BYTES], hash[FLORIN_ID_BYTES];
    memcpy(text, domain, DOMAIN_BYTES);
    florin_id_to_bytes(id, text + DOMAIN_BYTES);
    (void)crypto_generichash(hash, sizeof hash, text, sizeof text, NULL, 0);
    return (florin_id_from_bytes(hash) & ~(florin_id_t)(FLORIN_SLOTS - 1)) |
           florin_id_slot(credit_account_id);
}
