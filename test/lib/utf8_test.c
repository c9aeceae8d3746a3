/* UTF-8 against the table in section 4 of RFC 3629: the first and last character of each row, and
 * what lies just outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/utf8.h"

typedef struct {
    const char *text;
    size_t length;
} vector_t;

static void check(const vector_t *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (florin_utf8_length(vectors[i].text) != vectors[i].length)
            fail_msg("vector %zu has length %zu", i, florin_utf8_length(vectors[i].text));
}

static void test_characters(void **state)
{
    static const vector_t vectors[] = {
        {"", 1},
        {"\x01", 1},
        {"\x7f", 1},
        {"\xc2\x80", 2},         /* U+0080 */
        {"\xdf\xbf", 2},         /* U+07FF */
        {"\xe0\xa0\x80", 3},     /* U+0800 */
        {"\xe2\x82\xac", 3},     /* U+20AC */
        {"\xed\x9f\xbf", 3},     /* U+D7FF */
        {"\xee\x80\x80", 3},     /* U+E000 */
        {"\xef\xbf\xbf", 3},     /* U+FFFF */
        {"\xf0\x90\x80\x80", 4}, /* U+10000 */
        {"\xf3\xbf\xbf\xbf", 4}, /* U+FFFFF */
        {"\xf4\x8f\xbf\xbf", 4}, /* U+10FFFF */
        {"\xc3\xa9\xff", 2},     /* what follows is not looked at */
    };
    (void)state;
    check(vectors, sizeof(vectors) / sizeof(vectors[0]));
}

static void test_none(void **state)
{
    static const vector_t vectors[] = {
        {"\x80", 0}, /* a tail without a head */
        {"\xbf", 0},
        {"\xc0\x80", 0},                 /* overlong U+0000 */
        {"\xc1\xbf", 0},                 /* overlong U+007F */
        {"\xe0\x80\x80", 0},             /* overlong U+0000 */
        {"\xe0\x9f\xbf", 0},             /* overlong U+07FF */
        {"\xed\xa0\x80", 0},             /* U+D800, a surrogate */
        {"\xed\xbf\xbf", 0},             /* U+DFFF */
        {"\xf0\x80\x80\x80", 0},         /* overlong U+0000 */
        {"\xf0\x8f\xbf\xbf", 0},         /* overlong U+FFFF */
        {"\xf4\x90\x80\x80", 0},         /* U+110000 */
        {"\xf5\x80\x80\x80", 0},         /* past all planes */
        {"\xf8\x88\x80\x80\x80", 0},     /* five bytes */
        {"\xfc\x84\x80\x80\x80\x80", 0}, /* six bytes */
        {"\xfe", 0},
        {"\xff", 0},
        {"\xc2\x41", 0},         /* the tail is none */
        {"\xe2\x82\x41", 0},     /* the second */
        {"\xf0\x90\x80\xc0", 0}, /* the third */
    };
    (void)state;
    check(vectors, sizeof(vectors) / sizeof(vectors[0]));
}

/* Each text ends with its array: a byte read past it is seen by AddressSanitizer. */
static void test_ends_early(void **state)
{
    static const char two[] = {'\xc2', '\0'};
    static const char three[] = {'\xe2', '\x82', '\0'};
    static const char four[] = {'\xf0', '\x90', '\x80', '\0'};
    static const char head[] = {'\xf0', '\0'};
    const vector_t vectors[] = {{two, 0}, {three, 0}, {four, 0}, {head, 0}};
    (void)state;
    check(vectors, sizeof(vectors) / sizeof(vectors[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_ends_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
