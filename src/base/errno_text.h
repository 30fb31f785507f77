/* Words for the errnos of abi/errno.def. */
#ifndef CAPFUL_BASE_ERRNO_TEXT_H
#define CAPFUL_BASE_ERRNO_TEXT_H

/* "no such file or directory"; "unknown error" for numbers that are none. */
const char *errno_text(int number);
/* "ENOENT" */
const char *errno_name(int number);

#endif
