/* florin import, florin account import: a file, batch by batch, in constant memory.
 *
 * A file that can be read twice is checked whole before any of it is sent; of one that can't, such
 * as a pipe, each batch is. A batch is read while the one before is under way, and no chain is cut
 * between two of them. Ids make every repeat harmless: a file that stopped half-way is simply
 * imported again. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/ids.h"
#include "client/cli/progress.h"
#include "client/cli/refusal.h"
#include "client/cli/row.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "lib/clock.h"

#define IN_FLIGHT_MAX 16
/* Of bad rows, and of refused rows, this many are told one by one. */
#define BAD_ROWS_TOLD_MAX     10
#define REFUSED_ROWS_TOLD_MAX 20
/* How often the progress is looked at while replies are awaited. */
#define STEP_MS 100

enum { OPTION_CHECK = 256, OPTION_DRY_RUN };

/* The first is for transfers only. */
static const struct argp_option options[] = {
    {"dry-run", OPTION_DRY_RUN, 0, 0,
     "Ask what would happen, and change nothing. Each request is tried by itself against the books "
     "as they are now",
     0},
    {"batch", 'b', "ROWS", 0, "Rows of one request, 1 to 8190 (otherwise 8190)", 0},
    {"in-flight", 'f', "NUMBER", 0,
     "Requests under way at once, 1 to 16 (otherwise 1). With more than one, rows of different "
     "requests may be carried out in another order than the file's, but for imported ones",
     0},
    {"check", OPTION_CHECK, 0, 0, "Only read and check the file; send nothing", 0},
    {0}};

typedef struct import import_t;

typedef struct {
    import_t *import;
    bool under_way;
    size_t count; /* of its rows */
    size_t begun; /* rows behind them, read already: the next batch begins with those */
    row_t *store; /* FLORIN_EVENTS_MAX */
    row_t **rows; /* the rows in order; batches hand them to each other */
    union {       /* of the rows, when sent */
        Florin__V1__Transfer **transfers;
        Florin__V1__Account **accounts;
    };
} batch_t;

/* What differs between the two commands. */
typedef struct {
    const char *noun, *service;
    const row_kind_t *kind;
    const struct argp_option *options;
    Florin__V1__Request__OperationCase operation;
    Florin__V1__Reply__ResultCase result;
} subject_t;

struct import {
    cli_t *cli;
    const subject_t *subject;
    const char *path, *batch_text, *in_flight_text;
    bool check, dry_run;
    uint64_t batch_rows, in_flight;

