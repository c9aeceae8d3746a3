#include "client/cli/values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "florin/v1/florin.pb-c.h"
#include "lib/limits.h"
#include "lib/utf8.h"

#define NS_PER_S UINT64_C(1000000000)

typedef struct {
    const char *name;
    uint32_t flag;
    bool settable;
} flag_t;

/* What flags there are, of an account or of a transfer. */
typedef struct {
    const flag_t *flags;
    size_t count;
} flag_list_t;

#define ACCOUNT_FLAG(name)  FLORIN__V1__ACCOUNT_FLAG__ACCOUNT_FLAG_##name
#define TRANSFER_FLAG(name) FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_##name

static const flag_t account_flags[] = {
    {"linked", ACCOUNT_FLAG(LINKED), true},
    {"debits_must_not_exceed_credits", ACCOUNT_FLAG(DEBITS_MUST_NOT_EXCEED_CREDITS), true},
    {"credits_must_not_exceed_debits", ACCOUNT_FLAG(CREDITS_MUST_NOT_EXCEED_DEBITS), true},
    {"history", ACCOUNT_FLAG(HISTORY), true},
    {"imported", ACCOUNT_FLAG(IMPORTED), true},
    {"closed", ACCOUNT_FLAG(CLOSED), true},
};

static const flag_t transfer_flags[] = {
    {"linked", TRANSFER_FLAG(LINKED), true},
    {"pending", TRANSFER_FLAG(PENDING), true},
    {"post_pending_transfer", TRANSFER_FLAG(POST_PENDING_TRANSFER), true},
    {"void_pending_transfer", TRANSFER_FLAG(VOID_PENDING_TRANSFER), true},
    {"balancing_debit", TRANSFER_FLAG(BALANCING_DEBIT), true},
    {"balancing_credit", TRANSFER_FLAG(BALANCING_CREDIT), true},
    {"closing_debit", TRANSFER_FLAG(CLOSING_DEBIT), true},
    {"closing_credit", TRANSFER_FLAG(CLOSING_CREDIT), true},
    {"imported", TRANSFER_FLAG(IMPORTED), true},
    {"review", TRANSFER_FLAG(REVIEW), false},
};

static const flag_list_t of_accounts = {account_flags,
                                        sizeof account_flags / sizeof *account_flags};
static const flag_list_t of_transfers = {transfer_flags,
                                         sizeof transfer_flags / sizeof *transfer_flags};

bool sum_parse(const char *digits, sum_t *sum)
{
    *sum = 0;
    for (const char *p = digits; *p; p++) {
        if (*p < '0' || *p > '9' || *sum > (~(sum_t)0 - 9) / 10)
            return false;
        *sum = *sum * 10u + (unsigned)(*p - '0');
    }
    return *digits != '\0';
}

bool sum_add(sum_t *sum, sum_t more)
{
    *sum += more;
    return *sum >= more;
}

char *value_sum(sum_t sum, uint32_t ledger, char *text)
{
    const florin_currency_t *currency = florin_currency_by_numeric(ledger);
    unsigned exponent = currency ? currency->exponent : 0;
    char reversed[VALUE_TEXT_BYTES];
    size_t length = 0;
    for (unsigned digits = 0; sum > 0 || digits <= exponent; digits++, sum /= 10) {
        if (digits == exponent && exponent > 0)
            reversed[length++] = '.';
        reversed[length++] = (char)('0' + (int)(sum % 10));
    }
    for (size_t i = 0; i < length; i++)
        text[i] = reversed[length - 1 - i];
    text[length] = '\0';
    return text;
}

char *value_amount(uint64_t amount, uint32_t ledger, char *text)
{
    return value_sum(amount, ledger, text);
}

char *value_ledger(uint32_t ledger, char *text)
{
    const florin_currency_t *currency = florin_currency_by_numeric(ledger);
    if (currency)
        (void)snprintf(text, VALUE_TEXT_BYTES, "%s", currency->code);
    else
        (void)snprintf(text, VALUE_TEXT_BYTES, "ledger %" PRIu32, ledger);
    return text;
}

/* Appends a space and a word to a text. */
static char *append(char *text, const char *word)
{
    size_t length = strlen(text);
    (void)snprintf(text + length, VALUE_TEXT_BYTES - length, " %s", word);
    return text;
}

char *value_money(uint64_t amount, uint32_t ledger, char *text)
{
    char name[VALUE_TEXT_BYTES];
    return append(value_amount(amount, ledger, text), value_ledger(ledger, name));
}

