/* Random books and random batches for them. */
#include "test/ledger/support/world.h"

#include <string.h>

#define ACCOUNT_IDS  24
#define TRANSFER_IDS 4000

_Static_assert(ACCOUNT_IDS <= MODEL_ACCOUNTS_MAX, "every id may be an account");

/* ------------------------------------------------------------------------------------ chance */

/* splitmix64 */
static uint64_t any(world_t *self)
{
    uint64_t value = self->random += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t world_below(world_t *self, uint64_t bound)
{
    return any(self) % bound;
}

bool world_one_in(world_t *self, uint64_t bound)
{
    return world_below(self, bound) == 0;
}

/* Small ids and ids that fill all their bytes; now and then those that are reserved. */
static florin_id_t any_id(world_t *self, uint64_t bound)
{
    florin_id_t number = 1 + world_below(self, bound);
    if (world_one_in(self, 200)) {
        return world_one_in(self, 2) ? 0 : ~(florin_id_t)0;
    }
    return number % 2 ? number : number << 100 | number;
}

static uint64_t any_amount(world_t *self)
{
    switch (world_below(self, 16)) {
    case 0:
        return 0;
    case 1:
        switch (world_below(self, 3)) {
        case 0:
            return FLORIN_LEDGER_AMOUNT_MAX - world_below(self, 200);
        case 1:
            return FLORIN_LEDGER_AMOUNT_MAX / 2 - 100 + world_below(self, 200);
        default:
            return any(self) >> world_below(self, 64);
        }
    default:
        return world_below(self, 200);
    }
}

/* Since when an imported event may say that it is: mostly just after something in the books. */
static uint64_t any_past(world_t *self, florin_id_t account_id)
{
    const florin_account_t *account = model_find_account(&self->store, account_id);
    switch (world_below(self, 16)) {
    case 0:
        return self->clock + world_below(self, 1000);
    case 1:
        return world_one_in(self, 2) ? 0 : FLORIN_LEDGER_TIMESTAMP_MAX + world_below(self, 3);
    case 2:
        return account ? account->timestamp - world_below(self, 2) : 1;
    default:
        return (account ? account->timestamp_last : self->clock) - 10 + world_below(self, 40);
    }
}

static void any_reference(world_t *self, florin_transfer_t *t)
{
    static const char *const references[] = {NULL, "invoice 7", "invoice 8", "rent"};
    t->reference = references[world_below(self, 4)];
    t->reference_bytes = t->reference ? (uint8_t)strlen(t->reference) : 0;
}

static florin_account_t any_account(world_t *self)
{
    static const uint32_t flags[] = {0, 0, 2, 2, 4, 8, 10, 32};
    florin_account_t a = {.id = any_id(self, ACCOUNT_IDS)};
    const florin_account_t *old = model_find_account(&self->store, a.id);
    if (old && world_one_in(self, 2)) {
        a = *old;
        a.timestamp = a.timestamp_last = 0;
        memset(&a.balances, 0, sizeof a.balances);
    } else {
        a.ledger = 1 + (uint32_t)world_below(self, WORLD_LEDGERS);
        a.flags = flags[world_below(self, 8)];
        a.code = 1 + (uint16_t)world_below(self, 2);
        a.credit_limit = world_one_in(self, 2) ? 0 : any_amount(self);
        a.user_data = world_below(self, 2);
        a.flags |= world_one_in(self, 6);
    }
    switch (world_below(self, 30)) {
    case 0:
        a.flags ^= UINT32_C(1) << world_below(self, 8);
        break;
    case 8:
        a.flags |= FLORIN_ACCOUNT_FLAG_IMPORTED;
        break;
    case 1:
        a.flags |= 6;
        break;
    case 2:
        a.user_data++;
        break;
    case 3:
        a.ledger = (uint32_t)world_below(self, WORLD_LEDGERS + 1);
        break;
    case 4:
        a.code = (uint16_t)world_below(self, 3);
        break;
    case 5:
        a.credit_limit = any_amount(self);
        break;
    case 6:
        a.timestamp = 1;
        break;
    case 7:
        a.balances.debits_pending = world_below(self, 2);
        a.balances.debits_posted = world_below(self, 2);
        a.balances.credits_pending = world_below(self, 2);
        a.balances.credits_posted = world_below(self, 2);
        break;
    default:
        break;
    }
    return a;
}

/* One field another one. */
static void spoil(world_t *self, florin_transfer_t *t)
{
    switch (world_below(self, 12)) {
    case 0:
        t->flags ^= UINT32_C(1) << world_below(self, 11);
        break;
    case 1:
        t->pending_id = world_one_in(self, 8) ? t->id : any_id(self, TRANSFER_IDS);
        break;
    case 2:
        t->timeout_s = (uint32_t)world_below(self, 3);
        break;
    case 3:
        t->debit_account_id = any_id(self, ACCOUNT_IDS);
        break;
    case 4:
        t->credit_account_id = any_id(self, ACCOUNT_IDS);
        break;
    case 5:
        t->amount = any_amount(self);
        break;
    case 6:
        t->user_data++;
        break;
    case 7:
        any_reference(self, t);
        break;
    case 8:
        t->ledger = (uint32_t)world_below(self, WORLD_LEDGERS + 2);
        break;
    case 9:
        t->code = (uint16_t)world_below(self, 3);
        break;
    case 10:
        t->timestamp = world_below(self, 2);
        break;
    default:
        t->debit_account_id = world_one_in(self, 2) ? 0 : ~(florin_id_t)0;
        break;
    }
}

/* An id that mostly goes with the debit account. */
static florin_id_t any_credit_id(world_t *self, const florin_account_t *debit)
{
    for (unsigned tries = 0; debit && tries < 4 && !world_one_in(self, 16); tries++) {
        florin_id_t id = any_id(self, ACCOUNT_IDS);
        const florin_account_t *credit = model_find_account(&self->store, id);
        if (credit && credit->ledger == debit->ledger && credit != debit) {
            return id;
        }
    }
    return any_id(self, ACCOUNT_IDS);
}

/* A pending transfer, balancing or not, closing or not; or one that is just so. */
static uint32_t any_flags(world_t *self)
{
    switch (world_below(self, 8)) {
    case 0:
    case 1:
    case 2:
        return FLORIN_TRANSFER_FLAG_PENDING;
    case 3:
        return world_one_in(self, 2) ? FLORIN_TRANSFER_FLAG_BALANCING_DEBIT
                                     : FLORIN_TRANSFER_FLAG_BALANCING_CREDIT;
    case 4:
        return (uint32_t)world_below(self, 16) << 4 | FLORIN_TRANSFER_FLAG_PENDING;
    default:
        return 0;
    }
}

static uint32_t any_timeout(world_t *self)
{
    switch (world_below(self, 8)) {
    case 0:
        return UINT32_MAX - (uint32_t)world_below(self, 2);
    case 1:
        return (uint32_t)world_below(self, 20000);
    case 2:
    case 3:
        return 0;
    default:
        return 1 + (uint32_t)world_below(self, 3);
    }
}

/* Posts or voids something: mostly a pending transfer, of which it says more or less. */
static void resolve_any(world_t *self, florin_transfer_t *t, const florin_transfer_event_t *ahead,
                        size_t count)
{
    florin_transfer_t p = {.id = any_id(self, TRANSFER_IDS)};
    for (unsigned tries = 0; tries < 8 && !(p.flags & FLORIN_TRANSFER_FLAG_PENDING); tries++) {
        if (count > 0 && world_one_in(self, 3)) {
            p = ahead[world_below(self, count)].transfer;
        } else if (self->store.entries_count > 0) {
            p = self->store.entries[world_below(self, self->store.entries_count)].transfer;
        }
    }
    bool posts = world_one_in(self, 2);
    uint64_t all = posts ? FLORIN_LEDGER_AMOUNT_MAX : 0;
    t->pending_id = p.id;
    t->flags |= posts ? FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER
                      : FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
    t->debit_account_id = world_one_in(self, 2) ? 0 : p.debit_account_id;
    t->credit_account_id = world_one_in(self, 2) ? 0 : p.credit_account_id;
    t->ledger = world_one_in(self, 2) ? 0 : p.ledger;
    t->code = world_one_in(self, 2) ? 0 : p.code;
    t->amount = world_one_in(self, 2)   ? all
                : world_one_in(self, 3) ? world_below(self, p.amount + 2)
                                        : p.amount;
    t->user_data = world_below(self, 2);
    any_reference(self, t);
}

/* One of its own, or one seen before: in the books, or among the `count` events just ahead. */
static florin_transfer_event_t any_transfer(world_t *self, const florin_transfer_event_t *ahead,
                                            size_t count, bool imported)
{
    florin_transfer_event_t event = {.transfer = {.id = any_id(self, TRANSFER_IDS)}};
    florin_transfer_t *t = &event.transfer;
    if (self->store.entries_count > 0 && world_one_in(self, 8)) {
        *t = self->store.entries[world_below(self, self->store.entries_count)].transfer;
        t->timestamp = 0;
        t->flags &= ~(uint32_t)(world_one_in(self, 2) ? FLORIN_TRANSFER_FLAG_REVIEW : 0);
    } else if (count > 0 && world_one_in(self, 16)) {
        *t = ahead[world_below(self, count)].transfer;
    } else if (world_one_in(self, 4)) {
        t->flags = world_one_in(self, 6);
        resolve_any(self, t, ahead, count);
    } else {
        t->debit_account_id = any_id(self, ACCOUNT_IDS);
        const florin_account_t *debit = model_find_account(&self->store, t->debit_account_id);
        t->credit_account_id = any_credit_id(self, debit);
        t->ledger = debit ? debit->ledger : 1;
        t->code = 1;
        t->amount = any_amount(self);
        t->user_data = world_below(self, 2);
        any_reference(self, t);
        t->flags = world_one_in(self, 6) | any_flags(self);
        t->timeout_s = t->flags & FLORIN_TRANSFER_FLAG_PENDING && !imported ? any_timeout(self) : 0;
        if (t->flags &
                (FLORIN_TRANSFER_FLAG_BALANCING_DEBIT | FLORIN_TRANSFER_FLAG_BALANCING_CREDIT) &&
            world_one_in(self, 2)) {
            t->amount = FLORIN_LEDGER_AMOUNT_MAX;
        }
    }
    if (imported && !world_one_in(self, 60)) {
        t->flags |= FLORIN_TRANSFER_FLAG_IMPORTED;
        t->timestamp =
            any_past(self, world_one_in(self, 2) ? t->debit_account_id : t->credit_account_id);
    }
    if (world_one_in(self, 10)) {
        spoil(self, t);
    }
    if (world_one_in(self, 24)) {
        event.verdict = (florin_verdict_t)world_below(self, 5);
    }
    return event;
}

/* ------------------------------------------------------------------------------------- worlds */

/* Accounts that exist from the start, two by two so that debits are credits; some of them full,
 * some with pending amounts, some closed. */
void world_begin(world_t *self)
{
    static const uint32_t flags[] = {0, 0, 0, 2, 4, 8, 32};
    memset(&self->store, 0, sizeof self->store);
    memset(self->begun, 0, sizeof self->begun);
    /* Some worlds are near the end of time. */
    self->clock = 1000;
    if (world_one_in(self, 4)) {
        self->clock = FLORIN_LEDGER_TIMESTAMP_MAX - UINT64_C(10000) * 1000000000;
    }
    for (florin_id_t id = 1; id <= 8; id += 2) {
        uint64_t posted = any_amount(self);
        uint64_t pending = any_amount(self);
        posted = posted > FLORIN_LEDGER_AMOUNT_MAX ? 0 : posted;
        pending = pending > FLORIN_LEDGER_AMOUNT_MAX - posted ? 0 : pending;
        florin_account_t pair[2] = {{.id = id}, {.id = (id + 1) << 100 | (id + 1)}};
        pair[0].balances = (florin_balances_t){.debits_pending = pending, .debits_posted = posted};
        pair[1].balances =
            (florin_balances_t){.credits_pending = pending, .credits_posted = posted};
        for (size_t i = 0; i < 2; i++) {
            pair[i].ledger = 1 + (uint32_t)(id / 2 % WORLD_LEDGERS);
            pair[i].code = 1;
            pair[i].flags = flags[world_below(self, 7)];
            pair[i].credit_limit = any_amount(self);
            pair[i].timestamp = 1 + self->clock;
            pair[i].timestamp_last = pair[i].timestamp + world_below(self, 100);
            self->begun[self->store.accounts_count] = pair[i].balances;
            self->store.accounts[self->store.accounts_count++] = pair[i];
        }
    }
}

bool world_is_full(const world_t *self)
{
    return self->store.entries_count + (size_t)WORLD_REQUESTS_MAX * WORLD_EVENTS_MAX >
           MODEL_ENTRIES_MAX;
}

static world_kind_t any_kind(world_t *self)
{
    switch (world_below(self, 20)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return WORLD_ACCOUNTS;
    case 4:
        return WORLD_LIMITS;
    case 5:
        return WORLD_EXPIRIES;
    case 6:
        return world_one_in(self, 4) ? WORLD_OUTCOMES : WORLD_TRANSFERS;
    default:
        return WORLD_TRANSFERS;
    }
}

static florin_id_t any_entry_id(world_t *self)
{
    return self->store.entries_count == 0
               ? any_id(self, TRANSFER_IDS)
               : self->store.entries[world_below(self, self->store.entries_count)].transfer.id;
}

void world_generate(world_t *self)
{
    self->requests_count = 1 + world_below(self, WORLD_REQUESTS_MAX);
    for (size_t r = 0; r < self->requests_count; r++) {
        world_request_t *request = &self->requests[r];
        bool imported = world_one_in(self, 6);
        request->kind = any_kind(self);
        request->count = world_one_in(self, 4) ? 1 : 1 + world_below(self, WORLD_EVENTS_MAX);
        for (size_t i = 0; i < request->count; i++) {
            request->accounts[i] = any_account(self);
            if (imported && !world_one_in(self, 60)) {
                request->accounts[i].flags |= FLORIN_ACCOUNT_FLAG_IMPORTED;
                request->accounts[i].timestamp = world_one_in(self, 2)
                                                     ? self->clock - 100 + 5 * i
                                                     : any_past(self, any_id(self, ACCOUNT_IDS));
            }
            request->transfers[i] = any_transfer(self, request->transfers, i, imported);
            request->limits[i] =
                (florin_limit_event_t){any_id(self, ACCOUNT_IDS), any_amount(self)};
            request->expiries[i] = any_entry_id(self);
            request->outcomes[i] = any_id(self, TRANSFER_IDS);
        }
    }
}
