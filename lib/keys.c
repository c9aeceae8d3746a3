#include "lib/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/zpl.h"

#define NAME_BYTES_MAX    63
#define KEY_BYTES         32
#define KEY_TEXT_BYTES    41 /* Z85: 40 characters and NUL */
#define KEYRING_FILES_MAX 65536
/* How often a keyring looks at its folder, at most. */
#define KEYRING_LOOK_MS 250
/* A folder that changed so shortly before it was read may change again within the same tick of the
 * file system's clock: it is read again. */
#define KEYRING_SETTLE_NS UINT64_C(2000000000)

static bool name_is_valid(const char *name)
{
    size_t length = strlen(name);
    return length >= 1 && length <= NAME_BYTES_MAX && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}

/* ------------------------------------------------------------------------------- making keys */

/* Makes the file, empty and with this mode; fails when it is there already. */
static int create_file(const char *path, mode_t mode, florin_error_t *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "can't make %s: %s", path,
                                strerror(errno));
    (void)close(fd);
    return FLORIN_OK;
}

/* Writes both files into places that are ours already. */
static int write_pair(zcert_t *cert, const char *secret_path, const char *public_path,
                      florin_error_t *error)
{
    if (zcert_save_secret(cert, secret_path) != 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "can't write %s", secret_path);
    if (zcert_save_public(cert, public_path) != 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "can't write %s", public_path);
    return FLORIN_OK;
}

int florin_keys_generate(const char *folder, const char *name, florin_error_t *error)
{
    char secret_path[PATH_MAX];
    char public_path[PATH_MAX];
    if (!name_is_valid(name))
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "\"%.64s\" is no name for a key: give 1 to %d letters, digits, "
                                "'.', '_' or '-', not beginning with '.'",
                                name, NAME_BYTES_MAX);
    int secret_length = snprintf(secret_path, sizeof secret_path, "%s/%s.key", folder, name);
    int public_length = snprintf(public_path, sizeof public_path, "%s/%s.pub", folder, name);
    if (secret_length < 0 || public_length < 0 || (size_t)secret_length >= sizeof secret_path ||
        (size_t)public_length >= sizeof public_path)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "the folder's path is too long");

    zcert_t *cert = zcert_new();
    if (!cert)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "libzmq was built without CURVE");
    zcert_set_meta(cert, "principal", "%s", name);
    int rc = create_file(secret_path, 0600, error);
    if (rc == FLORIN_OK) {
        rc = create_file(public_path, 0644, error);
        if (rc == FLORIN_OK) {
            rc = write_pair(cert, secret_path, public_path, error);
            if (rc != FLORIN_OK)
                (void)unlink(public_path);
        }
        if (rc != FLORIN_OK)
            (void)unlink(secret_path);
    }
    zcert_destroy(&cert);
    return rc;
}

/* ------------------------------------------------------------------------------ loading keys */

/* Decodes the key at `entry` of a certificate file. */
static bool decode_key(zconfig_t *root, const char *entry, uint8_t key[KEY_BYTES])
{
    const char *text = zconfig_get(root, entry, "");
    return strlen(text) == KEY_TEXT_BYTES - 1 && zmq_z85_decode(key, text) != NULL;
}

static void forget_text(char *text)
{
    sodium_memzero(text, strlen(text));
    free(text);
}

int florin_keys_load(const char *path, zcert_t **cert, florin_error_t *error)
{
    *cert = NULL;
    char *text = NULL;
    /* Not zcert_load: that reads "<path>_secret" first, where there is one, whatever its mode. */
    int rc = florin_file_read(path, S_IRWXG | S_IRWXO, &text, error);
    if (rc != FLORIN_OK)
        return rc;
    uint8_t secret_key[KEY_BYTES] = {0};
    uint8_t public_key[KEY_BYTES] = {0};
    uint8_t expected[KEY_BYTES] = {0};
    zconfig_t *root = NULL;
    bool valid = florin_zpl_load(text, path, &root, NULL) == FLORIN_OK &&
                 decode_key(root, "curve/secret-key", secret_key) &&
                 decode_key(root, "curve/public-key", public_key) &&
                 crypto_scalarmult_curve25519_base(expected, secret_key) == 0 &&
                 sodium_memcmp(expected, public_key, KEY_BYTES) == 0;
    if (valid)
        *cert = zcert_new_from(public_key, secret_key);
    if (!*cert)
        rc = florin_error_set(error, FLORIN_ERROR_CONFIG,
                              "%s is no secret key file: make one with \"florin keygen\"", path);
    zconfig_destroy(&root);
    sodium_memzero(secret_key, sizeof secret_key);
    forget_text(text);
    return rc;
}

