#include "lib/money.h"

#include <stdlib.h>
#include <string.h>

#include "test/lib/support/test.h"

static void currencies_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        uint16_t numeric;
        uint8_t exponent;
    } vectors[] = {
        {"EUR", 978, 2}, {"USD", 840, 2}, {"JPY", 392, 0}, {"CZK", 203, 2}, {"KWD", 414, 3},
        {"CLF", 990, 4}, {"ALL", 8, 2},   {"AED", 784, 2}, {"ZWG", 924, 2}, {"XCG", 532, 2},
        {"ISK", 352, 0}, {"HUF", 348, 2}, {"TND", 788, 3}, {"XTS", 963, 0},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const florin_currency_t *currency = florin_currency_by_code(vectors[i].code);
        assert_non_null(currency);
        assert_string_equal(currency->code, vectors[i].code);
        assert_int_equal(currency->numeric, vectors[i].numeric);
        assert_int_equal(currency->exponent, vectors[i].exponent);
        assert_ptr_equal(florin_currency_by_numeric(vectors[i].numeric), currency);
    }
    assert_ptr_equal(florin_currency_by_code("eur"), florin_currency_by_code("EUR"));
}

static void others_are_not(void **state)
{
    (void)state;
    static const char *const codes[] = {"", "EU", "EURO", "DEM", "978", "E\377R"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_null(florin_currency_by_code(codes[i]));
    assert_null(florin_currency_by_numeric(0));
    assert_null(florin_currency_by_numeric(1));
    assert_null(florin_currency_by_numeric(978 + 65536));
}

/* Every number leads to a currency that leads back: no code and no number is in the table twice. */
static void numbers_and_codes_are_unique(void **state)
{
    (void)state;
    size_t count = 0;
    for (uint32_t numeric = 0; numeric < 2000; numeric++) {
        const florin_currency_t *currency = florin_currency_by_numeric(numeric);
        if (!currency)
            continue;
        count++;
        assert_int_equal(currency->numeric, numeric);
        assert_int_equal(strlen(currency->code), 3);
        assert_true(currency->exponent <= 4);
        assert_ptr_equal(florin_currency_by_code(currency->code), currency);
    }
    assert_int_equal(count, 178);
}

static void amounts_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *code;
        uint64_t amount;
    } vectors[] = {
        {"12.50", "EUR", 1250},
        {"12.5", "EUR", 1250},
        {"12", "EUR", 1200},
        {"0", "EUR", 0},
        {"0.01", "EUR", 1},
        {"000.01", "EUR", 1},
        {"12", "JPY", 12},
        {"1.234", "KWD", 1234},
        {"1.2345", "CLF", 12345},
        {"92233720368547758.07", "EUR", FLORIN_AMOUNT_MAX},
        {"9223372036854775807", "JPY", FLORIN_AMOUNT_MAX},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint64_t amount = 99;
        assert_int_equal(florin_money_parse(vectors[i].text, "amount",
                                            florin_currency_by_code(vectors[i].code), &amount,
                                            NULL),
                         FLORIN_OK);
        assert_int_equal(amount, vectors[i].amount);
    }
}

static void other_amounts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *code, *reason;
    } vectors[] = {
        {"", "EUR", "is no amount"},
        {".", "EUR", "is no amount"},
        {".5", "EUR", "is no amount"},
        {"5.", "EUR", "is no amount"},
        {"-5", "EUR", "is no amount"},
        {"+5", "EUR", "is no amount"},
        {" 5", "EUR", "is no amount"},
        {"5 ", "EUR", "is no amount"},
        {"5,00", "EUR", "is no amount"},
        {"1.2.3", "EUR", "is no amount"},
        {"1e3", "EUR", "is no amount"},
        {"0x1", "EUR", "is no amount"},
        {"5.001", "EUR", "more decimals"},
        {"5.000", "EUR", "more decimals"},
        {"5.0", "JPY", "more decimals"},
        {"92233720368547758.08", "EUR", "too large"},
        {"9223372036854775807", "EUR", "too large"},
        {"9223372036854775808", "JPY", "too large"},
        {"18446744073709551616", "JPY", "too large"},
        {"99999999999999999999999999999999999999999999999", "JPY", "too large"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint64_t amount = 99;
        florin_error_t error = {0};
        assert_int_equal(florin_money_parse(vectors[i].text, "--amount",
                                            florin_currency_by_code(vectors[i].code), &amount,
                                            &error),
                         FLORIN_ERROR_INVALID);
        assert_ptr_equal(strstr(error.message, "--amount: "), error.message);
        assert_non_null(strstr(error.message, vectors[i].reason));
        assert_int_equal(amount, 99);
    }
}

static void amounts_are_written(void **state)
{
    (void)state;
    static const struct {
        uint64_t amount;
        const char *code, *bare, *text;
    } vectors[] = {
        {1250, "EUR", "12.50", "12.50 EUR"},
        {1, "EUR", "0.01", "0.01 EUR"},
        {0, "EUR", "0.00", "0.00 EUR"},
        {0, "JPY", "0", "0 JPY"},
        {12, "JPY", "12", "12 JPY"},
        {7, "CLF", "0.0007", "0.0007 CLF"},
        {FLORIN_AMOUNT_MAX, "EUR", "92233720368547758.07", "92233720368547758.07 EUR"},
        {UINT64_MAX, "CLF", "1844674407370955.1615", "1844674407370955.1615 CLF"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char text[FLORIN_MONEY_TEXT_BYTES];
        const florin_currency_t *currency = florin_currency_by_code(vectors[i].code);
        assert_string_equal(florin_money_format_bare(vectors[i].amount, currency, text),
                            vectors[i].bare);
        assert_string_equal(florin_money_format(vectors[i].amount, currency, text),
                            vectors[i].text);
    }
}

static void garbage_is_survived(void **state)
{
    (void)state;
    static const char alphabet[] = "01234567890123456789.-,e \xff";
    static const char *const codes[] = {"JPY", "EUR", "KWD", "CLF"};
    test_random_t random = test_random_new();
    for (int i = 0; i < 20000; i++) {
        const florin_currency_t *currency =
            florin_currency_by_code(codes[test_random_below(&random, 4)]);
        size_t length = test_random_below(&random, 24);
        char *text = malloc(length + 1);
        for (size_t j = 0; j < length; j++)
            text[j] = alphabet[test_random_below(&random, sizeof alphabet - 1)];
        text[length] = '\0';
        uint64_t amount = 0;
        florin_error_t error;
        if (florin_money_parse(text, "amount", currency, &amount, &error) == FLORIN_OK)
            assert_true(amount <= FLORIN_AMOUNT_MAX);
        free(text);

        char written[FLORIN_MONEY_TEXT_BYTES];
        uint64_t made = test_random_next(&random) >> (1 + test_random_below(&random, 63));
        florin_money_format_bare(made, currency, written);
        assert_int_equal(florin_money_parse(written, "", currency, &amount, NULL), FLORIN_OK);
        assert_int_equal(amount, made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(currencies_are_found),         cmocka_unit_test(others_are_not),
        cmocka_unit_test(numbers_and_codes_are_unique), cmocka_unit_test(amounts_are_read),
        cmocka_unit_test(other_amounts_are_refused),    cmocka_unit_test(amounts_are_written),
        cmocka_unit_test(garbage_is_survived),
    };
    return cmocka_run_group_tests_name("lib/money", tests, NULL, NULL);
}
