#include "lib/error.h"

#include <stdarg.h>
#include <stdio.h>

int florin_error_set(florin_error_t *error, int code, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->code = code;
        if (vsnprintf(error->message, sizeof error->message, format, args) < 0)
            error->message[0] = '\0';
        va_end(args);
    }
    return code;
}

const char *florin_error_name(int code)
{
    static const char *const names[] = {
        "ok",          "memory",   "invalid",   "too_large", "config",   "system", "timeout",
        "unavailable", "conflict", "not_found", "refused",   "internal", "aside",
    };
    return code <= 0 && code >= FLORIN_ERROR_ASIDE ? names[-code] : "unknown";
}
