#include "lib/config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/lib/support/test.h"

static const florin_setting_t settings[] = {
    {.path = "broker/clients", .type = FLORIN_SETTING_TEXT, .fallback = "ipc://clients"},
    {.path = "broker/queue_requests", .type = FLORIN_SETTING_NUMBER, .fallback = "10", .max = 100},
    {.path = "worker/broker", .type = FLORIN_SETTING_TEXT, .fallback = ""},
    {.path = "worker/credit", .type = FLORIN_SETTING_NUMBER, .fallback = "", .min = 1, .max = 9},
};
#define SETTINGS (sizeof settings / sizeof settings[0])

/* Loads a text as a file; the result is the check's, or the load's where that fails. */
static int load(const char *text, florin_config_t **config, florin_error_t *error)
{
    char *folder = test_folder_new();
    char *path = test_file(folder, "test.conf", text, 0644);
    int rc = florin_config_load(path, config, error);
    if (rc == FLORIN_OK)
        rc = florin_config_check(*config, settings, SETTINGS, error);
    free(path);
    test_folder_remove(folder);
    return rc;
}

static void values_are_read(void **state)
{
    (void)state;
    florin_config_t *config = NULL;
    assert_int_equal(load("# a comment\n"
                          "broker\n"
                          "    clients = \"tcp://127.0.0.1:5555 # not a comment\"\n"
                          "    queue_requests = 100\n",
                          &config, NULL),
                     FLORIN_OK);
    assert_string_equal(florin_config_text(config, "broker/clients", NULL),
                        "tcp://127.0.0.1:5555 # not a comment");
    assert_int_equal(florin_config_number(config, "broker/queue_requests", 10), 100);
    assert_null(florin_config_text(config, "broker/other", NULL));
    florin_config_destroy(&config);
    assert_null(config);
}

static void paths_begin_at_the_files_folder(void **state)
{
    (void)state;
    char *folder = test_folder_new();
    char *file = test_file(folder, "test.conf",
                           "broker\n    clients = keys/a.key\n"
                           "worker\n    broker = \"/etc/b.key\"\n",
                           0644);
    char path[PATH_MAX], expected[PATH_MAX];
    florin_config_t *config = NULL;
    assert_int_equal(florin_config_load(file, &config, NULL), FLORIN_OK);
    (void)snprintf(expected, sizeof expected, "%s/keys/a.key", folder);
    assert_int_equal(florin_config_path(config, "broker/clients", path, NULL), FLORIN_OK);
    assert_string_equal(path, expected);
    assert_int_equal(florin_config_path(config, "worker/broker", path, NULL), FLORIN_OK);
    assert_string_equal(path, "/etc/b.key");
    assert_int_equal(florin_config_path(config, "broker/other", path, NULL), FLORIN_OK);
    assert_string_equal(path, "");
    florin_config_destroy(&config);
    free(file);
    test_folder_remove(folder);
}

static void what_is_missing_has_its_fallback(void **state)
{
    (void)state;
    florin_config_t *config = NULL;
    assert_int_equal(load("", &config, NULL), FLORIN_OK);
    assert_string_equal(florin_config_text(config, "broker/clients", "ipc://clients"),
                        "ipc://clients");
    assert_int_equal(florin_config_number(config, "broker/queue_requests", 10), 10);
    assert_int_equal(florin_config_each(config, "worker", NULL, NULL), 0);
    florin_config_destroy(&config);
}

static void collect(void *arg, const char *name, const char *value)
{
    char *text = arg;
    size_t used = strlen(text);
    assert_true(snprintf(text + used, 200 - used, "%s=%s;", name, value) > 0);
}

