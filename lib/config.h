/* Configuration files: ZPL (czmq's zconfig), checked against a table of settings. */
#ifndef FLORIN_CONFIG_H
#define FLORIN_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

typedef struct florin_config florin_config_t;

/* Reads a file. An error names the file and the line. */
int florin_config_load(const char *path, florin_config_t **config,
                       florin_error_t *error) FLORIN_MUST_USE;
void florin_config_destroy(florin_config_t **self_p);

/* One setting at a path such as "broker/clients". */
typedef struct {
    const char *path;
    enum { FLORIN_SETTING_TEXT, FLORIN_SETTING_NUMBER } type;
    const char *fallback; /* NULL: the setting is required */
    uint64_t min, max;    /* of a number */
    const char *help;     /* one line, for `--help` and the manual */
} florin_setting_t;

/* Checks the whole file against the table: a name that is not in it, a number that is none or out
 * of range, and a required one that is missing are errors that name file and setting. */
int florin_config_check(const florin_config_t *self, const florin_setting_t *settings, size_t count,
                        florin_error_t *error) FLORIN_MUST_USE;

/* The value, or the fallback; NULL when there is neither. Owned by the config. */
const char *florin_config_text(const florin_config_t *self, const char *path, const char *fallback);

/* Writes the value as a path to `path`, which holds PATH_MAX bytes: relative to the file's folder,
 * or empty when there is none. Returns 0 or FLORIN_ERROR_CONFIG. */
int florin_config_path(const florin_config_t *self, const char *setting, char *path,
                       florin_error_t *error) FLORIN_MUST_USE;

/* The value as a number, or the fallback. Call after florin_config_check. */
uint64_t florin_config_number(const florin_config_t *self, const char *path, uint64_t fallback);

/* Calls visit with the name and value of each child of `path`, in the file's order. Repeated names
 * are visited each. Returns how many there were. */
typedef void(florin_config_visit_fn)(void *arg, const char *name, const char *value);
size_t florin_config_each(const florin_config_t *self, const char *path,
                          florin_config_visit_fn *visit, void *arg);

#endif
