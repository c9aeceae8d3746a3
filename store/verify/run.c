#include "store/verify/run.h"

#include <stdarg.h>
#include <stdio.h>

void florin_verify_tell(florin_verify_run_t *self, bool note, int shard, const char *subject,
                        const char *format, ...)
{
    florin_verify_finding_t finding = {.note = note, .shard = shard};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding.message, sizeof finding.message, format, arguments);
    va_end(arguments);
    (void)snprintf(finding.subject, sizeof finding.subject, "%s", subject);
    *(note ? &self->check->notes : &self->check->findings) += 1;
    self->options->found(self->options->arg, &finding);
}

const char *florin_verify_subject(const char *kind, florin_id_t id,
                                  char text[FLORIN_VERIFY_SUBJECT_BYTES])
{
    char id_text[FLORIN_ID_TEXT_BYTES];
    (void)snprintf(text, FLORIN_VERIFY_SUBJECT_BYTES, "%s %s", kind, florin_id_format(id, id_text));
    return text;
}

int florin_verify_row(const florin_verify_run_t *self, size_t shard, const PGresult **page)
{
    *page = self->rows.at[shard].page;
    return self->rows.at[shard].row;
}

int florin_verify_walk(florin_verify_run_t *self, const char *sql, florin_verify_see_fn *see,
                       florin_error_t *error)
{
    int result = florin_verify_rows_open(&self->rows, self->store, sql, self->deadline_ms, error);
    while (result == 0) {
        florin_shards_t shards = florin_verify_rows_least(&self->rows);
        if (!shards)
            return 0;
        see(self, shards);
        result = florin_verify_rows_next(&self->rows, shards, error);
    }
    return result;
}
