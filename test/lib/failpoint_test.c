#include "lib/failpoint.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/support/test.h"

/* Passes two places, alternating, ten times in a process of its own. Returns the pass in which it
 * was killed, or 0 when it lived. */
static int killed_at(const char *wanted)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setenv("FLORIN_FAILPOINT", wanted, 1);
        for (char pass = 1; pass <= 10; pass++) {
            if (write(ends[1], &pass, 1) != 1)
                _exit(1);
            FLORIN_FAILPOINT("store_prepared");
            FLORIN_FAILPOINT("store_decided");
        }
        _exit(0);
    }
    (void)close(ends[1]);
    char passes[16];
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ssize_t count = read(ends[0], passes, sizeof passes);
    (void)close(ends[0]);
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return 0;
    }
    assert_int_equal(WTERMSIG(status), SIGKILL);
    return (int)count;
}

static void the_named_pass_kills(void **state)
{
    (void)state;
#ifdef FLORIN_FAILPOINTS
    assert_int_equal(killed_at("store_prepared"), 1);
    assert_int_equal(killed_at("store_prepared:1"), 1);
    assert_int_equal(killed_at("store_decided:3"), 3);
    assert_int_equal(killed_at("store_decided:10"), 10);
#else
    assert_int_equal(killed_at("store_prepared"), 0); /* not compiled in: it costs nothing */
#endif
}

static void it_stops_instead_of_dying(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setenv("FLORIN_FAILPOINT", "store_prepared", 1);
        (void)setenv("FLORIN_FAILPOINT_STOP", "1", 1);
        FLORIN_FAILPOINT("store_prepared");
        FLORIN_FAILPOINT("store_prepared"); /* the second pass is none */
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
#ifdef FLORIN_FAILPOINTS
    assert_true(WIFSTOPPED(status));
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
#endif
    assert_true(WIFEXITED(status));
}

static void other_names_do_not(void **state)
{
    (void)state;
    assert_int_equal(killed_at(""), 0);
    assert_int_equal(killed_at("store"), 0);
    assert_int_equal(killed_at("store_prepared_too"), 0);
    assert_int_equal(killed_at("store_prepared:0"), 0);
    assert_int_equal(killed_at("store_prepared:11"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_named_pass_kills),
        cmocka_unit_test(it_stops_instead_of_dying),
        cmocka_unit_test(other_names_do_not),
    };
    return cmocka_run_group_tests_name("lib/failpoint", tests, NULL, NULL);
}
