#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many bytes to read. */
static int measure(int fd, const char *path, mode_t forbidden, size_t *bytes, florin_error_t *error)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "%s is no regular file", path);
    if (st.st_mode & forbidden)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s has mode %04o: others could read or change it; chmod 600 it",
                                path, (unsigned)(st.st_mode & 07777));
    if (st.st_size > FLORIN_FILE_BYTES_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "%s is longer than %d bytes", path,
                                FLORIN_FILE_BYTES_MAX);
    *bytes = (size_t)st.st_size;
    return FLORIN_OK;
}

/* Fills `text` from the file, which may have become shorter meanwhile. */
static int fill(int fd, const char *path, char *text, size_t bytes, florin_error_t *error)
{
    size_t used = 0;
    while (used < bytes) {
        ssize_t got = read(fd, text + used, bytes - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        used += (size_t)got;
    }
    text[used] = '\0';
    if (strlen(text) != used)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "%s is no text: it has a NUL byte",
                                path);
    return FLORIN_OK;
}

int florin_file_read(const char *path, mode_t forbidden, char **text, florin_error_t *error)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "%s: %s", path, strerror(errno));
    size_t bytes = 0;
    int rc = measure(fd, path, forbidden, &bytes, error);
    if (rc == FLORIN_OK) {
        *text = malloc(bytes + 1);
        rc = *text ? fill(fd, path, *text, bytes, error)
                   : florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory", path);
    }
    if (rc != FLORIN_OK) {
        free(*text);
        *text = NULL;
    }
    (void)close(fd);
    return rc;
}
