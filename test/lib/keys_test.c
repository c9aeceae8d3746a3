#include "lib/keys.h"

#include <sys/stat.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "test/lib/support/test.h"

/* The pair of the CURVE documentation (zmq_curve(7)); in files nowhere. */
static const char public_text[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
static const char secret_text[] = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

static char *path_of(const char *folder, const char *file)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, file) > 0);
    return path;
}

static void a_new_pair_is_written_and_loaded(void **state)
{
    (void)state;
    char *folder = test_folder_new();
    char *secret_path = path_of(folder, "alice.key");
    char *public_path = path_of(folder, "alice.pub");
    florin_error_t error = {0};
    assert_int_equal(florin_keys_generate(folder, "alice", &error), FLORIN_OK);

    struct stat st;
    assert_int_equal(stat(secret_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    zcert_t *cert = NULL;
    char text[41];
    assert_int_equal(florin_keys_load(secret_path, &cert, &error), FLORIN_OK);
    assert_int_equal(florin_keys_load_public(public_path, text, &error), FLORIN_OK);
    assert_string_equal(zcert_public_txt(cert), text);
    zcert_destroy(&cert);

    /* The public file holds the principal, and no secret. */
    zconfig_t *root = zconfig_load(public_path);
    assert_string_equal(zconfig_get(root, "metadata/principal", ""), "alice");
    assert_null(zconfig_locate(root, "curve/secret-key"));
    zconfig_destroy(&root);

    /* A second time would lose the first. */
    assert_int_equal(florin_keys_generate(folder, "alice", &error), FLORIN_ERROR_CONFIG);
    assert_non_null(strstr(error.message, "alice.key: File exists"));
    assert_int_equal(unlink(secret_path), 0);
    assert_int_equal(florin_keys_generate(folder, "alice", &error), FLORIN_ERROR_CONFIG);
    assert_int_equal(access(secret_path, F_OK), -1); /* no half of a pair stays behind */

    free(secret_path);
    free(public_path);
    test_folder_remove(folder);
}

static void names_are_checked(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",    ".",        "..",
        "a/b", "../evil",  "a b",
        "a\n", "\xc3\xb6", "a123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(florin_keys_generate("/tmp", names[i], NULL), FLORIN_ERROR_INVALID);
    assert_int_equal(florin_keys_generate("/nonexistent", "a", NULL), FLORIN_ERROR_CONFIG);
}

static int load_secret(const char *text, unsigned mode, florin_error_t *error)
{
    char *folder = test_folder_new();
    char *path = test_file(folder, "a.key", text, mode);
    zcert_t *cert = NULL;
    int rc = florin_keys_load(path, &cert, error);
    assert_int_equal(rc == FLORIN_OK, cert != NULL);
    zcert_destroy(&cert);
    free(path);
    test_folder_remove(folder);
    return rc;
}

static void secret_files_are_checked(void **state)
{
    (void)state;
    char good[256];
    char other[256];
    char cut[256];
    florin_error_t error = {0};
    (void)snprintf(good, sizeof good, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                   public_text, secret_text);
    (void)snprintf(other, sizeof other, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                   secret_text, secret_text);
    (void)snprintf(cut, sizeof cut, "curve\n    public-key = \"%s\"\n    secret-key = \"%.39s\"\n",
                   public_text, secret_text);

    assert_int_equal(load_secret(good, 0600, &error), FLORIN_OK);
    assert_int_equal(load_secret(good, 0400, &error), FLORIN_OK);
    static const unsigned loose[] = {0640, 0604, 0620, 0602, 0644, 0660, 0666};
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++) {
        assert_int_equal(load_secret(good, loose[i], &error), FLORIN_ERROR_CONFIG);
        assert_non_null(strstr(error.message, "chmod 600"));
    }
    assert_int_equal(load_secret(other, 0600, &error), FLORIN_ERROR_CONFIG); /* no pair */
    assert_int_equal(load_secret(cut, 0600, &error), FLORIN_ERROR_CONFIG);
    assert_int_equal(load_secret("", 0600, &error), FLORIN_ERROR_CONFIG);
    assert_int_equal(load_secret("garbage = \"", 0600, &error), FLORIN_ERROR_CONFIG);
}

/* zcert_load would read this one, though it is open to all. */
static void a_sibling_file_is_not_read(void **state)
{
    (void)state;
    char *folder = test_folder_new();
    char *path = path_of(folder, "a.key");
    char *sibling = test_file(folder, "a.key_secret", "curve\n", 0666);
    zcert_t *cert = NULL;
    florin_error_t error = {0};
    assert_int_equal(florin_keys_load(path, &cert, &error), FLORIN_ERROR_CONFIG);
    assert_non_null(strstr(error.message, "a.key: No such file"));
    free(path);
    free(sibling);
    test_folder_remove(folder);
}

/* The keyring's answer once it is `expected`; it looks at its folder a few times a second. */
static void await_principal(florin_keyring_t *keyring, const uint8_t *key, const char *expected)
{
    uint64_t deadline_ms = florin_clock_ms() + 5000;
    for (;;) {
        const char *found = florin_keyring_find(keyring, key);
        if (expected ? found && strcmp(found, expected) == 0 : !found)
            return;
        assert_true(florin_clock_ms() < deadline_ms);
        zclock_sleep(10);
    }
}

static void a_keyring_follows_its_folder(void **state)
{
    (void)state;
    char *folder = test_folder_new();
    uint8_t key[32];
    uint8_t stranger[32] = {1};
    assert_non_null(zmq_z85_decode(key, public_text));
    char content[128];
    (void)snprintf(content, sizeof content, "curve\n    public-key = \"%s\"\n", public_text);

    florin_keyring_t *keyring = NULL;
    assert_int_equal(florin_keyring_new(folder, &keyring, NULL), FLORIN_OK);
    assert_null(florin_keyring_find(keyring, key));

    char *path = test_file(folder, "alice.pub", content, 0644);
    await_principal(keyring, key, "alice");
    assert_null(florin_keyring_find(keyring, stranger));

    char *renamed = path_of(folder, "bob.pub");
    assert_int_equal(rename(path, renamed), 0);
    await_principal(keyring, key, "bob");

    assert_int_equal(unlink(renamed), 0);
    await_principal(keyring, key, NULL);

    florin_keyring_destroy(&keyring);
    assert_null(keyring);
    free(path);
    free(renamed);
    test_folder_remove(folder);
}

static void a_keyring_skips_what_is_no_key(void **state)
{
    (void)state;
    char *folder = test_folder_new();
    uint8_t key[32];
    assert_non_null(zmq_z85_decode(key, public_text));
    char content[128];
    (void)snprintf(content, sizeof content, "curve\n    public-key = \"%s\"\n", public_text);
    free(test_file(folder, "aaa.pub", "garbage = \"", 0644));
    free(test_file(folder, "abc.txt", content, 0644));
    free(test_file(folder, "a b.pub", content, 0644));
    free(test_file(folder, "bob.pub", content, 0644));
    free(test_file(folder, "carol.pub", content, 0644)); /* the same key again */

    florin_keyring_t *keyring = NULL;
    assert_int_equal(florin_keyring_new(folder, &keyring, NULL), FLORIN_OK);
    assert_string_equal(florin_keyring_find(keyring, key), "bob");
    florin_keyring_destroy(&keyring);
    test_folder_remove(folder);
}

static void without_its_folder_nobody_comes_in(void **state)
{
    (void)state;
    florin_keyring_t *keyring = NULL;
    florin_error_t error = {0};
    assert_int_equal(florin_keyring_new("/nonexistent", &keyring, &error), FLORIN_ERROR_CONFIG);
    assert_null(keyring);
    assert_non_null(strstr(error.message, "/nonexistent"));

    char *folder = test_folder_new();
    uint8_t key[32];
    char content[128];
    assert_non_null(zmq_z85_decode(key, public_text));
    (void)snprintf(content, sizeof content, "curve\n    public-key = \"%s\"\n", public_text);
    char *path = test_file(folder, "alice.pub", content, 0644);
    assert_int_equal(florin_keyring_new(folder, &keyring, NULL), FLORIN_OK);
    assert_string_equal(florin_keyring_find(keyring, key), "alice");
    free(path);
    test_folder_remove(folder);
    await_principal(keyring, key, NULL);
    florin_keyring_destroy(&keyring);
}

static void garbage_is_survived(void **state)
{
    (void)state;
    test_random_t random = test_random_new();
    for (int i = 0; i < 200; i++) {
        char text[256];
        int used =
            snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                     public_text, secret_text);
        assert_true(used > 0);
        for (size_t j = 1 + test_random_below(&random, 3); j > 0; j--)
            text[test_random_below(&random, (size_t)used)] =
                (char)(1 + test_random_below(&random, 255));
        florin_error_t error;
        int rc = load_secret(text, 0600, &error);
        assert_true(rc == FLORIN_OK || rc == FLORIN_ERROR_CONFIG);
    }
}

int main(void)
{
    florin_log_open("test", "test", FLORIN_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_pair_is_written_and_loaded),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(secret_files_are_checked),
        cmocka_unit_test(a_sibling_file_is_not_read),
        cmocka_unit_test(a_keyring_follows_its_folder),
        cmocka_unit_test(a_keyring_skips_what_is_no_key),
        cmocka_unit_test(without_its_folder_nobody_comes_in),
        cmocka_unit_test(garbage_is_survived),
    };
    return cmocka_run_group_tests_name("lib/keys", tests, NULL, NULL);
}
