/* Every system call against every set of rights: each right alone, all but each, none, all.
 *
 * The expected verdict is computed from abi/syscalls.def and from nothing else: a call whose
 * descriptor lacks a right that the list names is refused with NOTCAPABLE, and no other call is.
 * The rights of second descriptors, which the list only mentions, stand in the table below.
 */
#include <string.h>

#include "fake_engine.h"
#include "fake_tree.h"
#include "tap.h"

enum {
#define RIGHT(name, bit) RIGHT_BIT_##name = bit,
#include "abi/rights.def"
#undef RIGHT
};
#define RIGHTS     30
#define FD         5 /* the descriptor under test */
#define OTHER_FD   6 /* a second directory with all rights */
#define SETS       (2 * RIGHTS + 2)
#define NOT_CALLED (-100)

static const char *const right_names[RIGHTS] = {
#define RIGHT(name, bit) [bit] = #name,
#include "abi/rights.def"
#undef RIGHT
};

struct attempt {
    int call;
    uint64_t rights;
    bool directory;
    uint64_t args[SYS_MAX_ARGS];
    int result;
};
static struct attempt attempt;

static uint64_t set_at(int i)
{
    uint64_t all = CAPFUL_RIGHTS_ALL;
    if (i < RIGHTS)
        return UINT64_C(1) << i;
    return i < 2 * RIGHTS ? all & ~(UINT64_C(1) << (i - RIGHTS)) : i == 2 * RIGHTS ? 0 : all;
}

/* Makes the call once, with descriptor FD holding exactly the rights of the attempt. */
static void guest(struct fake *g, uint32_t arg)
{
    struct fdtab *fds = &g->process->fds;
    (void)arg;
    if (fake_open(g, 3, "file", 1, CAPFUL_RIGHT_FD_READ | CAPFUL_RIGHT_FD_WRITE) != 4)
        fake_trap(g, "no file");
    struct file *file = fdtab_get(fds, attempt.directory ? 3 : 4)->file;
    struct file *other = fdtab_get(fds, 3)->file;
    fdtab_place(fds, FD, file_ref(file), attempt.rights, attempt.rights);
    fdtab_place(fds, OTHER_FD, file_ref(other), CAPFUL_RIGHTS_ALL, CAPFUL_RIGHTS_ALL);
    attempt.result = fake_call_array(g, attempt.call, attempt.args);
}

static int verdict(void)
{
    struct fake_tree tree;
    attempt.result = NOT_CALLED;
    tree_memory = 4096;
    tree_init(&tree, guest, attempt.directory, NULL);
    tree_drive(&tree);
    tree_release(&tree);
    return attempt.result;
}

/* Small numbers everywhere: they are valid addresses and lengths, and flags that ask for nothing.
 */
static void default_args(uint64_t first)
{
    memset(attempt.args, 0, sizeof attempt.args);
    attempt.args[0] = first;
    if (attempt.call == SYS_fd_fdstat_set_rights)
        return; /* asks for no rights: more than there are would be refused for another reason */
    if (attempt.call == SYS_call_next)
        attempt.args[0] = UINT32_MAX; /* it names a descriptor only where one is given: below */
    for (int i = 1; syscalls[attempt.call].params[0] && syscalls[attempt.call].params[i]; i++)
        attempt.args[i] = i == 1 ? 64 : 0;
}

static void complain(int call, uint64_t rights, int got, bool refused)
{
    printf("# %s with rights %#llx (", syscalls[call].name, (unsigned long long)rights);
    for (int i = 0; i < RIGHTS; i++)
        if (rights >> i & 1)
            printf(" %s", right_names[i]);
    printf(" ): %d, expected %s\n", got, refused ? "NOTCAPABLE" : "no refusal");
    OK(!"verdict");
}

static void try_all_sets(int call, bool directory)
{
    const struct syscall *entry = &syscalls[call];
    for (int i = 0; i < SETS; i++) {
        memset(&attempt, 0, sizeof attempt);
        attempt.call = call;
        attempt.rights = set_at(i);
        attempt.directory = directory;
        default_args(FD);
        bool refused = entry->rights & ~attempt.rights;
        int got = verdict();
        if ((got == ERRNO_NOTCAPABLE) != refused)
            complain(call, attempt.rights, got, refused);
    }
}

TEST(matrix_every_call_on_a_directory)
{
    for (int call = 0; call < SYSCALL_COUNT; call++)
        try_all_sets(call, true);
}

TEST(matrix_every_call_on_a_file)
{
    for (int call = 0; call < SYSCALL_COUNT; call++)
        try_all_sets(call, false);
}

/* ---- second descriptors, and rights that flags ask for */

static const struct extra {
    int call;
    uint64_t first;  /* rights that the first descriptor needs besides */
    int position;    /* of the parameter that is the descriptor under test */
    uint64_t rights; /* what it must carry */
    int flag_at;     /* parameter that is set to `flag`; -1 none */
    uint64_t flag;
} extras[] = {
#define BIT(name) (UINT64_C(1) << RIGHT_BIT_##name)
    {SYS_path_link, 0, 4, BIT(PATH_LINK_TARGET), -1, 0},
    {SYS_path_rename, 0, 3, BIT(PATH_RENAME_TARGET), -1, 0},
    {SYS_path_symlink, 0, 2, BIT(PATH_SYMLINK), -1, 0},
    {SYS_path_open, 0, 0, BIT(PATH_OPEN) | BIT(PATH_CREATE_FILE), 4, 1},
    {SYS_path_open, 0, 0, BIT(PATH_OPEN) | BIT(PATH_FILESTAT_SET_SIZE), 4, 8},
    {SYS_path_open, 0, 0, BIT(PATH_OPEN) | BIT(FD_READ), 5,
     BIT(FD_READ)}, /* asked for: to be inherited */
    {SYS_path_open, 0, 0, BIT(PATH_OPEN) | BIT(FD_WRITE), 5, BIT(FD_WRITE)},
    {SYS_path_open, 0, 0, BIT(PATH_OPEN) | BIT(FD_READDIR), 6, BIT(FD_READDIR)},
    {SYS_call_next, 0, 0, BIT(POLL_FD_READWRITE), -1, 0},
};

