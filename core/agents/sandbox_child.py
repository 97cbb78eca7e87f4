"""The process in which a model's Python runs: it takes from itself all that a process may do but compute and print, then runs the code.

Run as a file by an isolated interpreter (`python -I -S`), so it imports nothing of ours. The code comes on standard input, what it prints
goes to standard output. One argument: seconds of processor time. Each layer that cannot be had ends it with LACKING and the layer's name,
before any of the code has run. Nothing of this needs a package, or root.

1. Namespaces of user, network, processes, mounts, IPC and host name (user_namespaces(7)): no network, no other process to see or signal.
2. A root that holds the standard library and the system's libraries, read-only, and no place to write to (pivot_root(2)).
3. No capabilities, no new privileges; Landlock lets those folders be read and nothing else (landlock(7)).
4. Limits of memory, time, files (setrlimit(2)).
5. Seccomp lets through the system calls of a computation; all others fail: no process, no thread, no socket, no signal (seccomp(2)).
"""

import contextlib
import ctypes
import os
import resource
import struct
import sys
import traceback
from collections.abc import Callable

LACKING = 77  # exit code
MEMORY = 512 << 20  # bytes of address space
OPEN_FILES = 32
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
ROOTS = ("/mnt", "/srv", "/media", "/opt")  # a folder of these becomes the root, in this process alone

# numbers of system calls on x86_64
CAPSET, PIVOT_ROOT, MOUNT_SETATTR = 126, 155, 442
LANDLOCK_CREATE, LANDLOCK_RULE, LANDLOCK_RESTRICT = 444, 445, 446
ALLOWED = {
    "read": 0, "write": 1, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "readv": 19, "writev": 20, "access": 21,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "nanosleep": 35, "getpid": 39, "exit": 60, "uname": 63, "fcntl": 72,
    "getcwd": 79, "readlink": 89, "gettimeofday": 96, "getrusage": 98, "sysinfo": 99, "times": 100, "getuid": 102, "getgid": 104,
    "geteuid": 107, "getegid": 108, "getppid": 110, "sigaltstack": 131, "gettid": 186, "futex": 202, "sched_getaffinity": 204,
    "getdents64": 217, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "openat": 257,
    "newfstatat": 262, "readlinkat": 267, "getrandom": 318, "statx": 332, "faccessat2": 439,
}  # fmt: skip
ARCHITECTURE = 0xC000003E  # AUDIT_ARCH_X86_64
OTHER_ABI = 0x40000000  # x32: the same calls by other numbers
EACCES = 13  # Python goes on where a call is refused so

NEW = 0x10000000 | 0x40000000 | 0x20000000 | 0x00020000 | 0x08000000 | 0x04000000  # user, net, pid, mounts, IPC, host name
MS_BIND, MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x1000, 0x4000, 0x40000, 0x2, 0x4
READ_ONLY = 0x1 | 0x2 | 0x4  # of mount_setattr: no writing, no set-user-id, no devices
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}  # all that a version of Landlock knows
NEWEST = (1 << 16) - 1  # from version 5 on
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def done(returned: int) -> int:
    """What a call of the C library returned, or OSError."""
    if returned < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return returned


def call(number: int, *arguments: object) -> int:
    return done(libc.syscall(ctypes.c_long(number), *arguments))


def layer(name: str, make: Callable[[], object]) -> None:
    """Makes a layer, or ends."""
    try:
        make()
    except (OSError, AttributeError) as error:
        os.write(1, f"{name}: {error}".encode())
        os._exit(LACKING)


def namespaces() -> None:
    user, group = os.geteuid(), os.getegid()
    done(libc.unshare(NEW))
    for place, text in (("setgroups", "deny"), ("uid_map", f"65534 {user} 1"), ("gid_map", f"65534 {group} 1")):
        with open(f"/proc/self/{place}", "w") as file:
            file.write(text)


def folders() -> list[str]:
    """What may be read: the standard library, and the libraries that its modules are linked to."""
    standard = os.path.dirname(os.__file__)
    return [standard, *(path for path in LIBRARIES if os.path.isdir(path) and not os.path.islink(path))]


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    done(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]))