char *value_balance(uint64_t debits, uint64_t credits, uint32_t ledger, char *text)
{
    if (debits == credits)
        return value_amount(0, ledger, text);
    if (debits > credits)
        return append(value_amount(debits - credits, ledger, text), "DR");
    return append(value_amount(credits - debits, ledger, text), "CR");
}

char *value_time(uint64_t timestamp, char *text)
{
    time_t seconds = (time_t)(timestamp / NS_PER_S);
    struct tm parts;
    if (timestamp == 0 || !gmtime_r(&seconds, &parts)) {
        (void)snprintf(text, VALUE_TEXT_BYTES, "-");
        return text;
    }
    size_t length = strftime(text, VALUE_TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &parts);
    (void)snprintf(text + length, VALUE_TEXT_BYTES - length, ".%03u",
                   (unsigned)(timestamp % NS_PER_S / 1000000));
    return text;
}

/* Reads ".123456789" if it is there, and moves on. */
static const char *read_fraction(const char *text, uint64_t *ns)
{
    *ns = 0;
    if (*text != '.')
        return text;
    uint64_t scale = NS_PER_S;
    for (text++; *text >= '0' && *text <= '9' && scale > 1; text++) {
        scale /= 10;
        *ns += (uint64_t)(*text - '0') * scale;
    }
    return text;
}

/* Reads "Z" or "+01:00" if it is there, and moves on; NULL when it is wrong. */
static const char *read_offset(const char *text, int64_t *seconds)
{
    *seconds = 0;
    if (*text == 'Z')
        return text + 1;
    if (*text != '+' && *text != '-')
        return text;
    struct tm parts = {0};
    const char *end = strptime(text + 1, "%H:%M", &parts);
    *seconds = (parts.tm_hour * 60 + parts.tm_min) * 60;
    if (*text == '-')
        *seconds = -*seconds;
    return end;
}

static bool read_iso(const char *text, uint64_t *timestamp)
{
    struct tm parts = {0};
    uint64_t ns = 0;
    int64_t offset = 0;
    const char *end = strptime(text, "%Y-%m-%d", &parts);
    if (!end)
        return false;
    if (*end == 'T' || *end == ' ') {
        end = strptime(end + 1, "%H:%M", &parts);
        if (end && *end == ':') {
            end = strptime(end + 1, "%S", &parts);
            if (end)
                end = read_fraction(end, &ns);
        }
        if (end)
            end = read_offset(end, &offset);
    }
    if (!end || *end != '\0')
        return false;
    struct tm asked = parts;
    int64_t seconds = (int64_t)timegm(&parts) - offset;
    if (parts.tm_mday != asked.tm_mday || parts.tm_sec != asked.tm_sec)
        return false; /* 30 February, or a leap second: timegm takes them for what comes next */
    if (seconds < 0 || (uint64_t)seconds > UINT64_MAX / NS_PER_S - 1)
        return false;
    *timestamp = (uint64_t)seconds * NS_PER_S + ns;
    return true;
}

int value_time_parse(const char *text, const char *what, uint64_t *timestamp, florin_error_t *error)
{
    if (*text != '\0' && strspn(text, "0123456789") == strlen(text))
        return value_number(text, what, 0, UINT64_MAX, timestamp, error);
    if (read_iso(text, timestamp))
        return 0;
    return florin_error_set(error, FLORIN_ERROR_INVALID,
                            "%s: \"%.40s\" is no time: give 2026-11-22, 2026-11-22T18:04:22Z or "
                            "nanoseconds since 1970",
                            what, text);
}

static char *name_flags(const flag_list_t *list, uint32_t flags, char *text, size_t bytes)
{
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; i < list->count && used < bytes; i++)
        if (flags & list->flags[i].flag) {
            int length =
                snprintf(text + used, bytes - used, "%s%s", used ? "|" : "", list->flags[i].name);
            used += length < 0 ? 0 : (size_t)length;
        }
    return text;
}

char *value_account_flags(uint32_t flags, char *text, size_t bytes)
{
    return name_flags(&of_accounts, flags, text, bytes);
}

char *value_transfer_flags(uint32_t flags, char *text, size_t bytes)
{
    return name_flags(&of_transfers, flags, text, bytes);
}

/* The flag of a name of `bytes` bytes that may be set; 0 when there is none. */
static uint32_t find_flag(const flag_list_t *list, const char *name, size_t bytes)
{
    for (size_t i = 0; i < list->count; i++) {
        const flag_t *flag = &list->flags[i];
        if (flag->settable && strlen(flag->name) == bytes && memcmp(flag->name, name, bytes) == 0)
            return flag->flag;
    }
    return 0;
}

