#include "client/cli/csv.h"

/* Where in a field the reader is. */
typedef enum { START, PLAIN, QUOTED, CLOSED } place_t;

void csv_start(csv_t *self, FILE *file)
{
    *self = (csv_t){.file = file, .line = 1};
}

/* The next byte, or EOF. A \r\n is given as \n, and a byte order mark at the beginning is skipped.
 */
static int next(csv_t *self)
{
    int c = getc(self->file);
    if (c == EOF)
        return EOF;
    self->bytes++;
    if (c == '\r') {
        int after = getc(self->file);
        if (after == '\n') {
            self->bytes++;
            return '\n';
        }
        if (after != EOF)
            (void)ungetc(after, self->file);
    }
    return c;
}

static void skip_mark(csv_t *self)
{
    static const char mark[] = "\xef\xbb\xbf";
    for (size_t i = 0; i < 3; i++) {
        int c = getc(self->file);
        if (c != (unsigned char)mark[i]) {
            /* Only a file that begins with part of a mark loses it, and is no text anyway. */
            if (c != EOF)
                (void)ungetc(c, self->file);
            return;
        }
        self->bytes++;
    }
}

static int fail(const csv_t *self, const char *what, florin_error_t *error)
{
    return florin_error_set(error, FLORIN_ERROR_INVALID, "%zu: %s", self->line, what);
}

static int keep(csv_t *self, csv_record_t *record, size_t *used, int c, florin_error_t *error)
{
    if (*used + 1 >= sizeof record->text)
        return fail(self, "the record is too long: is a quote missing?", error);
    record->text[(*used)++] = (char)c;
    return 0;
}

/* Ends a field and begins the next. */
static int end_field(csv_t *self, csv_record_t *record, size_t *used, florin_error_t *error)
{
    int rc = keep(self, record, used, '\0', error);
    if (rc != 0)
        return rc;
    if (++record->count < CSV_FIELDS_MAX)
        record->fields[record->count] = record->text + *used;
    return 0;
}

/* Moves on by one character within a line; *place says where it is afterwards. */
static int take(csv_t *self, csv_record_t *record, size_t *used, int c, place_t *place,
                florin_error_t *error)
{
    if (c == '\0')
        return fail(self, "a NUL byte: this is no text", error);
    if (record->count == CSV_FIELDS_MAX)
        return fail(self, "more fields than any row may have", error);
    if (*place == QUOTED) {
        if (c == '"') {
            *place = CLOSED;
            return 0;
        }
        self->line += c == '\n';
        return keep(self, record, used, c, error);
    }
    if (c == ',') {
        *place = START;
        return end_field(self, record, used, error);
    }
    if (c == '\r')
        return fail(self, "a carriage return without a line feed", error);
    if (c == '"') {
        if (*place == PLAIN)
            return fail(self, "a quote within a field that has none around it", error);
        bool doubled = *place == CLOSED;
        *place = QUOTED;
        return doubled ? keep(self, record, used, c, error) : 0;
    }
    if (*place == CLOSED)
        return fail(self, "more text after the closing quote", error);
    *place = PLAIN;
    return keep(self, record, used, c, error);
}

int csv_read(csv_t *self, csv_record_t *record, florin_error_t *error)
{
    if (self->bytes == 0)
        skip_mark(self);
    size_t used = 0;
    place_t place = START;
    *record = (csv_record_t){.line = self->line, .fields = {record->text}};
    for (;;) { /* ends: a record has a bound */
        int c = next(self);
        if (c == EOF && ferror(self->file))
            return fail(self, "the file cannot be read", error);
        if (c == EOF && place == QUOTED)
            return fail(self, "a quote is not closed", error);
        bool empty = place == START && record->count == 0;
        if (c == EOF && empty)
            return 0;
        if (c == EOF || (c == '\n' && place != QUOTED)) {
            self->line += c == '\n';
            if (!empty) {
                int rc = end_field(self, record, &used, error);
                return rc != 0 ? rc : 1;
            }
            record->line = self->line;
            continue;
        }
        int rc = take(self, record, &used, c, &place, error);
        if (rc != 0)
            return rc;
    }
}