    csv_t csv;
    csv_record_t record;
    row_header_t header;
    size_t chain_line, chain_rows;      /* of the chain being read: its first line, rows so far */
    batch_t batches[IN_FLIGHT_MAX + 1]; /* one more than are under way: it is being read */
    batch_t *before;                    /* the batch read last, or NULL */
    size_t under_way;
    bool sending;       /* or still checking */
    bool sent_imported; /* the last batch has imported rows */
    bool chain_exists;  /* that of the row whose reply is being taken */
    progress_t progress;
    uint64_t requests;
    uint64_t rows, created, existed, refused; /* rows: read, or with a reply */
    uint64_t held;                            /* for review, of those created and existed */
    size_t bad_rows;
    int code; /* the exit code so far; other than CLI_DONE stops reading */
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    import_t *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        return 0;
    case 'b':
        self->batch_text = value;
        return 0;
    case 'f':
        self->in_flight_text = value;
        return 0;
    case OPTION_CHECK:
        self->check = true;
        return 0;
    case OPTION_DRY_RUN:
        self->dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        if (self->path)
            argp_error(state, "one FILE at a time");
        self->path = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a FILE is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---------------------------------------------------------------------------------------- replies
 */

/* Whether what the row asks for is there. A chain that was there before says so with its first row
 * alone, which breaks it for the others; a row that exists further on broke a chain that is not. */
static bool is_done(import_t *self, const char *name, bool begins, bool *existed)
{
    bool exists = strcmp(name, "exists") == 0;
    if (begins)
        self->chain_exists = exists;
    *existed = begins ? exists : self->chain_exists && strcmp(name, "linked_event_failed") == 0;
    return *existed || strcmp(name, "created") == 0;
}

static bool of_transfers(const import_t *self)
{
    return self->subject->kind == &row_transfers;
}

static void print_refused(const import_t *self, const row_t *row, const Florin__V1__Reply *reply,
                          size_t i)
{
    json_t *object =
        of_transfers(self)
            ? refusal_transfer_json(&row->transfer.id, reply->create_transfers->results[i])
            : refusal_account_json(&row->account.id, reply->open_accounts->results[i]);
    (void)json_object_set_new(object, "line", json_integer((json_int_t)row->line));
    cli_print_json(object);
}

static void tell_refused(import_t *self, const row_t *row, const Florin__V1__Reply *reply, size_t i,
                         const char *name)
{
    const ProtobufCBinaryData *id = of_transfers(self) ? &row->transfer.id : &row->account.id;
    char text[FLORIN_ID_TEXT_BYTES], advice[FLORIN_ERROR_MESSAGE_BYTES];
    if (strcmp(name, "exists") == 0)
        (void)snprintf(advice, sizeof advice, "it is there already, which breaks its chain");
    else if (of_transfers(self))
        refusal_explain_transfer(reply->create_transfers->results[i], advice, sizeof advice);
    else
        refusal_explain_account(reply->open_accounts->results[i], advice, sizeof advice);
    progress_clear(&self->progress);
    (void)fprintf(stderr, "florin: %s:%zu: %s %s: ", self->path, row->line, self->subject->noun,
                  florin_id_format(ids_of(id), text));
    if (self->dry_run) /* its id is not spent, whatever the advice says */
        (void)fprintf(stderr, "would be refused: %s\n", name);
    else
        (void)fprintf(stderr, "%s: %s\n", name, advice);
}

static void take_row(import_t *self, const row_t *row, bool begins, const Florin__V1__Reply *reply,
                     size_t i)
{
    char name[WIRE_NAME_BYTES];
    if (of_transfers(self))
        (void)wire_enum_name(&florin__v1__create_transfer_result__descriptor,
                             (int)reply->create_transfers->results[i]->result, name);
    else
        (void)wire_enum_name(&florin__v1__open_account_result__descriptor,
                             (int)reply->open_accounts->results[i]->result, name);
    self->rows++;
    bool existed;
    if (is_done(self, name, begins, &existed)) {
        self->existed += existed;
        self->created += !existed;
        self->held += of_transfers(self) && reply->create_transfers->results[i]->held_for_review;
        return;
    }
    if (self->cli->json)
        print_refused(self, row, reply, i);
    else if (self->refused < REFUSED_ROWS_TOLD_MAX)
        tell_refused(self, row, reply, i, name);
    self->refused++;
}

static size_t results_count(const import_t *self, const Florin__V1__Reply *reply)
{
    if (reply->result_case != self->subject->result)
        return 0;
    return of_transfers(self) ? reply->create_transfers->n_results
                              : reply->open_accounts->n_results;
}

static void on_reply(void *arg, const Florin__V1__Reply *reply, const florin_error_t *error)
{
    batch_t *batch = arg;
    import_t *self = batch->import;
    batch->under_way = false;
    self->under_way--;
    char what[256];
    (void)snprintf(what, sizeof what, "%s, lines %zu to %zu", self->path, batch->rows[0]->line,
                   batch->rows[batch->count - 1]->line);
    if (!reply || reply->status != FLORIN__V1__STATUS__STATUS_OK) {
        progress_clear(&self->progress);
        self->code = cli_judge(self->cli, what, reply, error);
        return;
    }
    if (results_count(self, reply) != batch->count) {
        self->code = cli_tell_nonsense(self->cli, what);
        return;
    }
    bool begins = true;
    for (size_t i = 0; i < batch->count; i++) {
        const row_t *row = batch->rows[i];
        take_row(self, row, begins, reply, i);
        begins = !row_is_linked(self->subject->kind, row);
    }
}

/* Waits until no more than `most` batches are under way. */
static void wait_for_replies(import_t *self, size_t most)
{
    while (self->under_way > most) { /* ends: each has a deadline */
        (void)florin_client_process(self->cli->client, STEP_MS);
        progress_show(&self->progress, self->rows, self->csv.bytes);
    }
}

/* Imported rows that were overtaken by later ones could never be imported any more: a request of
 * them is under way by itself. */
static void send_batch(import_t *self, batch_t *batch)
{
    bool imported = row_is_imported(self->subject->kind, batch->rows[0]);
    wait_for_replies(self, imported || self->sent_imported ? 0 : self->in_flight - 1);
    self->sent_imported = imported;
    if (self->code != CLI_DONE) /* what is not sent after a failure can be imported again */
        return;
    Florin__V1__CreateTransfersRequest create = FLORIN__V1__CREATE_TRANSFERS_REQUEST__INIT;
    Florin__V1__OpenAccountsRequest open = FLORIN__V1__OPEN_ACCOUNTS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = self->subject->operation;
    for (size_t i = 0; i < batch->count; i++)
        if (of_transfers(self))
            batch->transfers[i] = &batch->rows[i]->transfer;
        else
            batch->accounts[i] = &batch->rows[i]->account;
    if (of_transfers(self)) {
        create.dry_run = self->dry_run;
        create.n_transfers = batch->count;
        create.transfers = batch->transfers;
        request.create_transfers = &create;
    } else {
        open.n_accounts = batch->count;
        open.accounts = batch->accounts;
        request.open_accounts = &open;
    }
    florin_error_t error;
    batch->under_way = true;
    self->under_way++;
    self->requests++;
    if (florin_client_submit(self->cli->client, self->subject->service, &request, on_reply, batch,
                             &error) != 0)
        on_reply(batch, NULL, &error);
}

/* ---------------------------------------------------------------------------------------- reading
 */

static void tell_bad_row(import_t *self, const florin_error_t *error)
{
    progress_clear(&self->progress);
    char what[256];
    /* The message begins with the line. */
    size_t digits = strspn(error->message, "0123456789");
    const char *rest = error->message + digits;
    (void)snprintf(what, sizeof what, "%s:%.*s", self->path, (int)digits, error->message);
    cli_tell(self->cli, what, "invalid", "%s", rest + strspn(rest, ": "));
    self->code = CLI_USAGE;
    self->bad_rows++;
}

/* Starts at the file's beginning; false when it has no header that can be used. */
static bool read_header(import_t *self, FILE *file)
{
    florin_error_t error;
    csv_start(&self->csv, file);
    progress_start(&self->progress, file);
    int rc = csv_read(&self->csv, &self->record, &error);
    if (rc == 0)
        rc = florin_error_set(&error, FLORIN_ERROR_INVALID,
                              "1: the file is empty: its first row "
                              "names the columns");
    else if (rc > 0)
        rc = row_read_header(self->subject->kind, &self->record, &self->header, &error);
    if (rc != 0)
        tell_bad_row(self, &error);
    return rc == 0;
}

/* Fails for the row with which a chain becomes longer than any request. */
static int follow_chain(import_t *self, const row_t *row, florin_error_t *error)
{
    bool linked = row_is_linked(self->subject->kind, row);
    if (self->chain_rows++ == 0)
        self->chain_line = row->line;
    bool too_long = linked && self->chain_rows == FLORIN_EVENTS_MAX;
    if (!linked)
        self->chain_rows = 0;
    return too_long ? florin_error_set(error, FLORIN_ERROR_INVALID,
                                       "%zu: the chain that begins here has more than %d rows, the "
                                       "most that one request carries",
                                       self->chain_line, FLORIN_EVENTS_MAX)
                    : 0;
}

/* Where bad rows were left out, a chain may only seem to be open. */
static void check_no_chain_is_open(import_t *self)
{
    florin_error_t error;
    if (self->chain_rows == 0 || self->bad_rows > 0)
        return;
    (void)florin_error_set(&error, FLORIN_ERROR_INVALID,
                           "%zu: the chain that begins here is still open where the file ends: a "
                           "chain's last row is the first without the flag linked",
                           self->chain_line);
    tell_bad_row(self, &error);
}

/* Reads the next good row; false when the file has ended or reading makes no more sense. Some bad
 * rows are told, so that they can be mended in one go. */
static bool next_row(import_t *self, row_t *row)
{
    florin_error_t error;
    while (self->bad_rows < BAD_ROWS_TOLD_MAX) {
        int rc = csv_read(&self->csv, &self->record, &error);
        if (rc == 0) {
            check_no_chain_is_open(self);
            return false;
        }
        if (rc < 0) { /* where the next row begins is not known any more */
            tell_bad_row(self, &error);
            return false;
        }
        rc = row_read(self->subject->kind, &self->header, &self->record, row, &error);
        if (rc == 0)
            rc = follow_chain(self, row, &error);
        if (rc == 0)
            return true;
        tell_bad_row(self, &error);
    }
    return false;
}

/* Takes over the rows that the batch before, which is another, has read too many. */
static size_t take_over(import_t *self, batch_t *batch)
{
    batch_t *before = self->before;
    self->before = batch;
    size_t count = before ? before->begun : 0;
    for (size_t i = 0; i < count; i++) {
        row_t **theirs = &before->rows[before->count + i], *row = *theirs;
        *theirs = batch->rows[i];
        batch->rows[i] = row;
    }
    return count;
}

/* Reads the next rows into a batch, and false when there are no more. It has as many as a request
 * may, but ends with a chain, and where imported rows begin or end: a request has one kind of them.
 * Only a chain that is longer than that fills a batch by itself. */
static bool read_batch(import_t *self, batch_t *batch)
{
    const row_kind_t *kind = self->subject->kind;
    size_t read = take_over(self, batch), taken = 0;
    bool more = true;
    batch->count = 0; /* of whole chains */
    while (taken < FLORIN_EVENTS_MAX && (taken < self->batch_rows || batch->count == 0)) {
        row_t *row = batch->rows[taken];
        more = taken < read || next_row(self, row);
        if (!more)
            break;
        read += taken == read;
        if (taken > 0 && taken == batch->count &&
            row_is_imported(kind, row) != row_is_imported(kind, batch->rows[0]))
            break;
        taken++;
        if (!row_is_linked(kind, row))
            batch->count = taken;
    }
    batch->begun = read - batch->count;
    return more;
}

static batch_t *free_batch(import_t *self)
{
    size_t i = 0;
    while (self->batches[i].under_way) /* ends: there is one more than can be under way */
        i++;
    return &self->batches[i];
}

static void check_rows(import_t *self, FILE *file)
{
    row_t *row = self->batches[0].rows[0];
    if (!read_header(self, file))
        return;
    while (next_row(self, row)) {
        self->rows++;
        progress_show(&self->progress, self->rows, self->csv.bytes);
    }
    progress_clear(&self->progress);
}

static void send_rows(import_t *self, FILE *file)
{
    self->sending = true;
    self->rows = 0;
    for (bool more = read_header(self, file); more && self->code == CLI_DONE;) {
        batch_t *batch = free_batch(self);
        more = read_batch(self, batch);
        if (self->code != CLI_DONE || batch->count == 0)
            break;
        send_batch(self, batch);
        progress_show(&self->progress, self->rows, self->csv.bytes);
    }
    wait_for_replies(self, 0);
    progress_clear(&self->progress);
}

static void run(import_t *self, FILE *file)
{
    bool twice = file != stdin && fseek(file, 0, SEEK_SET) == 0; /* a pipe can't */
    if (self->check || twice)
        check_rows(self, file);
    if (self->code != CLI_DONE || self->check)
        return;
    if (twice)
        rewind(file);
    send_rows(self, file);
}

/* ------------------------------------------------------------------------------- beginning, ending
 */

static void print_summary_json(const import_t *self)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "file", json_string(self->path));
    (void)json_object_set_new(object, "rows", wire_uint64(self->rows));
    (void)json_object_set_new(object, "created", wire_uint64(self->created));
    (void)json_object_set_new(object, "existed", wire_uint64(self->existed));
    (void)json_object_set_new(object, "refused", wire_uint64(self->refused));
    if (of_transfers(self))
        (void)json_object_set_new(object, "held_for_review", wire_uint64(self->held));
    if (self->dry_run)
        (void)json_object_set_new(object, "dry_run", json_true());
    cli_print_json(object);
}

