/* What the command line reads and shows: amounts, balances, times, tables, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/progress.h"
#include "client/cli/table.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "florin/v1/florin.pb-c.h"
#include "lib/limits.h"

enum { EUR = 978, JPY = 392, BHD = 48, NO_CURRENCY = 7 };

static void writes_amounts(void **state)
{
    (void)state;
    char text[VALUE_TEXT_BYTES];
    assert_string_equal(value_money(1250, EUR, text), "12.50 EUR");
    assert_string_equal(value_money(5, EUR, text), "0.05 EUR");
    assert_string_equal(value_money(0, EUR, text), "0.00 EUR");
    assert_string_equal(value_money(1250, JPY, text), "1250 JPY");
    assert_string_equal(value_money(0, JPY, text), "0 JPY");
    assert_string_equal(value_money(1250, BHD, text), "1.250 BHD");
    assert_string_equal(value_money(1250, NO_CURRENCY, text), "1250 ledger 7");
    assert_string_equal(value_money(FLORIN_AMOUNT_MAX, EUR, text), "92233720368547758.07 EUR");
}

static void writes_balances(void **state)
{
    (void)state;
    char text[VALUE_TEXT_BYTES];
    assert_string_equal(value_balance(0, 300, EUR, text), "3.00 CR");
    assert_string_equal(value_balance(300, 0, EUR, text), "3.00 DR");
    assert_string_equal(value_balance(300, 300, EUR, text), "0.00");
    assert_string_equal(value_balance(1, FLORIN_AMOUNT_MAX, EUR, text), "92233720368547758.06 CR");
}

static void sums_past_64_bits(void **state)
{
    (void)state;
    sum_t sum, more;
    char text[VALUE_TEXT_BYTES];
    assert_true(sum_parse("18446744073709551616", &sum)); /* 2^64 */
    assert_string_equal(value_sum(sum, EUR, text), "184467440737095516.16");
    assert_true(sum_parse("340282366920938463463374607431768211449", &sum));
    assert_string_equal(value_sum(sum, 0, text), "340282366920938463463374607431768211449");
    assert_true(sum_parse("7", &more));
    assert_false(sum_add(&sum, more));
    assert_false(sum_parse("", &sum));
    assert_false(sum_parse("-1", &sum));
    assert_false(sum_parse("1.0", &sum));
    assert_false(sum_parse("999999999999999999999999999999999999999", &sum));
}

static void reads_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t timestamp;
    } vectors[] = {
        {"0", 0},
        {"1795457062123456789", UINT64_C(1795457062123456789)},
        {"1970-01-01", 0},
        {"1970-01-02", UINT64_C(86400000000000)},
        {"1972-02-29", UINT64_C(68169600000000000)},
        {"2026-11-22T18:04", UINT64_C(1795370640000000000)},
        {"2026-11-22T18:04:22", UINT64_C(1795370662000000000)},
        {"2026-11-22 18:04:22.123", UINT64_C(1795370662123000000)},
        {"2026-11-22T18:04:22.123456789Z", UINT64_C(1795370662123456789)},
        {"2026-11-22T19:04:22+01:00", UINT64_C(1795370662000000000)},
        {"2026-11-22T12:34:22-05:30", UINT64_C(1795370662000000000)},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint64_t timestamp;
        assert_int_equal(value_time_parse(vectors[i].text, "--from", &timestamp, NULL), 0);
        assert_int_equal(timestamp, vectors[i].timestamp);
    }
    static const char *const wrong[] = {"",
                                        "yesterday",
                                        "2026-13-01",
                                        "2026-11-22T",
                                        "2026-11-22T18",
                                        "1969-12-31",
                                        "-1",
                                        "2026-11-22T18:04x",
                                        "99999999999999999999",
                                        "2026-02-29",
                                        "2026-04-31",
                                        "2026-02-30T00:00+23:00",
                                        "2016-12-31T23:59:60Z"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t timestamp;
        florin_error_t error;
        assert_int_not_equal(value_time_parse(wrong[i], "--from", &timestamp, &error), 0);
        assert_memory_equal(error.message, "--from: ", 8);
    }
}

static void writes_times(void **state)
{
    (void)state;
    char text[VALUE_TEXT_BYTES];
    assert_string_equal(value_time(UINT64_C(1795370662123456789), text), "2026-11-22 18:04:22.123");
    assert_string_equal(value_time(0, text), "-");
}

static void names_flags(void **state)
{
    (void)state;
    char text[VALUE_FLAGS_BYTES];
    assert_string_equal(value_account_flags(0, text, sizeof text), "");
    assert_string_equal(value_account_flags(2 | 8, text, sizeof text),
                        "debits_must_not_exceed_credits|history");
    assert_string_equal(value_account_flags(2 | 8, text, 10), "debits_mu");
    assert_string_equal(value_transfer_flags(2 | 512, text, sizeof text), "pending|review");
    /* All of them have room. */
    assert_string_equal(value_transfer_flags(UINT32_MAX, text, sizeof text) + strlen(text) - 7,
                        "|review");
}

