/* The errors that fallible functions return, and the sentence that goes with them. */
#ifndef FLORIN_ERROR_H
#define FLORIN_ERROR_H

#include <stdbool.h>

/* 0 is success; all others are negative. */
typedef enum {
    FLORIN_OK = 0,
    FLORIN_ERROR_MEMORY = -1,      /* no memory, or an arena's bound reached */
    FLORIN_ERROR_INVALID = -2,     /* what came in is wrong; the message names the field */
    FLORIN_ERROR_TOO_LARGE = -3,   /* past a bound in limits.h */
    FLORIN_ERROR_CONFIG = -4,      /* a configuration file or key file is wrong */
    FLORIN_ERROR_SYSTEM = -5,      /* a system call failed */
    FLORIN_ERROR_TIMEOUT = -6,     /* no answer in time; the outcome is not known */
    FLORIN_ERROR_UNAVAILABLE = -7, /* a peer is away; the outcome is not known */
    FLORIN_ERROR_CONFLICT = -8,    /* another one got there first: try again */
    FLORIN_ERROR_NOT_FOUND = -9,
    FLORIN_ERROR_REFUSED = -10,  /* the peer answered, and the answer is no */
    FLORIN_ERROR_INTERNAL = -11, /* a defect */
    FLORIN_ERROR_ASIDE = -12     /* set aside until a person has mended what the message names */
} florin_error_code_t;

#define FLORIN_ERROR_MESSAGE_BYTES 512

typedef struct {
    int code;                                 /* a florin_error_code_t */
    char message[FLORIN_ERROR_MESSAGE_BYTES]; /* what happened, to what, what to do */
} florin_error_t;

/* What a shared libflorin exports. */
#define FLORIN_API                 __attribute__((visibility("default")))
#define FLORIN_MUST_USE            __attribute__((warn_unused_result))
#define FLORIN_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Writes the code and a message (cut at the buffer's end) into *error; returns the code, so that
 * a function can end in `return florin_error_set (...)`. error may be NULL. */
FLORIN_API int florin_error_set(florin_error_t *error, int code, const char *format, ...)
    FLORIN_PRINTF(3, 4);

/* The code's name in lower case, "timeout"; "unknown" for a number that is none. Static. */
FLORIN_API const char *florin_error_name(int code);

#endif