static void print_held(const import_t *self)
{
    char held[PROGRESS_NUMBER_BYTES];
    if (self->held == 0)
        return;
    (void)printf(self->dry_run
                     ? "%s: %s of them would be held for review\n"
                     : "%s: %s of them are held for review: nothing moves before they are posted\n",
                 self->path, progress_number(self->held, held));
}

/* Of what was sent. */
static void print_counts(const import_t *self)
{
    char rows[PROGRESS_NUMBER_BYTES], created[PROGRESS_NUMBER_BYTES],
        existed[PROGRESS_NUMBER_BYTES], refused[PROGRESS_NUMBER_BYTES],
        requests[PROGRESS_NUMBER_BYTES];
    (void)progress_number(self->rows, rows);
    (void)progress_number(self->created, created);
    (void)progress_number(self->existed, existed);
    (void)progress_number(self->refused, refused);
    if (!self->dry_run) {
        (void)printf("%s: %s rows: %s created, %s existed, %s refused, in %.1f s\n", self->path,
                     rows, created, existed, refused,
                     (double)(florin_clock_ms() - self->progress.started_ms) / 1000);
        print_held(self);
        return;
    }
    (void)printf("%s: %s rows: %s would be created, %s exist, %s would be refused; nothing was "
                 "changed\n",
                 self->path, rows, created, existed, refused);
    print_held(self);
    if (self->requests > 1)
        (void)printf("%s: these were %s requests, each tried by itself: none saw what another "
                     "would do\n",
                     self->path, progress_number(self->requests, requests));
}

