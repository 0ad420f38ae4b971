// Lets calls on files fail while a file of orders says so. The orders are in the file that FAULTS names, which
// is read anew for each call: one line each, `CALL HOW PART`. CALL is read, write, sync or open; HOW is the
// number of an error, or `short` for half of the bytes; PART is what the path has in it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHORT (-1)

// What is to become of this call: 0 where nothing is.
static int fault_at(const char *call, const char *path) {
    const char *orders = getenv("FAULTS");
    char text[2048];
    if (!orders || strcmp(orders, path) == 0) return 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, orders, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0) return 0;
    long length = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (length <= 0) return 0;
    text[length] = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char which[16], how[16], part[512];
        if (sscanf(line, "%15s %15s %511s", which, how, part) != 3) continue;
        if (strcmp(which, call) != 0 || !strstr(path, part)) continue;
        return strcmp(how, "short") == 0 ? SHORT : atoi(how);
    }
    return 0;
}

static int fault(const char *call, int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long length = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return path[0] == '/' ? fault_at(call, path) : 0;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL_OR_SHORTEN(call)                                  \
    int how = file > 2 ? fault(call, file) : 0;                \
    if (how > 0) { errno = how; return -1; }                   \
    if (how == SHORT && size > 1) size /= 2;

#define OPEN(name)                                             \
    int name(const char *path, int flags, ...) {               \
        va_list rest;                                          \
        va_start(rest, flags);                                 \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                          \
        int how = fault_at("open", path);                      \
        if (how > 0) { errno = how; return -1; }               \
        REAL(name);                                            \
        return real(path, flags, mode);                        \
    }
OPEN(open)
OPEN(open64)

ssize_t read(int file, void *bytes, size_t size) {
    FAIL_OR_SHORTEN("read")
    REAL(read);
    return real(file, bytes, size);
}
ssize_t pread64(int file, void *bytes, size_t size, off_t at) {
    FAIL_OR_SHORTEN("read")
    REAL(pread64);
    return real(file, bytes, size, at);
}
ssize_t pread(int file, void *bytes, size_t size, off_t at) {
    FAIL_OR_SHORTEN("read")
    REAL(pread);
    return real(file, bytes, size, at);
}
ssize_t write(int file, const void *bytes, size_t size) {
    FAIL_OR_SHORTEN("write")
    REAL(write);
    return real(file, bytes, size);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off_t at) {
    FAIL_OR_SHORTEN("write")
    REAL(pwrite64);
    return real(file, bytes, size, at);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
    FAIL_OR_SHORTEN("write")
    REAL(pwrite);
    return real(file, bytes, size, at);
}
int ftruncate64(int file, off_t length) {
    size_t size = 0;
    FAIL_OR_SHORTEN("write")
    REAL(ftruncate64);
    return real(file, length);
}
int fsync(int file) {
    size_t size = 0;
    FAIL_OR_SHORTEN("sync")
    REAL(fsync);
    return real(file);
}
int fdatasync(int file) {
    size_t size = 0;
    FAIL_OR_SHORTEN("sync")
    REAL(fdatasync);
    return real(file);
}
int sync_file_range(int file, off_t at, off_t length, unsigned flags) {
    size_t size = 0;
    FAIL_OR_SHORTEN("sync")
    REAL(sync_file_range);
    return real(file, at, length, flags);
}
