/* The results of every kind of event, highest precedence first:
 * X(constant's tail, name, number on the wire). Numbers never change. */
#ifndef FLORIN_LEDGER_RESULTS_H
#define FLORIN_LEDGER_RESULTS_H

#define FLORIN_ACCOUNT_RESULTS(X)                                                                  \
    X(CREATED, "created", 0)                                                                       \
    X(LINKED_EVENT_FAILED, "linked_event_failed", 1)                                               \
    X(LINKED_EVENT_CHAIN_OPEN, "linked_event_chain_open", 2)                                       \
    X(IMPORTED_EVENT_EXPECTED, "imported_event_expected", 3)                                       \
    X(IMPORTED_EVENT_NOT_EXPECTED, "imported_event_not_expected", 4)                               \
    X(TIMESTAMP_MUST_BE_ZERO, "timestamp_must_be_zero", 5)                                         \
    X(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, "imported_event_timestamp_out_of_range", 6)           \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, "imported_event_timestamp_must_not_advance", 7)   \
    X(RESERVED_FLAG, "reserved_flag", 8)                                                           \
    X(ID_MUST_NOT_BE_ZERO, "id_must_not_be_zero", 9)                                               \
    X(ID_MUST_NOT_BE_INT_MAX, "id_must_not_be_int_max", 10)                                        \
    X(EXISTS_WITH_DIFFERENT_FLAGS, "exists_with_different_flags", 11)                              \
    X(EXISTS_WITH_DIFFERENT_USER_DATA, "exists_with_different_user_data", 12)                      \
    X(EXISTS_WITH_DIFFERENT_LEDGER, "exists_with_different_ledger", 13)                            \
    X(EXISTS_WITH_DIFFERENT_CODE, "exists_with_different_code", 14)                                \
    X(EXISTS_WITH_DIFFERENT_CREDIT_LIMIT, "exists_with_different_credit_limit", 15)                \
    X(EXISTS, "exists", 16)                                                                        \
    X(FLAGS_ARE_MUTUALLY_EXCLUSIVE, "flags_are_mutually_exclusive", 17)                            \
    X(DEBITS_PENDING_MUST_BE_ZERO, "debits_pending_must_be_zero", 18)                              \
    X(DEBITS_POSTED_MUST_BE_ZERO, "debits_posted_must_be_zero", 19)                                \
    X(CREDITS_PENDING_MUST_BE_ZERO, "credits_pending_must_be_zero", 20)                            \
    X(CREDITS_POSTED_MUST_BE_ZERO, "credits_posted_must_be_zero", 21)                              \
    X(LEDGER_MUST_NOT_BE_ZERO, "ledger_must_not_be_zero", 22)                                      \
    X(CODE_MUST_NOT_BE_ZERO, "code_must_not_be_zero", 23)                                          \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, "imported_event_timestamp_must_not_regress", 24)

