/* florin keygen. */
#include <limits.h>

#include "client/cli/cli.h"
#include "client/cli/words.h"
#include "lib/keys.h"

static const struct argp_option options[] = {
    {"folder", 'd', "DIR", 0, "Where the two files go (otherwise here)", 0}, {0}};

typedef struct {
    cli_t *cli;
    words_t words;
    const char *folder;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        state->child_inputs[1] = &self->words;
        return 0;
    case 'd':
        self->folder = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int keygen(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {
        {&cli_common_argp, 0, NULL, 0}, {&words_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME",
        .doc = "Make a key pair: NAME.key, which stays secret, and NAME.pub.\v"
               "NAME is who its holder is to the broker. Give NAME.pub to the broker's operator, "
               "who puts it into the broker's folder of clients or workers.",
        .children = children};
    arguments_t arguments = {.cli = cli, .words = {1, 1, "a NAME", {0}}, .folder = "."};
    cli_parse(&argp, argc, argv, &arguments);
    const char *name = arguments.words.at[0];
    florin_error_t error;
    if (florin_keys_generate(arguments.folder, name, &error) != 0)
        return cli_tell_usage(cli, &error);
    char secret[PATH_MAX], public[PATH_MAX];
    (void)snprintf(secret, sizeof secret, "%s/%s.key", arguments.folder, name);
    (void)snprintf(public, sizeof public, "%s/%s.pub", arguments.folder, name);
    if (cli->json)
        cli_print_json(
            json_pack("{s:s, s:s, s:s}", "name", name, "secret_key", secret, "public_key", public));
    else
        (void)printf("%s: secret, keep it\n%s: public, give it to the broker\n", secret, public);
    return CLI_DONE;
}
