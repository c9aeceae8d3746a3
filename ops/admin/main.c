/* florin-admin: schema, shards, rules, and transactions in doubt. */
#include <argp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "lib/log.h"
#include "ops/admin/admin.h"

enum {
    OPTION_MAX = 256,
    OPTION_REVIEW_ABOVE,
    OPTION_WINDOW,
    OPTION_COUNT,
    OPTION_SUM,
    OPTION_OLDER_THAN,
    OPTION_TIMEOUT,
    OPTION_SHOW,
    OPTION_WAIT,
    OPTION_OLD_IS_GONE,
    OPTION_SEAL_KEY,
    OPTION_METRICS,
    OPTION_SINCE
};

static const struct argp_option options[] = {
    {"control", 'c', "CONNINFO", 0, "libpq connection string of the control database", 1},
    {"config", 'f', "FILE", 0,
     "a configuration file whose store/control and store/seal_key say it instead", 1},
    {"seal-key", OPTION_SEAL_KEY, "FILE", 0, "verify, seal: the key that the books are sealed with",
     4},
    {"sql", 's', "FOLDER", 0, "migrate: the folder that holds control/ and shard/", 2},
    {"wait", OPTION_WAIT, "SECONDS", 0,
     "migrate, shards: give way for so long to whoever keeps a table locked [60]", 2},
    {"old-is-gone", OPTION_OLD_IS_GONE, 0, 0,
     "shards move: nobody will ever reach the shard's database again", 2},
    {"max", OPTION_MAX, "AMOUNT", 0, "risk set: decline a transfer above it", 3},
    {"review-above", OPTION_REVIEW_ABOVE, "AMOUNT", 0, "risk set: review a transfer above it", 3},
    {"window", OPTION_WINDOW, "SECONDS", 0, "risk set: length of the rolling window", 3},
    {"count", OPTION_COUNT, "N", 0, "risk set: debits of an account in a window", 3},
    {"sum", OPTION_SUM, "AMOUNT", 0, "risk set: what an account may debit in a window", 3},
    {"older-than", OPTION_OLDER_THAN, "SECONDS", 0,
     "verify: what is in doubt for less may pass by itself [5]", 4},
    {"show", OPTION_SHOW, "N", 0, "verify: name up to N findings of each check [20]", 4},
    {"timeout", OPTION_TIMEOUT, "SECONDS", 0, "verify: give up after that time [3600]", 4},
    {"json", 'j', 0, 0, "verify: print one JSON object", 4},
    {"since", OPTION_SINCE, "TIME", 0,
     "verify: only what was booked since then, as 2026-11-28T17:00:00Z", 4},
    {"metrics", OPTION_METRICS, "FILE", 0,
     "verify: write the result there, as node_exporter's textfile collector reads it", 4},
    {0}};

static const char usage_words[] = "migrate --sql FOLDER\n"
                                  "migrate-shard --sql FOLDER CONNINFO\n"
                                  "shards set CONNINFO...\n"
                                  "shards show\n"
                                  "shards retire SHARD\n"
                                  "shards move SHARD CONNINFO\n"
                                  "risk set CURRENCY LIMIT...\n"
                                  "risk unset CURRENCY\n"
                                  "risk block|allow|free ACCOUNT\n"
                                  "risk show\n"
                                  "resolve\n"
                                  "clocks\n"
                                  "mend-times\n"
                                  "seal account|transfer ID...\n"
                                  "seal-key FILE\n"
                                  "verify";

static const char help[] =
    "Keeps Florin's databases."
    "\v"
    "  migrate        bring the control database and each shard it names to the\n"
    "                 newest schema, and write into each shard which one it is\n"
    "  migrate-shard  bring one shard, not named yet, to the newest schema\n"
    "  shards set     name the shards, once: the first is shard 0\n"
    "  shards show    show them, with the slots they hold\n"
    "  shards retire  end the writing in a shard's database, before it is copied\n"
    "                 or its standby promoted\n"
    "  shards move    give a shard that copy, or its own database by another\n"
    "                 connection string\n"
    "  risk set       give a currency its limits; those left out are taken away\n"
    "  risk unset     take them all away\n"
    "  risk block     refuse all transfers from and to an account\n"
    "  risk allow     exempt an account's debits from its currency's limits\n"
    "  risk free      neither\n"
    "  risk show      show all limits and accounts\n"
    "  resolve        end prepared transactions that a dead worker left, as\n"
    "                 workers do by themselves\n"
    "  clocks         show how far the servers' clocks and this machine's are from\n"
    "                 what most of them say\n"
    "  mend-times     move times of the books that are ahead of agreed time back,\n"
    "                 in their order, while all workers are stopped\n"
    "  seal           seal rows again that somebody has mended by hand\n"
    "  seal-key       make a key for store/seal_key, in a new file\n"
    "  verify         check that the books are whole, while the cluster runs or\n"
    "                 with its databases alone; changes nothing\n"
    "\n"
    "Amounts are in decimals: --max 1000.00. migrate is safe to run at any time.\n"
    "Every command but migrate-shard and seal-key needs --control or --config.\n"
    "Exit code: 0 done, 1 refused or failed, 2 usage; of verify: 0 the books are\n"
    "whole, 1 they are not, 2 they could not be checked.";

