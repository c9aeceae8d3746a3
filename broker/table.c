#include <sodium.h>
#include <string.h>

#include "broker/state.h"

static size_t hash_of(const void *key)
{
    return ((const table_key_t *)key)->hash;
}

static int compare(const void *left_item, const void *right_item)
{
    const florin_slice_t *left = &((const table_key_t *)left_item)->bytes;
    const florin_slice_t *right = &((const table_key_t *)right_item)->bytes;
    if (left->size != right->size)
        return left->size < right->size ? -1 : 1;
    return memcmp(left->data, right->data, left->size);
}

table_key_t table_key(const florin_core_t *core, florin_slice_t bytes)
{
    table_key_t key = {.bytes = bytes};
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, bytes.data, bytes.size, core->hash_key);
    memcpy(&key.hash, hash, sizeof key.hash);
    return key;
}

/* The keys live in the items themselves, so the table neither copies nor frees them. */
zhashx_t *table_new(void)
{
    zhashx_t *table = zhashx_new();
    zhashx_set_key_hasher(table, hash_of);
    zhashx_set_key_comparator(table, compare);
    zhashx_set_key_duplicator(table, NULL);
    zhashx_set_key_destructor(table, NULL);
    return table;
}
