/* Conversion between the wire and the ledger: every field at its limits and past them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/limits.h"
#include "workers/runtime/messages/convert.h"

static uint8_t bytes[64] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                            0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10};

#define BYTES(count) ((ProtobufCBinaryData){.len = (count), .data = bytes})

static florin_id_t id_of_bytes(void)
{
    florin_id_t id = 0;
    for (int i = 0; i < 16; i++)
        id = id << 8 | bytes[i];
    return id;
}

static void refused(int code, const florin_error_t *error, const char *message)
{
    assert_int_equal(code, FLORIN_ERROR_INVALID);
    assert_int_equal(error->code, FLORIN_ERROR_INVALID);
    assert_string_equal(error->message, message);
}

static void test_id(void **state)
{
    (void)state;
    florin_id_t id = 7;
    florin_error_t error;
    ProtobufCBinaryData empty = BYTES(0), whole = BYTES(16), shorter = BYTES(15),
                        longer = BYTES(17);
    assert_int_equal(florin_convert_id(&empty, "ids", 0, &id, &error), 0);
    assert_true(id == 0);
    assert_int_equal(florin_convert_id(&whole, "ids", 0, &id, &error), 0);
    assert_true(id == id_of_bytes());
    refused(florin_convert_id(&shorter, "ids", 8189, &id, &error), &error,
            "ids[8189]: 15 bytes; an id has 16");
    refused(florin_convert_id(&longer, "account_id", FLORIN_CONVERT_NO_INDEX, &id, &error), &error,
            "account_id: 17 bytes; an id has 16");
}

static void test_account_whole(void **state)
{
    (void)state;
    Florin__V1__Account wire = FLORIN__V1__ACCOUNT__INIT;
    florin_account_t account;
    florin_error_t error;
    wire.id = wire.user_data = BYTES(16);
    wire.ledger = wire.flags = UINT32_MAX;
    wire.code = UINT16_MAX;
    wire.debits_pending = 1;
    wire.debits_posted = 2;
    wire.credits_pending = 3;
    wire.credits_posted = UINT64_MAX; /* the ledger has a result for it */
    wire.credit_limit = FLORIN_LEDGER_AMOUNT_MAX;
    wire.timestamp = 5;
    assert_int_equal(florin_convert_account(&wire, 0, &account, &error), 0);
    assert_true(account.id == id_of_bytes() && account.user_data == id_of_bytes());
    assert_int_equal(account.ledger, UINT32_MAX);
    assert_int_equal(account.flags, UINT32_MAX);
    assert_int_equal(account.code, UINT16_MAX);
    assert_int_equal(account.balances.debits_pending, 1);
    assert_int_equal(account.balances.debits_posted, 2);
    assert_int_equal(account.balances.credits_pending, 3);
    assert_true(account.balances.credits_posted == UINT64_MAX);
    assert_true(account.credit_limit == FLORIN_LEDGER_AMOUNT_MAX);
    assert_int_equal(account.timestamp, 5);
    assert_int_equal(account.timestamp_last, 0);
}

static void test_account_past_limits(void **state)
{
    (void)state;
    florin_account_t account;
    florin_error_t error;
    Florin__V1__Account wire = FLORIN__V1__ACCOUNT__INIT;
    wire.id = BYTES(4);
    refused(florin_convert_account(&wire, 3, &account, &error), &error,
            "accounts[3].id: 4 bytes; it has 16, or none for zero");
    wire.id = BYTES(16);
    wire.user_data = BYTES(17);
    refused(florin_convert_account(&wire, 3, &account, &error), &error,
            "accounts[3].user_data: 17 bytes; it has 16, or none for zero");
    wire.user_data = BYTES(0);
    wire.code = UINT16_MAX + 1;
    refused(florin_convert_account(&wire, 0, &account, &error), &error,
            "accounts[0].code: 65536; it is at most 65535");
    wire.code = 1;
    wire.credit_limit = FLORIN_LEDGER_AMOUNT_MAX + 1;
    refused(florin_convert_account(&wire, 0, &account, &error), &error,
            "accounts[0].credit_limit: 9223372036854775808; it is at most 9223372036854775807");
}

