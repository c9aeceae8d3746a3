/* florin: Florin's command line. This file finds the command; each has a file of its own. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"

static const struct {
    const char *group; /* first word */
    const char *verb;  /* second word; NULL: the group is the whole command */
    int (*run)(cli_t *cli, int argc, char **argv);
} commands[] = {
    {"account", "open", account_open},
    {"account", "show", account_show},
    {"account", "statement", statement},
    {"account", "balance", account_balance},
    {"account", "limit", account_limit},
    {"account", "list", account_list},
    {"account", "import", account_import},
    {"transfer", "post", transfer_post},
    {"transfer", "void", transfer_void},
    {"transfer", "reverse", transfer_reverse},
    {"transfer", "show", transfer_show},
    {"transfer", "list", transfer_list},
    {"transfer", "outcome", transfer_outcome},
    {"transfer", NULL, transfer_create},
    {"import", NULL, transfer_import},
    {"trial-balance", NULL, trial_balance},
    {"status", NULL, status},
    {"keygen", NULL, keygen},
    {"verify", NULL, verify},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static const char help[] =
    "Keep accounts and move money with Florin.\v"
    "Commands:\n"
    "  account open [ID...]        open accounts\n"
    "  account show ID...          show accounts and their balances\n"
    "  account balance ID          show an account's balances, now or at a moment\n"
    "  account limit ID AMOUNT     set an account's credit limit\n"
    "  account statement ID        list what moved on an account\n"
    "  account list                list accounts\n"
    "  account import FILE.csv     open many accounts\n"
    "  transfer DEBIT CREDIT AMOUNT CURRENCY\n"
    "                              move money between two accounts, or reserve it\n"
    "  transfer post PENDING_ID    move what a pending transfer reserved\n"
    "  transfer void PENDING_ID    release it\n"
    "  transfer reverse ID         move a transfer's money back, once\n"
    "  transfer show ID...         show transfers, also refused ones\n"
    "  transfer list               list transfers\n"
    "  transfer outcome ID...      say what became of transfers, and give up the others\n"
    "  import FILE.csv             make many transfers\n"
    "  trial-balance               sum up all books and compare debits with credits\n"
    "  status                      show the broker's pools, queues and workers\n"
    "  keygen NAME                 make a key pair\n"
    "  verify --control CONNINFO   check in the databases that the books are whole\n"
    "\n"
    "`florin COMMAND --help` tells a command's options; florin(1) tells all.\n"
    "\n"
    "Exit code: 0 done, 1 refused, 2 wrong usage, 3 nobody answered, 4 output not written.";

/* What the options before the command leave to do. */
typedef struct {
    cli_t *cli;
    int first; /* index of the command's first word; 0 when there is none */
} main_t;

static error_t parse_main(int key, char *value, struct argp_state *state)
{
    main_t *self = state->input;
    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        return 0;
    case ARGP_KEY_ARG: /* the rest belongs to the command */
        self->first = state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_state_help(state, stderr, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Runs the command that argv begins with; CLI_USAGE when there is none. */
static int run(cli_t *cli, int argc, char **argv)
{
    bool group_known = false;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[0], commands[i].group) != 0)
            continue;
        group_known = true;
        int words = commands[i].verb ? 2 : 1;
        if (words == 2 && (argc < 2 || strcmp(argv[1], commands[i].verb) != 0))
            continue;
        char name[64];
        (void)snprintf(name, sizeof name, "florin %s%s%s", commands[i].group, words == 2 ? " " : "",
                       words == 2 ? commands[i].verb : "");
        argv[words - 1] = name;
        return commands[i].run(cli, argc - words + 1, argv + words - 1);
    }
    florin_error_t error;
    (void)florin_error_set(&error, FLORIN_ERROR_INVALID,
                           group_known ? "`%s` needs one of its commands after it; `florin --help` "
                                         "lists them"
                                       : "there is no command `%s`; `florin --help` lists them",
                           argv[0]);
    return cli_tell_usage(cli, &error);
}

/* The exit code, which is CLI_OUTPUT if what was done could not be told. */
static int end_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    (void)fprintf(stderr, "florin: the output could not be written whole; the command was carried "
                          "out, and may be repeated with the same ids\n");
    return code == CLI_DONE ? CLI_OUTPUT : code;
}

int main(int argc, char **argv)
{
    /* Otherwise the first socket would take its number, and the output would go there. */
    if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {
        (void)fprintf(stderr, "florin: standard output is closed; nothing was done\n");
        return CLI_OUTPUT;
    }
    cli_t cli = {0};
    main_t self = {.cli = &cli};
    struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    struct argp argp = {
        .parser = parse_main, .args_doc = "COMMAND [ARG...]", .doc = help, .children = children};
    argp_program_version = "florin " FLORIN_VERSION;
    argp_err_exit_status = CLI_USAGE;
    char name[] = "florin";
    argv[0] = name;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &self) != 0 || self.first == 0)
        return CLI_USAGE;
    int code = run(&cli, argc - self.first, argv + self.first);
    florin_client_destroy(&cli.client);
    florin_client_options_clear(&cli.options);
    return end_output(code);
}
