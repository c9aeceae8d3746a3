/* How the transactions worker takes risk's answer: anything that is not sound fails closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which answers in the client's place and keeps the
 * time. */
#define florin_clock_ms clock_of_the_test
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
static florin_arena_t *arena;
static max_align_t client; /* stands for one; nobody looks at it */
static florin_risk_t risk;
static florin_verdicts_t verdicts;
static florin_transfer_event_t events[COUNT];
static uint64_t now_ms = 1000000;
static uint64_t answer_ms; /* how long risk takes to answer, or not to */
static unsigned asked;
static size_t asked_bytes;
static size_t asked_count; /* transfers in a question */

uint64_t florin_clock_ms(void)
{
    return now_ms;
}

static florin_client_reply_fn *taker; /* of the question under way */
static void *taker_arg;

int florin_client_submit(florin_client_t *self, const char *service,
                         const Florin__V1__Request *request, florin_client_reply_fn *fn, void *arg,
                         florin_error_t *error)
{
    assert_true(self == risk.client && !taker && error->code == 0);
    assert_string_equal(service, "risk");
    assert_int_equal(request->operation_case, FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS);
    assert_int_equal(request->assess_transfers->n_transfers, asked_count);
    asked++;
    asked_bytes = florin__v1__request__get_packed_size(request);
    taker = fn;
    taker_arg = arg;
    return 0;
}

/* A copy of the answer, as it would come off the wire, and gone after the call. */
size_t florin_client_process(florin_client_t *self, uint32_t timeout_ms)
{
    static uint8_t bytes[4096];
    florin_client_reply_fn *fn = taker;
    florin_error_t error = {0};
    assert_true(self == risk.client && fn && timeout_ms > 0);
    taker = NULL;
    now_ms += answer_ms;
    if (answer_code) {
        (void)florin_error_set(&error, answer_code, "risk is away");
        fn(taker_arg, NULL, &error);
        return 0;
    }
    size_t size = florin__v1__reply__get_packed_size(&answer);
    assert_in_range(size, 0, sizeof(bytes));
    florin__v1__reply__pack(&answer, bytes);
    Florin__V1__Reply *reply = florin__v1__reply__unpack(NULL, size, bytes);
    fn(taker_arg, reply, &error);
    florin__v1__reply__free_unpacked(reply, NULL);
    return 0;
}

/* An answer without fault: approved, under review, declined; limits for accounts 3, 2 and 1. */
static int set_up(void **state)
{
    (void)state;
    arena = florin_arena_new(8192);
    risk.client = (florin_client_t *)&client;
    answer_code = 0;
    answer_ms = 1;
    asked = 0;
    asked_count = COUNT;
    memset(events, 0, sizeof(events));
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
    florin_arena_destroy(&arena);
    risk = (florin_risk_t){.pause_ms = 0};
    return 0;
}

static void ask_about(Florin__V1__Transfer **wires)
{
    florin_arena_reset(arena);
    assert_true(florin_verdicts_ask(&verdicts, &risk, wires, events, COUNT, arena));
}

static void ask(void)
{
    static Florin__V1__Transfer transfer = FLORIN__V1__TRANSFER__INIT;
    Florin__V1__Transfer *wires[COUNT] = {&transfer, &transfer, &transfer};
    for (size_t i = 0; i < COUNT; i++)
        events[i].verdict = FLORIN_VERDICT_APPROVED;
    ask_about(wires);
    florin_verdicts_await(&verdicts, events, COUNT);
}

