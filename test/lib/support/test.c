#include "test/lib/support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"

test_random_t test_random_new(void)
{
    const char *given = getenv("FLORIN_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : florin_clock_unix_ns();
    print_message("FLORIN_TEST_SEED=%llu\n", (unsigned long long)seed);
    return (test_random_t){.state = seed};
}

/* SplitMix64, by Sebastiano Vigna: any seed will do. */
uint64_t test_random_next(test_random_t *self)
{
    uint64_t z = self->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t test_random_below(test_random_t *self, size_t bound)
{
    return (size_t)(test_random_next(self) % bound);
}

char *test_folder_new(void)
{
    char *folder = strdup("/tmp/florin-test-XXXXXX");
    assert_non_null(folder);
    assert_non_null(mkdtemp(folder));
    return folder;
}

void test_folder_remove(char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    closedir(dir);
    assert_int_equal(rmdir(folder), 0);
    free(folder);
}

char *test_file(const char *folder, const char *name, const char *text, unsigned mode)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, (mode_t)mode), 0);
    return path;
}