static void test_transfer_whole(void **state)
{
    (void)state;
    Florin__V1__Transfer wire = FLORIN__V1__TRANSFER__INIT;
    florin_transfer_t transfer;
    florin_error_t error;
    char reference[FLORIN_REFERENCE_BYTES_MAX + 1];
    memset(reference, 'x', FLORIN_REFERENCE_BYTES_MAX);
    reference[FLORIN_REFERENCE_BYTES_MAX] = '\0';
    wire.id = wire.debit_account_id = wire.credit_account_id = BYTES(16);
    wire.pending_id = wire.user_data = BYTES(16);
    wire.amount = FLORIN_LEDGER_AMOUNT_MAX;
    wire.timeout = wire.ledger = wire.flags = UINT32_MAX;
    wire.code = UINT16_MAX;
    wire.timestamp = UINT64_MAX;
    wire.reference = reference;
    assert_int_equal(florin_convert_transfer(&wire, 0, &transfer, &error), 0);
    assert_true(transfer.id == id_of_bytes() && transfer.debit_account_id == id_of_bytes());
    assert_true(transfer.credit_account_id == id_of_bytes());
    assert_true(transfer.pending_id == id_of_bytes() && transfer.user_data == id_of_bytes());
    assert_true(transfer.amount == FLORIN_LEDGER_AMOUNT_MAX);
    assert_int_equal(transfer.timeout_s, UINT32_MAX);
    assert_int_equal(transfer.ledger, UINT32_MAX);
    assert_int_equal(transfer.flags, UINT32_MAX);
    assert_int_equal(transfer.code, UINT16_MAX);
    assert_true(transfer.timestamp == UINT64_MAX);
    assert_int_equal(transfer.reference_bytes, FLORIN_REFERENCE_BYTES_MAX);
    assert_ptr_equal(transfer.reference, reference);
}

static void test_transfer_past_limits(void **state)
{
    (void)state;
    florin_transfer_t transfer;
    florin_error_t error;
    static const struct {
        size_t offset;
        const char *message;
    } ids[] = {
        {offsetof(Florin__V1__Transfer, id), "transfers[9].id: "},
        {offsetof(Florin__V1__Transfer, debit_account_id), "transfers[9].debit_account_id: "},
        {offsetof(Florin__V1__Transfer, credit_account_id), "transfers[9].credit_account_id: "},
        {offsetof(Florin__V1__Transfer, pending_id), "transfers[9].pending_id: "},
        {offsetof(Florin__V1__Transfer, user_data), "transfers[9].user_data: "},
    };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        Florin__V1__Transfer wire = FLORIN__V1__TRANSFER__INIT;
        const ProtobufCBinaryData one = BYTES(1);
        memcpy((uint8_t *)&wire + ids[i].offset, &one, sizeof(one));
        assert_int_equal(florin_convert_transfer(&wire, 9, &transfer, &error),
                         FLORIN_ERROR_INVALID);
        assert_memory_equal(error.message, ids[i].message, strlen(ids[i].message));
    }
    Florin__V1__Transfer amount = FLORIN__V1__TRANSFER__INIT;
    amount.amount = FLORIN_LEDGER_AMOUNT_MAX + 1;
    refused(florin_convert_transfer(&amount, 3, &transfer, &error), &error,
            "transfers[3].amount: 9223372036854775808; it is at most 9223372036854775807");
    Florin__V1__Transfer code = FLORIN__V1__TRANSFER__INIT;
    code.code = UINT32_MAX;
    refused(florin_convert_transfer(&code, 3, &transfer, &error), &error,
            "transfers[3].code: 4294967295; it is at most 65535");
    char reference[FLORIN_REFERENCE_BYTES_MAX + 2];
    memset(reference, 'x', sizeof(reference) - 1);
    reference[sizeof(reference) - 1] = '\0';
    Florin__V1__Transfer longer = FLORIN__V1__TRANSFER__INIT;
    longer.reference = reference;
    refused(florin_convert_transfer(&longer, 3, &transfer, &error), &error,
            "transfers[3].reference: longer than 140 bytes");
}

