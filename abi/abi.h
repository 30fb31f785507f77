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
    uint32_t flags;         /* CAPFUL_SPAWN_… */
};
enum {
    CAPFUL_SPAWN_GROUP = 1, /* a new process group */
    CAPFUL_SPAWN_MORE = 2   /* struct capful_spawn_more lies behind this one */
};
/* What is handed on beyond that. It grows at its end: what the caller does not know is zero. */
struct capful_spawn_more {
    uint32_t size;               /* of this structure, as the caller knows it */
    uint32_t flags;              /* CAPFUL_MORE_… */
    uint32_t dirs, dir_count;    /* struct capful_dir[] */
    uint32_t source, source_len; /* the text that run_source gives the child */
    uint32_t report;             /* descriptor of the parent: see CAPFUL_MORE_REPORT */
    uint32_t tools, tool_count;  /* struct capful_tool_handed[] */
};
enum {
    CAPFUL_MORE_DIRS = 1,   /* these directories are all that the child sees, with /dev and /proc;
                               without it the child sees what its parent does */
    CAPFUL_MORE_SOURCE = 2, /* there is a source */
    CAPFUL_MORE_REPORT = 4, /* what the child gives to run_value and run_error is written there,
                               each as struct capful_report and text; the child holds it in no other
                               way, so that its end is the end of the child */
    CAPFUL_MORE_TIED = 8,   /* the child ends with its parent */
    CAPFUL_MORE_TOOLS = 16  /* these tools are all that the child holds; without it the child holds
                               what its parent does */
};
struct capful_tool_handed {
    uint32_t name, name_len; /* what the child calls it */
    uint32_t from, from_len; /* what the parent calls it, or */
    uint32_t handle;         /* of tool_narrow, if not 0 */
};
struct capful_report {
    uint32_t kind; /* CAPFUL_REPORT_… */
    uint32_t len;  /* bytes of JSON that follow */
};
enum { CAPFUL_REPORT_VALUE = 1, CAPFUL_REPORT_ERROR = 2 };
struct capful_dir {
    uint32_t path, path_len;
    uint32_t access; /* CAPFUL_DIR_… */
};
enum {
    CAPFUL_DIR_READ = 1,
    CAPFUL_DIR_WRITE = 2,  /* ROFS where the parent may only read */
    CAPFUL_DIR_AS_HELD = 3 /* whatever the parent may */
};
struct capful_wait {
    uint32_t pid;
    uint32_t status; /* exit code, or 128 + signal */
};
struct capful_ids {
    uint32_t pid, parent, group;
};
enum { CAPFUL_CALL_OK = 0, CAPFUL_CALL_ERROR = 1, CAPFUL_CALL_DENIED = 2, CAPFUL_CALL_NONE = 3 };
struct capful_ready { /* a descriptor that call_wait waits for */
    uint32_t fd;
    uint16_t events; /* 1 to be read, 2 to be written */
    uint16_t ready;  /* of these, and 4: the other end is closed */
};
struct capful_done { /* what call_next found */
    uint32_t id;     /* 0 with CALL_NONE: only the descriptor or the timeout woke us */
    uint32_t status; /* one of the above */
    uint32_t len;    /* bytes of the answer: the JSON result, or a JSON object
                        {"name","message","tool","code","data"} for ERROR and DENIED; to be
                        fetched by call_result if they are more than the buffer given takes */
    uint32_t fd_ready;
};

#endif
