/* Words for errnos, see errno_text.h. */
#include "base/errno_text.h"

const char *errno_text(int number)
{
    switch (number) {
#define ERRNO(name, number, text)                                                                  \
    case number: return text;
#include "abi/errno.def"
#undef ERRNO
    default: return "unknown error";
    }
}

const char *errno_name(int number)
{
    switch (number) {
#define ERRNO(name, number, text)                                                                  \
    case number: return "E" #name;
#include "abi/errno.def"
#undef ERRNO
    default: return "EUNKNOWN";
    }
}
