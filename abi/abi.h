/* What host and guest agree on beyond the list of calls: numbers and the layout of the structures
 * that cross. Compiled on both sides; only fixed-width types, little endian, natural alignment.
 */
#ifndef CAPFUL_ABI_H
#define CAPFUL_ABI_H

#include <stdint.h>

enum {
#define ERRNO(name, number, text) ERRNO_##name = number,
#include "abi/errno.def"
#undef ERRNO
};

#define RIGHT(name, bit)                                                                           \
    static const uint64_t CAPFUL_RIGHT_##name __attribute__((unused)) = UINT64_C(1) << bit;
#include "abi/rights.def"
#undef RIGHT
#define CAPFUL_RIGHTS_ALL ((UINT64_C(1) << 30) - 1)

#define CAPFUL_PARK   (-1) /* answer of a "capful" call that has to wait: call park() */
#define CAPFUL_AT_CWD 0xffffffffu

enum {
    CAPFUL_SIGHUP = 1,
    CAPFUL_SIGINT = 2,
    CAPFUL_SIGABRT = 6,
    CAPFUL_SIGKILL = 9,
    CAPFUL_SIGPIPE = 13,
    CAPFUL_SIGTERM = 15
};

/* Strings in these structures are guest addresses; lists are NUL-terminated strings laid end to
 * end. */
struct capful_fd_map { /* one descriptor handed on by proc_spawn: child's number from parent's */
    uint32_t child;
    uint32_t parent;
};
struct capful_spawn {
    uint32_t program, program_len; /* name of an image that the host offers ("js", "sh", …) */
    uint32_t argv, argv_len;
    uint32_t envp, envp_len;
    uint32_t cwd, cwd_len;  /* 0 length: the parent's */
    uint32_t fds, fd_count; /* struct capful_fd_map[]; nothing else is handed on */
    uint32_t flags;         /* 1: new process group */
};
struct capful_wait {
    uint32_t pid;
    uint32_t status; /* exit code, or 128 + signal */
};
struct capful_ids {
    uint32_t pid, parent, group;
};
enum { CAPFUL_CALL_OK = 0, CAPFUL_CALL_ERROR = 1, CAPFUL_CALL_DENIED = 2, CAPFUL_CALL_NONE = 3 };
struct capful_done { /* what call_next found */
    uint32_t id;     /* 0 with CALL_NONE: only the descriptor or the timeout woke us */
    uint32_t status; /* one of the above */
    uint32_t len;    /* bytes of the answer: the JSON result, or a JSON object
                        {"name","message","tool","code","data"} for ERROR and DENIED; to be
                        fetched by call_result if they are more than the buffer given takes */
    uint32_t fd_ready;
};

#endif
