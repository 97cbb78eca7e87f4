/* Loaded before libc in a family's process: counts the file operations below one folder, Python's and the engines' alike,
 * and kills the process before the n-th, halves it, or lets it fail as a full or broken disk does. Asleep until armed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, OPEN = 4, MAKE = 8, NAME = 16, SIZE = 32 };

static char root[4096], told[4600];
static int armed, kinds, failing, sticky, halved;
static long at;
static atomic_long count;

/* failing: an errno, or 0 to kill. halved: half of a write is done before. */
void fault_arm(const char *folder, long nth, int of_kinds, int error, int for_good, int half) {
    snprintf(root, sizeof root, "%s", folder);
    at = nth, kinds = of_kinds, failing = error, sticky = for_good, halved = half;
    atomic_store(&count, 0);
    told[0] = 0, armed = 1;
}
long fault_count(void) { return atomic_load(&count); }
const char *fault_told(void) { return told; }

static const char *of_fd(int fd) {
    static _Thread_local char path[4096];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    return path;
}

static const char *of_name(int dir, const char *name) {
    static _Thread_local char path[8300];
    if (!name || name[0] == '/') return name;
    if (dir == AT_FDCWD) { if (!getcwd(path, 4096)) return name; }
    else strcpy(path, of_fd(dir));
    strcat(path, "/");
    strncat(path, name, 4096);
    return path;
}

/* 0: go on; 1: fail, errno is set; 2: do half, then ask again with `half_done`. */
static int strike(int kind, const char *what, const char *path, int can_halve) {
    if (!armed || !(kind & kinds) || !path || strncmp(path, root, strlen(root))) return 0;
    long now = atomic_fetch_add(&count, 1) + 1;
    if (now < at || !at || (now > at && !sticky)) return 0;
    if (now == at) snprintf(told, sizeof told, "%s %s", what, path + strlen(root));
    if (halved && can_halve) return 2;
    if (failing) { errno = failing; return 1; }
    kill(getpid(), SIGKILL);
    return 0;
}

static int after_half(void) {
    if (!failing) kill(getpid(), SIGKILL);
    errno = failing;
    return -1;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, #name)
#define PLAIN(name, kind, path, parameters, ...) \
    int name parameters { \
        static int (*real) parameters; \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        return strike(kind, #name, path, 0) ? -1 : real(__VA_ARGS__); \
    }

#define WRITER(name, parameters, half, ...) \
    ssize_t name parameters { \
        static ssize_t (*real) parameters; \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        switch (strike(WRITE, #name, armed ? of_fd(fd) : "", 1)) { \
            case 1: return -1; \
            case 2: half; return after_half(); \
            default: return real(__VA_ARGS__); \
        } \
    }

WRITER(write, (int fd, const void *data, size_t size), real(fd, data, size / 2), fd, data, size)
WRITER(pwrite, (int fd, const void *data, size_t size, off_t to), real(fd, data, size / 2, to), fd, data, size, to)
WRITER(pwrite64, (int fd, const void *data, size_t size, off64_t to), real(fd, data, size / 2, to), fd, data, size, to)
WRITER(writev, (int fd, const struct iovec *parts, int number), real(fd, parts, number / 2), fd, parts, number)

size_t fwrite(const void *data, size_t size, size_t number, FILE *stream) {
    REAL(size_t, fwrite, const void *, size_t, size_t, FILE *);
    switch (strike(WRITE, "fwrite", armed ? of_fd(fileno(stream)) : "", 1)) {
        case 1: return 0;
        case 2: number = real(data, size, number / 2, stream); fflush(stream); after_half(); return number;
        default: return real(data, size, number, stream);
    }
}

PLAIN(fsync, SYNC, armed ? of_fd(fd) : "", (int fd), fd)
PLAIN(fdatasync, SYNC, armed ? of_fd(fd) : "", (int fd), fd)
PLAIN(ftruncate, SIZE, armed ? of_fd(fd) : "", (int fd, off_t size), fd, size)
PLAIN(ftruncate64, SIZE, armed ? of_fd(fd) : "", (int fd, off64_t size), fd, size)
PLAIN(mkdir, MAKE, armed ? of_name(AT_FDCWD, path) : "", (const char *path, mode_t mode), path, mode)
PLAIN(mkdirat, MAKE, armed ? of_name(dir, path) : "", (int dir, const char *path, mode_t mode), dir, path, mode)
PLAIN(rename, NAME, armed ? of_name(AT_FDCWD, to) : "", (const char *path, const char *to), path, to)
PLAIN(renameat, NAME, armed ? of_name(new, to) : "", (int old, const char *path, int new, const char *to), old, path, new, to)
PLAIN(unlink, NAME, armed ? of_name(AT_FDCWD, path) : "", (const char *path), path)
PLAIN(unlinkat, NAME, armed ? of_name(dir, path) : "", (int dir, const char *path, int flags), dir, path, flags)
PLAIN(rmdir, NAME, armed ? of_name(AT_FDCWD, path) : "", (const char *path), path)

#define OPENER(name, dir, path, parameters, ...) \
    int name parameters { \
        static int (*real)(); \
        mode_t mode = 0; \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } \
        if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && strike(OPEN, "open", armed ? of_name(dir, path) : "", 0)) return -1; \
        return real(__VA_ARGS__, mode); \
    }
OPENER(open, AT_FDCWD, path, (const char *path, int flags, ...), path, flags)
OPENER(open64, AT_FDCWD, path, (const char *path, int flags, ...), path, flags)
OPENER(openat, dir, path, (int dir, const char *path, int flags, ...), dir, path, flags)
OPENER(openat64, dir, path, (int dir, const char *path, int flags, ...), dir, path, flags)

#define STREAM(name) \
    FILE *name(const char *path, const char *mode) { \
        REAL(FILE *, name, const char *, const char *); \
        if (strpbrk(mode, "wa+") && strike(OPEN, "fopen", armed ? of_name(AT_FDCWD, path) : "", 0)) return NULL; \
        return real(path, mode); \
    }
STREAM(fopen)
STREAM(fopen64)
