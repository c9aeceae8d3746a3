#include "client/cli/words.h"

static error_t parse(int key, char *value, struct argp_state *state)
{
    words_t *self = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num < self->most)
            self->at[state->arg_num] = value;
        else
            argp_error(state, "too many words: give %s", self->needed);
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < self->least)
            argp_error(state, "too few words: give %s", self->needed);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp words_argp = {.parser = parse};
