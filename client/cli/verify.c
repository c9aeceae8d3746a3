/* florin verify: hands over to florin-admin, which knows the databases. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"

#define PROGRAM "florin-admin"

/* It lies beside this program. */
static char *admin_path(char path[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof PROGRAM);
    path[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(path, '/');
    memcpy(slash ? slash + 1 : path, PROGRAM, sizeof PROGRAM);
    return path;
}

/* Comes back only when it could not hand over. */
int verify(cli_t *cli, int argc, char **argv)
{
    char path[PATH_MAX], program[] = PROGRAM, command[] = "verify";
    char json[] = "--json", config[] = "--config";
    char **words = calloc((size_t)argc + 6, sizeof *words);
    if (words) {
        size_t count = 0;
        words[count++] = program;
        words[count++] = command;
        if (cli->json)
            words[count++] = json;
        if (cli->config) {
            words[count++] = config;
            words[count++] = cli->config;
        }
        for (int i = 1; i < argc; i++)
            words[count++] = argv[i];
        (void)execv(admin_path(path), words);
    }
    florin_error_t error;
    (void)florin_error_set(&error, FLORIN_ERROR_CONFIG,
                           "%s cannot be run: %s; it is installed with the servers, and verify is "
                           "for a machine that reaches the databases",
                           words ? path : PROGRAM, strerror(errno));
    free(words);
    return cli_tell_usage(cli, &error);
}