typedef struct {
    const char *first, *second; /* second is NULL for a command of one word */
    size_t words_min, words_max;
    bool control; /* needs the control database */
    int (*run)(const admin_arguments_t *arguments);
} command_t;

#define WORDS_MAX (FLORIN_SHARDS_MAX + 2)

static const command_t commands[] = {
    {"migrate", NULL, 0, 0, true, admin_migrate},
    {"migrate-shard", NULL, 1, 1, false, admin_migrate_shard},
    {"shards", "set", 1, FLORIN_SHARDS_MAX, true, admin_shards_set},
    {"shards", "show", 0, 0, true, admin_shards_show},
    {"shards", "retire", 1, 1, true, admin_shards_retire},
    {"shards", "move", 2, 2, true, admin_shards_move},
    {"risk", "set", 1, 1, true, admin_risk_set},
    {"risk", "unset", 1, 1, true, admin_risk_unset},
    {"risk", "block", 1, 1, true, admin_risk_block},
    {"risk", "allow", 1, 1, true, admin_risk_allow},
    {"risk", "free", 1, 1, true, admin_risk_free},
    {"risk", "show", 0, 0, true, admin_risk_show},
    {"resolve", NULL, 0, 0, true, admin_resolve},
    {"clocks", NULL, 0, 0, true, admin_clocks},
    {"mend-times", NULL, 0, 0, true, admin_mend_times},
    {"seal", NULL, 2, WORDS_MAX - 1, true, admin_seal},
    {"seal-key", NULL, 1, 1, false, admin_seal_key},
    {"verify", NULL, 0, 0, true, admin_verify},
};

typedef struct {
    admin_arguments_t arguments;
    const char *config;
    char *words[WORDS_MAX];
    size_t words_count;
    char seal_key[PATH_MAX]; /* from the configuration */
} line_t;

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    line_t *line = state->input;
    admin_arguments_t *arguments = &line->arguments;
    switch (key) {
    case 'c':
        arguments->control = value;
        return 0;
    case 'f':
        line->config = value;
        return 0;
    case 's':
        arguments->sql = value;
        return 0;
    case OPTION_MAX:
        arguments->max = value;
        return 0;
    case OPTION_REVIEW_ABOVE:
        arguments->review_above = value;
        return 0;
    case OPTION_WINDOW:
        arguments->window = value;
        return 0;
    case OPTION_COUNT:
        arguments->count = value;
        return 0;
    case OPTION_SUM:
        arguments->sum = value;
        return 0;
    case OPTION_OLDER_THAN:
        arguments->older_than = value;
        return 0;
    case OPTION_TIMEOUT:
        arguments->timeout = value;
        return 0;
    case OPTION_SHOW:
        arguments->show = value;
        return 0;
    case OPTION_OLD_IS_GONE:
        arguments->old_is_gone = true;
        return 0;
    case OPTION_WAIT:
        arguments->wait = value;
        return 0;
    case OPTION_SINCE:
        arguments->since = value;
        return 0;
    case OPTION_METRICS:
        arguments->metrics = value;
        return 0;
    case OPTION_SEAL_KEY:
        arguments->seal_key = value;
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (line->words_count == WORDS_MAX)
            argp_error(state, "too many words");
        line->words[line->words_count++] = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a command is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const command_t *find_command(line_t *line)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const command_t *command = &commands[i];
        size_t own = command->second ? 2 : 1;
        if (line->words_count < own || strcmp(line->words[0], command->first) != 0 ||
            (command->second && strcmp(line->words[1], command->second) != 0))
            continue;
        line->arguments.words = line->words + own;
        line->arguments.words_count = line->words_count - own;
        return command;
    }
    return NULL;
}

static int usage_error(const char *what)
{
    fprintf(stderr, "florin-admin: %s; florin-admin --help tells more\n", what);
    return ADMIN_USAGE;
}

static int run(line_t *line)
{
    const command_t *command = find_command(line);
    florin_config_t *config = NULL;
    florin_error_t error = {0};
    if (!command)
        return usage_error("there is no such command");
    if (line->arguments.words_count < command->words_min)
        return usage_error("the command needs another word");
    if (line->arguments.words_count > command->words_max)
        return usage_error("there are more words than the command takes");
    if (line->config &&
        (florin_config_load(line->config, &config, &error) != 0 ||
         florin_config_path(config, "store/seal_key", line->seal_key, &error) != 0)) {
        florin_config_destroy(&config);
        return usage_error(error.message);
    }
    if (config && !line->arguments.control)
        line->arguments.control = florin_config_text(config, "store/control", NULL);
    if (config && !line->arguments.seal_key)
        line->arguments.seal_key = line->seal_key;
    int code = command->control && !line->arguments.control
                   ? usage_error("--control, or --config with store/control, is missing")
                   : command->run(&line->arguments);
    florin_config_destroy(&config);
    return code;
}

int main(int argc, char **argv)
{
    static const struct argp parser = {options, parse_option, usage_words, help, NULL, NULL, NULL};
    line_t line = {0};
    /* Assigned, not defined: a hidden symbol of that name is not the one that glibc reads. */
    argp_program_version = "florin-admin " FLORIN_VERSION;
    argp_err_exit_status = ADMIN_USAGE;
    florin_log_open("florin-admin", "", FLORIN_LOG_WARN);
    if (argp_parse(&parser, argc, argv, 0, NULL, &line) != 0)
        return ADMIN_USAGE;
    return run(&line);
}
