/* How the transactions worker takes risk's answer: anything that is not sound fails closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which answers in the client's place. */
#include "workers/transactions/verdicts.c" /* NOLINT(bugprone-suspicious-include) */

#define COUNT 3

static Florin__V1__Reply answer; /* of risk; code other than 0: none came */
static int answer_code;
static Florin__V1__AssessTransfersReply assessed;
static Florin__V1__Assessment assessments[COUNT + 1];
static Florin__V1__Assessment *assessments_list[COUNT + 1];
static Florin__V1__WindowLimit limits[COUNT + 1];
static Florin__V1__WindowLimit *limits_list[COUNT + 1];
static uint8_t ids[COUNT + 1][16];
static florin_verdicts_t verdicts;
static florin_transfer_event_t events[COUNT];

/* The client's: a copy of the answer, as it would come off the wire. */
int florin_client_call(florin_client_t *self, const char *service,
                       const Florin__V1__Request *request, Florin__V1__Reply **reply,
                       florin_error_t *error)
{
    assert_null(self);
    assert_string_equal(service, "risk");
    assert_int_equal(request->operation_case, FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS);
    assert_int_equal(request->assess_transfers->n_transfers, COUNT);
    if (answer_code)
        return florin_error_set(error, answer_code, "risk is away");
    static uint8_t bytes[4096];
    size_t size = florin__v1__reply__get_packed_size(&answer);
    assert_in_range(size, 0, sizeof(bytes));
    florin__v1__reply__pack(&answer, bytes);
    *reply = florin__v1__reply__unpack(NULL, size, bytes);
    return 0;
}

/* An answer without fault: approved, under review, declined; limits for accounts 3, 2 and 1. */
static int set_up(void **state)
{
    (void)state;
    answer_code = 0;
    florin__v1__reply__init(&answer);
    florin__v1__assess_transfers_reply__init(&assessed);
    for (size_t i = 0; i <= COUNT; i++) {
        florin__v1__assessment__init(&assessments[i]);
        assessments[i].decision = (Florin__V1__RiskDecision)(i + 1);
        assessments_list[i] = &assessments[i];
        florin__v1__window_limit__init(&limits[i]);
        ids[i][15] = (uint8_t)(COUNT - i);
        limits[i].account_id = (ProtobufCBinaryData){.len = 16, .data = ids[i]};
        limits[i].window = 60;
        limits[i].count_max = FLORIN_WINDOW_COUNT_MAX;
        limits[i].sum_max = FLORIN_LEDGER_AMOUNT_MAX;
        limits_list[i] = &limits[i];
    }
    assessed.n_assessments = assessed.n_limits = COUNT;
    assessed.assessments = assessments_list;
    assessed.limits = limits_list;
    answer.status = FLORIN__V1__STATUS__STATUS_OK;
    answer.result_case = FLORIN__V1__REPLY__RESULT_ASSESS_TRANSFERS;
    answer.assess_transfers = &assessed;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    florin_verdicts_clear(&verdicts);
    return 0;
}

static void ask(void)
{
    static Florin__V1__Transfer transfer = FLORIN__V1__TRANSFER__INIT;
    Florin__V1__Transfer *wires[COUNT] = {&transfer, &transfer, &transfer};
    for (size_t i = 0; i < COUNT; i++)
        events[i].verdict = FLORIN_VERDICT_APPROVED;
    florin_verdicts_ask(&verdicts, wires, events, COUNT);
}

