#include "test/store/support/servers.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/admin/admin.h"
#include "store/seal.h"

#define COMMAND_BYTES  512
#define CONNINFO_BYTES 512
#define SERVERS_MAX    8
#define AWAIT_MS       20000

static char folder[64], seal_key[80];
static char control[CONNINFO_BYTES], shards[SERVERS_MAX][CONNINFO_BYTES];
static size_t servers;
static int guard = -1; /* closed when this program ends; then the guardian takes the servers down */
static pid_t guardian;

static void fail(const char *what)
{
    fprintf(stderr, "servers: %s\n", what);
    exit(1);
}

static void run(const char *command)
{
    if (system(command) != 0)
        fail(command);
}

static void up(void)
{
    char command[COMMAND_BYTES];
    snprintf(command, sizeof command,
             "ops/cluster up --postgres-only --dir %s --shards %zu >%s.log 2>&1", folder, servers,
             folder);
    run(command);
}

static void down(void)
{
    char command[COMMAND_BYTES];
    snprintf(command, sizeof command,
             "ops/cluster down --delete --dir %s >>%s.log 2>&1; rm -rf %s %s.log", folder, folder,
             folder, folder);
    run(command);
}

/* A child that waits for our end. */
static void start_guardian(void)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail("no pipe");
    guardian = fork();
    if (guardian < 0)
        fail("no child");
    if (guardian > 0) {
        close(ends[0]);
        guard = ends[1];
        return;
    }
    close(ends[1]);
    (void)setsid(); /* what ends our parent does not end us */
    while (read(ends[0], &byte, 1) > 0)
        ;
    down();
    _exit(0);
}

static void read_conninfo(const char *where, char text[CONNINFO_BYTES])
{
    char command[COMMAND_BYTES];
    snprintf(command, sizeof command, "ops/cluster conninfo %s --dir %s", where, folder);
    FILE *stream = popen(command, "re");
    if (!stream || !fgets(text, CONNINFO_BYTES, stream) || pclose(stream) != 0)
        fail(command);
    text[strcspn(text, "\n")] = '\0';
}

static void make_books(void)
{
    florin_error_t error = {0};
    const char *names[SERVERS_MAX];
    size_t applied;
    int result =
        florin_admin_migrate(control, "sql", "control", FLORIN_MIGRATE_WAIT_MS, &applied, &error);
    for (size_t i = 0; i < servers && result == 0; i++) {
        names[i] = shards[i];
        result = florin_admin_migrate(shards[i], "sql", "shard", FLORIN_MIGRATE_WAIT_MS, &applied,
                                      &error);
    }
    if (result == 0)
        result = florin_admin_shards_set(control, names, servers, &error);
    if (result != 0)
        fail(error.message);
}

void servers_start(size_t count, bool books)
{
    snprintf(folder, sizeof folder, "/tmp/florin-store.XXXXXX");
    if (count > SERVERS_MAX || !mkdtemp(folder))
        fail("no folder");
    servers = count;
    start_guardian();
    up();
    read_conninfo("control", control);
    for (size_t i = 0; i < count; i++) {
        char where[16];
        snprintf(where, sizeof where, "%zu", i);
        read_conninfo(where, shards[i]);
    }
    florin_error_t error;
    snprintf(seal_key, sizeof seal_key, "%s/seals.key", folder);
    if (florin_seal_key_generate(seal_key, &error) != 0)
        fail(error.message);
    if (books)
        make_books();
}

void servers_stop(void)
{
    close(guard);
    (void)waitpid(guardian, NULL, 0);
}

size_t servers_count(void)
{
    return servers;
}

const char *servers_control(void)
{
    return control;
}

const char *servers_seal_key(void)
{
    return seal_key;
}

const char *servers_shard(size_t shard)
{
    return shards[shard];
}

/* ------------------------------------------------------------------------------------- signals */

static pid_t postmaster(size_t shard)
{
    char path[COMMAND_BYTES];
    int pid = 0;
    snprintf(path, sizeof path, "%s/pid/shard-%zu", folder, shard);
    FILE *stream = fopen(path, "re");
    if (!stream || fscanf(stream, "%d", &pid) != 1 || pid <= 1)
        fail("a server has no process id");
    fclose(stream);
    return pid;
}

void servers_signal(size_t shard, int signal)
{
    char path[COMMAND_BYTES];
    pid_t parent = postmaster(shard);
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *stream = fopen(path, "re");
    if (!stream)
        fail("a server's children cannot be read");
    (void)kill(parent, signal); /* first, or it would start children anew */
    while (fscanf(stream, "%d", &child) == 1)
        (void)kill(child, signal);
    fclose(stream);
    /* Gone is gone: sockets are closed when the processes are. */
    for (uint64_t end = florin_clock_ms() + 10000; signal == SIGKILL && kill(parent, 0) == 0;)
        if (florin_clock_ms() > end)
            fail("a server survived");
}

void servers_again(void)
{
    up();
}

const char *servers_ask(const char *conninfo, const char *sql)
{
    static char value[256];
    PGconn *pg = PQconnectdb(conninfo);
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail(PQerrorMessage(pg));
    bool some = PQntuples(result) > 0 && PQnfields(result) > 0;
    snprintf(value, sizeof value, "%s", some ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(pg);
    return value;
}

void servers_await(const char *conninfo, const char *sql, const char *expected)
{
    uint64_t end = florin_clock_ms() + AWAIT_MS;
    while (strcmp(servers_ask(conninfo, sql), expected) != 0) {
        if (florin_clock_ms() >= end)
            fail(sql);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

const char *servers_command(size_t shard, const char *database, const char *sql)
{
    char conninfo[2 * CONNINFO_BYTES];
    snprintf(conninfo, sizeof conninfo, "%s user=postgres dbname=%s", shards[shard], database);
    return servers_ask(conninfo, sql);
}

void servers_take_away(size_t shard)
{
    servers_command(shard, "postgres", "ALTER DATABASE florin ALLOW_CONNECTIONS false");
    servers_command(shard, "postgres",
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = 'florin'");
}

void servers_give_back(size_t shard)
{
    servers_command(shard, "postgres", "ALTER DATABASE florin ALLOW_CONNECTIONS true");
}
