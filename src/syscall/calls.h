/* What the files of system calls share: their functions, and the steps that many of them begin
 * with. */
#ifndef CAPFUL_SYSCALL_CALLS_H
#define CAPFUL_SYSCALL_CALLS_H

#include "kernel/kernel.h"
#include "syscall/context.h"
#include "syscall/gmem.h"
#include "syscall/table.h"
#include "vfs/vfs.h"

#define SYSCALL(name, params, kind, rights)                                                        \
    int sys_##name(struct process *process, const uint64_t *args);
#include "abi/syscalls.def"
#undef SYSCALL

/* Rights that a descriptor of each kind of file can have at all; what cannot be done with it is not
 * written on it. */
#define RIGHTS_DIRECTORY                                                                           \
    (CAPFUL_RIGHT_FD_DATASYNC | CAPFUL_RIGHT_FD_FDSTAT_SET_FLAGS | CAPFUL_RIGHT_FD_SYNC |          \
     CAPFUL_RIGHT_PATH_CREATE_DIRECTORY | CAPFUL_RIGHT_PATH_CREATE_FILE |                          \
     CAPFUL_RIGHT_PATH_LINK_SOURCE | CAPFUL_RIGHT_PATH_LINK_TARGET | CAPFUL_RIGHT_PATH_OPEN |      \
     CAPFUL_RIGHT_FD_READDIR | CAPFUL_RIGHT_PATH_READLINK | CAPFUL_RIGHT_PATH_RENAME_SOURCE |      \
     CAPFUL_RIGHT_PATH_RENAME_TARGET | CAPFUL_RIGHT_PATH_FILESTAT_GET |                            \
     CAPFUL_RIGHT_PATH_FILESTAT_SET_SIZE | CAPFUL_RIGHT_PATH_FILESTAT_SET_TIMES |                  \
     CAPFUL_RIGHT_FD_FILESTAT_GET | CAPFUL_RIGHT_FD_FILESTAT_SET_TIMES |                           \
     CAPFUL_RIGHT_PATH_SYMLINK | CAPFUL_RIGHT_PATH_REMOVE_DIRECTORY |                              \
     CAPFUL_RIGHT_PATH_UNLINK_FILE | CAPFUL_RIGHT_POLL_FD_READWRITE)
#define RIGHTS_STREAM                                                                              \
    (CAPFUL_RIGHT_FD_DATASYNC | CAPFUL_RIGHT_FD_READ | CAPFUL_RIGHT_FD_FDSTAT_SET_FLAGS |          \
     CAPFUL_RIGHT_FD_SYNC | CAPFUL_RIGHT_FD_WRITE | CAPFUL_RIGHT_FD_FILESTAT_GET |                 \
     CAPFUL_RIGHT_FD_FILESTAT_SET_TIMES | CAPFUL_RIGHT_POLL_FD_READWRITE)
#define RIGHTS_SEEKABLE                                                                            \
    (RIGHTS_STREAM | CAPFUL_RIGHT_FD_SEEK | CAPFUL_RIGHT_FD_TELL | CAPFUL_RIGHT_FD_ADVISE |        \
     CAPFUL_RIGHT_FD_ALLOCATE | CAPFUL_RIGHT_FD_FILESTAT_SET_SIZE)
#define RIGHTS_WRITING                                                                             \
    (CAPFUL_RIGHT_FD_WRITE | CAPFUL_RIGHT_FD_ALLOCATE | CAPFUL_RIGHT_FD_FILESTAT_SET_SIZE)

/* What a directory or file that was handed on to be read does not give. */
#define RIGHTS_CHANGING                                                                            \
    (RIGHTS_WRITING | CAPFUL_RIGHT_PATH_CREATE_DIRECTORY | CAPFUL_RIGHT_PATH_CREATE_FILE |         \
     CAPFUL_RIGHT_PATH_LINK_SOURCE | CAPFUL_RIGHT_PATH_LINK_TARGET |                               \
     CAPFUL_RIGHT_PATH_RENAME_SOURCE | CAPFUL_RIGHT_PATH_RENAME_TARGET |                           \
     CAPFUL_RIGHT_PATH_FILESTAT_SET_SIZE | CAPFUL_RIGHT_PATH_FILESTAT_SET_TIMES |                  \
     CAPFUL_RIGHT_FD_FILESTAT_SET_TIMES | CAPFUL_RIGHT_PATH_SYMLINK |                              \
     CAPFUL_RIGHT_PATH_REMOVE_DIRECTORY | CAPFUL_RIGHT_PATH_UNLINK_FILE)

/* All that can be done with this open file: the rights to give with a file that the host opened. */
uint64_t rights_of_file(const struct file *file);

/* BADF; NOTCAPABLE without those rights, SPIPE where the file has no offset that they could be
 * about. */
int sys_get_fd(struct process *process, uint64_t number, uint64_t rights, struct fd **ret);
/* A directory that a path starts at: a descriptor, or the working directory for our own guests.
 * NOTDIR too. *ret_fd (may be NULL) is NULL for the working directory. */
int sys_get_at(struct process *process, uint64_t number, uint64_t rights, struct vfs_at *ret,
               struct fd **ret_fd);
/* A path: NAMETOOLONG, FAULT, NOENT when empty, INVAL with NUL inside. */
int sys_get_path(struct process *process, uint64_t start, uint64_t len, struct str *ret);
/* What the file tree answered, as a system call answers it: a served mount that was asked parks the
 * process. */
static inline int sys_vfs_result(int result)
{
    return result == FILE_PARKED ? SYS_PARK : result;
}
/* Waits until the file may be ready for `events`: SYS_PARK, or AGAIN where it is set not to wait.
 */
int sys_wait_for(struct process *process, struct file *file, unsigned events);
/* Lists of strings for a child, charged to it. NOMEM. */
int sys_give_strings(struct process *child, struct str argv, uint32_t argc, struct str envp,
                     uint32_t envc);
/* Opens a directory by a path of the caller for chdir: *ret_path is its absolute path (mem_free).
 * SYS_PARK too. */
int sys_open_cwd(struct process *process, struct str path, struct file **ret, char **ret_path);

#endif
