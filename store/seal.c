#include "store/seal.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/limits.h"

_Static_assert(crypto_shorthash_KEYBYTES == sizeof((florin_seal_key_t){0}).bytes &&
                   crypto_shorthash_BYTES == sizeof(uint64_t),
               "a seal is a SipHash");

/* ------------------------------------------------------------------------------------- the key */

int florin_seal_key_read(const char *path, uint8_t key[FLORIN_SEAL_FILE_KEY_BYTES],
                         florin_error_t *error)
{
    char *text = NULL;
    size_t bytes = 0;
    int result = florin_file_read(path, S_IRWXG | S_IRWXO, &text, error);
    if (result != 0)
        return result;
    bool valid = sodium_hex2bin(key, FLORIN_SEAL_FILE_KEY_BYTES, text, strlen(text), "\n", &bytes,
                                NULL) == 0 &&
                 bytes == FLORIN_SEAL_FILE_KEY_BYTES;
    sodium_memzero(text, strlen(text));
    free(text);
    if (!valid)
        result = florin_error_set(error, FLORIN_ERROR_CONFIG,
                                  "%s is no key for seals: it has to hold %d hexadecimal digits; "
                                  "florin-admin seal-key makes one",
                                  path, 2 * FLORIN_SEAL_FILE_KEY_BYTES);
    return result;
}

int florin_seal_key_generate(const char *path, florin_error_t *error)
{
    uint8_t key[FLORIN_SEAL_FILE_KEY_BYTES];
    char text[2 * sizeof key + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "can't make %s: %s", path,
                                strerror(errno));
    randombytes_buf(key, sizeof key);
    sodium_bin2hex(text, sizeof text, key, sizeof key);
    text[sizeof text - 1] = '\n'; /* in the place of its end */
    bool written = write(fd, text, sizeof text) == (ssize_t)sizeof text && fsync(fd) == 0;
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    if (close(fd) == 0 && written)
        return 0;
    (void)unlink(path);
    return florin_error_set(error, FLORIN_ERROR_SYSTEM, "can't write %s", path);
}

/* ------------------------------------------------------------------------- a row's bytes, in order
 */

/* Which kind a row is of is sealed with it. */
enum { KIND_ACCOUNT = 1, KIND_TRANSFER, KIND_PENDING, KIND_LIMIT, KIND_HEAD };

#define ROW_BYTES_MAX 512 /* a transfer's: 5 ids, 17 numbers, a reference, and some */

typedef struct {
    uint8_t bytes[ROW_BYTES_MAX];
    size_t length;
} row_bytes_t;

static void put_bytes(row_bytes_t *row, const void *bytes, size_t length)
{
    assert(length <= sizeof row->bytes - row->length);
    if (length > 0)
        memcpy(row->bytes + row->length, bytes, length);
    row->length += length;
}

static void put(row_bytes_t *row, uint64_t value)
{
    value = htobe64(value);
    put_bytes(row, &value, sizeof value);
}

static void put_id(row_bytes_t *row, florin_id_t id)
{
    put(row, (uint64_t)(id >> 64));
    put(row, (uint64_t)id);
}

static void put_balances(row_bytes_t *row, const florin_balances_t *balances, bool here)
{
    put(row, here);
    if (!here)
        return;
    put(row, balances->debits_pending);
    put(row, balances->debits_posted);
    put(row, balances->credits_pending);
    put(row, balances->credits_posted);
}

static row_bytes_t begin(uint64_t kind)
{
    row_bytes_t row;
    row.length = 0;
    put(&row, kind);
    return row;
}

static uint64_t end(const row_bytes_t *row, const florin_seal_key_t *key)
{
    uint64_t seal;
    crypto_shorthash((uint8_t *)&seal, row->bytes, row->length, key->bytes);
    return be64toh(seal);
}

florin_seal_key_t florin_seal_key_of(const uint8_t key[FLORIN_SEAL_FILE_KEY_BYTES],
                                     florin_id_t cluster, size_t shard)
{
    florin_seal_key_t of_shard = {.known = true};
    row_bytes_t name = begin(0);
    put_id(&name, cluster);
    put(&name, shard);
    (void)crypto_generichash(of_shard.bytes, sizeof of_shard.bytes, name.bytes, name.length, key,
                             FLORIN_SEAL_FILE_KEY_BYTES);
    return of_shard;
}

/* ------------------------------------------------------------------------------------- the rows */

uint64_t florin_seal_account(const florin_seal_key_t *key, const florin_account_t *account)
{
    row_bytes_t row = begin(KIND_ACCOUNT);
    put_id(&row, account->id);
    put_id(&row, account->user_data);
    put_balances(&row, &account->balances, true);
    put(&row, account->credit_limit);
    put(&row, account->timestamp);
    put(&row, account->timestamp_last);
    put(&row, account->ledger);
    put(&row, account->code);
    put(&row, account->flags);
    put(&row, account->place);
    return end(&row, key);
}

uint64_t florin_seal_transfer(const florin_seal_key_t *key, const florin_entry_t *entry,
                              bool debit_here, bool credit_here, uint64_t place)
{
    const florin_transfer_t *transfer = &entry->transfer;
    row_bytes_t row = begin(KIND_TRANSFER);
    put_id(&row, transfer->id);
    put_id(&row, transfer->debit_account_id);
    put_id(&row, transfer->credit_account_id);
    put_id(&row, transfer->pending_id);
    put_id(&row, transfer->user_data);
    put(&row, transfer->amount);
    put(&row, transfer->timestamp);
    put(&row, transfer->timeout_s);
    put(&row, transfer->ledger);
    put(&row, transfer->code);
    put(&row, transfer->flags);
    put(&row, entry->result);
    put(&row, transfer->reference_bytes);
    put_bytes(&row, transfer->reference, transfer->reference_bytes);
    put_balances(&row, &entry->debit_after, debit_here);
    put_balances(&row, &entry->credit_after, credit_here);
    put(&row, place);
    return end(&row, key);
}

uint64_t florin_seal_pending(const florin_seal_key_t *key, const florin_pending_t *pending,
                             bool debit_here, bool credit_here)
{
    row_bytes_t row = begin(KIND_PENDING);
    put_id(&row, pending->transfer->id);
    put_id(&row, pending->transfer->debit_account_id);
    put_id(&row, pending->transfer->credit_account_id);
    put(&row, pending->transfer->amount);
    put(&row, pending->expires_at);
    put(&row, pending->status);
    put(&row, pending->resolved_at);
    put_balances(&row, &pending->debit_after, debit_here);
    put_balances(&row, &pending->credit_after, credit_here);
    return end(&row, key);
}

uint64_t florin_seal_limit(const florin_seal_key_t *key, florin_id_t account_id, uint64_t timestamp,
                           uint64_t credit_limit, uint64_t place)
{
    row_bytes_t row = begin(KIND_LIMIT);
    put_id(&row, account_id);
    put(&row, timestamp);
    put(&row, credit_limit);
    put(&row, place);
    return end(&row, key);
}

uint64_t florin_seal_head(const florin_seal_key_t *key, uint64_t chain, uint64_t place)
{
    row_bytes_t row = begin(KIND_HEAD);
    put(&row, chain);
    put(&row, place);
    return end(&row, key);
}
