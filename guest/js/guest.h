/* The JavaScript guest, file by file:
 *
 *   main.c    init (makes the image) and entry (runs one program); the event loop
 *   script.c  the program text: compiled, run, its value; modules
 *   tools.c   tools as functions: `tools`, the bare globals, calls out and answers back
 *   child.c   programs as processes of their own
 *   report.c  errors that nobody handled: what the host is told and what stderr shows
 *   sys.c     small primitives for the JavaScript library: output, clock, random numbers, arguments
 *   files.c   file primitives; errors in Node's form
 *   text.c    bytes to strings and back
 *   lib/      the library in JavaScript, evaluated when the image is made
 *   train/    scripts that show which parts of the image a run touches (../libc/heap.c)
 *
 * A guest runs one program and ends, so its state is one static struct.
 */
#ifndef GUEST_JS_GUEST_H
#define GUEST_JS_GUEST_H

#include "../libc/capful.h"
#include "quickjs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest {
    JSRuntime *rt;
    JSContext *ctx;
    JSValue sys;      /* the primitives, seen by the library only */
    JSValue internal; /* what parts of the library know of each other */
    uint32_t argc;
    capful_word *argv; /* addresses of strings */
    const char *file;  /* argv[0]: the name of the program */
    double wake;       /* when the next timer is due, ms on the monotonic clock; HUGE_VAL: none */
    bool immediates;   /* setImmediate callbacks wait */
    bool ticks;        /* process.nextTick callbacks wait */
    bool exit_wanted;  /* the library has to say the exit code */
};
extern struct guest guest;

/* main.c */
double guest_now(void); /* monotonic clock, ms */
_Noreturn void guest_exit(int code);
/* Takes err; reports it and ends the process. */
_Noreturn void guest_fail(JSValue err);
/* A function of the library by name; NULL name gives the object itself. */
JSValue guest_call_internal(const char *name, int argc, JSValueConst *argv);
void guest_write_all(int fd, const char *text, size_t len);

/* script.c */
void script_init(void);
JSValue script_source(void); /* the program text as a string */
/* Compiles and starts the program; a promise of its value, or JS_EXCEPTION. */
JSValue script_start(bool *ret_is_module);
/* Takes value: tells the host, unless it is undefined. -1: an exception is pending. */
int script_give_value(JSValue value);
/* Takes the promise of a module's evaluation: its default export, called if it is a lone function.
 */
JSValue script_module_value(void);
JSValue script_compile_function(JSContext *ctx, JSValueConst this_val, int argc,
                                JSValueConst *argv);

/* tools.c */
void tools_init(void);
int tools_outstanding(void);
/* Waits for one answer, for what child.c watches, or until `until` (ms on the monotonic clock,
 * HUGE_VAL: for ever). */
int tools_wait(double until);

/* child.c */
void child_init(void);
/* The descriptors that are waited for, with `ready` filled in afterwards. */
uint32_t child_watched(struct capful_ready **ret_list);
int child_dispatch(void); /* hands what is ready to the library; -1: an exception is pending */

/* report.c */
void report_error(JSValueConst err);

/* sys.c, files.c, text.c: add their functions to guest.sys */
void sys_init(void);
void sys_read_args(void); /* argc, argv, file of struct guest */
void files_init(void);
void text_init(void);
/* Bytes of a string as UTF-8 (lone surrogates become U+FFFD) or of a typed array; text_free
 * releases. */
struct text {
    const char *data;
    size_t len;
    const char *owned; /* JS string to be freed */
};
/* Lone surrogates in JSON text, which JSON.stringify escapes, become U+FFFD in place. */
void text_mend_json(char *json, size_t len);
int text_get(JSContext *ctx, struct text *ret_text, JSValueConst value);
void text_free(JSContext *ctx, struct text *text);
/* UTF-8 to a string; what is not well-formed becomes U+FFFD. */
JSValue text_new_string(JSContext *ctx, const char *bytes, size_t len);

#endif
