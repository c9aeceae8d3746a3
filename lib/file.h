/* Small files that people write: configuration and keys. */
#ifndef FLORIN_FILE_H
#define FLORIN_FILE_H

#include <sys/types.h>

#include "lib/error.h"

/* The most that such a file may have. */
#define FLORIN_FILE_BYTES_MAX (1024 * 1024)

/* Reads a whole file as text that the caller frees; a NUL byte in it is an error. Refused, too:
 * what is no regular file, and one whose mode has any of the `forbidden` bits (looked at on the
 * open file, so nobody can swap it in between). */
int florin_file_read(const char *path, mode_t forbidden, char **text,
                     florin_error_t *error) FLORIN_MUST_USE;

#endif