static void repeated_names_are_visited_in_order(void **state)
{
    (void)state;
    char seen[200] = "";
    florin_config_t *config = NULL;
    assert_int_equal(load("worker\n"
                          "    broker = tcp://one\n"
                          "    broker = tcp://two\n"
                          "    credit = 1\n",
                          &config, NULL),
                     FLORIN_OK);
    assert_int_equal(florin_config_each(config, "worker", collect, seen), 3);
    assert_string_equal(seen, "broker=tcp://one;broker=tcp://two;credit=1;");
    florin_config_destroy(&config);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } vectors[] = {
        {"brokr\n", "brokr: there is no such setting"},
        {"broker\n    client = x\n", "broker/client: there is no such setting"},
        {"broker\n    clients\n        x = 1\n", "broker/clients/x: there is no such setting"},
        {"broker = 1\n", "broker: is a section"},
        {"broker/clients = x\n", "broker/clients: write the name below its section"},
        {"broker\nbroker\n", "broker: is there twice"},
        {"broker\n    queue_requests = 1\n    queue_requests = 2\n", "is there twice"},
        {"broker\n    queue_requests = 101\n", "\"101\" is not a number from 0 to 100"},
        {"broker\n    queue_requests = -1\n", "\"-1\" is not a number"},
        {"broker\n    queue_requests = +1\n", "is not a number"},
        {"broker\n    queue_requests = 1k\n", "is not a number"},
        {"broker\n    queue_requests = 0x1\n", "is not a number"},
        {"broker\n    queue_requests = \"\"\n", "is not a number"},
        {"broker\n    queue_requests = 18446744073709551617\n", "is not a number"},
        {"worker\n    credit = 0\n", "is not a number from 1 to 9"},
        {"broker\n  clients = x\n", "/test.conf:2: indent by four spaces a level"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        florin_config_t *config = NULL;
        florin_error_t error = {0};
        assert_int_equal(load(vectors[i].text, &config, &error), FLORIN_ERROR_CONFIG);
        assert_non_null(strstr(error.message, vectors[i].message));
        assert_non_null(strstr(error.message, "/test.conf")); /* which file */
        florin_config_destroy(&config);
    }
}

static void required_settings_are_missed(void **state)
{
    (void)state;
    static const florin_setting_t required[] = {
        {.path = "worker/broker", .type = FLORIN_SETTING_TEXT},
        {.path = "broker/clients", .type = FLORIN_SETTING_TEXT},
    };
    static const struct {
        const char *text, *message;
    } vectors[] = {
        {"", "worker/broker: is missing"},
        {"worker\n    broker = x\n", "broker/clients: is missing"},
        {"worker\n    broker = x\nbroker\n", "broker/clients: is missing"},
        {"worker\n    broker = x\nbroker\n    clients = x\n", NULL},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        florin_config_t *config = NULL;
        florin_error_t error = {0};
        assert_int_equal(load(vectors[i].text, &config, &error), FLORIN_OK);
        int rc = florin_config_check(config, required, 2, &error);
        assert_int_equal(rc, vectors[i].message ? FLORIN_ERROR_CONFIG : FLORIN_OK);
        if (vectors[i].message)
            assert_non_null(strstr(error.message, vectors[i].message));
        florin_config_destroy(&config);
    }
}

static void unreadable_files_are_named(void **state)
{
    (void)state;
    florin_config_t *config = NULL;
    florin_error_t error = {0};
    assert_int_equal(florin_config_load("/nonexistent/florin.conf", &config, &error),
                     FLORIN_ERROR_CONFIG);
    assert_string_equal(error.message, "/nonexistent/florin.conf: No such file or directory");
    assert_int_equal(florin_config_load("/tmp", &config, &error), FLORIN_ERROR_CONFIG);
    assert_string_equal(error.message, "/tmp is no regular file");
    assert_null(config);
}

/* Lines that are nearly ZPL. */
static void garbage_is_survived(void **state)
{
    (void)state;
    static const char *const box[] = {"    ", "    ",   "broker", "clients", " = ", "\n",   "\n",
                                      "\"",   "'",      "#",      "worker",  "1",   "\xff", "/",
                                      "\t",   "credit", "=",      "@",       "-1",  "\r"};
    test_random_t random = test_random_new();
    for (int i = 0; i < 500; i++) {
        char text[512] = "";
        size_t used = 0;
        for (size_t j = test_random_below(&random, 40); j > 0; j--) {
            const char *piece = box[test_random_below(&random, sizeof box / sizeof box[0])];
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", piece);
        }
        florin_config_t *config = NULL;
        florin_error_t error;
        int rc = load(text, &config, &error);
        assert_true(rc == FLORIN_OK || rc == FLORIN_ERROR_CONFIG);
        florin_config_destroy(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(what_is_missing_has_its_fallback),
        cmocka_unit_test(repeated_names_are_visited_in_order),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(paths_begin_at_the_files_folder),
        cmocka_unit_test(required_settings_are_missed),
        cmocka_unit_test(unreadable_files_are_named),
        cmocka_unit_test(garbage_is_survived),
    };
    return cmocka_run_group_tests_name("lib/config", tests, NULL, NULL);
}
