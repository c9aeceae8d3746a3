/* A verification of the books of every kind, and what it has to have found. */
#ifndef FLORIN_TEST_STORE_VERIFIED_H
#define FLORIN_TEST_STORE_VERIFIED_H

#include "store/verify/verify.h"

#define FOUND_MAX 64

extern struct verified {
    const florin_verify_check_t *check; /* the one that runs */
    struct {
        const char *check;
        florin_verify_finding_t finding;
    } found[FOUND_MAX];
    size_t found_count, began, ended;
    florin_verify_check_t checks[FLORIN_VERIFY_CHECKS_MAX];
    size_t checks_count;
} verified;

int verify(uint32_t in_doubt_after_s, florin_error_t *error);
/* Fails unless all checks are done. */
void verify_all(void);
/* Of what was booked since. */
void verify_since(uint64_t since);
/* Prints what was found. */
void tell_all(void);
/* Fails unless this was found, of any subject for NULL. */
void expect_finding(const char *check, const char *subject, int shard, const char *message);
void expect(const char *check, const char *kind, florin_id_t id, int shard, const char *message);
/* How many findings; of one check, or of all. */
uint64_t findings_of(const char *check);
uint64_t findings(void);
/* How much a check has looked at. */
uint64_t checked_by(const char *check);

#endif