static void test_sound(void **state)
{
    (void)state;
    ask();
    assert_int_equal(events[0].verdict, FLORIN_VERDICT_APPROVED);
    assert_int_equal(events[1].verdict, FLORIN_VERDICT_DECLINED);
    assert_int_equal(events[2].verdict, FLORIN_VERDICT_DECLINED);
    assert_int_equal(verdicts.limits_count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(verdicts.limits[i].account_id == i + 1); /* sorted */
}

static void test_a_decision_that_is_none(void **state)
{
    (void)state;
    assessments[0].decision = FLORIN__V1__RISK_DECISION__RISK_DECISION_UNSPECIFIED;
    assessments[1].decision = (Florin__V1__RiskDecision)77;
    ask();
    assert_int_equal(events[0].verdict, FLORIN_VERDICT_UNAVAILABLE);
    assert_int_equal(events[1].verdict, FLORIN_VERDICT_UNAVAILABLE);
    assert_int_equal(events[2].verdict, FLORIN_VERDICT_DECLINED);
}

static void check_closed(void)
{
    ask();
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(events[i].verdict, FLORIN_VERDICT_UNAVAILABLE);
    assert_int_equal(verdicts.limits_count, 0);
}

static void test_no_answer(void **state)
{
    (void)state;
    answer_code = FLORIN_ERROR_TIMEOUT;
    check_closed();
}

static void test_refused(void **state)
{
    (void)state;
    answer.status = FLORIN__V1__STATUS__STATUS_UNAVAILABLE;
    check_closed();
    answer.status = (Florin__V1__Status)99;
    check_closed();
}

static void test_an_answer_to_another_question(void **state)
{
    (void)state;
    answer.result_case = FLORIN__V1__REPLY__RESULT__NOT_SET;
    check_closed();
}

static void test_counts(void **state)
{
    (void)state;
    assessed.n_assessments = COUNT - 1;
    check_closed();
    assessed.n_assessments = COUNT + 1;
    check_closed();
    assessed.n_assessments = COUNT;
    assessed.n_limits = COUNT + 1;
    check_closed();
}

static void test_limits_out_of_range(void **state)
{
    (void)state;
    limits[1].account_id.len = 15;
    check_closed();
    limits[1].account_id.len = 0;
    check_closed();
    limits[1].account_id.len = 16;
    limits[1].window = 0;
    check_closed();
    limits[1].window = 1;
    limits[1].count_max = FLORIN_WINDOW_COUNT_MAX + 1;
    check_closed();
    limits[1].count_max = 1;
    limits[1].sum_max = FLORIN_LEDGER_AMOUNT_MAX + 1;
    check_closed();
    limits[1].sum_max = 1;
    ask();
    assert_int_equal(events[0].verdict, FLORIN_VERDICT_APPROVED);
}

static void test_two_limits_for_one_account(void **state)
{
    (void)state;
    ids[0][15] = ids[2][15];
    check_closed();
}

static void check_reasons(size_t index, florin_id_t debit, uint64_t amount, size_t count,
                          Florin__V1__RiskReason first)
{
    florin_arena_t *arena = florin_arena_new(1024);
    const florin_transfer_t transfer = {.debit_account_id = debit, .amount = amount};
    Florin__V1__RiskReason *reasons = NULL;
    size_t found = 0;
    assert_true(florin_verdicts_reasons(&verdicts, index, &transfer, arena, &reasons, &found));
    assert_int_equal(found, count);
    if (reasons)
        assert_int_equal(reasons[0], first);
    florin_arena_destroy(&arena);
}

static void test_reasons(void **state)
{
    (void)state;
    Florin__V1__RiskReason blocked[] = {FLORIN__V1__RISK_REASON__RISK_REASON_DEBIT_ACCOUNT_BLOCKED};
    assessments[2].reasons = blocked;
    assessments[2].n_reasons = 1;
    limits[2].sum_max = 10; /* of account 1 */
    ask();
    check_reasons(2, 1, 5, 1, blocked[0]); /* risk's own come first */
    check_reasons(0, 1, 5, 2, FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_COUNT_ABOVE_MAXIMUM);
    check_reasons(0, 1, 11, 1, FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_SUM_ABOVE_MAXIMUM);
    check_reasons(0, 2, 5, 1, FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_COUNT_ABOVE_MAXIMUM);
    check_reasons(0, 4, 5, 0, 0); /* an account without a limit */
}

#define ANSWERED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ANSWERED(test_sound),
        ANSWERED(test_a_decision_that_is_none),
        ANSWERED(test_no_answer),
        ANSWERED(test_refused),
        ANSWERED(test_an_answer_to_another_question),
        ANSWERED(test_counts),
        ANSWERED(test_limits_out_of_range),
        ANSWERED(test_two_limits_for_one_account),
        ANSWERED(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