static void reads_flags(void **state)
{
    (void)state;
    char text[VALUE_FLAGS_BYTES];
    uint32_t flags = 1;
    assert_int_equal(value_account_flags_parse("", "flags", &flags, NULL), 0);
    assert_int_equal(flags, 0);
    (void)value_account_flags(UINT32_MAX, text, sizeof text);
    assert_int_equal(value_account_flags_parse(text, "flags", &flags, NULL), 0);
    assert_int_equal(flags, 63);
    (void)value_transfer_flags(511, text, sizeof text);
    assert_int_equal(value_transfer_flags_parse(text, "flags", &flags, NULL), 0);
    assert_int_equal(flags, 511);

    static const char *const wrong[] = {
        "|",       "pending|",        "|pending", "pendin", "pending,linked",
        "PENDING", "pending |linked", "review",   "history"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        florin_error_t error;
        assert_int_not_equal(value_transfer_flags_parse(wrong[i], "flags", &flags, &error), 0);
        assert_memory_equal(error.message, "flags: \"", 8);
        assert_non_null(strstr(error.message, "is none: there are linked|pending|post_pending_"));
        assert_null(strstr(error.message, "|review"));
    }
}

static void reads_time_spans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t seconds;
    } vectors[] = {{"1", 1},
                   {"90", 90},
                   {"90s", 90},
                   {"15m", 900},
                   {"24h", 86400},
                   {"7d", 604800},
                   {"49710d", 4294944000},
                   {"4294967295", UINT32_MAX}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint32_t seconds;
        assert_int_equal(value_seconds(vectors[i].text, "--timeout", &seconds, NULL), 0);
        assert_int_equal(seconds, vectors[i].seconds);
    }
    static const char *const wrong[] = {"",
                                        "0",
                                        "s",
                                        "-1",
                                        "1w",
                                        "1h30m",
                                        "4294967296",
                                        "49711d",
                                        "1.5h",
                                        "1 h",
                                        "18446744073709551617"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint32_t seconds;
        florin_error_t error;
        assert_int_equal(value_seconds(wrong[i], "--timeout", &seconds, &error),
                         FLORIN_ERROR_INVALID);
        assert_memory_equal(error.message, "--timeout: ", 11);
    }
}

static void reads_amounts_of_any_ledger(void **state)
{
    (void)state;
    uint64_t amount;
    florin_error_t error;
    assert_int_equal(value_amount_parse("12.5", "AMOUNT", EUR, &amount, NULL), 0);
    assert_int_equal(amount, 1250);
    assert_int_equal(value_amount_parse("125", "AMOUNT", NO_CURRENCY, &amount, NULL), 0);
    assert_int_equal(amount, 125);
    assert_int_not_equal(value_amount_parse("1.5", "AMOUNT", NO_CURRENCY, &amount, &error), 0);
    assert_int_not_equal(value_amount_parse("1.005", "AMOUNT", EUR, &amount, &error), 0);
}