/* PostgreSQL refuses a text that is not UTF-8, and with it the whole batch. */
static void test_reference_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int bad_at; /* -1: good */
    } cases[] = {
        {"", -1},
        {"Miete M\xc3\xa4rz", -1},
        {"\xe2\x82\xac 5", -1},
        {"\xf0\x9f\x92\xb6", -1},
        {"\xc2\x80", -1},
        {"\xed\x9f\xbf", -1},
        {"\xee\x80\x80", -1},
        {"\xf4\x8f\xbf\xbf", -1},
        {"\x80", 0},             /* a sequence's rest without its beginning */
        {"a\xc3", 1},            /* cut off */
        {"ab\xe2\x82", 2},       /* cut off */
        {"\xf0\x9f\x92", 0},     /* cut off */
        {"\xc0\xaf", 0},         /* overlong */
        {"\xc1\xbf", 0},         /* overlong */
        {"\xe0\x9f\xbf", 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
        {"\xed\xa0\x80", 0},     /* surrogate */
        {"\xf4\x90\x80\x80", 0}, /* past U+10FFFF */
        {"\xf5\x80\x80\x80", 0}, /* past U+10FFFF */
        {"\xff", 0},             /* no lead byte */
        {"\xc3\xa4\xc3\x28", 2}, /* no continuation */
        {"\xe2\x28\xa1", 0},     /* no continuation */
        {"\xf0\x90\x28\xbc", 0}, /* no continuation */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Florin__V1__Transfer wire = FLORIN__V1__TRANSFER__INIT;
        florin_transfer_t transfer;
        florin_error_t error = {0};
        char text[16], message[80];
        (void)snprintf(text, sizeof(text), "%s", cases[i].text);
        wire.reference = text;
        int code = florin_convert_transfer(&wire, 2, &transfer, &error);
        assert_int_equal(code, cases[i].bad_at < 0 ? 0 : FLORIN_ERROR_INVALID);
        (void)snprintf(message, sizeof(message), "transfers[2].reference: not UTF-8 at byte %d",
                       cases[i].bad_at);
        assert_string_equal(error.message, cases[i].bad_at < 0 ? "" : message);
    }
}

static void test_out_and_back(void **state)
{
    (void)state;
    florin_arena_t *arena = florin_arena_new(64 * 1024);
    florin_error_t error;
    const florin_account_t account = {.id = id_of_bytes(),
                                      .user_data = 1,
                                      .balances = {1, 2, 3, 4},
                                      .credit_limit = 5,
                                      .timestamp = 6,
                                      .ledger = 978,
                                      .flags = 8,
                                      .code = 9};
    florin_account_t account_back;
    Florin__V1__Account *account_wire = florin_convert_account_out(&account, arena);
    assert_int_equal(florin_convert_account(account_wire, 0, &account_back, &error), 0);
    assert_memory_equal(&account_back, &account, sizeof(account));

    const char stored[] = {'r', 'e', 'f', '?'}; /* no NUL after it, as the store gives it */
    const florin_transfer_t transfer = {.id = 1,
                                        .debit_account_id = 2,
                                        .credit_account_id = 3,
                                        .amount = 6,
                                        .timestamp = 7,
                                        .timeout_s = 8,
                                        .ledger = 9,
                                        .flags = 10,
                                        .code = 11,
                                        .reference_bytes = 3,
                                        .reference = stored};
    florin_transfer_t back;
    Florin__V1__Transfer *wire = florin_convert_transfer_out(&transfer, arena);
    assert_int_equal(wire->pending_id.len, 0); /* zero is an empty field */
    assert_string_equal(wire->reference, "ref");
    assert_int_equal(florin_convert_transfer(wire, 0, &back, &error), 0);
    assert_true(back.id == 1 && back.debit_account_id == 2 && back.credit_account_id == 3);
    assert_int_equal(back.amount + back.timestamp + back.timeout_s, 6 + 7 + 8);
    assert_int_equal(back.ledger + back.flags + back.code, 9 + 10 + 11);
    florin_arena_destroy(&arena);
}

static void test_out_without_room(void **state)
{
    (void)state;
    const florin_transfer_t transfer = {.id = 1, .reference_bytes = 1, .reference = "r"};
    const florin_account_t account = {.id = 1, .user_data = 1};
    size_t transfers = 0, accounts = 0;
    for (size_t room = 16; room <= 1024; room += 16) {
        florin_arena_t *arena = florin_arena_new(room);
        transfers += florin_convert_transfer_out(&transfer, arena) != NULL;
        florin_arena_reset(arena);
        accounts += florin_convert_account_out(&account, arena) != NULL;
        florin_arena_destroy(&arena);
    }
    assert_in_range(transfers, 1, 63); /* neither never nor always */
    assert_in_range(accounts, 1, 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_account_whole),
        cmocka_unit_test(test_account_past_limits),
        cmocka_unit_test(test_transfer_whole),
        cmocka_unit_test(test_transfer_past_limits),
        cmocka_unit_test(test_reference_utf8),
        cmocka_unit_test(test_out_and_back),
        cmocka_unit_test(test_out_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
