#include "lib/metrics_http.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/limits.h"
#include "test/lib/support/test.h"

#define ANSWER_MS    30000
#define ANSWER_BYTES 4096
#define SLOW_COUNT   (2 * FLORIN_METRICS_READERS_MAX)

typedef struct {
    florin_metrics_t *metrics;
    florin_metrics_http_t *http;
} server_t;

static int set_up(void **state)
{
    static server_t server;
    florin_error_t error = {0};
    server.metrics = florin_metrics_new();
    florin_metric_add(florin_metrics_counter(server.metrics, "florin_n_total", "N.", NULL), 7);
    *state = &server;
    return florin_metrics_http_new(server.metrics, "worker/metrics", "127.0.0.1:0", &server.http,
                                   &error);
}

static int tear_down(void **state)
{
    server_t *server = *state;
    florin_metrics_http_destroy(&server->http);
    assert_null(server->http);
    florin_metrics_destroy(&server->metrics);
    return 0;
}

static int dial(const server_t *server)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(florin_metrics_http_port(server->http)),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* All that comes until the other side closes. */
static void hear(int fd, char answer[ANSWER_BYTES])
{
    size_t bytes = 0;
    for (;;) {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&item, 1, ANSWER_MS), 1);
        assert_true(bytes < ANSWER_BYTES - 1);
        ssize_t count = recv(fd, answer + bytes, ANSWER_BYTES - 1 - bytes, 0);
        if (count <= 0)
            break;
        bytes += (size_t)count;
    }
    answer[bytes] = '\0';
}

static void ask(const server_t *server, const char *request, char answer[ANSWER_BYTES])
{
    int fd = dial(server);
    say(fd, request);
    hear(fd, answer);
    close(fd);
}

static void assert_starts(const char *answer, const char *line)
{
    if (strncmp(answer, line, strlen(line)) != 0)
        fail_msg("the answer is not %s, but: %s", line, answer);
}

static void get_is_answered_with_the_text(void **state)
{
    char answer[ANSWER_BYTES];
    ask(*state, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", answer);
    assert_starts(answer, "HTTP/1.1 200 OK\r\n");
    assert_non_null(
        strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\n# HELP florin_n_total N.\n"
                                   "# TYPE florin_n_total counter\nflorin_n_total 7\n"));
}

static void other_places_and_methods_are_refused(void **state)
{
    char answer[ANSWER_BYTES];
    ask(*state, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", answer);
    assert_starts(answer, "HTTP/1.1 404 ");
    ask(*state, "GET /metrics/../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", answer);
    assert_starts(answer, "HTTP/1.1 404 ");
    ask(*state, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", answer);
    assert_starts(answer, "HTTP/1.1 405 ");
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    ask(*state, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", answer);
    assert_starts(answer, "HTTP/1.1 200 OK\r\n");
    assert_null(strstr(answer, "florin_n_total"));
    ask(*state, "this is no HTTP\r\n\r\n", answer);
    assert_null(strstr(answer, "florin_n_total"));
}

/* Twice as many as there are places say half a request and no more. */
static void slow_readers_keep_nobody_out_for_long(void **state)
{
    int slow[SLOW_COUNT];
    char answer[ANSWER_BYTES];
    for (size_t i = 0; i < SLOW_COUNT; i++) {
        slow[i] = dial(*state);
        say(slow[i], "GET /metrics HTTP/1.1\r\nHost:");
    }
    ask(*state, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", answer);
    assert_starts(answer, "HTTP/1.1 200 OK\r\n");
    for (size_t i = 0; i < SLOW_COUNT; i++)
        close(slow[i]);
}

static void it_ends_while_readers_are_there(void **state)
{
    server_t *server = *state;
    char answer[ANSWER_BYTES];
    int fd = dial(server);
    say(fd, "GET /metrics HTTP/1.1\r\n");
    florin_metrics_http_destroy(&server->http);
    hear(fd, answer);
    close(fd);
}

static void an_address_that_is_taken_is_named(void **state)
{
    const server_t *server = *state;
    florin_metrics_http_t *second;
    florin_error_t error = {0};
    char address[32], expected[128];
    unsigned port = florin_metrics_http_port(server->http);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    (void)snprintf(expected, sizeof(expected),
                   "broker/metrics: can't listen on 127.0.0.1:%u: Address already in use", port);
    assert_int_equal(
        florin_metrics_http_new(server->metrics, "broker/metrics", address, &second, &error),
        FLORIN_ERROR_SYSTEM);
    assert_null(second);
    assert_string_equal(error.message, expected);
}

static void addresses_are_read(void **state)
{
    (void)state;
    florin_metrics_address_t address;
    florin_error_t error = {0};
    static const uint8_t one[16] = {[15] = 1};
    assert_int_equal(florin_metrics_address_parse("x", "10.0.0.7:9100", &address, &error), 0);
    assert_int_equal(address.any.sa_family, AF_INET);
    assert_int_equal(address.v4.sin_addr.s_addr, htonl(0x0a000007));
    assert_int_equal(address.v4.sin_port, htons(9100));
    assert_int_equal(florin_metrics_address_parse("x", "[::1]:65535", &address, &error), 0);
    assert_int_equal(address.any.sa_family, AF_INET6);
    assert_memory_equal(&address.v6.sin6_addr, one, sizeof(one));
    assert_int_equal(address.v6.sin6_port, htons(65535));
}

static void what_is_no_address_is_named(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ":",
        ":9100",
        "127.0.0.1",
        "127.0.0.1:",
        "9100",
        "localhost:1",
        "::1:9100",
        "[::1]",
        "[::1]9100",
        "[::1:9100",
        "[]:9100",
        "[",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.1:9100",
        "[1.2.3.4]:9",
        "1.2.3.4:",
        "1.2.3.4:+9100",
        "[1111111111111111111111111111111111111111111111]:1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        florin_metrics_address_t address;
        florin_error_t error = {0};
        char expected[256];
        (void)snprintf(expected, sizeof(expected),
                       "worker/metrics: '%s' is no IPv4 or [IPv6] address with a port, such as "
                       "127.0.0.1:9100",
                       texts[i]);
        assert_int_equal(florin_metrics_address_parse("worker/metrics", texts[i], &address, &error),
                         FLORIN_ERROR_CONFIG);
        assert_string_equal(error.message, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(get_is_answered_with_the_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_places_and_methods_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_readers_keep_nobody_out_for_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_ends_while_readers_are_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_that_is_taken_is_named, set_up, tear_down),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(what_is_no_address_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
