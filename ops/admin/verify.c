/* florin-admin verify: the report. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/id.h"
#include "ops/admin/admin.h"
#include "ops/admin/verify_metrics.h"
#include "store/admin/seal_again.h"
#include "store/seal.h"
#include "store/verify/verify.h"

#define SHOW_MAX      100000
#define TIMEOUT_MAX_S (7 * 24 * 3600)

typedef struct {
    uint32_t older_than_s, timeout_s, show;
    uint64_t since; /* timestamp; 0: all */
    const char *since_text;
    bool json, terminal;            /* stderr is one: progress goes there */
    florin_verify_finding_t *shown; /* of the check that runs: the first `show` */
    size_t shown_count;
    json_t *checks; /* with json */
} report_t;

static void began(void *arg, const florin_verify_check_t *check)
{
    report_t *self = arg;
    self->shown_count = 0;
    if (self->terminal)
        fprintf(stderr, "%s ...", check->name);
}

static void found(void *arg, const florin_verify_finding_t *finding)
{
    report_t *self = arg;
    if (self->shown_count < self->show)
        self->shown[self->shown_count++] = *finding;
}

/* A check's verdict: "ok", or what is wrong with it. */
static const char *verdict(const florin_verify_check_t *check, char *text, size_t bytes)
{
    if (!check->done)
        return "not done";
    int length = check->findings ? snprintf(text, bytes, "%" PRIu64 " WRONG", check->findings)
                                 : snprintf(text, bytes, "ok");
    if (check->notes && length > 0 && (size_t)length < bytes)
        snprintf(text + length, bytes - (size_t)length, ", %" PRIu64 " noted", check->notes);
    return text;
}

static void print_line(FILE *stream, const florin_verify_check_t *check)
{
    char text[64];
    fprintf(stream, "%-10s %12" PRIu64 " %-26s %7.1f s  %-10s  %s\n", check->name, check->checked,
            check->counted, (double)check->took_ms / 1000, verdict(check, text, sizeof text),
            check->claim);
}

static void print_check(const report_t *self, const florin_verify_check_t *check)
{
    print_line(stdout, check);
    for (size_t i = 0; i < self->shown_count; i++) {
        const florin_verify_finding_t *finding = &self->shown[i];
        printf("    %s%s", finding->note ? "note: " : "", finding->subject);
        if (finding->shard >= 0)
            printf(" on shard %d", finding->shard);
        printf(": %s\n", finding->message);
    }
    if (check->findings + check->notes > self->shown_count)
        printf("    and %" PRIu64 " more; --show N names them\n",
               check->findings + check->notes - self->shown_count);
}

static json_t *check_as_json(const report_t *self, const florin_verify_check_t *check)
{
    json_t *shown = json_array();
    for (size_t i = 0; i < self->shown_count; i++) {
        const florin_verify_finding_t *finding = &self->shown[i];
        json_array_append_new(
            shown, json_pack("{s:s, s:o, s:s, s:b}", "subject", finding->subject, "shard",
                             finding->shard < 0 ? json_null() : json_integer(finding->shard),
                             "message", finding->message, "note", finding->note));
    }
    return json_pack("{s:s, s:s, s:b, s:I, s:s, s:I, s:I, s:f, s:o}", "name", check->name, "claim",
                     check->claim, "done", check->done, "checked", (json_int_t)check->checked,
                     "counted", check->counted, "findings", (json_int_t)check->findings, "notes",
                     (json_int_t)check->notes, "seconds", (double)check->took_ms / 1000, "shown",
                     shown);
}

static void ended(void *arg, const florin_verify_check_t *check)
{
    report_t *self = arg;
    if (self->terminal)
        fprintf(stderr, "\r\033[K");
    if (self->terminal && !isatty(STDOUT_FILENO))
        print_line(stderr, check);
    if (self->json)
        json_array_append_new(self->checks, check_as_json(self, check));
    else
        print_check(self, check);
}

/* The last words, and the exit code. */
static int conclude(report_t *self, const florin_verify_check_t *checks, size_t count, int result,
                    const florin_error_t *error)
{
    uint64_t findings = 0;
    for (size_t i = 0; i < count; i++)
        findings += checks[i].findings;
    if (result != 0)
        fprintf(stderr, "florin-admin: the books could not be checked whole: %s%s\n",
                error->message,
                result == FLORIN_ERROR_CONFLICT
                    ? "; florin-admin resolve ends what is prepared, as running workers do"
                    : "");
    const char *verdict = findings ? "broken" : result != 0 ? "not checked" : "whole";
    if (self->json) {
        json_t *object = json_pack("{s:s, s:I, s:O}", "books", verdict, "findings",
                                   (json_int_t)findings, "checks", self->checks);
        if (result != 0)
            json_object_set_new(object, "error", json_string(error->message));
        (void)json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(object);
    } else if (findings)
        printf("The books are BROKEN: %" PRIu64 " finding%s.\n", findings,
               findings == 1 ? "" : "s");
    else
        printf("The books are %s%s%s.\n", verdict, self->since ? " since " : "",
               self->since ? self->since_text : "");
    return findings ? ADMIN_FAILED : result != 0 ? ADMIN_NOT_VERIFIED : ADMIN_DONE;
}

