#include "client/cli/range.h"

#include "client/cli/values.h"

#define PAGE_ROWS 1000

enum { OPTION_FROM = 256, OPTION_UNTIL, OPTION_NEWEST };

static const struct argp_option options[] = {
    {"limit", 'n', "NUMBER", 0, "Show at most so many", 50},
    {"from", OPTION_FROM, "TIME", 0, "Begin here, inclusive", 50},
    {"until", OPTION_UNTIL, "TIME", 0, "End here, exclusive", 50},
    {"newest-first", OPTION_NEWEST, 0, 0, "From the end back to the beginning", 50},
    {0}};

static error_t parse(int key, char *value, struct argp_state *state)
{
    range_t *self = state->input;
    switch (key) {
    case 'n':
        self->limit_text = value;
        return 0;
    case OPTION_FROM:
        self->from_text = value;
        return 0;
    case OPTION_UNTIL:
        self->until_text = value;
        return 0;
    case OPTION_NEWEST:
        self->newest_first = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp range_argp = {.options = options, .parser = parse};

int range_read(range_t *self, florin_error_t *error)
{
    int rc = 0;
    self->left = UINT64_MAX;
    if (self->limit_text)
        rc = value_number(self->limit_text, "--limit", 1, UINT64_MAX, &self->left, error);
    if (rc == 0 && self->from_text)
        rc = value_time_parse(self->from_text, "--from", &self->from, error);
    if (rc == 0 && self->until_text)
        rc = value_time_parse(self->until_text, "--until", &self->until, error);
    return rc;
}

uint32_t range_page(const range_t *self)
{
    return self->left < PAGE_ROWS ? (uint32_t)self->left : PAGE_ROWS;
}

void range_tell_more(const cli_t *cli, const char *option, const char *value, const char *cursor)
{
    (void)fflush(stdout); /* what is shown comes first */
    (void)fprintf(stderr, "florin: more follow: %s %s\n", option, value);
    if (cli->json)
        cli_print_json(json_pack("{s:s}", "next_cursor", cursor));
}
