/* What the results are called, and which of them last. */
#include "ledger/ledger.h"

static const char *const account_names[] = {
#define X(name, text, number) [number] = (text),
    FLORIN_ACCOUNT_RESULTS(X)
#undef X
};

static const char *const transfer_names[] = {
#define X(name, text, number) [number] = (text),
    FLORIN_TRANSFER_RESULTS(X)
#undef X
};

static const char *const limit_names[] = {
#define X(name, text, number) [number] = (text),
    FLORIN_LIMIT_RESULTS(X)
#undef X
};

const char *florin_account_result_name(unsigned result)
{
    return result < sizeof account_names / sizeof account_names[0] ? account_names[result] : NULL;
}

const char *florin_transfer_result_name(unsigned result)
{
    return result < sizeof transfer_names / sizeof transfer_names[0] ? transfer_names[result]
                                                                     : NULL;
}

const char *florin_limit_result_name(unsigned result)
{
    return result < sizeof limit_names / sizeof limit_names[0] ? limit_names[result] : NULL;
}

bool florin_transfer_result_remembered(florin_transfer_result_t result)
{
    switch (result) {
    case FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND:
    case FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND:
    case FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND:
    case FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED:
    case FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED:
    case FLORIN_TRANSFER_EXCEEDS_CREDITS:
    case FLORIN_TRANSFER_EXCEEDS_DEBITS:
    case FLORIN_TRANSFER_RISK_DECLINED:
        return true;
    default:
        return false;
    }
}
