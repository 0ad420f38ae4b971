// Kills the process at the n-th call that changes a file; n is in KILLED_AT.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static void counted(void) {
    static atomic_long calls;
    const char *at = getenv("KILLED_AT");
    if (at && atomic_fetch_add(&calls, 1) + 1 == atol(at)) kill(getpid(), SIGKILL);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (flags & O_CREAT) counted(); \
        REAL(name); \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int file, const void *bytes, size_t size) {
    if (file > 2) counted();
    REAL(write);
    return real(file, bytes, size);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
    counted();
    REAL(pwrite64);
    return real(file, bytes, size, at);
}
int fsync(int file) { counted(); REAL(fsync); return real(file); }
int fdatasync(int file) { counted(); REAL(fdatasync); return real(file); }
int ftruncate64(int file, off64_t size) { counted(); REAL(ftruncate64); return real(file, size); }
int mkdir(const char *path, mode_t mode) { counted(); REAL(mkdir); return real(path, mode); }
int rename(const char *from, const char *to) { counted(); REAL(rename); return real(from, to); }
int unlink(const char *path) { counted(); REAL(unlink); return real(path); }
