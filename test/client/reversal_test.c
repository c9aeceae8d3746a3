/* The ids of reversals. The vectors were made by Python's hashlib.blake2b. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/florin.h"

static florin_id_t id_of(uint64_t high, uint64_t low)
{
    return (florin_id_t)high << 64 | low;
}

static void derives_known_bytes(void **state)
{
    (void)state;
    static const struct {
        uint64_t id[2], credit_account_id[2], reversal[2];
    } vectors[] = {
        {{0, 1}, {0, 102}, {0x4589302c9b03ba87, 0xcb32980bfdbfe866}},
        {{0x018f4e2a007b7c3d, 0x9abcdef012345678},
         {0x019a5b1c2d007abc, 0x8def012345675465},
         {0x49cea74ad467d6f3, 0xe5b931d63870f865}},
        {{UINT64_MAX, UINT64_MAX - 1}, {0, 1023}, {0x5b8d7803e023b609, 0xa5e247e66da347ff}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        florin_id_t id = florin_reversal_id(
            id_of(vectors[i].id[0], vectors[i].id[1]),
            id_of(vectors[i].credit_account_id[0], vectors[i].credit_account_id[1]));
        assert_true(id == id_of(vectors[i].reversal[0], vectors[i].reversal[1]));
    }
}

static void heeds_of_the_account_the_slot_alone(void **state)
{
    (void)state;
    florin_id_t id = florin_reversal_id(7, 5), other = florin_reversal_id(7, 6);
    assert_true(florin_reversal_id(7, 5 + 1024) == id);
    assert_true((id ^ other) == (5 ^ 6));
    assert_int_equal(florin_id_slot(id), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derives_known_bytes),
        cmocka_unit_test(heeds_of_the_account_the_slot_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