#define FLORIN_TRANSFER_RESULTS(X)                                                                 \
    X(CREATED, "created", 0)                                                                       \
    X(LINKED_EVENT_FAILED, "linked_event_failed", 1)                                               \
    X(LINKED_EVENT_CHAIN_OPEN, "linked_event_chain_open", 2)                                       \
    X(IMPORTED_EVENT_EXPECTED, "imported_event_expected", 3)                                       \
    X(IMPORTED_EVENT_NOT_EXPECTED, "imported_event_not_expected", 4)                               \
    X(TIMESTAMP_MUST_BE_ZERO, "timestamp_must_be_zero", 5)                                         \
    X(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, "imported_event_timestamp_out_of_range", 6)           \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, "imported_event_timestamp_must_not_advance", 7)   \
    X(RESERVED_FLAG, "reserved_flag", 8)                                                           \
    X(ID_MUST_NOT_BE_ZERO, "id_must_not_be_zero", 9)                                               \
    X(ID_MUST_NOT_BE_INT_MAX, "id_must_not_be_int_max", 10)                                        \
    X(EXISTS_WITH_DIFFERENT_FLAGS, "exists_with_different_flags", 11)                              \
    X(EXISTS_WITH_DIFFERENT_PENDING_ID, "exists_with_different_pending_id", 12)                    \
    X(EXISTS_WITH_DIFFERENT_TIMEOUT, "exists_with_different_timeout", 13)                          \
    X(EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID, "exists_with_different_debit_account_id", 14)        \
    X(EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID, "exists_with_different_credit_account_id", 15)      \
    X(EXISTS_WITH_DIFFERENT_AMOUNT, "exists_with_different_amount", 16)                            \
    X(EXISTS_WITH_DIFFERENT_USER_DATA, "exists_with_different_user_data", 17)                      \
    X(EXISTS_WITH_DIFFERENT_REFERENCE, "exists_with_different_reference", 18)                      \
    X(EXISTS_WITH_DIFFERENT_LEDGER, "exists_with_different_ledger", 19)                            \
    X(EXISTS_WITH_DIFFERENT_CODE, "exists_with_different_code", 20)                                \
    X(EXISTS, "exists", 21)                                                                        \
    X(ID_ALREADY_FAILED, "id_already_failed", 22)                                                  \
    X(FLAGS_ARE_MUTUALLY_EXCLUSIVE, "flags_are_mutually_exclusive", 23)                            \
    X(DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, "debit_account_id_must_not_be_zero", 24)                  \
    X(DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, "debit_account_id_must_not_be_int_max", 25)            \
    X(CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, "credit_account_id_must_not_be_zero", 26)                \
    X(CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, "credit_account_id_must_not_be_int_max", 27)          \
    X(ACCOUNTS_MUST_BE_DIFFERENT, "accounts_must_be_different", 28)                                \
    X(PENDING_ID_MUST_BE_ZERO, "pending_id_must_be_zero", 29)                                      \
    X(PENDING_ID_MUST_NOT_BE_ZERO, "pending_id_must_not_be_zero", 30)                              \
    X(PENDING_ID_MUST_NOT_BE_INT_MAX, "pending_id_must_not_be_int_max", 31)                        \
    X(PENDING_ID_MUST_BE_DIFFERENT, "pending_id_must_be_different", 32)                            \
    X(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER, "timeout_reserved_for_pending_transfer", 33)          \
    X(CLOSING_TRANSFER_MUST_BE_PENDING, "closing_transfer_must_be_pending", 34)                    \
    X(LEDGER_MUST_NOT_BE_ZERO, "ledger_must_not_be_zero", 35)                                      \
    X(CODE_MUST_NOT_BE_ZERO, "code_must_not_be_zero", 36)                                          \
    X(DEBIT_ACCOUNT_NOT_FOUND, "debit_account_not_found", 37)                                      \
    X(CREDIT_ACCOUNT_NOT_FOUND, "credit_account_not_found", 38)                                    \
    X(ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER, "accounts_must_have_the_same_ledger", 39)                \
    X(TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS,                                              \
      "transfer_must_have_the_same_ledger_as_accounts", 40)                                        \
    X(PENDING_TRANSFER_NOT_FOUND, "pending_transfer_not_found", 41)                                \
    X(PENDING_TRANSFER_NOT_PENDING, "pending_transfer_not_pending", 42)                            \
    X(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID,                                             \
      "pending_transfer_has_different_debit_account_id", 43)                                       \
    X(PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID,                                            \
      "pending_transfer_has_different_credit_account_id", 44)                                      \
    X(PENDING_TRANSFER_HAS_DIFFERENT_LEDGER, "pending_transfer_has_different_ledger", 45)          \
    X(PENDING_TRANSFER_HAS_DIFFERENT_CODE, "pending_transfer_has_different_code", 46)              \
    X(EXCEEDS_PENDING_TRANSFER_AMOUNT, "exceeds_pending_transfer_amount", 47)                      \
    X(PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT, "pending_transfer_has_different_amount", 48)          \
    X(PENDING_TRANSFER_ALREADY_POSTED, "pending_transfer_already_posted", 49)                      \
    X(PENDING_TRANSFER_ALREADY_VOIDED, "pending_transfer_already_voided", 50)                      \
    X(PENDING_TRANSFER_EXPIRED, "pending_transfer_expired", 51)                                    \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, "imported_event_timestamp_must_not_regress", 52)  \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT,                                        \
      "imported_event_timestamp_must_postdate_debit_account", 53)                                  \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT,                                       \
      "imported_event_timestamp_must_postdate_credit_account", 54)                                 \
    X(IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO, "imported_event_timeout_must_be_zero", 55)              \
    X(DEBIT_ACCOUNT_ALREADY_CLOSED, "debit_account_already_closed", 56)                            \
    X(CREDIT_ACCOUNT_ALREADY_CLOSED, "credit_account_already_closed", 57)                          \
    X(OVERFLOWS_DEBITS_PENDING, "overflows_debits_pending", 58)                                    \
    X(OVERFLOWS_CREDITS_PENDING, "overflows_credits_pending", 59)                                  \
    X(OVERFLOWS_DEBITS_POSTED, "overflows_debits_posted", 60)                                      \
    X(OVERFLOWS_CREDITS_POSTED, "overflows_credits_posted", 61)                                    \
    X(OVERFLOWS_DEBITS, "overflows_debits", 62)                                                    \
    X(OVERFLOWS_CREDITS, "overflows_credits", 63)                                                  \
    X(OVERFLOWS_TIMEOUT, "overflows_timeout", 64)                                                  \
    X(EXCEEDS_CREDITS, "exceeds_credits", 65)                                                      \
    X(EXCEEDS_DEBITS, "exceeds_debits", 66)                                                        \
    X(RISK_DECLINED, "risk_declined", 67)                                                          \
    X(RISK_UNAVAILABLE, "risk_unavailable", 68)                                                    \
    X(NOT_AUTHORIZED, "not_authorized", 69)                                                        \
    X(ID_GIVEN_UP, "id_given_up", 70)

#define FLORIN_PLUS_ONE(tail, name, number) +1
/* How many: the numbers have no gaps. */
#define FLORIN_TRANSFER_RESULTS_COUNT (0 FLORIN_TRANSFER_RESULTS(FLORIN_PLUS_ONE))

/* The results of changing an account's credit limit, highest precedence first. A new limit may not
 * leave an account beyond its bound. */
#define FLORIN_LIMIT_RESULTS(X)                                                                    \
    X(SET, "set", 0)                                                                               \
    X(ACCOUNT_ID_MUST_NOT_BE_ZERO, "account_id_must_not_be_zero", 1)                               \
    X(ACCOUNT_ID_MUST_NOT_BE_INT_MAX, "account_id_must_not_be_int_max", 2)                         \
    X(ACCOUNT_NOT_FOUND, "account_not_found", 3)                                                   \
    X(EXCEEDS_CREDITS, "exceeds_credits", 4)                                                       \
    X(EXCEEDS_DEBITS, "exceeds_debits", 5)

#endif