static void test_sound(void **state)
{
    (void)state;
    ask();
    assert_int_equal(events[0].verdict, FLORIN_VERDICT_APPROVED);
    assert_int_equal(events[1].verdict, FLORIN_VERDICT_REVIEW);
    assert_int_equal(events[2].verdict, FLORIN_VERDICT_DECLINED);
    assert_int_equal(verdicts.limits_count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(verdicts.limits[i].account_id == i + 1); /* sorted */
}

static void test_nobody_to_ask(void **state)
{
    (void)state;
    risk.client = NULL;
    ask();
    assert_int_equal(asked, 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(events[i].verdict, FLORIN_VERDICT_UNAVAILABLE);
}

/* Risk had its say on what is posted or voided: it is not asked again, be it there or not. */
static void test_posts_and_voids_are_not_asked_about(void **state)
{
    (void)state;
    events[0].transfer.flags = FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER;
    events[1].transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
    asked_count = assessed.n_assessments = assessed.n_limits = 2;
    ask();
    assert_int_equal(events[0].verdict, FLORIN_VERDICT_APPROVED);
    assert_int_equal(events[1].verdict, FLORIN_VERDICT_APPROVED);
    assert_int_equal(events[2].verdict, FLORIN_VERDICT_REVIEW);
    for (size_t i = 0; i < COUNT; i++)
        events[i].transfer.flags = FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
    asked = 0;
    answer_code = FLORIN_ERROR_TIMEOUT;
    ask();
    assert_int_equal(asked, 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(events[i].verdict, FLORIN_VERDICT_APPROVED);
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

/* The answer to a question that was waited for in vain is not waited for by each batch. */
static void test_a_pause_after_a_long_wait(void **state)
{
    (void)state;
    answer_code = FLORIN_ERROR_TIMEOUT;
    answer_ms = 1000;
    check_closed();
    answer_code = 0;
    answer_ms = 1;
    now_ms += PAUSE_MS - 1;
    check_closed();
    assert_int_equal(asked, 1);
    now_ms += 1;
    ask();
    assert_int_equal(asked, 2);
    assert_int_equal(events[0].verdict, FLORIN_VERDICT_APPROVED);
}

/* Also when a broker says at the end of the wait that nobody serves risk. */
static void test_a_pause_after_a_late_refusal(void **state)
{
    (void)state;
    answer.status = FLORIN__V1__STATUS__STATUS_NO_SERVICE;
    answer_ms = PAUSE_MS;
    check_closed();
    check_closed();
    assert_int_equal(asked, 1);
}

static void test_no_pause_after_a_quick_refusal(void **state)
{
    (void)state;
    answer.status = FLORIN__V1__STATUS__STATUS_INTERNAL;
    answer_ms = PAUSE_MS - 1;
    check_closed();
    check_closed();
    assert_int_equal(asked, 2);
}

/* A slow answer is an answer. */
static void test_no_pause_after_a_slow_answer(void **state)
{
    (void)state;
    answer_ms = 1000;
    ask();
    ask();
    assert_int_equal(asked, 2);
    assert_int_equal(events[0].verdict, FLORIN_VERDICT_APPROVED);
}

/* What counts is the time that a batch waited, not that in which another one was written. */
static void test_no_pause_after_a_refusal_that_waited(void **state)
{
    (void)state;
    static Florin__V1__Transfer transfer = FLORIN__V1__TRANSFER__INIT;
    Florin__V1__Transfer *wires[COUNT] = {&transfer, &transfer, &transfer};
    answer.status = FLORIN__V1__STATUS__STATUS_INTERNAL;
    ask_about(wires);
    now_ms += 1000;
    florin_verdicts_await(&verdicts, events, COUNT);
    assert_int_equal(events[0].verdict, FLORIN_VERDICT_UNAVAILABLE);
    check_closed();
    assert_int_equal(asked, 2);
}

/* However little room there is: asked and answered, or not asked. */
static void test_needs_room(void **state)
{
    (void)state;
    static Florin__V1__Transfer transfer = FLORIN__V1__TRANSFER__INIT;
    Florin__V1__Transfer *wires[COUNT] = {&transfer, &transfer, &transfer};
    unsigned refused = 0;
    for (size_t room = 16; asked == 0; room += 16, refused += asked == 0) {
        florin_arena_destroy(&arena);
        arena = florin_arena_new(room);
        assert_true(florin_verdicts_ask(&verdicts, &risk, wires, events, COUNT, arena) ==
                    (asked == 1));
    }
    assert_int_not_equal(refused, 0);
    florin_verdicts_await(&verdicts, events, COUNT);
    assert_int_equal(events[1].verdict, FLORIN_VERDICT_REVIEW);
}

/* One client's fields from the future must not make the whole batch's question too large. */
static void test_unknown_fields_stay_behind(void **state)
{
    (void)state;
    ask();
    size_t bytes = asked_bytes;
    static uint8_t data[100];
    ProtobufCMessageUnknownField field = {
        .tag = 99, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = 100, .data = data};
    Florin__V1__Transfer plain = FLORIN__V1__TRANSFER__INIT, long_one = plain;
    long_one.base.n_unknown_fields = 1;
    long_one.base.unknown_fields = &field;
    Florin__V1__Transfer *wires[COUNT] = {&plain, &long_one, &plain};
    ask_about(wires);
    assert_int_equal(asked_bytes, bytes);
    florin_verdicts_await(&verdicts, events, COUNT);
}

static void test_too_many_reasons(void **state)
{
    (void)state;
    Florin__V1__RiskReason many[REASONS_MAX + 1];
    for (size_t i = 0; i <= REASONS_MAX; i++)
        many[i] = FLORIN__V1__RISK_REASON__RISK_REASON_AMOUNT_ABOVE_MAXIMUM;
    assessments[2].reasons = many;
    assessments[2].n_reasons = REASONS_MAX;
    ask();
    assert_int_equal(events[2].verdict, FLORIN_VERDICT_DECLINED);
    assessments[2].n_reasons = REASONS_MAX + 1;
    check_closed();
}

static void check_reasons(size_t index, bool passes_count, bool passes_sum, size_t count,
                          Florin__V1__RiskReason first)
{
    const florin_transfer_outcome_t outcome = {.result = FLORIN_TRANSFER_RISK_DECLINED,
                                               .passes_window_count = passes_count,
                                               .passes_window_sum = passes_sum};
    Florin__V1__RiskReason *reasons = NULL;
    size_t found = 0;
    assert_true(
        florin_verdicts_reasons(&verdicts, index, &events[index], &outcome, &reasons, &found));
    assert_int_equal(found, count);
    if (count > 0)
        assert_int_equal(reasons[0], first);
}

static void test_reasons(void **state)
{
    (void)state;
    Florin__V1__RiskReason blocked[] = {FLORIN__V1__RISK_REASON__RISK_REASON_DEBIT_ACCOUNT_BLOCKED};
    assessments[0].reasons = assessments[2].reasons = blocked;
    assessments[0].n_reasons = assessments[2].n_reasons = 1;
    ask();
    check_reasons(2, true, true, 1, blocked[0]); /* it was risk that said no */
    check_reasons(1, true, true, 0, 0);
    /* It was the books. */
    check_reasons(0, true, false, 1,
                  FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_COUNT_ABOVE_MAXIMUM);
    check_reasons(0, false, true, 1, FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_SUM_ABOVE_MAXIMUM);
    check_reasons(0, true, true, 2,
                  FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_COUNT_ABOVE_MAXIMUM);
}

#define ANSWERED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ANSWERED(test_sound),
        ANSWERED(test_nobody_to_ask),
        ANSWERED(test_posts_and_voids_are_not_asked_about),
        ANSWERED(test_a_decision_that_is_none),
        ANSWERED(test_no_answer),
        ANSWERED(test_refused),
        ANSWERED(test_an_answer_to_another_question),
        ANSWERED(test_counts),
        ANSWERED(test_limits_out_of_range),
        ANSWERED(test_two_limits_for_one_account),
        ANSWERED(test_a_pause_after_a_long_wait),
        ANSWERED(test_a_pause_after_a_late_refusal),
        ANSWERED(test_no_pause_after_a_quick_refusal),
        ANSWERED(test_no_pause_after_a_slow_answer),
        ANSWERED(test_no_pause_after_a_refusal_that_waited),
        ANSWERED(test_needs_room),
        ANSWERED(test_unknown_fields_stay_behind),
        ANSWERED(test_too_many_reasons),
        ANSWERED(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
