/* Seals: what they are of, to the bit, and that any change of a row changes its own. The expected
 * numbers were computed by another implementation, from the rows' layout alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <sodium.h>

#include "store/seal.h"

#define ROUNDS 20000
#define PLACE  (UINT64_C(5) << FLORIN_PLACE_NUMBER_BITS | 7)

static florin_seal_key_t key_of(florin_id_t cluster, size_t shard)
{
    uint8_t master[FLORIN_SEAL_FILE_KEY_BYTES];
    for (size_t i = 0; i < sizeof master; i++)
        master[i] = (uint8_t)i;
    return florin_seal_key_of(master, cluster, shard);
}

static const florin_account_t account = {.id = 11,
                                         .user_data = 12,
                                         .balances = {1, 2, 3, 4},
                                         .credit_limit = 50,
                                         .timestamp = 60,
                                         .timestamp_last = 70,
                                         .ledger = 978,
                                         .code = 8,
                                         .flags = 9,
                                         .place = PLACE - 1};
static const florin_entry_t entry = {.transfer = {.id = 21,
                                                  .debit_account_id = 22,
                                                  .credit_account_id = 23,
                                                  .pending_id = 24,
                                                  .user_data = 25,
                                                  .amount = 26,
                                                  .timestamp = 27,
                                                  .timeout_s = 28,
                                                  .ledger = 978,
                                                  .code = 29,
                                                  .flags = 30,
                                                  .reference_bytes = 3,
                                                  .reference = "abc"},
                                     .credit_after = {5, 6, 7, 8}};
static const florin_pending_t pending = {.transfer = &entry.transfer,
                                         .status = FLORIN_PENDING_EXPIRED,
                                         .expires_at = 31,
                                         .resolved_at = 32,
                                         .debit_after = {1, 2, 3, 4}};

static void the_layout_is_known(void **state)
{
    (void)state;
    const florin_seal_key_t key = key_of(7, 2);
    assert_int_equal(florin_seal_account(&key, &account), UINT64_C(0xad3579b8a715704e));
    assert_int_equal(florin_seal_transfer(&key, &entry, false, true, PLACE),
                     UINT64_C(0xa97d3e8cc0e1468a));
    assert_int_equal(florin_seal_pending(&key, &pending, true, false),
                     UINT64_C(0xa3dfb1816c7540b0));
    assert_int_equal(florin_seal_limit(&key, 11, 33, 34, PLACE + 1), UINT64_C(0x556a931b956289a8));
    assert_int_equal(florin_seal_head(&key, 5, PLACE + 1), UINT64_C(0xa28ec9b3c4f69471));
}

static void each_shard_and_cluster_has_its_own(void **state)
{
    (void)state;
    const florin_seal_key_t key = key_of(7, 2), other_shard = key_of(7, 3), other = key_of(8, 2);
    uint64_t seal = florin_seal_account(&key, &account);
    assert_int_not_equal(seal, florin_seal_account(&other_shard, &account));
    assert_int_not_equal(seal, florin_seal_account(&other, &account));
}

/* Some bit of a row's struct, but those of padding and pointers. */
static void flip(void *bytes, const size_t *offsets, const size_t *sizes, size_t fields)
{
    uint32_t field = randombytes_uniform((uint32_t)fields);
    uint32_t bit = randombytes_uniform((uint32_t)(8 * sizes[field]));
    ((uint8_t *)bytes)[offsets[field] + bit / 8] ^= (uint8_t)(1u << bit % 8);
}

#define OFFSETS(type, a, b, c, d)                                                                  \
    offsetof(type, a), offsetof(type, b), offsetof(type, c), offsetof(type, d)
#define SIZES(of, a, b, c, d) sizeof(of).a, sizeof(of).b, sizeof(of).c, sizeof(of).d

