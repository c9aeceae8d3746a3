/* The commands that keep schema and shards. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/admin/admin.h"
#include "store/admin/mend.h"

int admin_fail(const florin_error_t *error)
{
    fprintf(stderr, "florin-admin: %s\n", error->message);
    return error->code == FLORIN_ERROR_INVALID ? ADMIN_USAGE : ADMIN_FAILED;
}

int admin_number(const char *text, const char *what, uint32_t min, uint32_t *number,
                 florin_error_t *error)
{
    if (!text)
        return 0;
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < min || value > INT32_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "%s: %s is not a number from %u", what,
                                text, min);
    *number = (uint32_t)value;
    return 0;
}

int admin_store(const admin_arguments_t *arguments, florin_clocks_t *clocks, florin_store_t **store,
                florin_error_t *error)
{
    const florin_store_options_t options = {.control = arguments->control,
                                            .clocks = clocks,
                                            .connect_timeout_ms = 10000,
                                            .statement_timeout_ms = 10000,
                                            .in_doubt_after_ms = 10000,
                                            .seal_key = arguments->seal_key};
    return florin_store_new(&options, store, error);
}

static int need_sql(const admin_arguments_t *arguments)
{
    if (!arguments->sql)
        fprintf(stderr, "florin-admin: --sql FOLDER is missing\n");
    return arguments->sql ? ADMIN_DONE : ADMIN_USAGE;
}

static int read_wait(const admin_arguments_t *arguments, uint32_t *wait_ms, florin_error_t *error)
{
    uint32_t wait_s = FLORIN_MIGRATE_WAIT_MS / 1000;
    int result = admin_number(arguments->wait, "--wait", 0, &wait_s, error);
    if (result == 0 && wait_s > 3600)
        result = florin_error_set(error, FLORIN_ERROR_INVALID, "--wait: at most 3600");
    *wait_ms = wait_s * 1000;
    return result;
}

/* One database, and a line that says what was done. */
static int migrate(const admin_arguments_t *arguments, const char *name, const char *conninfo,
                   const char *kind, florin_error_t *error)
{
    size_t applied;
    uint32_t wait_ms;
    int result = read_wait(arguments, &wait_ms, error);
    if (result == 0)
        result = florin_admin_migrate(conninfo, arguments->sql, kind, wait_ms, &applied, error);
    if (result != 0)
        return result;
    if (applied > 0)
        printf("%s: %zu migration%s applied\n", name, applied, applied == 1 ? "" : "s");
    else
        printf("%s: up to date\n", name);
    return 0;
}

int admin_migrate(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    florin_shard_t *shards = NULL;
    size_t count = 0, claimed;
    if (need_sql(arguments) != ADMIN_DONE)
        return ADMIN_USAGE;
    int result = migrate(arguments, "control", arguments->control, "control", &error);
    if (result == 0)
        result = florin_admin_shards_list(arguments->control, &shards, &count, &error);
    for (size_t i = 0; i < count && result == 0; i++) {
        char name[32];
        snprintf(name, sizeof name, "shard %zu", i);
        result = migrate(arguments, name, shards[i].conninfo, "shard", &error);
    }
    florin_admin_shards_free(&shards, count);
    if (result == 0)
        result = florin_admin_shards_claim(arguments->control, &claimed, &error);
    if (result == 0 && count == 0)
        printf("no shards are named yet: florin-admin shards set\n");
    return result == 0 ? ADMIN_DONE : admin_fail(&error);
}

int admin_migrate_shard(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    if (need_sql(arguments) != ADMIN_DONE)
        return ADMIN_USAGE;
    return migrate(arguments, "shard", arguments->words[0], "shard", &error) == 0
               ? ADMIN_DONE
               : admin_fail(&error);
}

int admin_shards_set(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    const char *conninfos[FLORIN_SHARDS_MAX];
    for (size_t i = 0; i < arguments->words_count; i++)
        conninfos[i] = arguments->words[i];
    if (florin_admin_shards_set(arguments->control, conninfos, arguments->words_count, &error) != 0)
        return admin_fail(&error);
    return admin_shards_show(arguments);
}