/* A moment: seconds since 1970, or "2026-11-28T17:00:00Z". */
static int parse_since(const char *text, uint64_t *since, florin_error_t *error)
{
    struct tm moment = {0};
    uint32_t seconds = 0;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &moment);
    if (end && !*end && timegm(&moment) > 0)
        seconds = (uint32_t)timegm(&moment);
    else if (admin_number(text, "--since", 1, &seconds, NULL) != 0)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "--since: %s is no time such as 2026-11-28T17:00:00Z, and no "
                                "number of seconds since 1970",
                                text);
    *since = seconds * UINT64_C(1000000000);
    return 0;
}

static int parse(const admin_arguments_t *arguments, report_t *self, florin_error_t *error)
{
    int result = admin_number(arguments->older_than, "--older-than", 0, &self->older_than_s, error);
    if (result == 0)
        result = admin_number(arguments->timeout, "--timeout", 1, &self->timeout_s, error);
    if (result == 0)
        result = admin_number(arguments->show, "--show", 0, &self->show, error);
    if (result == 0 && arguments->since)
        result = parse_since(arguments->since, &self->since, error);
    if (result == 0 && (self->timeout_s > TIMEOUT_MAX_S || self->show > SHOW_MAX))
        result =
            florin_error_set(error, FLORIN_ERROR_INVALID, "--timeout is at most %d, and --show %d",
                             TIMEOUT_MAX_S, SHOW_MAX);
    return result;
}

static int verify(const admin_arguments_t *arguments, report_t *self)
{
    const florin_store_options_t options = {
        .control = arguments->control,
        .connect_timeout_ms = 10000,
        .statement_timeout_ms = self->timeout_s * 1000,
        /* one shard may wait for another as long as all of it */
        .in_doubt_after_ms = self->timeout_s * 1000,
        .seal_key = arguments->seal_key};
    const florin_verify_options_t how = {.in_doubt_after_s = self->older_than_s,
                                         .since = self->since,
                                         .began = began,
                                         .found = found,
                                         .ended = ended,
                                         .arg = self};
    florin_verify_check_t checks[FLORIN_VERIFY_CHECKS_MAX];
    florin_store_t *store = NULL;
    florin_error_t error = {0};
    size_t count = 0;
    int result = florin_store_new(&options, &store, &error);
    if (result == 0)
        result = florin_store_verify(store, &how, checks, &count, &error);
    florin_store_destroy(&store);
    int code = conclude(self, checks, count, result, &error);
    if (!arguments->metrics || verify_metrics_write(arguments->metrics, checks, count, &error) == 0)
        return code;
    fprintf(stderr, "florin-admin: %s\n", error.message);
    return code == ADMIN_DONE ? ADMIN_NOT_VERIFIED : code;
}

int admin_verify(const admin_arguments_t *arguments)
{
    report_t self = {.older_than_s = 5,
                     .timeout_s = 3600,
                     .show = 20,
                     .since_text = arguments->since,
                     .json = arguments->json,
                     .terminal = isatty(STDERR_FILENO)};
    florin_error_t error = {0};
    if (parse(arguments, &self, &error) != 0)
        return admin_fail(&error);
    self.shown = calloc(self.show + 1, sizeof *self.shown);
    self.checks = json_array();
    int code = ADMIN_NOT_VERIFIED;
    if (self.shown && self.checks)
        code = verify(arguments, &self);
    else
        fprintf(stderr, "florin-admin: no memory for the report\n");
    json_decref(self.checks);
    free(self.shown);
    return code;
}

int admin_seal(const admin_arguments_t *arguments)
{
    florin_store_t *store = NULL;
    florin_error_t error = {0};
    bool account = strcmp(arguments->words[0], "account") == 0;
    int result = 0;
    if (!account && strcmp(arguments->words[0], "transfer") != 0)
        result =
            florin_error_set(&error, FLORIN_ERROR_INVALID,
                             "%s: seal takes account or transfer, and ids", arguments->words[0]);
    if (result == 0)
        result = admin_store(arguments, NULL, &store, &error);
    for (size_t i = 1; i < arguments->words_count && result == 0; i++) {
        florin_id_t id;
        size_t count = 0;
        result = florin_id_parse(arguments->words[i], "id", &id, &error);
        if (result == 0)
            result = florin_store_seal_again(store, account, id, &count, &error);
        if (result == 0)
            printf("%s %s: %zu rows sealed again\n", arguments->words[0], arguments->words[i],
                   count);
    }
    florin_store_destroy(&store);
    return result == 0 ? ADMIN_DONE : admin_fail(&error);
}

int admin_seal_key(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    if (florin_seal_key_generate(arguments->words[0], &error) != 0)
        return admin_fail(&error);
    printf("%s: keep a copy where no database is; it can't be made again\n", arguments->words[0]);
    return ADMIN_DONE;
}