def own_root() -> None:
    wanted = folders()
    root = next(
        path for path in ROOTS if os.path.isdir(path) and not any(f"{needed}/".startswith(f"{path}/") for needed in wanted)
    )
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("none", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,nr_inodes=64,mode=755")
    for path in wanted:
        os.makedirs(root + path, exist_ok=True)
        mount(path, root + path, None, MS_BIND | MS_REC)
    for path in filter(os.path.islink, LIBRARIES):
        os.symlink(os.readlink(path), root + path)
    os.chdir(root)
    call(PIVOT_ROOT, b".", b".")
    done(libc.umount2(b".", 2))  # at once, whatever is open there
    os.chdir("/")
    set_to = struct.pack("QQQQ", READ_ONLY, 0, 0, 0)
    call(MOUNT_SETATTR, -100, b"/", 0x8000, set_to, ctypes.c_size_t(len(set_to)))  # with all that is mounted below


def no_privileges() -> None:
    header, nothing = struct.pack("Ii", 0x20080522, 0), bytes(24)
    call(CAPSET, header, nothing)
    done(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    done(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))


def landlock() -> None:
    version = call(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    rights = FILE_RIGHTS.get(version, NEWEST)
    told = [rights, 3, 3][: 1 + (version >= 4) + (version >= 6)]  # files; TCP; signals and abstract sockets
    attributes = struct.pack(f"{len(told)}Q", *told)
    rules = call(LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    for path in folders():
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        call(LANDLOCK_RULE, rules, 1, struct.pack("=Qi", READ_FILE | READ_DIR, place), 0)
        os.close(place)
    call(LANDLOCK_RESTRICT, rules, 0)
    os.close(rules)


def limits(seconds: int) -> None:
    bounds = {resource.RLIMIT_AS: MEMORY, resource.RLIMIT_CPU: seconds, resource.RLIMIT_NOFILE: OPEN_FILES}
    bounds |= dict.fromkeys((resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE), 0)
    for limit, value in bounds.items():
        resource.setrlimit(limit, (value, value))


def seccomp() -> None:
    """A program of classic BPF over (number, architecture, …) of each call."""
    load, equal, least, end = 0x20, 0x15, 0x35, 0x06
    allow, refuse, kill = 0x7FFF0000, 0x00050000 | EACCES, 0x80000000
    program = [(load, 0, 0, 4), (equal, 1, 0, ARCHITECTURE), (end, 0, 0, kill)]
    program += [(load, 0, 0, 0), (least, 0, 1, OTHER_ABI), (end, 0, 0, kill)]
    for left, number in reversed(list(enumerate(ALLOWED.values()))):
        program.append((equal, left + 1, 0, number))
    program += [(end, 0, 0, refuse), (end, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    filtering = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    done(libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(filtering), 0, 0))


def confined(code: bytes, seconds: int) -> None:
    """The first process of the namespaces: it ends with the one that made it, and runs the code."""
    done(libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0))
    layer("a root of its own", own_root)
    layer("dropping capabilities", no_privileges)
    layer("Landlock", landlock)
    layer("limits", lambda: limits(seconds))
    os.closerange(3, 1 << 16)
    layer("seccomp", seccomp)
    exit_code = 0
    try:
        exec(compile(code, "program", "exec"), {"__name__": "__main__"})  # noqa: S102, what it may do stands above
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):  # a last word, which the interpreter prints
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                os.write(1, f"{end.code}\n".encode("utf-8", "replace"))
    except BaseException as error:
        traceback.print_exception(
            error.with_traceback(error.__traceback__.tb_next), limit=-2, file=sys.stdout
        )  # the program's frames
        exit_code = 1
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(exit_code & 0xFF)


def main() -> None:
    code, seconds = sys.stdin.buffer.read(), int(sys.argv[1])
    layer("namespaces", namespaces)
    child = os.fork()  # a namespace of processes begins with the next one; there is one thread, and no library that minds
    if not child:
        confined(code, seconds)
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
