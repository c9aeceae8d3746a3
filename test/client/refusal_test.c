/* What is said of refusals: a sentence for every result that there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/refusal.h"

#define UNKNOWN "this florin does not know"
#define SPENT   "the id is spent, another try needs a new one"

enum { TEXT_BYTES = 512, NUMBER_OF_NONE = 4711 };

/* Explains a number as a result of that kind. */
static const char *explain(const ProtobufCEnumDescriptor *kind, int number)
{
    static char text[TEXT_BYTES];
    Florin__V1__AccountResult account = FLORIN__V1__ACCOUNT_RESULT__INIT;
    Florin__V1__TransferResult transfer = FLORIN__V1__TRANSFER_RESULT__INIT;
    if (kind == &florin__v1__open_account_result__descriptor) {
        account.result = (Florin__V1__OpenAccountResult)number;
        refusal_explain_account(&account, text, sizeof text);
    } else if (kind == &florin__v1__create_transfer_result__descriptor) {
        transfer.result = (Florin__V1__CreateTransferResult)number;
        refusal_explain_transfer(&transfer, text, sizeof text);
    } else {
        refusal_explain_limit((Florin__V1__SetCreditLimitResult)number, text, sizeof text);
    }
    return text;
}

static void has_a_sentence_for_every_result(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *kinds[] = {&florin__v1__open_account_result__descriptor,
                                              &florin__v1__create_transfer_result__descriptor,
                                              &florin__v1__set_credit_limit_result__descriptor};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (unsigned j = 0; j < kinds[i]->n_values; j++) {
            const char *text = explain(kinds[i], kinds[i]->values[j].value);
            if (*text == '\0' || strstr(text, UNKNOWN) || strlen(text) > TEXT_BYTES / 2)
                fail_msg("%s: \"%s\"", kinds[i]->values[j].name, text);
        }
        assert_non_null(strstr(explain(kinds[i], NUMBER_OF_NONE), UNKNOWN));
        assert_non_null(strstr(explain(kinds[i], -1), UNKNOWN));
    }
}

/* The eight that the books remember, docs/decisions/ledger-refusals.md, and what was given up. */
static void says_which_ids_are_spent(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *kind = &florin__v1__create_transfer_result__descriptor;
    size_t count = 0;
    for (unsigned i = 0; i < kind->n_values; i++) {
        int number = kind->values[i].value;
        bool spends = refusal_spends((Florin__V1__CreateTransferResult)number);
        assert_true((strstr(explain(kind, number), SPENT) != NULL) == spends);
        count += spends;
    }
    assert_int_equal(count, 9);
}

static void names_reasons(void **state)
{
    (void)state;
    Florin__V1__RiskReason reasons[] = {FLORIN__V1__RISK_REASON__RISK_REASON_DEBIT_ACCOUNT_BLOCKED,
                                        FLORIN__V1__RISK_REASON__RISK_REASON_AMOUNT_ABOVE_MAXIMUM};
    Florin__V1__TransferResult result = FLORIN__V1__TRANSFER_RESULT__INIT;
    char text[TEXT_BYTES];
    result.result = FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_RISK_DECLINED;
    assert_string_equal(refusal_reasons(&result, text, sizeof text), "");
    result.n_reasons = 2;
    result.reasons = reasons;
    refusal_explain_transfer(&result, text, sizeof text);
    assert_string_equal(text, "risk said no (debit_account_blocked, amount_above_maximum); " SPENT);
    result.result = FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_ID_ALREADY_FAILED;
    result.first_result = FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_EXCEEDS_DEBITS;
    refusal_explain_transfer(&result, text, sizeof text);
    assert_non_null(strstr(text, "was refused before, as exceeds_debits,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_a_sentence_for_every_result),
        cmocka_unit_test(says_which_ids_are_spent),
        cmocka_unit_test(names_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
