/* CSV vectors: what a file says, and what is refused, with the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/csv.h"

/* Reads all of the bytes and writes what came as text: fields between brackets, records on lines
 * of their own, each with its line; an error ends it. */
static const char *read_all(const void *bytes, size_t size)
{
    static char text[4096];
    static csv_record_t record;
    size_t used = 0;
    FILE *file = fmemopen(NULL, size + 1, "w+");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    rewind(file);
    /* fmemopen's file ends where the bytes do. */
    csv_t csv;
    csv_start(&csv, file);
    *text = '\0';
    for (int records = 0; records < 100; records++) {
        florin_error_t error;
        int rc = csv_read(&csv, &record, &error);
        if (rc < 0)
            (void)snprintf(text + used, sizeof text - used, "error %s\n", error.message);
        if (rc <= 0)
            break;
        used += (size_t)snprintf(text + used, sizeof text - used, "%zu:", record.line);
        for (size_t i = 0; i < record.count; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "[%s]", record.fields[i]);
        used += (size_t)snprintf(text + used, sizeof text - used, "\n");
        assert_in_range(used, 0, sizeof text - 1);
    }
    assert_int_equal(fclose(file), 0);
    return text;
}

#define READS(bytes, text) assert_string_equal(read_all(bytes, sizeof(bytes) - 1), text)

static void reads_plain_fields(void **state)
{
    (void)state;
    READS("a,b,c\nd,e,f\n", "1:[a][b][c]\n2:[d][e][f]\n");
    READS("a,b\r\nc,d\r\n", "1:[a][b]\n2:[c][d]\n");
    READS("a,b", "1:[a][b]\n");
    READS(",\n", "1:[][]\n");
    READS(",,", "1:[][][]\n");
    READS(" a , b \n", "1:[ a ][ b ]\n");
    READS("", "");
    READS("\n\r\n\n", "");
    READS("\n\na\n\nb\n", "3:[a]\n5:[b]\n");
}

static void reads_quotes(void **state)
{
    (void)state;
    READS("\"a\",\"b,c\"\n", "1:[a][b,c]\n");
    READS("\"say \"\"hi\"\"\",x\n", "1:[say \"hi\"][x]\n");
    READS("\"\"\n", "1:[]\n");
    READS("\"\"\"\"\n", "1:[\"]\n");
    READS("\"two\nlines\",x\ny,z\n", "1:[two\nlines][x]\n3:[y][z]\n");
    READS("\"two\r\nlines\"\n", "1:[two\nlines]\n");
    READS("a,\"b\"", "1:[a][b]\n");
}

static void skips_a_byte_order_mark(void **state)
{
    (void)state;
    READS("\xef\xbb\xbf"
          "id,x\n",
          "1:[id][x]\n");
    READS("\xef\xbb\xbf", "");
}

static void refuses_what_is_no_csv(void **state)
{
    (void)state;
    READS("a\nb\"c\n", "1:[a]\nerror 2: a quote within a field that has none around it\n");
    READS("\"a\"b\n", "error 1: more text after the closing quote\n");
    READS("\"a\" ,b\n", "error 1: more text after the closing quote\n");
    READS("a\n\"b\nc", "1:[a]\nerror 3: a quote is not closed\n");
    READS("a\rb\n", "error 1: a carriage return without a line feed\n");
    READS("a\0b\n", "error 1: a NUL byte: this is no text\n");
}

static void bounds_a_record(void **state)
{
    (void)state;
    static char bytes[2 * CSV_RECORD_BYTES_MAX];
    memset(bytes, 'x', sizeof bytes);
    READS(bytes, "error 1: the record is too long: is a quote missing?\n");
    memset(bytes, ',', sizeof bytes);
    READS(bytes, "error 1: more fields than any row may have\n");
    bytes[0] = '"';
    memset(bytes + 1, '\n', sizeof bytes - 1);
    assert_non_null(strstr(read_all(bytes, sizeof bytes), "the record is too long"));
}

/* Whatever the bytes, reading ends and stays within the record (the sanitizers watch). */
static void survives_garbage(void **state)
{
    (void)state;
    static const char alphabet[] = "a,\"\n\r\0\xef\xbb\xbf\xff";
    const unsigned seed = 20261122;
    unsigned random = seed;
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        random = random * 1103515245u + 12345u;
        size_t size = random >> 16 & 15;
        for (size_t i = 0; i < size; i++) {
            random = random * 1103515245u + 12345u;
            bytes[i] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        FILE *file = fmemopen(NULL, sizeof bytes, "w+");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        rewind(file);
        csv_t csv;
        static csv_record_t record;
        csv_start(&csv, file);
        int rc = 1, records = 0;
        while (rc == 1 && records++ <= 32)
            rc = csv_read(&csv, &record, NULL);
        assert_int_equal(fclose(file), 0);
        if (records > 32)
            fail_msg("reading did not end: seed %u, round %d", seed, round);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_fields),      cmocka_unit_test(reads_quotes),
        cmocka_unit_test(skips_a_byte_order_mark), cmocka_unit_test(refuses_what_is_no_csv),
        cmocka_unit_test(bounds_a_record),         cmocka_unit_test(survives_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
