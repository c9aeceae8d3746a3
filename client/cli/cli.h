/* What all commands of the `florin` program share: options, the client, how errors are told. */
#ifndef FLORIN_CLI_H
#define FLORIN_CLI_H

#include <argp.h>
#include <jansson.h>

#include "client/florin.h"

/* Exit codes, as scripts see them. */
enum { CLI_DONE = 0, CLI_REFUSED = 1, CLI_USAGE = 2, CLI_UNREACHABLE = 3, CLI_OUTPUT = 4 };

typedef struct {
    char *config; /* --config, or NULL */
    bool json;    /* --json */
    florin_client_options_t options;
    florin_client_t *client; /* made by the first call */
} cli_t;

/* --config and --json; its input is the cli_t. For the children of every command's argp. */
extern const struct argp cli_common_argp;

/* Parses a command's arguments with `argp`, whose input is `input`, and --config and --json with
 * it. A wrong command line ends the program with CLI_USAGE. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Makes the client if there is none. CLI_DONE, or the exit code after telling the error. */
int cli_connect(cli_t *self) FLORIN_MUST_USE;

/* One request and its reply: CLI_DONE and *reply with status OK and the result that was asked for,
 * to be freed with florin__v1__reply__free_unpacked; or NULL and the exit code after telling the
 * error. `what` begins the error's sentence: "transfer 7"; without it nothing is told. */
int cli_call(cli_t *self, const char *service, const Florin__V1__Request *request, const char *what,
             Florin__V1__Reply **reply) FLORIN_MUST_USE;

/* The exit code that an ended request stands for; told when it is not CLI_DONE. */
int cli_judge(cli_t *self, const char *what, const Florin__V1__Reply *reply,
              const florin_error_t *error);

/* Writes "florin: WHAT: CODE: ..." to stderr, and with --json {"error": {...}} to stdout. `what`
 * may be NULL, `code` is a result's, status's or error's name. */
void cli_tell(const cli_t *self, const char *what, const char *code, const char *format, ...)
    FLORIN_PRINTF(4, 5);
/* The same for what is wrong with the command line or a file. Returns CLI_USAGE. */
int cli_tell_usage(const cli_t *self, const florin_error_t *error);
/* And for a reply that does not fit its request. Returns CLI_REFUSED. */
int cli_tell_nonsense(const cli_t *self, const char *what);

/* Writes one object on a line of its own to stdout. Takes it. */
void cli_print_json(json_t *object);

/* The commands. Each gets its own arguments; argv[0] is its whole name, "florin account open". */
int account_open(cli_t *cli, int argc, char **argv);
int account_show(cli_t *cli, int argc, char **argv);
int account_balance(cli_t *cli, int argc, char **argv);
int account_limit(cli_t *cli, int argc, char **argv);
int account_list(cli_t *cli, int argc, char **argv);
int account_import(cli_t *cli, int argc, char **argv);
int statement(cli_t *cli, int argc, char **argv);
int transfer_create(cli_t *cli, int argc, char **argv);
int transfer_post(cli_t *cli, int argc, char **argv);
int transfer_void(cli_t *cli, int argc, char **argv);
int transfer_reverse(cli_t *cli, int argc, char **argv);
int transfer_show(cli_t *cli, int argc, char **argv);
int transfer_list(cli_t *cli, int argc, char **argv);
int transfer_outcome(cli_t *cli, int argc, char **argv);
int transfer_import(cli_t *cli, int argc, char **argv);
int trial_balance(cli_t *cli, int argc, char **argv);
int status(cli_t *cli, int argc, char **argv);
int keygen(cli_t *cli, int argc, char **argv);
int verify(cli_t *cli, int argc, char **argv);

#endif
