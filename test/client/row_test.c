/* Rows of the files that `import` takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/row.h"
#include "lib/money.h"

/* Reads a file of a header and one row; 0, or the error in *error. */
static int read_text(const row_kind_t *kind, const char *text, row_t *row, florin_error_t *error)
{
    static csv_record_t record;
    static char bytes[1024];
    (void)snprintf(bytes, sizeof bytes, "%s", text);
    FILE *file = fmemopen(bytes, strlen(bytes), "r");
    assert_non_null(file);
    csv_t csv;
    csv_start(&csv, file);
    row_header_t header;
    assert_int_equal(csv_read(&csv, &record, error), 1);
    int rc = row_read_header(kind, &record, &header, error);
    if (rc == 0) {
        assert_int_equal(csv_read(&csv, &record, error), 1);
        rc = row_read(kind, &header, &record, row, error);
    }
    assert_int_equal(fclose(file), 0);
    return rc;
}

static void refuse(const row_kind_t *kind, const char *text, const char *message)
{
    row_t row = {0};
    florin_error_t error = {0};
    assert_int_equal(read_text(kind, text, &row, &error), FLORIN_ERROR_INVALID);
    if (!strstr(error.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, error.message);
}

static uint64_t low(const ProtobufCBinaryData *id)
{
    assert_int_equal(id->len, 16);
    return (uint64_t)florin_id_from_bytes(id->data);
}

#define HEADER "id,debit_account_id,credit_account_id,amount,currency,code,reference\n"

static void reads_a_transfer(void **state)
{
    (void)state;
    row_t row = {0};
    assert_int_equal(
        read_text(&row_transfers, HEADER "7,1,2,12.50,EUR,3,\"Invoice, 7\"\n", &row, NULL), 0);
    assert_int_equal(row.line, 2);
    assert_int_equal(low(&row.transfer.id), 7);
    assert_int_equal(low(&row.transfer.debit_account_id), 1);
    assert_int_equal(low(&row.transfer.credit_account_id), 2);
    assert_int_equal(row.transfer.amount, 1250);
    assert_int_equal(row.transfer.ledger, 978);
    assert_int_equal(row.transfer.code, 3);
    assert_string_equal(row.transfer.reference, "Invoice, 7");
}

static void takes_columns_in_any_order(void **state)
{
    (void)state;
    row_t row = {0};
    assert_int_equal(read_text(&row_transfers,
                               "currency,code,amount,credit_account_id,debit_account_id,id\n"
                               "JPY,1,5,2,1,0192a000-0000-7000-8000-000000000001\n",
                               &row, NULL),
                     0);
    assert_int_equal(row.transfer.amount, 5);
    assert_int_equal(row.transfer.ledger, 392);
    assert_int_equal(low(&row.transfer.debit_account_id), 1);
    assert_string_equal(row.transfer.reference, "");
}

static void refuses_wrong_headers(void **state)
{
    (void)state;
    refuse(&row_transfers, "id,amount\n", "1: column debit_account_id is missing");
    refuse(&row_transfers, "id,id\n", "1: column id is there twice");
    refuse(&row_transfers, "id,colour\n", "1: \"colour\" is no column");
    refuse(&row_transfers, "ID\n", "1: \"ID\" is no column");
}

static void refuses_wrong_rows(void **state)
{
    (void)state;
    refuse(&row_transfers, HEADER "7,1,2,12.50,EUR,3\n", "2: 6 fields, but the first row has 7");
    refuse(&row_transfers, HEADER "x,1,2,12.50,EUR,3,\n", "2: id: ");
    refuse(&row_transfers, HEADER ",1,2,12.50,EUR,3,\n", "2: id: ");
    refuse(&row_transfers, HEADER "7,,2,12.50,EUR,3,\n", "2: debit_account_id: ");
    refuse(&row_transfers, HEADER "7,1,-2,12.50,EUR,3,\n", "2: credit_account_id: ");
    refuse(&row_transfers, HEADER "7,1,2,12.345,CZK,3,\n",
           "2: amount: \"12.345\" has more decimals");
    refuse(&row_transfers, HEADER "7,1,2,-1,EUR,3,\n", "2: amount: ");
    refuse(&row_transfers, HEADER "7,1,2,,EUR,3,\n", "2: amount: ");
    refuse(&row_transfers, HEADER "7,1,2,1,XXQ,3,\n", "2: currency: \"XXQ\" is no currency");
    refuse(&row_transfers, HEADER "7,1,2,1,EUR,0,\n", "2: code: ");
    refuse(&row_transfers, HEADER "7,1,2,1,EUR,65536,\n", "2: code: ");
    refuse(&row_transfers, HEADER "00000000-0000-0000-0000-0000000000071,1,2,1,EUR,1,\n",
           "2: id: \"00000000-0000-0000-0000-000000000007...\" is no id");
    refuse(&row_transfers, HEADER "7,1,2,1,EUR,1,\xff\n", "2: reference: it is not UTF-8");
    refuse(&row_transfers, HEADER "7,1,2,1,EUR,1,\"a\nb\"\n", "2: reference: it has a line break");
    char text[512], reference[FLORIN_REFERENCE_BYTES_MAX + 2];
    memset(reference, 'r', sizeof reference - 1);
    reference[sizeof reference - 1] = '\0';
    (void)snprintf(text, sizeof text, HEADER "7,1,2,1,EUR,1,%s\n", reference);
    refuse(&row_transfers, text, "2: reference: it has 141 bytes");
    reference[sizeof reference - 2] = '\0';
    (void)snprintf(text, sizeof text, HEADER "7,1,2,1,EUR,1,%s\n", reference);
    row_t row = {0};
    assert_int_equal(read_text(&row_transfers, text, &row, NULL), 0);
}

#define FULL                                                                                       \
    "id,flags,pending_id,timeout,user_data,timestamp,amount,currency,code,debit_account_id,"       \
    "credit_account_id\n"

static void reads_all_of_a_transfer(void **state)
{
    (void)state;
    row_t row = {0};
    assert_int_equal(
        read_text(&row_transfers, FULL "7,linked|pending,,60,9,,1.50,EUR,3,1,2\n", &row, NULL), 0);
    assert_int_equal(row.transfer.flags, 1 | 2);
    assert_int_equal(row.transfer.timeout, 60);
    assert_int_equal(low(&row.transfer.user_data), 9);
    assert_int_equal(row.transfer.pending_id.len, 0);
    assert_int_equal(row.transfer.timestamp, 0);
    assert_true(row_is_linked(&row_transfers, &row));
    assert_false(row_is_imported(&row_transfers, &row));

    assert_int_equal(read_text(&row_transfers,
                               FULL "7,imported,,,,2026-11-22T18:04:22Z,1.50,EUR,3,1,2\n", &row,
                               NULL),
                     0);
    assert_int_equal(row.transfer.timestamp, UINT64_C(1795370662000000000));
    assert_int_equal(row.transfer.user_data.len, 0);
    assert_int_equal(row.transfer.timeout, 0);
    assert_false(row_is_linked(&row_transfers, &row));
    assert_true(row_is_imported(&row_transfers, &row));
}

static void leaves_to_the_pending_transfer_what_is_empty(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t amount;
        size_t ids_len;
        uint32_t ledger, code;
    } vectors[] = {
        {FULL "7,post_pending_transfer,6,,,,,,,,\n", FLORIN_AMOUNT_MAX, 0, 0, 0},
        {FULL "7,post_pending_transfer,6,,,,max,,,,\n", FLORIN_AMOUNT_MAX, 0, 0, 0},
        {FULL "7,post_pending_transfer,6,,,,max,EUR,,,\n", FLORIN_AMOUNT_MAX, 0, 978, 0},
        {FULL "7,post_pending_transfer,6,,,,0,EUR,,,\n", 0, 0, 978, 0},
        {FULL "7,post_pending_transfer,6,,,,1.50,EUR,3,1,2\n", 150, 16, 978, 3},
        {FULL "7,void_pending_transfer,6,,,,,,,,\n", 0, 0, 0, 0},
        {FULL "7,void_pending_transfer,6,,,,1.50,EUR,3,1,2\n", 150, 16, 978, 3},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        row_t row = {0};
        assert_int_equal(read_text(&row_transfers, vectors[i].text, &row, NULL), 0);
        assert_int_equal(low(&row.transfer.pending_id), 6);
        assert_int_equal(row.transfer.amount, vectors[i].amount);
        assert_int_equal(row.transfer.ledger, vectors[i].ledger);
        assert_int_equal(row.transfer.code, vectors[i].code);
        assert_int_equal(row.transfer.debit_account_id.len, vectors[i].ids_len);
        assert_int_equal(row.transfer.credit_account_id.len, vectors[i].ids_len);
    }
    static const char *const balancing[] = {FULL "7,balancing_debit,,,,,max,EUR,3,1,2\n",
                                            FULL "7,pending|balancing_credit,,,,,max,EUR,3,1,2\n"};
    for (size_t i = 0; i < sizeof balancing / sizeof *balancing; i++) {
        row_t row = {0};
        assert_int_equal(read_text(&row_transfers, balancing[i], &row, NULL), 0);
        assert_int_equal(row.transfer.amount, FLORIN_AMOUNT_MAX);
    }
}

