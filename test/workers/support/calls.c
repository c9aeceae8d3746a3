#include "test/workers/support/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those above first. */
#include <cmocka.h>

static const Florin__V1__RequestContext context = {.ttl_ms = 5};

void calls_init(calls_t *self)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        florin__v1__request__init(&self->requests[i]);
        florin__v1__reply__init(&self->replies[i]);
        self->replies[i].status = FLORIN__V1__STATUS__STATUS_INTERNAL;
        self->calls[i] = (florin_call_t){.request = &self->requests[i],
                                         .context = &context,
                                         .deadline_ms = UINT64_MAX,
                                         .reply = &self->replies[i]};
    }
}

void calls_expire(calls_t *self, size_t call)
{
    self->calls[call].deadline_ms = 1;
}

void calls_expect(const calls_t *self, size_t call, Florin__V1__Status status, const char *message)
{
    const Florin__V1__Reply *reply = &self->replies[call];
    assert_string_equal(reply->message, message);
    assert_int_equal(reply->status, status);
    assert_true((status == FLORIN__V1__STATUS__STATUS_OK) ==
                (reply->result_case != FLORIN__V1__REPLY__RESULT__NOT_SET));
}

void calls_expect_ok(const calls_t *self, size_t call)
{
    calls_expect(self, call, FLORIN__V1__STATUS__STATUS_OK, "");
}

void calls_expect_expired(const calls_t *self, size_t call)
{
    calls_expect(self, call, FLORIN__V1__STATUS__STATUS_EXPIRED,
                 "not begun: it had 5 ms to live, and waited longer for its turn");
}

bool calls_refused_for_room(const calls_t *self, size_t call)
{
    const Florin__V1__Reply *reply = &self->replies[call];
    if (reply->status == FLORIN__V1__STATUS__STATUS_OK)
        return false;
    calls_expect(self, call, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                 *reply->message == 'n'
                     ? "no room for a message"
                     : "the reply is larger than this worker can make: ask for less at once");
    return true;
}

void calls_expect_left_alone(const calls_t *self, size_t call)
{
    calls_expect(self, call, FLORIN__V1__STATUS__STATUS_INTERNAL, "");
}
