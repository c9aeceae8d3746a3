#include "client/cli/ids.h"

#include <stdlib.h>

#include "lib/limits.h"

int ids_read(char *const *texts, size_t count, const char *what, ids_t *ids, florin_error_t *error)
{
    *ids = (ids_t){0};
    if (count == 0 || count > FLORIN_EVENTS_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "%zu ids are given: 1 to %d may be",
                                count, FLORIN_EVENTS_MAX);
    *ids = (ids_t){.bytes = calloc(count, sizeof *ids->bytes),
                   .wire = calloc(count, sizeof *ids->wire)};
    if (!ids->bytes || !ids->wire) {
        ids_clear(ids);
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for %zu ids", count);
    }
    for (; ids->count < count; ids->count++) {
        florin_id_t id;
        int rc = florin_id_parse(texts[ids->count], what, &id, error);
        if (rc != 0) {
            ids_clear(ids);
            return rc;
        }
        ids->wire[ids->count] = ids_field(id, ids->bytes[ids->count]);
    }
    return 0;
}

void ids_clear(ids_t *ids)
{
    free(ids->bytes);
    free(ids->wire);
    *ids = (ids_t){0};
}

typedef struct {
    cli_t *cli;
    size_t count;
    char **texts;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        return 0;
    case ARGP_KEY_ARGS:
        self->count = (size_t)(state->argc - state->next);
        self->texts = state->argv + state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "an ID is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int ids_parse(cli_t *cli, int argc, char **argv, const char *doc, ids_t *ids)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse, .args_doc = "ID...", .doc = doc, .children = children};
    arguments_t arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    florin_error_t error;
    if (ids_read(arguments.texts, arguments.count, "ID", ids, &error) != 0)
        return cli_tell_usage(cli, &error);
    return CLI_DONE;
}

florin_id_t ids_of(const ProtobufCBinaryData *wire)
{
    return wire->len == FLORIN_ID_BYTES ? florin_id_from_bytes(wire->data) : 0;
}

char *ids_name(const char *noun, florin_id_t id, char *text)
{
    char number[FLORIN_ID_TEXT_BYTES];
    (void)snprintf(text, IDS_NAME_BYTES, "%s %s", noun, florin_id_format(id, number));
    return text;
}

ProtobufCBinaryData ids_field(florin_id_t id, uint8_t *bytes)
{
    florin_id_to_bytes(id, bytes);
    return (ProtobufCBinaryData){.len = FLORIN_ID_BYTES, .data = bytes};
}