int florin_keys_load_public(const char *path, char public_text[41], florin_error_t *error)
{
    char *text = NULL;
    int rc = florin_file_read(path, 0, &text, error);
    if (rc != FLORIN_OK)
        return rc;
    uint8_t key[KEY_BYTES];
    zconfig_t *root = NULL;
    if (florin_zpl_load(text, path, &root, NULL) != FLORIN_OK ||
        !decode_key(root, "curve/public-key", key))
        rc = florin_error_set(error, FLORIN_ERROR_CONFIG, "%s is no public key file", path);
    else
        (void)zmq_z85_encode(public_text, key, KEY_BYTES);
    zconfig_destroy(&root);
    free(text);
    return rc;
}

/* ---------------------------------------------------------------------------------- keyrings */

struct florin_keyring {
    char *folder;
    zhash_t *principals;   /* by the public key as Z85; owns the names */
    uint64_t look_at_ms;   /* not before: see KEYRING_LOOK_MS */
    struct timespec mtime; /* of the folder as it was read; 0 when it has to be read again */
};

static int is_public_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && length <= NAME_BYTES_MAX + 4 && entry->d_name[0] != '.' &&
           strcmp(entry->d_name + length - 4, ".pub") == 0;
}

static void add_file(florin_keyring_t *self, const char *file)
{
    char path[PATH_MAX];
    char key[KEY_TEXT_BYTES];
    char name[NAME_BYTES_MAX + 1];
    florin_error_t error;
    (void)snprintf(name, sizeof name, "%.*s", (int)(strlen(file) - 4), file);
    int length = snprintf(path, sizeof path, "%s/%s", self->folder, file);
    if (length < 0 || (size_t)length >= sizeof path || !name_is_valid(name)) {
        florin_log(FLORIN_LOG_WARN, "key_skipped", "%s/%s: the name is none for a principal",
                   self->folder, file);
        return;
    }
    if (florin_keys_load_public(path, key, &error) != FLORIN_OK) {
        florin_log(FLORIN_LOG_WARN, "key_skipped", "%s", error.message);
        return;
    }
    char *principal = strdup(name);
    if (!principal || zhash_insert(self->principals, key, principal) != 0) {
        florin_log(FLORIN_LOG_WARN, "key_skipped", "%s: another file has the same key", path);
        free(principal);
        return;
    }
    (void)zhash_freefn(self->principals, key, free);
}

/* Reads the folder anew. When that fails, nobody comes in. */
static int reload(florin_keyring_t *self, florin_error_t *error)
{
    struct dirent **files = NULL;
    zhash_t *principals = zhash_new();
    if (!principals)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory", self->folder);
    zhash_destroy(&self->principals);
    self->principals = principals;
    /* In order of names, so that of two files with one key always the same one counts. */
    int count = scandir(self->folder, &files, is_public_file, alphasort);
    if (count < 0)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "can't read the folder of keys %s: %s",
                                self->folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (i < KEYRING_FILES_MAX)
            add_file(self, files[i]->d_name);
        free(files[i]);
    }
    free(files);
    return FLORIN_OK;
}

/* Reads the folder when it has changed since it was read last. */
static int look(florin_keyring_t *self, florin_error_t *error)
{
    struct stat st = {0};
    if (stat(self->folder, &st) == 0 && st.st_mtim.tv_sec == self->mtime.tv_sec &&
        st.st_mtim.tv_nsec == self->mtime.tv_nsec)
        return FLORIN_OK;
    uint64_t changed_ns =
        (uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)st.st_mtim.tv_nsec;
    bool settled = changed_ns + KEYRING_SETTLE_NS < florin_clock_unix_ns();
    int rc = reload(self, error);
    self->mtime = rc == FLORIN_OK && settled ? st.st_mtim : (struct timespec){0};
    return rc;
}

int florin_keyring_new(const char *folder, florin_keyring_t **keyring, florin_error_t *error)
{
    florin_keyring_t *self = calloc(1, sizeof *self);
    *keyring = self;
    if (!self)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory", folder);
    self->folder = strdup(folder);
    int rc = self->folder ? look(self, error)
                          : florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory", folder);
    if (rc != FLORIN_OK)
        florin_keyring_destroy(keyring);
    return rc;
}

void florin_keyring_destroy(florin_keyring_t **self_p)
{
    florin_keyring_t *self = *self_p;
    if (!self)
        return;
    zhash_destroy(&self->principals);
    free(self->folder);
    free(self);
    *self_p = NULL;
}

const char *florin_keyring_find(florin_keyring_t *self, const uint8_t public_key[32])
{
    uint64_t now_ms = florin_clock_ms();
    florin_error_t error;
    if (now_ms >= self->look_at_ms) {
        self->look_at_ms = now_ms + KEYRING_LOOK_MS;
        if (look(self, &error) != FLORIN_OK)
            florin_log(FLORIN_LOG_ERROR, "keyring_unreadable", "%s: nobody can come in",
                       error.message);
    }
    char key[KEY_TEXT_BYTES];
    (void)zmq_z85_encode(key, public_key, KEY_BYTES);
    return zhash_lookup(self->principals, key);
}
