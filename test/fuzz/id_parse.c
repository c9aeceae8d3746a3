/* An id as a person writes it. */
#include "lib/id.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text_new(data, size);
    florin_id_t id = 0;
    florin_id_t again = 0;
    florin_error_t error;
    char written[FLORIN_ID_TEXT_BYTES];
    if (florin_id_parse(text, "id", &id, &error) == FLORIN_OK) {
        HOLDS(florin_id_parse(florin_id_format(id, written), "id", &again, &error) == FLORIN_OK);
        HOLDS(again == id);
        HOLDS(florin_id_parse(florin_id_format_uuid(id, written), "id", &again, NULL) == FLORIN_OK);
        HOLDS(again == id);
    } else {
        HOLDS(error.code == FLORIN_ERROR_INVALID);
        HOLDS(strncmp(error.message, "id: ", 4) == 0);
    }
    free(text);
    return 0;
}
