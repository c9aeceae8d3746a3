/* A configuration file: read, checked against settings of each kind, and asked for them. */
#include "lib/config.h"

#include <sys/mman.h>
#include <unistd.h>

#include "test/fuzz/fuzz.h"

static void count(void *arg, const char *name, const char *value)
{
    size_t *seen = arg;
    HOLDS(name && value);
    ++*seen;
}

static void use(const florin_config_t *config)
{
    static const florin_setting_t settings[] = {
        {.path = "broker/clients", .type = FLORIN_SETTING_TEXT},
        {.path = "broker/queue", .type = FLORIN_SETTING_NUMBER, .fallback = "5", .max = 100},
        {.path = "worker/broker", .type = FLORIN_SETTING_TEXT, .fallback = ""},
    };
    florin_error_t error = {0};
    size_t seen = 0;
    int rc = florin_config_check(config, settings, sizeof settings / sizeof settings[0], &error);
    if (rc == FLORIN_OK) {
        HOLDS(florin_config_text(config, "broker/clients", NULL));
        HOLDS(florin_config_number(config, "broker/queue", 5) <= 100);
        HOLDS(florin_config_each(config, "worker", count, &seen) == seen);
    } else {
        HOLDS(rc == FLORIN_ERROR_CONFIG && error.message[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    HOLDS(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    florin_config_t *config = NULL;
    florin_error_t error = {0};
    if (florin_config_load(path, &config, &error) == FLORIN_OK)
        use(config);
    else
        HOLDS(error.code == FLORIN_ERROR_CONFIG && error.message[0] != '\0');
    florin_config_destroy(&config);
    (void)close(fd);
    return 0;
}
