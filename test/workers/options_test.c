/* What a worker says to options and configuration that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/keys.h"
#include "workers/runtime/worker.h"

static char folder[] = "/tmp/florin-options-XXXXXX";
static char config_path[64];
static char output[2048]; /* what the last run wrote to stdout and stderr */

static int fail_to_start(void **state, const florin_setup_t *setup, florin_error_t *error)
{
    (void)state;
    (void)setup;
    return florin_error_set(error, FLORIN_ERROR_CONFIG, "%s: not today", config_path);
}

static const florin_setting_t settings[] = {
    {"fake/number", FLORIN_SETTING_NUMBER, "5", 1, 9, "a setting of the handler's own"},
};

static const florin_lane_kind_t lanes[] = {{"first", .by_shard = false},
                                           {"more", .by_shard = true}};

static const florin_handler_t handler = {.service = "fake",
                                         .program = "florin-fake",
                                         .lanes = lanes,
                                         .lanes_count = 2,
                                         .settings = settings,
                                         .settings_count = 1,
                                         .start = fail_to_start};

/* Runs a worker in a process of its own; returns its exit code. */
static int run(const char *config, char *option)
{
    int ends[2], status = 0;
    char program[] = "florin-fake", config_option[] = "--config";
    char *argv[] = {program, config_option, config_path, option, NULL};
    FILE *file = fopen(config_path, "w");
    assert_non_null(file);
    assert_true(fputs(config, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        exit(florin_worker_main(option ? 4 : 3, argv, &handler));
    }
    (void)close(ends[1]);
    size_t length = 0;
    for (ssize_t more = 1; more > 0 && length < sizeof(output) - 1;) {
        more = read(ends[0], output + length, sizeof(output) - 1 - length);
        length += more > 0 ? (size_t)more : 0;
    }
    output[length] = '\0';
    (void)close(ends[0]);
    assert_true(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void refused(const char *config, const char *because)
{
    assert_int_equal(run(config, NULL), EXIT_FAILURE);
    if (!strstr(output, because))
        fail_msg("\"%s\" does not say \"%s\"", output, because);
}

#define IPC "worker\n    broker = \"ipc:///tmp/florin-nobody\"\n"

static void test_usage(void **state)
{
    (void)state;
    char version[] = "--version", unknown[] = "--unknown", unnamed[] = "--instance=";
    char nowhere[] = "--metrics=localhost:9100";
    assert_int_equal(run(IPC, version), 0);
    assert_string_equal(output, "florin-fake " FLORIN_VERSION "\n");
    assert_int_equal(run(IPC, unknown), 2);
    assert_int_equal(run(IPC, unnamed), 2);
    assert_int_equal(run(IPC, nowhere), 1);
    assert_non_null(strstr(output, "--metrics: 'localhost:9100' is no"));
}

static void test_settings(void **state)
{
    (void)state;
    refused("worker\n    credit = 5\n", "worker/broker");
    refused(IPC "    colour = \"red\"\n", "worker/colour");
    refused(IPC "    credit = 1025\n", "worker/credit");
    refused(IPC "    log = \"loud\"\n", "worker/log is loud");
    refused(IPC "fake\n    number = 10\n", "fake/number");
    refused(IPC "    metrics = \"9100\"\n", "worker/metrics: '9100' is no");
    /* An address of a network for documentation, which is nobody's. */
    refused(IPC "    metrics = \"192.0.2.1:9100\"\n",
            "worker/metrics: can't listen on 192.0.2.1:9100: Cannot assign requested address");
    refused("worker\n    broker = \"udp://127.0.0.1:1\"\n", "neither tcp:// nor ipc://");
}

static void test_curve(void **state)
{
    (void)state;
    florin_error_t error;
    char path[96];
    refused("worker\n    broker = \"tcp://127.0.0.1:1\"\n", "needs worker/key");
    refused(IPC "    key = \"fake.key\"\n", "go together");
    refused(IPC "    key = \"fake.key\"\n    broker_key = \"fake.pub\"\n", folder);
    assert_int_equal(florin_keys_generate(folder, "fake", &error), 0);
    char check[] = "--check";
    const char *good = "worker\n    broker = \"tcp://127.0.0.1:1\"\n    key = \"fake.key\"\n"
                       "    broker_key = \"fake.pub\"\n";
    assert_int_equal(run(good, check), 0); /* paths are relative to the file's folder */
    assert_non_null(strstr(output, "configuration is good"));
    const char *names[] = {"key", "pub"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/fake.%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
}

static void test_a_handler_that_does_not_start(void **state)
{
    (void)state;
    refused(IPC, "worker.zpl: not today");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_curve),
        cmocka_unit_test(test_a_handler_that_does_not_start),
    };
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    (void)snprintf(config_path, sizeof(config_path), "%s/worker.zpl", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(config_path);
    return rmdir(folder) || failed;
}
