/* Holding back what would be refused, window by window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/throttle.h"

enum { WINDOW = FLORIN_THROTTLE_WINDOW_MS, START = 1000000, MANY = 100000 };

/* How many of `wanted` may be sent at that time. */
static unsigned sends(florin_throttle_t *throttle, unsigned wanted, uint64_t now_ms)
{
    unsigned sent = 0;
    for (unsigned i = 0; i < wanted && florin_throttle_allows(throttle, now_ms); i++, sent++)
        florin_throttle_sent(throttle);
    return sent;
}

static void answers(florin_throttle_t *throttle, unsigned taken, unsigned busy, uint64_t now_ms)
{
    for (unsigned i = 0; i < taken; i++)
        florin_throttle_answered(throttle, false, now_ms);
    for (unsigned i = 0; i < busy; i++)
        florin_throttle_answered(throttle, true, now_ms);
}

static void holds_nothing_back_where_nobody_was_refused(void **state)
{
    (void)state;
    florin_throttle_t throttle = {0};
    for (uint64_t window = 0; window < 10; window++) {
        assert_int_equal(sends(&throttle, MANY, START + window * WINDOW), MANY);
        answers(&throttle, 1, 0, START + window * WINDOW + 1); /* slow is not refused */
    }
}

static void sends_an_eighth_more_than_was_taken(void **state)
{
    (void)state;
    florin_throttle_t throttle = {0};
    assert_int_equal(sends(&throttle, 1000, START), 1000);
    answers(&throttle, 400, 1, START + 1);
    assert_int_equal(sends(&throttle, 1000, START + WINDOW - 1), 1000); /* not before it is over */
    assert_int_equal(sends(&throttle, 1000, START + WINDOW), 451);
    assert_int_equal(sends(&throttle, 1000, START + 2 * WINDOW - 1), 0);
    answers(&throttle, 80, 1, START + 2 * WINDOW - 1);
    assert_int_equal(sends(&throttle, 1000, START + 2 * WINDOW), 91);
}

static void keeps_asking_where_nothing_was_taken(void **state)
{
    (void)state;
    florin_throttle_t throttle = {0};
    for (uint64_t window = 0; window < 10; window++) {
        unsigned sent = sends(&throttle, MANY, START + window * WINDOW);
        assert_int_equal(sent, window == 0 ? MANY : 1);
        answers(&throttle, 0, sent, START + window * WINDOW);
    }
}

static void forgets_refusals_after_a_window(void **state)
{
    (void)state;
    florin_throttle_t throttle = {0};
    answers(&throttle, 1, 1, START);
    assert_int_equal(sends(&throttle, 100, START + WINDOW), 2);
    answers(&throttle, 2, 0, START + WINDOW);
    assert_int_equal(sends(&throttle, 100, START + 2 * WINDOW), 100);
    answers(&throttle, 0, 100, START + 2 * WINDOW);
    assert_int_equal(sends(&throttle, 100, START + 4 * WINDOW), 100); /* idle meanwhile */
}

/* A service that takes 40 in a window of which five clients want 30 each: it is kept busy, and
 * refuses a part of that and not three times as many; when they want less, all is taken soon. */
static void settles_a_little_above_what_is_taken(void **state)
{
    (void)state;
    enum { CLIENTS = 5, CAPACITY = 40, WANTED = 30, SETTLED = 10, CALM = 20, WINDOWS = 30 };
    florin_throttle_t throttles[CLIENTS] = {0};
    for (uint64_t window = 0; window < WINDOWS; window++) {
        uint64_t now_ms = START + window * WINDOW;
        unsigned room = CAPACITY, asked = 0;
        for (unsigned i = 0; i < CLIENTS; i++) {
            florin_throttle_t *throttle = &throttles[(i + window) % CLIENTS];
            unsigned sent = sends(throttle, window < CALM ? WANTED : 5, now_ms);
            unsigned share = room / (CLIENTS - i);
            unsigned taken = sent < share ? sent : share;
            answers(throttle, taken, sent - taken, now_ms);
            room -= taken;
            asked += sent;
        }
        if (window >= SETTLED && window < CALM) {
            assert_in_range(CAPACITY - room, CAPACITY * 9 / 10, CAPACITY);
            assert_in_range(asked, CAPACITY, CAPACITY * 3 / 2);
        } else if (window > CALM + 1) {
            assert_int_equal(asked, CLIENTS * 5);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_nothing_back_where_nobody_was_refused),
        cmocka_unit_test(sends_an_eighth_more_than_was_taken),
        cmocka_unit_test(keeps_asking_where_nothing_was_taken),
        cmocka_unit_test(forgets_refusals_after_a_window),
        cmocka_unit_test(settles_a_little_above_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