static void print_summary(const import_t *self)
{
    if (self->cli->json) {
        print_summary_json(self);
        return;
    }
    char rows[PROGRESS_NUMBER_BYTES];
    if (self->refused > REFUSED_ROWS_TOLD_MAX)
        (void)fprintf(stderr, "florin: %s: %" PRIu64 " more rows %s refused; --json lists all\n",
                      self->path, self->refused - REFUSED_ROWS_TOLD_MAX,
                      self->dry_run ? "would be" : "were");
    if (self->check) {
        if (self->code == CLI_DONE)
            (void)printf("%s: %s rows, all good; nothing was sent\n", self->path,
                         progress_number(self->rows, rows));
        return;
    }
    if (self->sending)
        print_counts(self);
    const char *mend = self->bad_rows > 0 ? "mend the file and " : "";
    if (self->code != CLI_DONE && !self->sending)
        (void)fprintf(stderr, "florin: %s: nothing was sent; %srun the same command again\n",
                      self->path, mend);
    else if (self->code != CLI_DONE)
        (void)fprintf(stderr, "florin: %s: not all was %s; %srun the same command again%s\n",
                      self->path, self->dry_run ? "tried" : "imported", mend,
                      self->dry_run ? "" : " to go on: what is done counts as existing");
}

static int set_up_batch(import_t *self, batch_t *batch, florin_error_t *error)
{
    batch->import = self;
    batch->store = calloc(FLORIN_EVENTS_MAX, sizeof *batch->store);
    batch->rows = calloc(FLORIN_EVENTS_MAX, sizeof *batch->rows);
    batch->transfers = calloc(FLORIN_EVENTS_MAX, sizeof *batch->transfers);
    if (!batch->store || !batch->rows || !batch->transfers)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a batch");
    for (size_t i = 0; i < FLORIN_EVENTS_MAX; i++)
        batch->rows[i] = &batch->store[i];
    return 0;
}

