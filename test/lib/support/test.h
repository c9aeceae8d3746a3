/* What the tests of lib/ share. */
#ifndef FLORIN_TEST_LIB_H
#define FLORIN_TEST_LIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Random numbers for garbage. The seed is new each run and printed; FLORIN_TEST_SEED repeats one.
 */
typedef struct {
    uint64_t state;
} test_random_t;

test_random_t test_random_new(void);
uint64_t test_random_next(test_random_t *self);

/* A number below `bound`, which is not 0. */
size_t test_random_below(test_random_t *self, size_t bound);

/* Makes a folder under /tmp; test_folder_remove empties it (files only, no folders) and removes it.
 * The text is the caller's to free, which test_folder_remove does. */
char *test_folder_new(void);
void test_folder_remove(char *folder);

/* Writes a file with this mode, and returns its path, which the caller frees. */
char *test_file(const char *folder, const char *name, const char *text, unsigned mode);

#endif
