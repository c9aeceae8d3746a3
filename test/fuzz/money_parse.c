/* An amount as a person writes it, after a byte that picks one of the exponents there are. */
#include "lib/money.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codes[] = {"JPY", "EUR", "KWD", "CLF"};
    if (size == 0)
        return 0;
    const florin_currency_t *currency = florin_currency_by_code(codes[data[0] % 4]);
    HOLDS(currency);
    char *text = fuzz_text_new(data + 1, size - 1);
    uint64_t amount = 0;
    uint64_t again = 0;
    florin_error_t error;
    char written[FLORIN_MONEY_TEXT_BYTES];
    if (florin_money_parse(text, "amount", currency, &amount, &error) == FLORIN_OK) {
        HOLDS(amount <= FLORIN_AMOUNT_MAX);
        florin_money_format_bare(amount, currency, written);
        HOLDS(florin_money_parse(written, "amount", currency, &again, &error) == FLORIN_OK);
        HOLDS(again == amount);
    } else {
        HOLDS(error.code == FLORIN_ERROR_INVALID);
        HOLDS(strncmp(error.message, "amount: ", 8) == 0);
    }
    (void)florin_currency_by_code(text);
    free(text);
    return 0;
}
