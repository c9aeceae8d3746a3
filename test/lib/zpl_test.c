#include "lib/zpl.h"

#include <fcntl.h>
#include <string.h>

#include "test/lib/support/test.h"

#define PATH "florin.conf"

static void texts_are_read(void **state)
{
    (void)state;
    zconfig_t *root = NULL;
    assert_int_equal(florin_zpl_load("# comment\n\n   \n"
                                     "a = 1 # one\n"
                                     "    b = \"# two\" # comment\r\n"
                                     "        c/d='\"'\n"
                                     "    e# comment\n"
                                     "f = say \"no\"",
                                     PATH, &root, NULL),
                     FLORIN_OK);
    assert_string_equal(zconfig_get(root, "a", ""), "1");
    assert_string_equal(zconfig_get(root, "a/b", ""), "# two");
    assert_string_equal(zconfig_get(root, "f", ""), "say \"no\"");
    zconfig_destroy(&root);
    assert_int_equal(florin_zpl_load("", PATH, &root, NULL), FLORIN_OK);
    zconfig_destroy(&root);
}

static void faults_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } vectors[] = {
        {"  a\n", PATH ":1: indent by four spaces a level"},
        {"  # a\n", PATH ":1: indent by four spaces a level"},
        {"    a\n", PATH ":1: it is indented deeper than one level below the line before"},
        {"a\n\n        b\n", PATH ":3: it is indented deeper than one level below the line before"},
        {"a\n=\n", PATH ":2: there is no name at its beginning"},
        {"a\n\tb\n", PATH ":2: there is no name at its beginning"},
        {"a/\n", PATH ":1: a name neither begins nor ends with a slash"},
        {"/a\n", PATH ":1: a name neither begins nor ends with a slash"},
        {"a b\n", PATH ":1: what follows the name is neither \"= value\" nor a \"# comment\""},
        {"a = 1\nb = \"x\nc\"", PATH ":2: the quotation mark is not closed"},
        {"b = 'x\"", PATH ":1: the quotation mark is not closed"},
        {"b = \"", PATH ":1: the quotation mark is not closed"},
        {"b = \"x\" y", PATH ":1: there is more after the closing quotation mark"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        zconfig_t *root = NULL;
        florin_error_t error = {0};
        assert_int_equal(florin_zpl_load(vectors[i].text, PATH, &root, &error),
                         FLORIN_ERROR_CONFIG);
        assert_string_equal(error.message, vectors[i].message);
        assert_null(root);
    }
}

static void long_lines_are_refused(void **state)
{
    (void)state;
    char text[1100];
    zconfig_t *root = NULL;
    florin_error_t error = {0};
    memset(text, 'x', sizeof text);
    memcpy(text, "a = ", 4);
    text[1024] = '\0';
    assert_int_equal(florin_zpl_load(text, PATH, &root, &error), FLORIN_OK);
    assert_int_equal(strlen(zconfig_get(root, "a", "")), 1020);
    zconfig_destroy(&root);
    text[1024] = 'x';
    text[1025] = '\n';
    text[1026] = '\0';
    assert_int_equal(florin_zpl_load(text, PATH, &root, &error), FLORIN_ERROR_CONFIG);
    assert_string_equal(error.message, PATH ":1: a line has at most 1024 bytes");
}

/* Whether zconfig takes the text, without what it prints. */
static bool zconfig_takes(const char *text)
{
    (void)fflush(stdout);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int kept = dup(STDOUT_FILENO);
    assert_true(null >= 0 && kept >= 0 && dup2(null, STDOUT_FILENO) >= 0);
    zconfig_t *root = zconfig_str_load(text);
    (void)fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    (void)close(null);
    (void)close(kept);
    bool taken = root != NULL;
    zconfig_destroy(&root);
    return taken;
}

/* What is let through is taken by zconfig, which so never prints; what is refused, it refuses. */
static void zconfig_agrees(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",  "b/", "/", " ",    "    ", "    ", "\n", "\n", "\n",
                                         "= ", "\"", "'", "\t\n", "#",    "\t",   "\r", "é"};
    test_random_t random = test_random_new();
    size_t taken = 0, refused = 0;
    for (size_t i = 0; i < 20000; i++) {
        char text[128] = "";
        zconfig_t *root = NULL;
        size_t count = test_random_below(&random, 12);
        for (size_t k = 0, used = 0; k < count; k++) {
            const char *piece =
                pieces[test_random_below(&random, sizeof pieces / sizeof pieces[0])];
            memcpy(text + used, piece, strlen(piece) + 1);
            used += strlen(piece);
        }
        bool expected = zconfig_takes(text);
        if ((florin_zpl_load(text, PATH, &root, NULL) == FLORIN_OK) != expected)
            fail_msg("zconfig %s \"%s\"", expected ? "takes" : "refuses", text);
        zconfig_destroy(&root);
        expected ? taken++ : refused++;
    }
    assert_true(taken > 1000 && refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(faults_are_named_with_their_line),
        cmocka_unit_test(long_lines_are_refused),
        cmocka_unit_test(zconfig_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
