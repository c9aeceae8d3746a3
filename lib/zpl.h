/* ZPL texts (rfc.zeromq.org/spec/4), read by zconfig into its tree.
 *
 * zconfig itself prints what is wrong with a line on standard output, where a program's own output
 * goes, and does not count lines past 1,024 bytes right. So each line is checked before. */
#ifndef FLORIN_ZPL_H
#define FLORIN_ZPL_H

#include <czmq.h>

#include "lib/error.h"

/* The tree, for the caller to destroy. FLORIN_ERROR_CONFIG says "PATH:LINE: ...", and nothing of
 * what the line holds, which may be a secret. */
int florin_zpl_load(const char *text, const char *path, zconfig_t **root,
                    florin_error_t *error) FLORIN_MUST_USE;

#endif
