/* CurveZMQ keys in files: NAME.key (secret, mode 0600) and NAME.pub, in zcert's ZPL format. */
#ifndef FLORIN_KEYS_H
#define FLORIN_KEYS_H

#include <czmq.h>

#include "lib/error.h"

/* Makes a new pair and writes folder/name.key and folder/name.pub. The name, 1 to 63 letters,
 * digits, '.', '_' or '-', goes into the public file as the principal. Refuses to overwrite. */
int florin_keys_generate(const char *folder, const char *name,
                         florin_error_t *error) FLORIN_MUST_USE;

/* Loads a secret key file. Refused: one that group or others may read or write. The caller destroys
 * *cert. */
int florin_keys_load(const char *path, zcert_t **cert, florin_error_t *error) FLORIN_MUST_USE;

/* Reads the public key (Z85, 40 characters and NUL) of a NAME.pub file. */
int florin_keys_load_public(const char *path, char public_text[41],
                            florin_error_t *error) FLORIN_MUST_USE;

/* A folder of NAME.pub files: those who may come in. */
typedef struct florin_keyring florin_keyring_t;

int florin_keyring_new(const char *folder, florin_keyring_t **keyring,
                       florin_error_t *error) FLORIN_MUST_USE;
void florin_keyring_destroy(florin_keyring_t **self_p);

/* The principal of a public key (32 bytes), or NULL when it is not in the folder. Looks at the
 * folder again when it has changed. The text stays good until the next call. */
const char *florin_keyring_find(florin_keyring_t *self, const uint8_t public_key[32]);

#endif