static void refuses_what_does_not_go_together(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {FULL "7,review,,,,,1,EUR,3,1,2\n", "2: flags: \"review\" is none"},
        {FULL "7,,,,,,max,EUR,3,1,2\n", "2: amount: \"max\" is for rows that post or balance"},
        {FULL "7,pending,,,,,max,EUR,3,1,2\n", "2: amount: \"max\" is for"},
        {FULL "7,void_pending_transfer,6,,,,max,,,,\n", "2: amount: \"max\" is for"},
        {FULL "7,balancing_debit,,,,,,EUR,3,1,2\n", "2: amount: \"\" is no amount"},
        {FULL "7,balancing_debit,,,,,max,,3,1,2\n", "2: currency: \"\" is no currency"},
        {FULL "7,post_pending_transfer,6,,,,1.50,,,,\n",
         "2: currency: it is needed to read the amount \"1.50\""},
        {FULL "7,post_pending_transfer,,,,,,,,,\n", "2: pending_id: \"\" is no id"},
        {FULL "7,pending,6,,,,1,EUR,3,1,2\n", "2: pending_id: only a row with the flag post_"},
        {FULL "7,,,,,,1,EUR,,1,2\n", "2: code: "},
        {FULL "7,,,,,,1,EUR,3,,2\n", "2: debit_account_id: "},
        {FULL "7,pending,,4294967296,,,1,EUR,3,1,2\n", "2: timeout: "},
        {FULL "7,,,,x,,1,EUR,3,1,2\n", "2: user_data: \"x\" is no id"},
        {FULL "7,,,,,2026-11-22,1,EUR,3,1,2\n", "2: timestamp: only a row with the flag imported"},
        {FULL "7,imported,,,,,1,EUR,3,1,2\n", "2: timestamp: \"\" is no time"},
        {FULL "7,imported,,,,monday,1,EUR,3,1,2\n", "2: timestamp: \"monday\" is no time"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuse(&row_transfers, wrong[i].text, wrong[i].message);
}

static void reads_an_account(void **state)
{
    (void)state;
    row_t row = {0};
    assert_int_equal(read_text(&row_accounts,
                               "id,currency,code,flags,credit_limit\n"
                               "7,EUR,3,debits_must_not_exceed_credits|history,100.00\n",
                               &row, NULL),
                     0);
    assert_int_equal(low(&row.account.id), 7);
    assert_int_equal(row.account.ledger, 978);
    assert_int_equal(row.account.code, 3);
    assert_int_equal(row.account.flags, 2 | 8);
    assert_int_equal(row.account.credit_limit, 10000);
    assert_int_equal(read_text(&row_accounts, "id,currency,code\n7,EUR,3\n", &row, NULL), 0);
    assert_int_equal(row.account.flags, 0);
    assert_int_equal(row.account.credit_limit, 0);
    refuse(&row_accounts, "id,currency,code,flags\n7,EUR,3,pending\n",
           "2: flags: \"pending\" is none");
    refuse(&row_accounts, "id,currency,code,flags\n7,EUR,3,|\n", "2: flags: \"\" is none");
    refuse(&row_accounts, "id,currency,code,credit_limit\n7,EUR,3,x\n", "2: credit_limit: ");

    assert_int_equal(read_text(&row_accounts,
                               "id,currency,code,flags,user_data,timestamp\n"
                               "7,EUR,3,linked|imported|closed,9,5\n",
                               &row, NULL),
                     0);
    assert_int_equal(row.account.flags, 1 | 16 | 32);
    assert_int_equal(low(&row.account.user_data), 9);
    assert_int_equal(row.account.timestamp, 5);
    assert_true(row_is_linked(&row_accounts, &row));
    assert_true(row_is_imported(&row_accounts, &row));
    refuse(&row_accounts, "id,currency,code,timestamp\n7,EUR,3,5\n",
           "2: timestamp: only a row with the flag imported");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_transfer),
        cmocka_unit_test(takes_columns_in_any_order),
        cmocka_unit_test(refuses_wrong_headers),
        cmocka_unit_test(refuses_wrong_rows),
        cmocka_unit_test(reads_an_account),
        cmocka_unit_test(reads_all_of_a_transfer),
        cmocka_unit_test(leaves_to_the_pending_transfer_what_is_empty),
        cmocka_unit_test(refuses_what_does_not_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
