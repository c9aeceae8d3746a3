#include "test/store/support/verified.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/id.h"
#include "test/store/support/every_kind.h"

struct verified verified;

static void began(void *arg, const florin_verify_check_t *check)
{
    (void)arg;
    verified.check = check;
    verified.began++;
}

static void found(void *arg, const florin_verify_finding_t *finding)
{
    (void)arg;
    assert_true(verified.found_count < FOUND_MAX);
    verified.found[verified.found_count].check = verified.check->name;
    verified.found[verified.found_count++].finding = *finding;
}

static void ended(void *arg, const florin_verify_check_t *check)
{
    (void)arg;
    assert_ptr_equal(check, verified.check);
    verified.ended++;
}

static int verify_from(uint32_t in_doubt_after_s, uint64_t since, florin_error_t *error)
{
    memset(&verified, 0, sizeof verified);
    const florin_verify_options_t options = {.in_doubt_after_s = in_doubt_after_s,
                                             .since = since,
                                             .began = began,
                                             .found = found,
                                             .ended = ended};
    return florin_store_verify(every.verifier, &options, verified.checks, &verified.checks_count,
                               error);
}

int verify(uint32_t in_doubt_after_s, florin_error_t *error)
{
    return verify_from(in_doubt_after_s, 0, error);
}

void verify_since(uint64_t since)
{
    florin_error_t error = {0};
    if (verify_from(0, since, &error) != 0)
        fail_msg("%s", error.message);
}

void verify_all(void)
{
    florin_error_t error = {0};
    if (verify(0, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(verified.began, verified.checks_count);
    assert_int_equal(verified.ended, verified.checks_count);
    for (size_t i = 0; i < verified.checks_count; i++)
        assert_true(verified.checks[i].done);
}

void tell_all(void)
{
    for (size_t i = 0; i < verified.found_count; i++)
        print_message("%s: %s on %d: %s\n", verified.found[i].check,
                      verified.found[i].finding.subject, verified.found[i].finding.shard,
                      verified.found[i].finding.message);
}

/* Fails unless this was found. */
void expect_finding(const char *check, const char *subject, int shard, const char *message)
{
    for (size_t i = 0; i < verified.found_count; i++) {
        const florin_verify_finding_t *finding = &verified.found[i].finding;
        if (strcmp(verified.found[i].check, check) == 0 &&
            (!subject || strcmp(finding->subject, subject) == 0) && finding->shard == shard &&
            strstr(finding->message, message))
            return;
    }
    tell_all();
    fail_msg("%s says nothing of %s: %s", check, subject ? subject : "it", message);
}

void expect(const char *check, const char *kind, florin_id_t id, int shard, const char *message)
{
    char subject[96], text[FLORIN_ID_TEXT_BYTES];
    snprintf(subject, sizeof subject, "%s %s", kind, florin_id_format(id, text));
    expect_finding(check, subject, shard, message);
}

static const florin_verify_check_t *check_named(const char *name)
{
    for (size_t i = 0; i < verified.checks_count; i++)
        if (strcmp(verified.checks[i].name, name) == 0)
            return &verified.checks[i];
    fail_msg("there is no check %s", name);
    return NULL;
}

uint64_t findings_of(const char *check)
{
    return check_named(check)->findings;
}

uint64_t checked_by(const char *check)
{
    return check_named(check)->checked;
}

uint64_t findings(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < verified.checks_count; i++)
        sum += verified.checks[i].findings;
    return sum;
}
