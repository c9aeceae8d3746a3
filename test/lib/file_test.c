#include "lib/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/lib/support/test.h"

/* Reads a file of this folder; what it says is compared, or the error is. */
static void assert_reads(const char *path, mode_t forbidden, const char *expected)
{
    char *text = NULL;
    florin_error_t error = {0};
    assert_int_equal(florin_file_read(path, forbidden, &text, &error), FLORIN_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_refused(const char *path, mode_t forbidden, const char *message)
{
    char *text = NULL;
    florin_error_t error = {0};
    assert_int_equal(florin_file_read(path, forbidden, &text, &error), FLORIN_ERROR_CONFIG);
    assert_null(text);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, message));
}

static void texts_are_read_whole(void **state)
{
    (void)state;
    char *folder = test_folder_new();
    char *empty = test_file(folder, "empty", "", 0644);
    char *lines = test_file(folder, "lines", "one\ntwo\xff\n", 0600);
    assert_reads(empty, 0, "");
    assert_reads(lines, S_IRWXG | S_IRWXO, "one\ntwo\xff\n");
    free(empty);
    free(lines);
    test_folder_remove(folder);
}

static void modes_are_heeded(void **state)
{
    (void)state;
    char *folder = test_folder_new();
    char *path = test_file(folder, "secret", "x", 0640);
    assert_reads(path, S_IRWXO, "x");
    assert_refused(path, S_IRWXG | S_IRWXO, "mode 0640");
    free(path);
    test_folder_remove(folder);
}

static void what_is_no_text_file_is_refused(void **state)
{
    (void)state;
    char *folder = test_folder_new();
    char *nul = test_file(folder, "nul", "abc", 0600);
    char *large = test_file(folder, "large", "", 0600);
    char *fifo = test_file(folder, "fifo", "", 0600);
    assert_int_equal(truncate(nul, 4), 0); /* the fourth byte is NUL */
    assert_refused(nul, 0, "NUL byte");
    assert_int_equal(truncate(large, FLORIN_FILE_BYTES_MAX + 1), 0);
    assert_refused(large, 0, "longer than 1048576 bytes");
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_refused(fifo, 0, "no regular file"); /* and nobody waits for a writer */
    assert_refused(folder, 0, "no regular file");
    assert_refused("/nonexistent", 0, "No such file");
    free(nul);
    free(large);
    free(fifo);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_whole),
        cmocka_unit_test(modes_are_heeded),
        cmocka_unit_test(what_is_no_text_file_is_refused),
    };
    return cmocka_run_group_tests_name("lib/file", tests, NULL, NULL);
}
