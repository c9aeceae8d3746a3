#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/support/test.h"

#define LINE_BYTES_MAX 4096

/* What the last captured line was, read by a JSON parser that is not ours. */
static json_t *line;

static int forget_line(void **state)
{
    (void)state;
    json_decref(line);
    line = NULL;
    florin_log_open("florin-broker", "broker-1", FLORIN_LOG_INFO);
    return 0;
}

/* Logs into a pipe in place of stderr and reads what came: how many bytes; the object is in `line`.
 */
static size_t capture(florin_log_level_t level, const char *action, const char *message)
{
    int ends[2];
    char text[2 * LINE_BYTES_MAX];
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    florin_log(level, action, "%s", message);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    ssize_t got = read(ends[0], text, sizeof text);
    (void)close(saved);
    (void)close(ends[0]);
    (void)close(ends[1]);
    if (got < 0) {
        assert_int_equal(errno, EAGAIN);
        return 0;
    }
    assert_int_equal(text[got - 1], '\n');
    assert_null(memchr(text, '\n', (size_t)got - 1));
    json_error_t error;
    json_decref(line);
    line = json_loadb(text, (size_t)got, JSON_REJECT_DUPLICATES, &error);
    if (!line)
        fail_msg("%s in %.*s", error.text, (int)got, text);
    return (size_t)got;
}

static const char *field(const char *name)
{
    const char *value = json_string_value(json_object_get(line, name));
    assert_non_null(value);
    return value;
}

static void fields_are_those_of_ecs(void **state)
{
    (void)state;
    assert_true(capture(FLORIN_LOG_WARN, "worker_expired", "accounts-2 was silent") > 0);
    assert_string_equal(field("log.level"), "warn");
    assert_string_equal(field("message"), "accounts-2 was silent");
    assert_string_equal(field("ecs.version"), "8.11.0");
    assert_string_equal(field("event.action"), "worker_expired");
    assert_string_equal(field("service.name"), "florin-broker");
    assert_string_equal(field("service.node.name"), "broker-1");
    assert_int_equal(json_integer_value(json_object_get(line, "process.pid")), getpid());
    assert_int_equal(json_object_size(line), 8);

    const char *timestamp = field("@timestamp");
    int end = 0;
    int year = 0;
    assert_int_equal(sscanf(timestamp, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*6dZ%n", &year, &end), 1);
    assert_int_equal(end, strlen("2026-01-01T00:00:00.000000Z"));
    assert_true(year >= 2024);
}

static void levels_are_heeded_and_parsed(void **state)
{
    (void)state;
    assert_int_equal(capture(FLORIN_LOG_DEBUG, "x", "too low"), 0);
    assert_true(capture(FLORIN_LOG_INFO, "x", "high enough") > 0);
    florin_log_level_t level = FLORIN_LOG_INFO;
    assert_int_equal(florin_log_level_parse("error", &level), FLORIN_OK);
    assert_int_equal(level, FLORIN_LOG_ERROR);
    assert_int_equal(florin_log_level_parse("debug", &level), FLORIN_OK);
    assert_int_equal(level, FLORIN_LOG_DEBUG);
    assert_int_equal(florin_log_level_parse("ERROR", &level), FLORIN_ERROR_INVALID);
    assert_int_equal(florin_log_level_parse("", &level), FLORIN_ERROR_INVALID);
}

static void messages_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *message, *read;
    } vectors[] = {
        {"quote \" and \\ backslash", "quote \" and \\ backslash"},
        {"a\nnew line, a\ttab, \x01 and \x7f", "a\nnew line, a\ttab, \x01 and \x7f"},
        {"\xc3\xb6 \xe2\x82\xac \xf0\x9f\x92\xb6", "\xc3\xb6 \xe2\x82\xac \xf0\x9f\x92\xb6"},
        {"bad \xff byte", "bad \xef\xbf\xbd byte"},
        {"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
        {"overlong \xc0\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd"},
        {"surrogate \xed\xa0\x80", "surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"too high \xf4\x90\x80\x80", "too high \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        assert_true(capture(FLORIN_LOG_INFO, "x", vectors[i].message) > 0);
        assert_string_equal(field("message"), vectors[i].read);
    }
}

/* Whatever the names and the message, a line is one JSON object of at most 4096 bytes. */
static void lines_are_bounded(void **state)
{
    (void)state;
    static const char *const fillers[] = {"x", "\x01", "\xff", "\"", "\xf0\x9f\x92\xb6"};
    for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++) {
        char long_text[8192] = "";
        size_t piece = strlen(fillers[i]);
        for (size_t used = 0; used + piece < sizeof long_text; used += piece)
            memcpy(long_text + used, fillers[i], piece + 1);
        florin_log_open(long_text, long_text, FLORIN_LOG_INFO);
        size_t bytes = capture(FLORIN_LOG_ERROR, "x", long_text);
        assert_true(bytes > 2000 && bytes <= LINE_BYTES_MAX);
        assert_true(strlen(field("message")) > 100);
    }
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    errno = ENOTTY;
    florin_log(FLORIN_LOG_INFO, "x", "%s", strerror(ENOENT));
    assert_int_equal(errno, ENOTTY);
}

static void garbage_is_survived(void **state)
{
    (void)state;
    test_random_t random = test_random_new();
    for (int i = 0; i < 2000; i++) {
        char text[3000];
        size_t length = test_random_below(&random, sizeof text);
        for (size_t j = 0; j < length; j++)
            text[j] = (char)(1 + test_random_below(&random, 255));
        text[length] = '\0';
        size_t bytes = capture(FLORIN_LOG_INFO, "x", text);
        assert_true(bytes > 0 && bytes <= LINE_BYTES_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_are_those_of_ecs, forget_line, forget_line),
        cmocka_unit_test_setup_teardown(levels_are_heeded_and_parsed, forget_line, forget_line),
        cmocka_unit_test_setup_teardown(messages_are_escaped, forget_line, forget_line),
        cmocka_unit_test_setup_teardown(lines_are_bounded, forget_line, forget_line),
        cmocka_unit_test_setup_teardown(errno_is_left_alone, forget_line, forget_line),
        cmocka_unit_test_setup_teardown(garbage_is_survived, forget_line, forget_line),
    };
    return cmocka_run_group_tests_name("lib/log", tests, NULL, NULL);
}