static void takes_references(void **state)
{
    (void)state;
    static const char *const right[] = {"", "Kč, 12 €, \xf0\x9f\x8c\xb7"};
    static const struct {
        const char *text, *message, *printable;
    } wrong[] = {
        {"a\nb", "-r: it has a line break", "a?b"},
        {"\x1b[2J", "-r: it has a line break", "?[2J"},
        {"\x7f", "-r: it has a line break", "?"},
        {"\xc2\x9b", "-r: it has a line break", "??"},
        {"\xff", "-r: it is not UTF-8", "?"},
        {"€\xc3", "-r: it is not UTF-8", "€?"},
        {"\xed\xa0\x80", "-r: it is not UTF-8", "???"},
    };
    char reference[FLORIN_REFERENCE_BYTES_MAX + 1], text[FLORIN_REFERENCE_BYTES_MAX + 2];
    florin_error_t error;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        assert_int_equal(value_reference(right[i], "-r", reference, &error), 0);
        assert_string_equal(value_printable(reference), right[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_not_equal(value_reference(wrong[i].text, "-r", reference, &error), 0);
        assert_memory_equal(error.message, wrong[i].message, strlen(wrong[i].message));
        (void)snprintf(text, sizeof text, "%s", wrong[i].text);
        assert_string_equal(value_printable(text), wrong[i].printable);
    }
    memset(text, 'r', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_not_equal(value_reference(text, "-r", reference, &error), 0);
    assert_string_equal(error.message, "-r: it has 141 bytes, at most 140 may be");
    assert_int_equal(value_reference(text + 1, "-r", reference, &error), 0);
    assert_string_equal(reference, text + 1);
}

static void aligns_tables(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    table_t *table = table_new(out, (const char *const[]){"ID", ">AMOUNT", "NOTE", NULL});
    table_cell(table, "1");
    table_cell(table, "12.50");
    table_cell(table, "Kč");
    table_cell(table, "12345");
    table_cell(table, "1000000.00");
    table_cell(table, "a\x1b[2Jb\nc");
    table_print(table);
    table_cell(table, "€");
    table_cell(table, "1.00");
    table_cell(table, "%s", "");
    table_print(table);
    table_destroy(&table);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "ID         AMOUNT  NOTE\n"
                              "1           12.50  Kč\n"
                              "12345  1000000.00  a?[2Jb?c\n"
                              "€            1.00\n");
    free(text);
}

static void shows_progress(void **state)
{
    (void)state;
    char text[160];
    progress_t file = {.bytes_total = 200}, pipe = {0};
    assert_string_equal(progress_format(&file, 12345, 100, 10000, text, sizeof text),
                        "[###############...............]  50%  12,345 rows  1,234/s");
    assert_string_equal(progress_format(&file, 1, 300, 0, text, sizeof text),
                        "[##############################] 100%  1 rows  0/s");
    assert_string_equal(progress_format(&pipe, 1234567, 1, 1000, text, sizeof text),
                        "1,234,567 rows  1,234,567/s");
}

static void assert_json(const ProtobufCMessage *message, const char *text)
{
    json_t *object = wire_json(message);
    char *dump = json_dumps(object, JSON_COMPACT);
    assert_string_equal(dump, text);
    free(dump);
    json_decref(object);
}

static void writes_messages_as_json(void **state)
{
    (void)state;
    uint8_t id[16] = {0x01, [15] = 0x2a};
    char reference[] = "K\xc4\x8d \"7\"";
    Florin__V1__Transfer transfer = FLORIN__V1__TRANSFER__INIT;
    transfer.id = (ProtobufCBinaryData){16, id};
    transfer.amount = UINT64_C(9223372036854775807);
    transfer.ledger = EUR;
    transfer.reference = reference;
    assert_json(&transfer.base,
                "{\"id\":\"01000000-0000-0000-0000-00000000002a\","
                "\"debit_account_id\":\"00000000-0000-0000-0000-000000000000\","
                "\"credit_account_id\":\"00000000-0000-0000-0000-000000000000\","
                "\"amount\":\"9223372036854775807\","
                "\"pending_id\":\"00000000-0000-0000-0000-000000000000\",\"timeout\":0,"
                "\"ledger\":978,\"code\":0,\"flags\":0,"
                "\"user_data\":\"00000000-0000-0000-0000-000000000000\","
                "\"reference\":\"Kč \\\"7\\\"\",\"timestamp\":\"0\"}");

    Florin__V1__RiskReason reasons[] = {FLORIN__V1__RISK_REASON__RISK_REASON_DEBIT_ACCOUNT_BLOCKED,
                                        99};
    Florin__V1__TransferResult result = FLORIN__V1__TRANSFER_RESULT__INIT;
    result.result = FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_RISK_DECLINED;
    result.n_reasons = 2;
    result.reasons = reasons;
    assert_json(&result.base, "{\"result\":\"risk_declined\",\"timestamp\":\"0\","
                              "\"first_result\":\"created\","
                              "\"reasons\":[\"debit_account_blocked\",\"unknown_99\"],"
                              "\"held_for_review\":false}");

    Florin__V1__WorkerStatus worker = FLORIN__V1__WORKER_STATUS__INIT;
    worker.draining = 1;
    Florin__V1__WorkerStatus *workers[] = {&worker};
    Florin__V1__PoolStatus pool = FLORIN__V1__POOL_STATUS__INIT;
    pool.n_workers = 1;
    pool.workers = workers;
    json_t *object = wire_json(&pool.base);
    json_t *shown = json_array_get(json_object_get(object, "workers"), 0);
    assert_true(json_is_true(json_object_get(shown, "draining")));
    json_decref(object);
}

static void names_every_enum_value(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *enums[] = {
        &florin__v1__status__descriptor, &florin__v1__open_account_result__descriptor,
        &florin__v1__create_transfer_result__descriptor, &florin__v1__risk_reason__descriptor};
    for (size_t i = 0; i < sizeof enums / sizeof *enums; i++)
        for (unsigned j = 0; j < enums[i]->n_values; j++) {
            char name[WIRE_NAME_BYTES];
            (void)wire_enum_name(enums[i], enums[i]->values[j].value, name);
            assert_true(strncmp(name, "unknown", 7) != 0);
            assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(name));
            assert_true(name[0] != '_');
        }
    char name[WIRE_NAME_BYTES];
    assert_string_equal(wire_enum_name(&florin__v1__create_transfer_result__descriptor, 65, name),
                        "exceeds_credits");
    assert_string_equal(wire_enum_name(&florin__v1__status__descriptor, 6, name), "busy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_amounts),
        cmocka_unit_test(writes_balances),
        cmocka_unit_test(sums_past_64_bits),
        cmocka_unit_test(reads_times),
        cmocka_unit_test(writes_times),
        cmocka_unit_test(names_flags),
        cmocka_unit_test(reads_flags),
        cmocka_unit_test(reads_time_spans),
        cmocka_unit_test(reads_amounts_of_any_ledger),
        cmocka_unit_test(takes_references),
        cmocka_unit_test(aligns_tables),
        cmocka_unit_test(shows_progress),
        cmocka_unit_test(writes_messages_as_json),
        cmocka_unit_test(names_every_enum_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
