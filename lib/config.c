#include "lib/config.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/file.h"
#include "lib/zpl.h"

#define PATH_BYTES_MAX 512
/* How deep names may nest; the longest path of a setting has two. */
#define DEPTH_MAX 8

struct florin_config {
    zconfig_t *root;
    char *path; /* of the file, for messages */
};

int florin_config_load(const char *path, florin_config_t **config, florin_error_t *error)
{
    *config = NULL;
    char *text = NULL;
    int rc = florin_file_read(path, 0, &text, error);
    if (rc != FLORIN_OK)
        return rc;
    zconfig_t *root = NULL;
    rc = florin_zpl_load(text, path, &root, error);
    free(text);
    if (rc != FLORIN_OK)
        return rc;
    florin_config_t *self = calloc(1, sizeof *self);
    char *copy = strdup(path);
    if (!self || !copy) {
        free(self);
        free(copy);
        zconfig_destroy(&root);
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory", path);
    }
    *self = (florin_config_t){.root = root, .path = copy};
    *config = self;
    return FLORIN_OK;
}

void florin_config_destroy(florin_config_t **self_p)
{
    florin_config_t *self = *self_p;
    if (!self)
        return;
    zconfig_destroy(&self->root);
    free(self->path);
    free(self);
    *self_p = NULL;
}

/* One check of a file: what stays the same on the way down. */
typedef struct {
    const florin_config_t *config;
    const florin_setting_t *settings;
    size_t count;
    florin_error_t *error;
} check_t;

static const florin_setting_t *find_setting(const check_t *check, const char *path)
{
    for (size_t i = 0; i < check->count; i++)
        if (strcmp(check->settings[i].path, path) == 0)
            return &check->settings[i];
    return NULL;
}

/* True when some setting lies below `path`. */
static bool is_section(const check_t *check, const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < check->count; i++)
        if (strncmp(check->settings[i].path, path, length) == 0 &&
            check->settings[i].path[length] == '/')
            return true;
    return false;
}

static bool parse_number(const char *text, uint64_t *number)
{
    /* Digits only: strtoull would take blanks and signs, and wrap "-1". */
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    *number = value;
    return errno == 0;
}

static int fail(const check_t *check, const char *path, const char *problem)
{
    return florin_error_set(check->error, FLORIN_ERROR_CONFIG, "%s: %s: %s", check->config->path,
                            path, problem);
}

static int check_value(const check_t *check, const florin_setting_t *setting, const char *path,
                       const char *value)
{
    uint64_t number = 0;
    if (setting->type != FLORIN_SETTING_NUMBER)
        return FLORIN_OK;
    if (parse_number(value, &number) && number >= setting->min && number <= setting->max)
        return FLORIN_OK;
    return florin_error_set(check->error, FLORIN_ERROR_CONFIG,
                            "%s: %s: \"%.64s\" is not a number from %" PRIu64 " to %" PRIu64,
                            check->config->path, path, value, setting->min, setting->max);
}

/* True when an earlier sibling has the item's name. */
static bool is_repeated(zconfig_t *parent, zconfig_t *item)
{
    for (zconfig_t *other = zconfig_child(parent); other != item; other = zconfig_next(other))
        if (strcmp(zconfig_name(other), zconfig_name(item)) == 0)
            return true;
    return false;
}

static int check_below(const check_t *check, zconfig_t *parent, const char *prefix, int depth);

static int check_item(const check_t *check, zconfig_t *parent, zconfig_t *item, const char *path,
                      int depth)
{
    const florin_setting_t *setting = find_setting(check, path);
    bool section = is_section(check, path);
    if (!setting && !section)
        return fail(check, path, "there is no such setting");
    /* ZPL allows a slash in a name, but nothing would find it there. */
    if (strchr(zconfig_name(item), '/'))
        return fail(check, path, "write the name below its section, four spaces in");
    /* Texts may be repeated, for florin_config_each. A second number or section would be ignored,
     * which nobody who writes one expects. */
    if ((section || setting->type == FLORIN_SETTING_NUMBER) && is_repeated(parent, item))
        return fail(check, path, "is there twice");
    if (!setting && *zconfig_value(item))
        return fail(check, path, "is a section and has no value of its own");
    int rc = setting ? check_value(check, setting, path, zconfig_value(item)) : FLORIN_OK;
    return rc == FLORIN_OK ? check_below(check, item, path, depth + 1) : rc;
}

static int check_below(const check_t *check, zconfig_t *parent, const char *prefix, int depth)
{
    if (depth > DEPTH_MAX)
        return fail(check, prefix, "is nested too deep");
    for (zconfig_t *item = zconfig_child(parent); item; item = zconfig_next(item)) {
        char path[PATH_BYTES_MAX];
        int length =
            snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", zconfig_name(item));
        if (length < 0 || (size_t)length >= sizeof path)
            return fail(check, prefix, "has a name below it that is too long");
        int rc = check_item(check, parent, item, path, depth);
        if (rc != FLORIN_OK)
            return rc;
    }
    return FLORIN_OK;
}

int florin_config_check(const florin_config_t *self, const florin_setting_t *settings, size_t count,
                        florin_error_t *error)
{
    check_t check = {.config = self, .settings = settings, .count = count, .error = error};
    int rc = check_below(&check, self->root, "", 1);
    for (size_t i = 0; i < count && rc == FLORIN_OK; i++)
        if (!settings[i].fallback && !zconfig_locate(self->root, settings[i].path))
            rc = fail(&check, settings[i].path, "is missing, and there is no default");
    return rc;
}

const char *florin_config_text(const florin_config_t *self, const char *path, const char *fallback)
{
    zconfig_t *node = zconfig_locate(self->root, path);
    return node ? zconfig_value(node) : fallback;
}

int florin_config_path(const florin_config_t *self, const char *setting, char *path,
                       florin_error_t *error)
{
    const char *value = florin_config_text(self, setting, "");
    const char *slash = *value == '/' || *value == '\0' ? NULL : strrchr(self->path, '/');
    int folder_bytes = slash ? (int)(slash - self->path + 1) : 0;
    int length = snprintf(path, PATH_MAX, "%.*s%s", folder_bytes, self->path, value);
    if (length < 0 || length >= PATH_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "%s: %s: the path is too long",
                                self->path, setting);
    return FLORIN_OK;
}

uint64_t florin_config_number(const florin_config_t *self, const char *path, uint64_t fallback)
{
    zconfig_t *node = zconfig_locate(self->root, path);
    uint64_t number = 0;
    return node && parse_number(zconfig_value(node), &number) ? number : fallback;
}

size_t florin_config_each(const florin_config_t *self, const char *path,
                          florin_config_visit_fn *visit, void *arg)
{
    size_t count = 0;
    zconfig_t *node = zconfig_locate(self->root, path);
    for (zconfig_t *child = node ? zconfig_child(node) : NULL; child; child = zconfig_next(child)) {
        visit(arg, zconfig_name(child), zconfig_value(child));
        count++;
    }
    return count;
}
