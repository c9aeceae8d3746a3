#include "client/cli/table.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/values.h"

#define GAP 2 /* spaces between columns */

struct table {
    FILE *out;
    size_t columns;
    const char *titles[TABLE_COLUMNS_MAX];
    bool right[TABLE_COLUMNS_MAX];
    size_t widths[TABLE_COLUMNS_MAX];
    char **cells;
    size_t count, capacity;
    bool begun; /* the titles are out */
};

table_t *table_new(FILE *out, const char *const *titles)
{
    table_t *self = calloc(1, sizeof *self);
    if (!self)
        errx(1, "no memory");
    self->out = out;
    for (; titles[self->columns] && self->columns < TABLE_COLUMNS_MAX; self->columns++) {
        const char *title = titles[self->columns];
        self->right[self->columns] = *title == '>';
        self->titles[self->columns] = title + (*title == '>');
        self->widths[self->columns] = table_width(self->titles[self->columns]);
    }
    return self;
}

static void forget_rows(table_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->cells[i]);
    self->count = 0;
}

void table_destroy(table_t **self_p)
{
    table_t *self = *self_p;
    if (!self)
        return;
    forget_rows(self);
    free(self->cells);
    free(self);
    *self_p = NULL;
}

void table_cell(table_t *self, const char *format, ...)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 64;
        char **cells = reallocarray(self->cells, capacity, sizeof *cells);
        if (!cells)
            errx(1, "no memory");
        self->cells = cells;
        self->capacity = capacity;
    }
    char *cell;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&cell, format, arguments);
    va_end(arguments);
    if (length < 0)
        errx(1, "no memory");
    (void)value_printable(cell);
    size_t *width = &self->widths[self->count % self->columns];
    if (table_width(cell) > *width)
        *width = table_width(cell);
    self->cells[self->count++] = cell;
}

size_t table_width(const char *text)
{
    size_t width = 0;
    for (const char *p = text; *p; p++)
        width += ((unsigned char)*p & 0xc0) != 0x80; /* not a character's later bytes */
    return width;
}

/* Without spaces at the line's end. */
static void print_row(const table_t *self, const char *const *cells)
{
    size_t count = self->columns;
    while (count > 0 && *cells[count - 1] == '\0')
        count--;
    for (size_t i = 0; i < count; i++) {
        int padding = (int)(self->widths[i] - table_width(cells[i]));
        int gap = i + 1 < count ? GAP : 0;
        if (self->right[i])
            (void)fprintf(self->out, "%*s%s%*s", padding, "", cells[i], gap, "");
        else
            (void)fprintf(self->out, "%s%*s", cells[i], gap ? padding + gap : 0, "");
    }
    (void)fputc('\n', self->out);
}

void table_print(table_t *self)
{
    if (!self->begun)
        print_row(self, self->titles);
    self->begun = true;
    for (size_t i = 0; i + self->columns <= self->count; i += self->columns) {
        const char *cells[TABLE_COLUMNS_MAX];
        for (size_t j = 0; j < self->columns; j++)
            cells[j] = self->cells[i + j];
        print_row(self, cells);
    }
    forget_rows(self);
}
