#include "store/sound.h"

#include <string.h>

#include "lib/limits.h"

#define ACCOUNT_FLAGS                                                                              \
    (FLORIN_ACCOUNT_FLAG_LINKED | FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS |             \
     FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS | FLORIN_ACCOUNT_FLAG_HISTORY |            \
     FLORIN_ACCOUNT_FLAG_IMPORTED | FLORIN_ACCOUNT_FLAG_CLOSED)
#define ACCOUNT_BOUNDS                                                                             \
    (FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS |                                          \
     FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS)
#define TRANSFER_FLAGS (2 * FLORIN_TRANSFER_FLAG_REVIEW - 1)
#define RESOLVING                                                                                  \
    (FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER | FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER)
/* Of one that is pending. */
#define OF_PENDING                                                                                 \
    (FLORIN_TRANSFER_FLAG_CLOSING_DEBIT | FLORIN_TRANSFER_FLAG_CLOSING_CREDIT |                    \
     FLORIN_TRANSFER_FLAG_REVIEW)
/* Timestamps that a batch still gives after it. */
#define TIMESTAMP_LAST_MAX (FLORIN_LEDGER_TIMESTAMP_MAX - FLORIN_LEDGER_EVENTS_MAX - 1)

typedef struct {
    bool broken;
    const char *why;
} rule_t;

#define FIRST_BROKEN(rules) first_broken((rules), sizeof(rules) / sizeof((rules)[0]))
static const char *first_broken(const rule_t *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].broken)
            return rules[i].why;
    return NULL;
}

/* Each of a side's two, and their sum. */
static bool overflows(uint64_t pending, uint64_t posted)
{
    return pending > FLORIN_LEDGER_AMOUNT_MAX || posted > FLORIN_LEDGER_AMOUNT_MAX - pending;
}

static bool is_no_time(uint64_t timestamp, uint64_t max)
{
    return timestamp == 0 || timestamp > max;
}

const char *florin_sound_balances(const florin_balances_t *balances)
{
    const rule_t rules[] = {
        {overflows(balances->debits_pending, balances->debits_posted),
         "its debits are out of range"},
        {overflows(balances->credits_pending, balances->credits_posted),
         "its credits are out of range"},
    };
    return FIRST_BROKEN(rules);
}

const char *florin_sound_account(const florin_account_t *a)
{
    const char *why = florin_sound_balances(&a->balances);
    const rule_t rules[] = {
        {why != NULL, why},
        {a->credit_limit > FLORIN_LEDGER_AMOUNT_MAX, "its credit_limit is out of range"},
        {is_no_time(a->timestamp, TIMESTAMP_LAST_MAX), "its timestamp is out of range"},
        {is_no_time(a->timestamp_last, TIMESTAMP_LAST_MAX), "its timestamp_last is out of range"},
        {a->timestamp_last < a->timestamp, "its timestamp_last is before its timestamp"},
        {a->ledger == 0, "its ledger is out of range"},
        {a->code == 0, "its code is out of range"},
        {a->flags & ~(uint32_t)ACCOUNT_FLAGS, "it has a flag that there is not"},
        {(a->flags & ACCOUNT_BOUNDS) == ACCOUNT_BOUNDS, "it has both bounds at once"},
    };
    return FIRST_BROKEN(rules);
}

static bool overflows_timeout(const florin_transfer_t *t)
{
    return t->timeout_s * UINT64_C(1000000000) > FLORIN_LEDGER_TIMESTAMP_MAX - t->timestamp;
}

static bool same_accounts(const florin_transfer_t *t)
{
    return t->debit_account_id == 0 || t->credit_account_id == 0 ||
           t->debit_account_id == t->credit_account_id;
}

/* Of created and refused ones alike. */
static const char *check_any(const florin_transfer_t *t)
{
    const rule_t rules[] = {
        {t->amount > FLORIN_LEDGER_AMOUNT_MAX, "its amount is out of range"},
        {is_no_time(t->timestamp, FLORIN_LEDGER_TIMESTAMP_MAX), "its timestamp is out of range"},
        {t->flags & ~(uint32_t)TRANSFER_FLAGS, "it has a flag that there is not"},
        {t->reference_bytes > FLORIN_REFERENCE_BYTES_MAX, "its reference is too long"},
    };
    return FIRST_BROKEN(rules);
}

const char *florin_sound_transfer(const florin_transfer_t *t)
{
    bool pending = t->flags & FLORIN_TRANSFER_FLAG_PENDING;
    bool resolves = t->flags & RESOLVING;
    const char *why = check_any(t);
    const rule_t rules[] = {
        {why != NULL, why},
        {same_accounts(t), "it lacks an account, or has one twice"},
        {t->ledger == 0, "its ledger is out of range"},
        {t->code == 0, "its code is out of range"},
        {resolves && pending, "it is pending, and resolves another"},
        {(t->flags & RESOLVING) == RESOLVING, "it posts and voids at once"},
        {resolves != (t->pending_id != 0), "its pending_id does not go with its flags"},
        {!pending && (t->timeout_s != 0 || t->flags & OF_PENDING), "it is not pending"},
        {overflows_timeout(t), "its timeout_s is out of range"},
    };
    return FIRST_BROKEN(rules);
}

const char *florin_sound_entry(const florin_entry_t *entry)
{
    const florin_transfer_t *t = &entry->transfer;
    bool created = entry->result == FLORIN_TRANSFER_CREATED;
    bool pending = created && t->flags & FLORIN_TRANSFER_FLAG_PENDING;
    const char *why = created ? florin_sound_transfer(t) : check_any(t);
    const rule_t rules[] = {
        {why != NULL, why},
        {entry->result >= FLORIN_TRANSFER_RESULTS_COUNT, "its result is none"},
        {pending != (entry->pending != FLORIN_PENDING_NONE) ||
             (uint32_t)entry->pending > FLORIN_PENDING_EXPIRED,
         "what became of it is not known"},
    };
    return FIRST_BROKEN(rules);
}

const char *florin_sound_copies(const florin_transfer_t *one, const florin_transfer_t *other)
{
    bool same = one->debit_account_id == other->debit_account_id &&
                one->credit_account_id == other->credit_account_id &&
                one->pending_id == other->pending_id && one->user_data == other->user_data &&
                one->amount == other->amount && one->timestamp == other->timestamp &&
                one->timeout_s == other->timeout_s && one->ledger == other->ledger &&
                one->flags == other->flags && one->code == other->code &&
                one->reference_bytes == other->reference_bytes &&
                (one->reference_bytes == 0 ||
                 memcmp(one->reference, other->reference, one->reference_bytes) == 0);
    return same ? NULL : "its rows on two shards differ";
}