int admin_shards_show(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    florin_shard_t *shards = NULL;
    size_t count = 0;
    if (florin_admin_shards_list(arguments->control, &shards, &count, &error) != 0)
        return admin_fail(&error);
    for (size_t i = 0; i < count; i++)
        printf("shard %zu: %zu slots: %s\n", i, shards[i].slots, shards[i].conninfo);
    if (count == 0)
        printf("no shards are named yet\n");
    florin_admin_shards_free(&shards, count);
    return ADMIN_DONE;
}

/* The shard that the command's first word names, and --wait. */
static int read_shard(const admin_arguments_t *arguments, uint32_t *shard, uint32_t *wait_ms,
                      florin_error_t *error)
{
    int result = admin_number(arguments->words[0], "SHARD", 0, shard, error);
    return result == 0 ? read_wait(arguments, wait_ms, error) : result;
}

int admin_shards_retire(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    uint32_t shard = 0, wait_ms;
    int result = read_shard(arguments, &shard, &wait_ms, &error);
    if (result == 0)
        result = florin_admin_shards_retire(arguments->control, shard, wait_ms, &error);
    if (result != 0)
        return admin_fail(&error);
    printf("shard %u takes no batches any more: copy its database, or promote its standby, then "
           "florin-admin shards move\n",
           shard);
    return ADMIN_DONE;
}

int admin_shards_move(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    uint32_t shard = 0, wait_ms;
    int result = read_shard(arguments, &shard, &wait_ms, &error);
    if (result == 0)
        result = florin_admin_shards_move(arguments->control, shard, arguments->words[1],
                                          arguments->old_is_gone, wait_ms, &error);
    return result == 0 ? admin_shards_show(arguments) : admin_fail(&error);
}

int admin_resolve(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    florin_store_t *store = NULL;
    florin_resolved_t resolved = {0};
    int result = admin_store(arguments, NULL, &store, &error);
    if (result == 0)
        result = florin_store_connect(store, &error);
    if (result == 0)
        result = florin_store_resolve(store, &resolved, &error);
    florin_store_destroy(&store);
    if (result != 0)
        return admin_fail(&error);
    size_t ended = resolved.committed + resolved.rolled_back;
    printf("%zu prepared transaction%s ended\n", ended, ended == 1 ? "" : "s");
    if (resolved.waiting > 0)
        printf("%zu stay%s: nobody can say now how to end them, see above\n", resolved.waiting,
               resolved.waiting == 1 ? "s" : "");
    return ADMIN_DONE;
}

/* Fails when they do not agree, or this machine's is wrong. */
int admin_clocks(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    florin_store_t *store = NULL;
    char text[1024];
    florin_clocks_t *clocks = florin_clocks_new(FLORIN_CLOCK_BOUND_MS_DEFAULT, NULL);
    int result = clocks ? admin_store(arguments, clocks, &store, &error)
                        : florin_error_set(&error, FLORIN_ERROR_MEMORY, "no memory");
    result = result != 0 ? result : florin_store_connect(store, &error);
    result = result != 0 ? result : florin_store_watch_clocks(store, &error);
    if (result == 0) {
        florin_clocks_print(clocks, text, sizeof text);
        printf("%s\n", text);
    }
    florin_store_destroy(&store);
    florin_clocks_destroy(&clocks);
    return result == 0 ? ADMIN_DONE : admin_fail(&error);
}

int admin_mend_times(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    florin_mended_t mended;
    if (florin_admin_mend_times(arguments->control, &mended, &error) != 0)
        return admin_fail(&error);
    uint64_t ahead_ns = mended.latest_ns > mended.now_ns ? mended.latest_ns - mended.now_ns : 0;
    if (mended.rows == 0)
        printf("no time of the books is more than a minute ahead\n");
    else
        printf("%" PRIu64 " rows were moved back by %" PRIu64 " s; the latest is %" PRIu64
               " s ahead now\n",
               mended.rows, mended.moved_ns / 1000000000, ahead_ns / 1000000000);
    return ADMIN_DONE;
}
