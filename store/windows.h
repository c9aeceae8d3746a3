/* Rolling windows: what an account has debited of late, counted from the transfers themselves. */
#ifndef FLORIN_STORE_WINDOWS_H
#define FLORIN_STORE_WINDOWS_H

#include "store/params.h"
#include "store/store.h"

/* The parameters of FLORIN_SQL_WINDOWS for windows that end now (ns since 1970), and one of its
 * rows. */
void florin_windows_params(florin_params_t *params, const florin_window_limit_t *const *limits,
                           size_t count, uint64_t now);
/* Returns the place of the row's limit. */
size_t florin_windows_row(const PGresult *result, int row,
                          const florin_window_limit_t *const *limits, size_t count,
                          florin_window_t *window);

#endif
