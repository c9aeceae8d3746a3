/* What a client is told of an error, and what only the log is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "workers/runtime/worker.h"

#define DETAIL "shard 1: connection to server on socket /srv/.s.PGSQL.5433 failed"

static const struct {
    int code;
    Florin__V1__Status status;
    const char *message;
} errors[] = {
    {FLORIN_ERROR_INVALID, FLORIN__V1__STATUS__STATUS_BAD_REQUEST, DETAIL},
    {FLORIN_ERROR_NOT_FOUND, FLORIN__V1__STATUS__STATUS_BAD_REQUEST, DETAIL},
    {FLORIN_ERROR_TOO_LARGE, FLORIN__V1__STATUS__STATUS_TOO_LARGE, DETAIL},
    {FLORIN_ERROR_UNAVAILABLE, FLORIN__V1__STATUS__STATUS_UNAVAILABLE,
     "a database is away or did not confirm in time; ask again with the same ids"},
    {FLORIN_ERROR_TIMEOUT, FLORIN__V1__STATUS__STATUS_UNAVAILABLE,
     "a database is away or did not confirm in time; ask again with the same ids"},
    {FLORIN_ERROR_CONFLICT, FLORIN__V1__STATUS__STATUS_UNAVAILABLE,
     "another transaction keeps what this one needs; ask again with the same ids"},
    {FLORIN_ERROR_CONFIG, FLORIN__V1__STATUS__STATUS_UNAVAILABLE,
     "this worker does not fit the databases, and others may; ask again with the same ids"},
    {FLORIN_ERROR_ASIDE, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, DETAIL},
    {FLORIN_ERROR_INTERNAL, FLORIN__V1__STATUS__STATUS_INTERNAL,
     "this worker has a fault that its log names; ask again with the same ids"},
};
#define ERRORS (sizeof(errors) / sizeof(errors[0]))

/* Answers a call with each of the errors, and gives back what was logged meanwhile. */
static void fail_calls(florin_arena_t *arena, Florin__V1__Reply *replies, char *log, size_t size)
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_true(file && saved >= 0);
    assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    for (size_t i = 0; i < ERRORS; i++) {
        florin_call_t call = {.reply = &replies[i]};
        florin_error_t error;
        florin__v1__reply__init(call.reply);
        florin_error_set(&error, errors[i].code, "%s", DETAIL);
        florin_call_fail_error(&call, arena, &error);
    }
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    rewind(file);
    log[fread(log, 1, size - 1, file)] = '\0';
    (void)fclose(file);
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (; (text = strstr(text, part)); text++)
        found++;
    return found;
}

static void test_errors(void **state)
{
    (void)state;
    char log[8192];
    Florin__V1__Reply replies[ERRORS];
    florin_arena_t *arena = florin_arena_new(65536);
    assert_non_null(arena);
    uint64_t begun_ms = florin_clock_ms();
    fail_calls(arena, replies, log, sizeof(log));
    for (size_t i = 0; i < ERRORS; i++) {
        assert_int_equal(replies[i].status, errors[i].status);
        assert_string_equal(replies[i].message, errors[i].message);
    }
    /* The first of each kind, with its detail; more only if the machine slept a second meanwhile.
     */
    assert_int_equal(count(log, "unavailable: " DETAIL), 1);
    assert_int_equal(count(log, "internal: " DETAIL), 1);
    if (florin_clock_ms() - begun_ms < 1000)
        assert_int_equal(count(log, "\n"), 2);
    florin_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