static int set_up(import_t *self, florin_error_t *error)
{
    self->batch_rows = FLORIN_EVENTS_MAX;
    self->in_flight = 1;
    int rc = 0;
    if (self->batch_text)
        rc = value_number(self->batch_text, "--batch", 1, FLORIN_EVENTS_MAX, &self->batch_rows,
                          error);
    if (rc == 0 && self->in_flight_text)
        rc = value_number(self->in_flight_text, "--in-flight", 1, IN_FLIGHT_MAX, &self->in_flight,
                          error);
    if (rc == 0 && self->check && self->dry_run)
        rc = florin_error_set(error, FLORIN_ERROR_INVALID,
                              "--check sends nothing and --dry-run asks: give one of them");
    for (size_t i = 0; rc == 0 && i <= self->in_flight; i++)
        rc = set_up_batch(self, &self->batches[i], error);
    return rc;
}

static int import(cli_t *cli, const subject_t *subject, const char *doc, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {.options = subject->options,
                              .parser = parse,
                              .args_doc = "FILE",
                              .doc = doc,
                              .children = children};
    import_t *self = calloc(1, sizeof *self);
    if (!self)
        return CLI_REFUSED;
    self->cli = cli;
    self->subject = subject;
    cli_parse(&argp, argc, argv, self);
    florin_error_t error;
    FILE *file = NULL;
    if (set_up(self, &error) != 0) {
        self->code = cli_tell_usage(cli, &error);
        goto out;
    }
    file = strcmp(self->path, "-") == 0 ? stdin : fopen(self->path, "r");
    if (!file) {
        (void)florin_error_set(&error, FLORIN_ERROR_INVALID, "%s: cannot be opened: %s", self->path,
                               strerror(errno));
        self->code = cli_tell_usage(cli, &error);
        goto out;
    }
    if (!self->check)
        self->code = cli_connect(cli);
    if (self->code == CLI_DONE) {
        run(self, file);
        print_summary(self);
        if (self->code == CLI_DONE && self->refused > 0)
            self->code = CLI_REFUSED;
    }
out:
    if (file && file != stdin)
        (void)fclose(file);
    for (size_t i = 0; i <= IN_FLIGHT_MAX; i++) {
        free(self->batches[i].store);
        free(self->batches[i].rows);
        free(self->batches[i].transfers);
    }
    int code = self->code;
    free(self);
    return code;
}