static void any_bit_of_an_account_counts(void **state)
{
    (void)state;
    const florin_seal_key_t key = key_of(7, 2);
    static const size_t offsets[] = {
        OFFSETS(florin_account_t, id, user_data, balances, credit_limit),
        OFFSETS(florin_account_t, timestamp, timestamp_last, ledger, code),
        offsetof(florin_account_t, flags), offsetof(florin_account_t, place)};
    static const size_t sizes[] = {SIZES(account, id, user_data, balances, credit_limit),
                                   SIZES(account, timestamp, timestamp_last, ledger, code),
                                   sizeof account.flags, sizeof account.place};
    for (size_t i = 0; i < ROUNDS; i++) {
        florin_account_t edited = account;
        flip(&edited, offsets, sizes, sizeof sizes / sizeof *sizes);
        assert_int_not_equal(florin_seal_account(&key, &edited),
                             florin_seal_account(&key, &account));
    }
}

static void any_bit_of_a_transfer_counts(void **state)
{
    (void)state;
    const florin_seal_key_t key = key_of(7, 2);
    static const size_t offsets[] = {
        OFFSETS(florin_entry_t, transfer.id, transfer.debit_account_id, transfer.credit_account_id,
                transfer.pending_id),
        OFFSETS(florin_entry_t, transfer.user_data, transfer.amount, transfer.timestamp,
                transfer.timeout_s),
        OFFSETS(florin_entry_t, transfer.ledger, transfer.code, transfer.flags, result),
        offsetof(florin_entry_t, credit_after)};
    static const size_t sizes[] = {
        SIZES(entry, transfer.id, transfer.debit_account_id, transfer.credit_account_id,
              transfer.pending_id),
        SIZES(entry, transfer.user_data, transfer.amount, transfer.timestamp, transfer.timeout_s),
        SIZES(entry, transfer.ledger, transfer.code, transfer.flags, result),
        sizeof entry.credit_after};
    uint64_t seal = florin_seal_transfer(&key, &entry, false, true, PLACE);
    for (size_t i = 0; i < ROUNDS; i++) {
        florin_entry_t edited = entry;
        flip(&edited, offsets, sizes, sizeof sizes / sizeof *sizes);
        assert_int_not_equal(florin_seal_transfer(&key, &edited, false, true, PLACE), seal);
    }
    florin_entry_t edited = entry;
    edited.transfer.reference = "abd";
    assert_int_not_equal(florin_seal_transfer(&key, &edited, false, true, PLACE), seal);
    edited.transfer.reference_bytes = 2;
    assert_int_not_equal(florin_seal_transfer(&key, &edited, false, true, PLACE), seal);
    assert_int_not_equal(florin_seal_transfer(&key, &entry, true, true, PLACE), seal);
    assert_int_not_equal(florin_seal_transfer(&key, &entry, false, false, PLACE), seal);
    assert_int_not_equal(florin_seal_transfer(&key, &entry, false, true, PLACE + 1), seal);
}

static void a_key_file_is_secret(void **state)
{
    (void)state;
    char folder[] = "/tmp/florin-seal.XXXXXX", path[64];
    uint8_t key[FLORIN_SEAL_FILE_KEY_BYTES] = {0}, none[FLORIN_SEAL_FILE_KEY_BYTES] = {0};
    florin_error_t error = {0};
    struct stat status;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/seals.key", folder);
    assert_int_equal(florin_seal_key_generate(path, &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(florin_seal_key_read(path, key, &error), 0);
    assert_memory_not_equal(key, none, sizeof key);
    assert_int_equal(florin_seal_key_generate(path, &error), FLORIN_ERROR_CONFIG);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_not_equal(florin_seal_key_read(path, key, &error), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 62), 0);
    assert_int_equal(florin_seal_key_read(path, key, &error), FLORIN_ERROR_CONFIG);
    assert_non_null(strstr(error.message, "florin-admin seal-key"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_known),
        cmocka_unit_test(each_shard_and_cluster_has_its_own),
        cmocka_unit_test(any_bit_of_an_account_counts),
        cmocka_unit_test(any_bit_of_a_transfer_counts),
        cmocka_unit_test(a_key_file_is_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
