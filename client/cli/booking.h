/* One transfer of the command line: made, or tried, and told. */
#ifndef FLORIN_CLI_BOOKING_H
#define FLORIN_CLI_BOOKING_H

#include "client/cli/cli.h"
#include "lib/id.h"
#include "lib/limits.h"

/* A transfer, and the bytes that its fields point to. It must not be moved. */
typedef struct {
    Florin__V1__Transfer message;
    uint8_t id[FLORIN_ID_BYTES], debit[FLORIN_ID_BYTES], credit[FLORIN_ID_BYTES],
        pending[FLORIN_ID_BYTES], user_data[FLORIN_ID_BYTES];
    char reference[FLORIN_REFERENCE_BYTES_MAX + 1];
} booking_t;

/* An empty transfer of that id, or (NULL) of a new one that has the slot of its debit account: with
 * it, a transfer within one shard stays there. */
void booking_init(booking_t *self, const florin_id_t *id, florin_id_t debit_account_id);

/* Sends a transfer. CLI_DONE and the reply, with one result; or the exit code after telling. A dry
 * run changes nothing. *reply has to be freed either way. */
int booking_send(cli_t *cli, Florin__V1__Transfer *transfer, bool dry_run,
                 Florin__V1__Reply **reply) FLORIN_MUST_USE;

/* Tells how that went: CLI_DONE when the transfer is there, or would be. `shown` is the transfer as
 * people read it, with what it leaves open filled in. */
int booking_tell(cli_t *cli, const Florin__V1__Transfer *transfer,
                 const Florin__V1__Transfer *shown, bool dry_run, const Florin__V1__Reply *reply);

/* Both. */
int booking_make(cli_t *cli, Florin__V1__Transfer *transfer, const Florin__V1__Transfer *shown,
                 bool dry_run);

/* How a transfer is made: --id and --dry-run, whose input is this. */
typedef struct {
    const char *id_text; /* as typed, or NULL */
    bool dry_run;
} booking_options_t;

extern const struct argp booking_argp;

/* Whether a transfer reverses the one that its user_data names. */
bool booking_reverses(const Florin__V1__Transfer *transfer);

#endif