int transfer_import(cli_t *cli, int argc, char **argv)
{
    static const subject_t subject = {.noun = "transfer",
                                      .service = "transactions",
                                      .kind = &row_transfers,
                                      .options = options,
                                      .operation = FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS,
                                      .result = FLORIN__V1__REPLY__RESULT_CREATE_TRANSFERS};
    return import(
        cli, &subject,
        "Make the transfers of a CSV file (\"-\" reads standard input).\v"
        "The first row names the columns, in any order: id, debit_account_id, "
        "credit_account_id, amount, currency, code, and if need be reference, flags, "
        "pending_id, timeout (seconds), user_data, timestamp (with the flag imported).\n\n"
        "Flags are names with | between: linked, pending, post_pending_transfer, "
        "void_pending_transfer, balancing_debit, balancing_credit, closing_debit, "
        "closing_credit, imported. An amount of max is as much as there is, where a row "
        "posts or balances. A row that posts or voids may leave the accounts, amount, "
        "currency and code empty.\n\n"
        "Importing a file again changes nothing: what is there counts as `existed`.",
        argc, argv);
}

int account_import(cli_t *cli, int argc, char **argv)
{
    static const subject_t subject = {.noun = "account",
                                      .service = "accounts",
                                      .kind = &row_accounts,
                                      .options = options + 1,
                                      .operation = FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS,
                                      .result = FLORIN__V1__REPLY__RESULT_OPEN_ACCOUNTS};
    return import(cli, &subject,
                  "Open the accounts of a CSV file (\"-\" reads standard input).\v"
                  "The first row names the columns, in any order: id, currency, code, and if need "
                  "be flags, credit_limit, user_data, timestamp (with the flag imported).\n\n"
                  "Flags are names with | between: linked, debits_must_not_exceed_credits, "
                  "credits_must_not_exceed_debits, history, imported, closed.\n\n"
                  "Importing a file again changes nothing: what is there counts as `existed`.",
                  argc, argv);
}
