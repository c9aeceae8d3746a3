#include "lib/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ISO 4217 list one as of January 2026, by code. Where the standard has no minor unit (gold, bond
 * units, XTS for tests, XXX), amounts are whole units. */
static const florin_currency_t currencies[] = {
    {"AED", 784, 2}, {"AFN", 971, 2}, {"ALL", 8, 2},   {"AMD", 51, 2},  {"AOA", 973, 2},
    {"ARS", 32, 2},  {"AUD", 36, 2},  {"AWG", 533, 2}, {"AZN", 944, 2}, {"BAM", 977, 2},
    {"BBD", 52, 2},  {"BDT", 50, 2},  {"BHD", 48, 3},  {"BIF", 108, 0}, {"BMD", 60, 2},
    {"BND", 96, 2},  {"BOB", 68, 2},  {"BOV", 984, 2}, {"BRL", 986, 2}, {"BSD", 44, 2},
    {"BTN", 64, 2},  {"BWP", 72, 2},  {"BYN", 933, 2}, {"BZD", 84, 2},  {"CAD", 124, 2},
    {"CDF", 976, 2}, {"CHE", 947, 2}, {"CHF", 756, 2}, {"CHW", 948, 2}, {"CLF", 990, 4},
    {"CLP", 152, 0}, {"CNY", 156, 2}, {"COP", 170, 2}, {"COU", 970, 2}, {"CRC", 188, 2},
    {"CUP", 192, 2}, {"CVE", 132, 2}, {"CZK", 203, 2}, {"DJF", 262, 0}, {"DKK", 208, 2},
    {"DOP", 214, 2}, {"DZD", 12, 2},  {"EGP", 818, 2}, {"ERN", 232, 2}, {"ETB", 230, 2},
    {"EUR", 978, 2}, {"FJD", 242, 2}, {"FKP", 238, 2}, {"GBP", 826, 2}, {"GEL", 981, 2},
    {"GHS", 936, 2}, {"GIP", 292, 2}, {"GMD", 270, 2}, {"GNF", 324, 0}, {"GTQ", 320, 2},
    {"GYD", 328, 2}, {"HKD", 344, 2}, {"HNL", 340, 2}, {"HTG", 332, 2}, {"HUF", 348, 2},
    {"IDR", 360, 2}, {"ILS", 376, 2}, {"INR", 356, 2}, {"IQD", 368, 3}, {"IRR", 364, 2},
    {"ISK", 352, 0}, {"JMD", 388, 2}, {"JOD", 400, 3}, {"JPY", 392, 0}, {"KES", 404, 2},
    {"KGS", 417, 2}, {"KHR", 116, 2}, {"KMF", 174, 0}, {"KPW", 408, 2}, {"KRW", 410, 0},
    {"KWD", 414, 3}, {"KYD", 136, 2}, {"KZT", 398, 2}, {"LAK", 418, 2}, {"LBP", 422, 2},
    {"LKR", 144, 2}, {"LRD", 430, 2}, {"LSL", 426, 2}, {"LYD", 434, 3}, {"MAD", 504, 2},
    {"MDL", 498, 2}, {"MGA", 969, 2}, {"MKD", 807, 2}, {"MMK", 104, 2}, {"MNT", 496, 2},
    {"MOP", 446, 2}, {"MRU", 929, 2}, {"MUR", 480, 2}, {"MVR", 462, 2}, {"MWK", 454, 2},
    {"MXN", 484, 2}, {"MXV", 979, 2}, {"MYR", 458, 2}, {"MZN", 943, 2}, {"NAD", 516, 2},
    {"NGN", 566, 2}, {"NIO", 558, 2}, {"NOK", 578, 2}, {"NPR", 524, 2}, {"NZD", 554, 2},
    {"OMR", 512, 3}, {"PAB", 590, 2}, {"PEN", 604, 2}, {"PGK", 598, 2}, {"PHP", 608, 2},
    {"PKR", 586, 2}, {"PLN", 985, 2}, {"PYG", 600, 0}, {"QAR", 634, 2}, {"RON", 946, 2},
    {"RSD", 941, 2}, {"RUB", 643, 2}, {"RWF", 646, 0}, {"SAR", 682, 2}, {"SBD", 90, 2},
    {"SCR", 690, 2}, {"SDG", 938, 2}, {"SEK", 752, 2}, {"SGD", 702, 2}, {"SHP", 654, 2},
    {"SLE", 925, 2}, {"SOS", 706, 2}, {"SRD", 968, 2}, {"SSP", 728, 2}, {"STN", 930, 2},
    {"SVC", 222, 2}, {"SYP", 760, 2}, {"SZL", 748, 2}, {"THB", 764, 2}, {"TJS", 972, 2},
    {"TMT", 934, 2}, {"TND", 788, 3}, {"TOP", 776, 2}, {"TRY", 949, 2}, {"TTD", 780, 2},
    {"TWD", 901, 2}, {"TZS", 834, 2}, {"UAH", 980, 2}, {"UGX", 800, 0}, {"USD", 840, 2},
    {"USN", 997, 2}, {"UYI", 940, 0}, {"UYU", 858, 2}, {"UYW", 927, 4}, {"UZS", 860, 2},
    {"VED", 926, 2}, {"VES", 928, 2}, {"VND", 704, 0}, {"VUV", 548, 0}, {"WST", 882, 2},
    {"XAD", 396, 2}, {"XAF", 950, 0}, {"XAG", 961, 0}, {"XAU", 959, 0}, {"XBA", 955, 0},
    {"XBB", 956, 0}, {"XBC", 957, 0}, {"XBD", 958, 0}, {"XCD", 951, 2}, {"XCG", 532, 2},
    {"XDR", 960, 0}, {"XOF", 952, 0}, {"XPD", 964, 0}, {"XPF", 953, 0}, {"XPT", 962, 0},
    {"XSU", 994, 0}, {"XTS", 963, 0}, {"XUA", 965, 0}, {"XXX", 999, 0}, {"YER", 886, 2},
    {"ZAR", 710, 2}, {"ZMW", 967, 2}, {"ZWG", 924, 2}};