/* Texts of length 1 at address 64, which holds "x" or nothing: a path that may or may not exist. */
static void extra_args(const struct extra *extra)
{
    const char *params = syscalls[extra->call].params;
    memset(attempt.args, 0, sizeof attempt.args);
    for (int i = 0; params[i]; i++)
        attempt.args[i] =
            1; /* address and length at once: byte 1 of memory, which is NUL, or one byte */
    switch (extra->call) {
    case SYS_path_link:
        memcpy(attempt.args, (const uint64_t[]){OTHER_FD, 0, 1, 1, OTHER_FD, 1, 1},
               7 * sizeof(uint64_t));
        break;
    case SYS_path_rename:
        memcpy(attempt.args, (const uint64_t[]){OTHER_FD, 1, 1, OTHER_FD, 1, 1},
               6 * sizeof(uint64_t));
        break;
    case SYS_path_symlink:
        memcpy(attempt.args, (const uint64_t[]){1, 1, OTHER_FD, 1, 1}, 5 * sizeof(uint64_t));
        break;
    case SYS_path_open:
        memcpy(attempt.args, (const uint64_t[]){OTHER_FD, 0, 1, 1, 0, 0, 0, 0, 64},
               9 * sizeof(uint64_t));
        break;
    default: memcpy(attempt.args, (const uint64_t[]){OTHER_FD, 0, 64}, 3 * sizeof(uint64_t));
    }
    attempt.args[extra->position] = FD;
    if (extra->flag_at >= 0)
        attempt.args[extra->flag_at] = extra->flag;
}

/* The path must be good for the check to be reached: a letter at address 1. */
static void guest_with_text(struct fake *g, uint32_t arg)
{
    *(char *)fake_at(g, 1) = 'x';
    guest(g, arg);
}

TEST(matrix_second_descriptors_and_flags)
{
    for (size_t k = 0; k < sizeof extras / sizeof extras[0]; k++) {
        for (int i = 0; i < SETS; i++) {
            struct fake_tree tree;
            memset(&attempt, 0, sizeof attempt);
            attempt.call = extras[k].call;
            attempt.rights = set_at(i);
            attempt.directory = true;
            extra_args(&extras[k]);
            bool refused = extras[k].rights & ~attempt.rights;
            attempt.result = NOT_CALLED;
            tree_init(&tree, guest_with_text, true, NULL);
            tree_drive(&tree);
            tree_release(&tree);
            if ((attempt.result == ERRNO_NOTCAPABLE) != refused)
                complain(attempt.call, attempt.rights, attempt.result, refused);
        }
    }
}

/* ---- the table itself */

TEST(matrix_table_is_well_formed)
{
    EQ(syscall_count, SYSCALL_COUNT);
    for (size_t i = 0; i < syscall_count; i++) {
        const struct syscall *call = &syscalls[i];
        EQ(call->number, (int)i);
        OK(call->fn != NULL);
        OK(strlen(call->params) <= SYS_MAX_ARGS);
        OK(strspn(call->params, "iI") == strlen(call->params));
        OK(call->rights == 0 || call->params[0] == 'i'); /* rights are those of a descriptor */
        OK((call->rights & ~CAPFUL_RIGHTS_ALL) == 0);
        for (size_t k = 0; k < i; k++)
            OK(strcmp(syscalls[k].name, call->name) != 0);
    }
}

/* Every right stands at some call, or this says why not. */
TEST(matrix_every_right_guards_something)
{
    uint64_t used = BIT(PATH_LINK_TARGET) | BIT(PATH_RENAME_TARGET) | BIT(PATH_SYMLINK) |
                    BIT(PATH_CREATE_FILE) | BIT(PATH_FILESTAT_SET_SIZE) | BIT(POLL_FD_READWRITE) |
                    BIT(SOCK_SHUTDOWN) | BIT(SOCK_ACCEPT); /* there are no sockets */
    for (size_t i = 0; i < syscall_count; i++)
        used |= syscalls[i].rights;
    EQ(used, CAPFUL_RIGHTS_ALL);
}

/* Our own guests may name their working directory in any call on a path, and in no other. */
TEST(matrix_working_directory)
{
    for (int call = 0; call < SYSCALL_COUNT; call++) {
        if (syscalls[call].rights == 0)
            continue;
        bool path = strncmp(syscalls[call].name, "path_", 5) == 0;
        for (int own = 0; own < 2; own++) {
            struct fake_tree tree;
            memset(&attempt, 0, sizeof attempt);
            attempt.call = call;
            attempt.rights = 0;
            attempt.directory = own;
            default_args(CAPFUL_AT_CWD);
            attempt.result = NOT_CALLED;
            tree_init(&tree, guest, own, NULL);
            tree_drive(&tree);
            tree_release(&tree);
            if (own && path)
                OK(attempt.result != ERRNO_BADF && attempt.result != ERRNO_NOTCAPABLE);
            else
                EQ(attempt.result, ERRNO_BADF);
        }
    }
}