static int parse_flags(const flag_list_t *list, const char *text, const char *what, uint32_t *flags,
                       florin_error_t *error)
{
    *flags = 0;
    bool more = *text != '\0';
    while (more) {
        size_t bytes = strcspn(text, "|");
        uint32_t flag = find_flag(list, text, bytes);
        if (flag == 0) {
            uint32_t all = 0;
            char names[VALUE_FLAGS_BYTES];
            for (size_t i = 0; i < list->count; i++)
                all |= list->flags[i].settable ? list->flags[i].flag : 0;
            return florin_error_set(
                error, FLORIN_ERROR_INVALID, "%s: \"%.*s\" is none: there are %s", what,
                bytes < 40 ? (int)bytes : 40, text, name_flags(list, all, names, sizeof names));
        }
        *flags |= flag;
        more = text[bytes] == '|';
        text += bytes + more;
    }
    return 0;
}

int value_account_flags_parse(const char *text, const char *what, uint32_t *flags,
                              florin_error_t *error)
{
    return parse_flags(&of_accounts, text, what, flags, error);
}

int value_transfer_flags_parse(const char *text, const char *what, uint32_t *flags,
                               florin_error_t *error)
{
    return parse_flags(&of_transfers, text, what, flags, error);
}

int value_number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *number,
                 florin_error_t *error)
{
    errno = 0;
    bool digits = *text != '\0' && strspn(text, "0123456789") == strlen(text);
    *number = digits ? strtoull(text, NULL, 10) : 0;
    if (!digits || errno != 0 || *number < min || *number > max)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%s: \"%.40s\" is no number from %" PRIu64 " to %" PRIu64, what,
                                text, min, max);
    return 0;
}

int value_seconds(const char *text, const char *what, uint32_t *seconds, florin_error_t *error)
{
    static const char units[] = "smhd";
    static const uint32_t factors[] = {1, 60, 60 * 60, 24 * 60 * 60};
    size_t digits = strspn(text, "0123456789");
    const char *unit = text[digits] ? strchr(units, text[digits]) : units;
    uint64_t factor = unit ? factors[unit - units] : 0, number = 0;
    bool read = unit && digits > 0 && strlen(text) <= digits + 1;
    for (size_t i = 0; read && i < digits; i++) {
        number = number * 10 + (uint64_t)(text[i] - '0');
        read = number <= UINT32_MAX;
    }
    if (!read || number == 0 || number * factor > UINT32_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%s: \"%.40s\" is no time span: give seconds from 1 to %" PRIu32
                                ", or a number with s, m, h or d",
                                what, text, UINT32_MAX);
    *seconds = (uint32_t)(number * factor);
    return 0;
}

int value_currency(const char *code, const char *what, const florin_currency_t **currency,
                   florin_error_t *error)
{
    *currency = florin_currency_by_code(code);
    if (!*currency)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%s: \"%.40s\" is no currency: give its ISO 4217 code, such as EUR",
                                what, code);
    return 0;
}

int value_amount_parse(const char *text, const char *what, uint32_t ledger, uint64_t *amount,
                       florin_error_t *error)
{
    const florin_currency_t *currency = florin_currency_by_numeric(ledger);
    return currency ? florin_money_parse(text, what, currency, amount, error)
                    : value_number(text, what, 0, FLORIN_AMOUNT_MAX, amount, error);
}

/* Of the character at `p`, which has so many bytes. */
static bool is_control(const char *p, size_t bytes)
{
    unsigned char first = (unsigned char)p[0];
    return first < 0x20 || first == 0x7f ||
           (bytes == 2 && first == 0xc2 && (unsigned char)p[1] < 0xa0);
}

int value_reference(const char *text, const char *what, char *reference, florin_error_t *error)
{
    size_t length = strlen(text);
    if (length > FLORIN_REFERENCE_BYTES_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%s: it has %zu bytes, at most %d may be", what, length,
                                FLORIN_REFERENCE_BYTES_MAX);
    for (const char *p = text; *p;) {
        size_t bytes = florin_utf8_length(p);
        if (bytes == 0)
            return florin_error_set(error, FLORIN_ERROR_INVALID, "%s: it is not UTF-8", what);
        if (is_control(p, bytes))
            return florin_error_set(error, FLORIN_ERROR_INVALID,
                                    "%s: it has a line break or another control character, and "
                                    "may have none",
                                    what);
        p += bytes;
    }
    memcpy(reference, text, length + 1);
    return 0;
}

char *value_printable(char *text)
{
    for (char *p = text; *p;) {
        size_t bytes = florin_utf8_length(p);
        size_t step = bytes ? bytes : 1;
        if (bytes == 0 || is_control(p, bytes))
            memset(p, '?', step);
        p += step;
    }
    return text;
}
