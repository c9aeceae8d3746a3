/* The result of a verification as a file of metrics. */
#ifndef FLORIN_OPS_VERIFY_METRICS_H
#define FLORIN_OPS_VERIFY_METRICS_H

#include "store/verify/verify.h"

/* Writes the file beside its place and then into it, so that nobody reads half of it. */
int verify_metrics_write(const char *path, const florin_verify_check_t *checks, size_t count,
                         florin_error_t *error) FLORIN_MUST_USE;

#endif
