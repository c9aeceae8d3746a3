#include "lib/zpl.h"

#include <string.h>

#define LINE_BYTES_MAX 1024
#define INDENT         4
#define NAME_CHARS     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$-_@.&+/"
#define BLANKS         " \t\r\v\f"

/* Whether nothing but blanks and a comment comes before the line's end. */
static bool is_over(const char *at)
{
    at += strspn(at, BLANKS);
    return *at == '\0' || *at == '\n' || *at == '#';
}

/* What follows a name. Returns what is wrong with it, or NULL. */
static const char *check_value(const char *at, const char *end)
{
    if (is_over(at))
        return NULL;
    at += strspn(at, BLANKS);
    if (*at != '=')
        return "what follows the name is neither \"= value\" nor a \"# comment\"";
    at++;
    at += strspn(at, BLANKS);
    if (*at != '"' && *at != '\'')
        return NULL;
    const char *quote = memchr(at + 1, *at, (size_t)(end - at) - 1);
    if (!quote)
        return "the quotation mark is not closed";
    return is_over(quote + 1) ? NULL : "there is more after the closing quotation mark";
}

/* Returns what is wrong with a line, or NULL. A name moves *depth_max to what the next may have. */
static const char *check_line(const char *at, const char *end, size_t *depth_max)
{
    if (end - at > LINE_BYTES_MAX)
        return "a line has at most 1024 bytes";
    size_t indent = strspn(at, " ");
    size_t name = strspn(at + indent, NAME_CHARS);
    if (name == 0 && indent + strspn(at + indent, BLANKS) == (size_t)(end - at))
        return NULL;
    if (indent % INDENT != 0)
        return "indent by four spaces a level";
    at += indent;
    if (name == 0)
        return is_over(at) ? NULL : "there is no name at its beginning";
    if (at[0] == '/' || at[name - 1] == '/')
        return "a name neither begins nor ends with a slash";
    if (indent / INDENT > *depth_max)
        return "it is indented deeper than one level below the line before";
    *depth_max = indent / INDENT + 1;
    return check_value(at + name, end);
}

int florin_zpl_load(const char *text, const char *path, zconfig_t **root, florin_error_t *error)
{
    size_t depth_max = 0, number = 1;
    for (const char *line = text; *line; number++) {
        const char *end = line + strcspn(line, "\n");
        const char *problem = check_line(line, end, &depth_max);
        if (problem)
            return florin_error_set(error, FLORIN_ERROR_CONFIG, "%s:%zu: %s", path, number,
                                    problem);
        line = *end ? end + 1 : end;
    }
    *root = zconfig_str_load(text);
    if (!*root)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory", path);
    return FLORIN_OK;
}
