/* Ids from the command line, as requests carry them. */
#ifndef FLORIN_CLI_IDS_H
#define FLORIN_CLI_IDS_H

#include <protobuf-c/protobuf-c.h>

#include "client/cli/cli.h"
#include "lib/error.h"
#include "lib/id.h"

typedef struct {
    size_t count;
    uint8_t (*bytes)[FLORIN_ID_BYTES];
    ProtobufCBinaryData *wire; /* point into bytes */
} ids_t;

/* Reads 1 to FLORIN_EVENTS_MAX ids; errors name `what`. */
int ids_read(char *const *texts, size_t count, const char *what, ids_t *ids,
             florin_error_t *error) FLORIN_MUST_USE;
void ids_clear(ids_t *ids);

/* The command line of a command that takes ids and nothing else. CLI_DONE, or the exit code. */
int ids_parse(cli_t *cli, int argc, char **argv, const char *doc, ids_t *ids) FLORIN_MUST_USE;

/* The id in a message's field; 0 for an empty one. */
florin_id_t ids_of(const ProtobufCBinaryData *wire);

#define IDS_NAME_BYTES 64

/* "transfer 7", for `noun` and that id. `text` holds IDS_NAME_BYTES. Returns text. */
char *ids_name(const char *noun, florin_id_t id, char *text);

/* Writes the id into `bytes` (16 of them) and returns a field that points there. */
ProtobufCBinaryData ids_field(florin_id_t id, uint8_t *bytes);

#endif