#define CURRENCIES (sizeof currencies / sizeof currencies[0])

/* 10 to the power of each exponent that there is. */
static const uint64_t scales[] = {1, 10, 100, 1000, 10000};

const florin_currency_t *florin_currency_by_code(const char *code)
{
    for (size_t i = 0; i < CURRENCIES; i++)
        if (strcasecmp(currencies[i].code, code) == 0)
            return &currencies[i];
    return NULL;
}

const florin_currency_t *florin_currency_by_numeric(uint32_t numeric)
{
    for (size_t i = 0; i < CURRENCIES; i++)
        if (currencies[i].numeric == numeric)
            return &currencies[i];
    return NULL;
}

/* Appends the digits at *text to *amount and moves past them. Returns how many there were; false in
 * *fits once the amount is past its bound. */
static size_t read_digits(const char **text, uint64_t *amount, bool *fits)
{
    size_t count = 0;
    for (; **text >= '0' && **text <= '9'; ++*text, count++) {
        unsigned digit = (unsigned)(**text - '0');
        if (*amount > (FLORIN_AMOUNT_MAX - digit) / 10)
            *fits = false;
        else
            *amount = *amount * 10 + digit;
    }
    return count;
}

int florin_money_parse(const char *text, const char *what, const florin_currency_t *currency,
                       uint64_t *amount, florin_error_t *error)
{
    const char *rest = text;
    uint64_t value = 0;
    bool fits = true;
    size_t whole = read_digits(&rest, &value, &fits);
    size_t decimals = 0;
    bool point = *rest == '.';
    if (point) {
        rest++;
        decimals = read_digits(&rest, &value, &fits);
    }
    if (whole == 0 || (point && decimals == 0) || *rest != '\0')
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%s: \"%.40s\" is no amount: give digits with at most one point",
                                what, text);
    if (decimals > currency->exponent)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%s: \"%.40s\" has more decimals than %s, which has %u", what, text,
                                currency->code, currency->exponent);
    uint64_t scale = scales[currency->exponent - decimals];
    if (!fits || value > FLORIN_AMOUNT_MAX / scale)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%s: \"%.40s\" is too large: the most is %" PRIu64 " minor units",
                                what, text, FLORIN_AMOUNT_MAX);
    *amount = value * scale;
    return FLORIN_OK;
}

char *florin_money_format_bare(uint64_t amount, const florin_currency_t *currency, char *text)
{
    uint64_t scale = scales[currency->exponent];
    int length = currency->exponent == 0
                     ? snprintf(text, FLORIN_MONEY_TEXT_BYTES, "%" PRIu64, amount)
                     : snprintf(text, FLORIN_MONEY_TEXT_BYTES, "%" PRIu64 ".%0*" PRIu64,
                                amount / scale, currency->exponent, amount % scale);
    if (length < 0)
        text[0] = '\0';
    return text;
}

char *florin_money_format(uint64_t amount, const florin_currency_t *currency, char *text)
{
    florin_money_format_bare(amount, currency, text);
    size_t length = strlen(text);
    (void)snprintf(text + length, FLORIN_MONEY_TEXT_BYTES - length, " %s", currency->code);
    return text;
}
