/* Errors of the host as a guest sees them: one table. */
#include <errno.h>

#include "vfs/hostdir.h"

int errno_lookup(int host_errno)
{
    switch (host_errno) {
#define MAP(name)                                                                                  \
    case E##name: return ERRNO_##name;
        MAP(ACCES)
        MAP(AGAIN)
        MAP(BADF)
        MAP(BUSY)
        MAP(DQUOT)
        MAP(EXIST)
        MAP(FBIG)
        MAP(ILSEQ)
        MAP(INTR)
        MAP(INVAL)
        MAP(IO)
        MAP(ISDIR)
        MAP(LOOP)
        MAP(MLINK)
        MAP(NAMETOOLONG)
        MAP(NODEV)
        MAP(NOENT)
        MAP(NOLCK)
        MAP(NOMEM)
        MAP(NOSPC)
        MAP(NOSYS)
        MAP(NOTDIR)
        MAP(NOTEMPTY)
        MAP(NXIO)
        MAP(OVERFLOW)
        MAP(PERM)
        MAP(PIPE)
        MAP(RANGE)
        MAP(ROFS)
        MAP(SPIPE)
        MAP(STALE)
        MAP(TIMEDOUT)
        MAP(TXTBSY)
        MAP(XDEV)
#undef MAP
    case EMFILE: /* the host process is short of descriptors, not the guest */
    case ENFILE: return ERRNO_NFILE;
    case EOPNOTSUPP: return ERRNO_NOTSUP;
    default: return ERRNO_IO;
    }
}
