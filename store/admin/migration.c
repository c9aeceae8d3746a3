#include "store/admin/migration.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIGRATIONS_MAX 999
#define FILE_BYTES_MAX (1024u * 1024)
#define HEAD           "-- florin:"
#define WORDS_BYTES    200

/* ------------------------------------------------------------------------------------ the head */

/* Whether a word and a number stand at *at, which is moved behind them. */
static bool read_number(const char **at, const char *word, unsigned *number)
{
    char *end;
    if (strncmp(*at, word, strlen(word)) != 0 || !isdigit((unsigned char)(*at)[strlen(word)]))
        return false;
    unsigned long value = strtoul(*at + strlen(word), &end, 10);
    *number = (unsigned)value;
    *at = end;
    return value <= MIGRATIONS_MAX;
}

/* One line after "-- florin:"; false when it says what nobody understands. */
static bool read_line(florin_migration_t *file, const char *words)
{
    if (strcmp(words, " concurrently") == 0) {
        file->concurrently = true;
        return true;
    }
    return read_number(&words, " reads ", &file->reads_from) &&
           read_number(&words, ", writes ", &file->writes_from) && *words == '\0' &&
           file->reads_from > 0 && file->reads_from <= file->writes_from &&
           file->writes_from <= file->version;
}

int florin_migration_read_head(florin_migration_t *file, florin_error_t *error)
{
    file->reads_from = file->writes_from = file->version;
    for (const char *line = file->sql; strncmp(line, "--", 2) == 0;) {
        char words[WORDS_BYTES];
        size_t length = strcspn(line, "\n");
        if (strncmp(line, HEAD, strlen(HEAD)) == 0) {
            snprintf(words, sizeof words, "%.*s", (int)(length - strlen(HEAD)),
                     line + strlen(HEAD));
            if (!read_line(file, words))
                return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                        "%s: '%s%s': must be 'concurrently' or 'reads N, writes "
                                        "M', with 1 <= N <= M <= %u",
                                        file->name, HEAD, words, file->version);
        }
        line += length + (line[length] == '\n');
    }
    return 0;
}

/* ------------------------------------------------------------------------------ the statements */

/* Behind the text that begins here and that ends with `end`; to the end when it does not. */
static const char *behind(const char *text, const char *end)
{
    const char *found = strstr(text, end);
    return found ? found + strlen(end) : text + strlen(text);
}

/* Behind what a quote, a dollar quote or a comment encloses; NULL when none begins here. */
static const char *skip_enclosed(const char *text)
{
    char tag[WORDS_BYTES];
    int length = 0;
    if (*text == '\'')
        return behind(text + 1, "'");
    if (*text == '"')
        return behind(text + 1, "\"");
    if (strncmp(text, "--", 2) == 0)
        return behind(text, "\n");
    if (strncmp(text, "/*", 2) == 0)
        return behind(text, "*/");
    if (sscanf(text, "$%*[a-z_]$%n", &length) == 0 && length > 0 && length < WORDS_BYTES) {
        snprintf(tag, sizeof tag, "%.*s", length, text);
        return behind(text + length, tag);
    }
    return strncmp(text, "$$", 2) == 0 ? behind(text + 2, "$$") : NULL;
}

static bool is_comment(const char *text)
{
    return strncmp(text, "--", 2) == 0 || strncmp(text, "/*", 2) == 0;
}

bool florin_migration_next(const char **sql, const char **statement, size_t *length)
{
    const char *at = *sql;
    while (*at && (isspace((unsigned char)*at) || *at == ';' || is_comment(at)))
        at = is_comment(at) ? skip_enclosed(at) : at + 1;
    *statement = at;
    while (*at && *at != ';') {
        const char *enclosed = skip_enclosed(at);
        at = enclosed ? enclosed : at + 1;
    }
    *length = (size_t)(at - *statement);
    *sql = at;
    return *length > 0;
}

/* ----------------------------------------------------------------------------------- the files */

void florin_migrations_clear(florin_migrations_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->files[i].sql);
    free(self->files);
    *self = (florin_migrations_t){0};
}

/* Reads one file whole and sums it. */
static int read_file(const florin_migrations_t *self, florin_migration_t *file,
                     florin_error_t *error)
{
    char path[FLORIN_MIGRATION_PATH_BYTES + FLORIN_MIGRATION_NAME_BYTES + 2];
    snprintf(path, sizeof path, "%s/%s", self->folder, file->name);
    file->sql = malloc(FILE_BYTES_MAX + 1);
    if (!file->sql)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory to read it", path);
    FILE *stream = fopen(path, "rbe");
    if (!stream)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    int result = 0;
    size_t size = fread(file->sql, 1, FILE_BYTES_MAX, stream);
    if (ferror(stream))
        result = florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: cannot be read", path);
    else if (fgetc(stream) != EOF)
        result = florin_error_set(error, FLORIN_ERROR_TOO_LARGE, "%s: larger than %u bytes", path,
                                  FILE_BYTES_MAX);
    else if (memchr(file->sql, '\0', size))
        result = florin_error_set(error, FLORIN_ERROR_INVALID, "%s: holds a zero byte", path);
    (void)fclose(stream);
    if (result != 0)
        return result;
    file->sql[size] = '\0';
    crypto_hash_sha256(file->sha256, (const unsigned char *)file->sql, size);
    return 0;
}

/* NNNN_name.sql; other files are none of ours. */
static int is_migration(const struct dirent *entry)
{
    const char *name = entry->d_name;
    size_t length = strlen(name);
    /* The name goes into SQL as it is, so it holds nothing that SQL could take for its own. */
    return strspn(name, "0123456789") == 4 && name[4] == '_' &&
           length < FLORIN_MIGRATION_NAME_BYTES &&
           strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz_.") == length &&
           strcmp(name + length - 4, ".sql") == 0;
}

/* Takes the next file of the folder. */
static int add_file(florin_migrations_t *self, const char *name, florin_error_t *error)
{
    florin_migration_t *file = &self->files[self->count++];
    int length = snprintf(file->name, sizeof file->name, "%s", name);
    assert(length > 0 && length < FLORIN_MIGRATION_NAME_BYTES); /* by is_migration */
    file->version = (unsigned)strtoul(file->name, NULL, 10);
    if (file->version != self->count || file->version > MIGRATIONS_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s/%s: number %zu was expected here; each number is used once, "
                                "none is left out",
                                self->folder, file->name, self->count);
    int result = read_file(self, file, error);
    return result == 0 ? florin_migration_read_head(file, error) : result;
}

int florin_migrations_read(florin_migrations_t *self, const char *folder, const char *kind,
                           florin_error_t *error)
{
    struct dirent **entries = NULL;
    int length = snprintf(self->folder, sizeof self->folder, "%s/%s", folder, kind);
    if (length < 0 || (size_t)length >= sizeof self->folder)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "the folder's path is too long");
    self->files = calloc(MIGRATIONS_MAX + 1, sizeof *self->files);
    if (!self->files)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for migrations");
    int found = scandir(self->folder, &entries, is_migration, alphasort);
    if (found < 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: %s", self->folder,
                                strerror(errno));
    int result = 0;
    for (int i = 0; i < found && result == 0; i++)
        result = add_file(self, entries[i]->d_name, error);
    if (found == 0)
        result =
            florin_error_set(error, FLORIN_ERROR_CONFIG, "%s: holds no migrations", self->folder);
    for (int i = 0; i < found; i++)
        free(entries[i]);
    free(entries);
    return result;
}
