/* Runs the spec tests: data files of cases, each a script and what it must print. The format:
 * tests/FORMAT.md.
 *
 *     spec_runner [--capful PATH] [--root DIR] [-v] DIR-OR-FILE… [FILTER…]
 *
 * Each case runs in a process that makes a directory, runs the program there, compares and writes a
 * report; two at a time. Words that are no files filter by file name and case name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#define AT_A_TIME   2
#define SECONDS     30
#define WORDS       64
#define CHECKS      48
#define FILES       16
#define SHOWN_LINES 30

enum check_kind { CONTAINS, LACKS, MATCHES, JSON_HAS };

struct check {
    enum check_kind kind;
    int stream; /* 1 stdout, 2 stderr */
    char *text;
};

struct spec_file {
    char *name;
    struct str text;
};

struct spec_case {
    const char *path;
    int line;
    char *name;
    struct str script;
    struct str wanted[3]; /* of stdout and stderr; ptr NULL: not looked at */
    int status;
    char *args, *argv, *cmd, *todo;
    char *input; /* NULL: /dev/null */
    size_t input_len;
    struct check checks[CHECKS];
    size_t n_checks;
    struct spec_file files[FILES];
    size_t n_files;
};

static struct {
    const char *capful, *root;
    char base[64]; /* a directory for everything that this run makes */
    struct spec_case *cases;
    size_t n_cases;
    const char **filters;
    size_t n_filters;
    bool verbose;
} spec;

__attribute__((format(printf, 1, 2))) _Noreturn static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("spec_runner: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

static void *need(void *memory)
{
    if (!memory)
        die("out of memory");
    return memory;
}

/* ------------------------------------------------------------------ reading */

static struct str read_file(const char *path)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    FILE *f = fopen(path, "re");
    char piece[65536];
    size_t n;
    if (!f)
        die("%s: %s", path, strerror(errno));
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        if (!buf_add(&text, piece, n))
            die("out of memory");
    fclose(f);
    if (!text.data)
        buf_add(&text, "", 0);
    size_t len = text.len;
    return (struct str){need(buf_steal(&text)), len};
}

struct reader {
    const char *path;
    struct str rest;
    int line; /* of the line read last */
};

/* The next line, its newline included. */
static bool next_line(struct reader *reader, struct str *ret)
{
    if (reader->rest.len == 0)
        return false;
    const char *end = memchr(reader->rest.ptr, '\n', reader->rest.len);
    size_t n = end ? (size_t)(end - reader->rest.ptr) + 1 : reader->rest.len;
    *ret = (struct str){reader->rest.ptr, n};
    reader->rest.ptr += n;
    reader->rest.len -= n;
    reader->line++;
    return true;
}

static bool begins(struct str line, const char *with)
{
    return line.len >= strlen(with) && memcmp(line.ptr, with, strlen(with)) == 0;
}

/* Everything up to "## END". */
static struct str read_block(struct reader *reader)
{
    struct str line, block = {reader->rest.ptr, 0};
    int start = reader->line;
    while (next_line(reader, &line)) {
        if (begins(line, "## END"))
            return block;
        block.len += line.len;
    }
    die("%s:%d: no \"## END\" ends this block", reader->path, start);
}

static char *copy_trimmed(struct str text)
{
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
        text.len--;
    while (text.len && strchr(" \t", text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    return need(mem_dup(text.ptr, text.len));
}

/* \n \t \r \0 \\ \xHH */
static char *unescape(char *text, size_t *ret_len)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        if (*p != '\\' || !p[1]) {
            *to++ = *p;
            continue;
        }
        static const char from[] = "ntr0\\", into[] = "\n\t\r\0\\";
        const char *known = strchr(from, *++p);
        unsigned byte;
        if (*p == 'x' && sscanf(p + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            p += 2;
        } else {
            *to++ = known ? into[known - from] : *p;
        }
    }
    *to = 0;
    *ret_len = (size_t)(to - text);
    return text;
}

static void add_check(struct reader *reader, struct spec_case *c, enum check_kind kind, int stream,
                      char *text)
{
    if (c->n_checks == CHECKS)
        die("%s:%d: too many checks in one case", reader->path, reader->line);
    if (!*text)
        die("%s:%d: nothing to look for", reader->path, reader->line);
    c->checks[c->n_checks++] = (struct check){kind, stream, text};
}

static void add_file(struct reader *reader, struct spec_case *c, char *name)
{
    if (c->n_files == FILES)
        die("%s:%d: too many files in one case", reader->path, reader->line);
    c->files[c->n_files].name = name;
    c->files[c->n_files++].text = read_block(reader);
}

static bool read_stream(struct reader *reader, struct spec_case *c, const char *name, char *value)
{
    static const char *const kinds[] = {
        [CONTAINS] = "-CONTAINS", [LACKS] = "-LACKS", [MATCHES] = "-MATCHES"};
    int stream = strncmp(name, "STDOUT", 6) == 0 ? 1 : strncmp(name, "STDERR", 6) == 0 ? 2 : 0;
    if (!stream)
        return false;
    if (!name[6]) {
        if (c->wanted[stream].ptr)
            die("%s:%d: %s twice", reader->path, reader->line, name);
        if (!*value) {
            c->wanted[stream] = read_block(reader);
        } else { /* on one line */
            size_t n = strlen(value);
            char *line = need(mem_alloc(n + 2));
            memcpy(line, value, n);
            memcpy(line + n, "\n", 2);
            c->wanted[stream] = (struct str){line, n + 1};
        }
        return true;
    }
    for (int kind = CONTAINS; kind <= MATCHES; kind++)
        if (strcmp(name + 6, kinds[kind]) == 0) {
            add_check(reader, c, (enum check_kind)kind, stream, value);
            return true;
        }
    return false;
}

static void read_directive(struct reader *reader, struct spec_case *c, struct str line)
{
    char name[32] = "";
    struct str rest = {line.ptr + 2, line.len - 2};
    while (rest.len && *rest.ptr == ' ') {
        rest.ptr++;
        rest.len--;
    }
    if (begins(rest, "file ")) {
        add_file(reader, c, copy_trimmed((struct str){rest.ptr + 5, rest.len - 5}));
        return;
    }
    size_t n = 0;
    while (n < rest.len && n < sizeof name - 1 && rest.ptr[n] != ':' && rest.ptr[n] != '\n') {
        name[n] = rest.ptr[n];
        n++;
    }
    if (n == rest.len || rest.ptr[n] != ':')
        die("%s:%d: a directive is \"## name: value\"", reader->path, reader->line);
    char *value = copy_trimmed((struct str){rest.ptr + n + 1, rest.len - n - 1});
    if (read_stream(reader, c, name, value))
        return;
    if (strcmp(name, "status") == 0)
        c->status = atoi(value);
    else if (strcmp(name, "args") == 0)
        c->args = value;
    else if (strcmp(name, "argv") == 0)
        c->argv = value;
    else if (strcmp(name, "cmd") == 0)
        c->cmd = value;
    else if (strcmp(name, "todo") == 0)
        c->todo = value;
    else if (strcmp(name, "stdin") == 0)
        c->input = unescape(value, &c->input_len);
    else if (strcmp(name, "json-has") == 0)
        add_check(reader, c, JSON_HAS, 1, value);
    else
        die("%s:%d: there is no directive \"%s\"", reader->path, reader->line, name);
}

static bool is_wanted(const struct spec_case *c)
{
    for (size_t i = 0; i < spec.n_filters; i++)
        if (strstr(c->name, spec.filters[i]) || strstr(c->path, spec.filters[i]))
            return true;
    return spec.n_filters == 0;
}

static void keep_case(const struct spec_case *c)
{
    static const char *const commands[] = {"run", "exec", "check", "sh"};
    bool known = false;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        known |= strcmp(c->cmd, commands[i]) == 0;
    if (!known)
        die("%s:%d: cmd is run, exec, check or sh, not %s", c->path, c->line, c->cmd);
    if (!is_wanted(c))
        return;
    spec.cases = need(mem_resize_array(spec.cases, spec.n_cases + 1, sizeof *spec.cases));
    spec.cases[spec.n_cases++] = *c;
}

static void load(const char *path)
{
    struct reader reader = {mem_strdup(path), read_file(path), 0};
    struct spec_case c = {0};
    bool in_case = false, in_script = false;
    struct str line;
    while (next_line(&reader, &line)) {
        if (begins(line, "#### ")) {
            if (in_case)
                keep_case(&c);
            c = (struct spec_case){
                .path = reader.path, .line = reader.line, .cmd = need(mem_strdup("run"))};
            c.name = copy_trimmed((struct str){line.ptr + 5, line.len - 5});
            c.script = (struct str){reader.rest.ptr, 0};
            in_case = in_script = true;
        } else if (in_case && begins(line, "##")) {
            in_script = false;
            read_directive(&reader, &c, line);
        } else if (in_script) {
            c.script.len += line.len;
        } else if (in_case && line.len > 1) {
            die("%s:%d: this belongs to no directive", path, reader.line);
        } /* before the first case anything may be said */
    }
    if (!in_case)
        die("%s: no case", path);
    keep_case(&c);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_tree(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        die("%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        load(path);
        return;
    }
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char below[4096];
        const char *name = entries[i]->d_name, *end = strrchr(name, '.');
        snprintf(below, sizeof below, "%s/%s", path, name);
        bool is_directory = name[0] != '.' && stat(below, &st) == 0 && S_ISDIR(st.st_mode);
        if (is_directory || (end && end != name && strcmp(end, ".test") == 0))
            load_tree(below);
        free(entries[i]);
    }
    free(entries);
}

/* ------------------------------------------------------------------ running one case */

struct run {
    const struct spec_case *c;
    char dir[96];     /* of the case: its working directory */
    char out[2][128]; /* where stdout and stderr went */
    struct str got[3];
    FILE *report;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void complain(struct run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(run->report, format, args);
    va_end(args);
    run->failed = true;
}

static void write_file(const char *dir, const char *name, struct str text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *slash = strchr(path + strlen(dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
    bool is_program = text.len > 2 && memcmp(text.ptr, "#!", 2) == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, is_program ? 0755 : 0644);
    if (fd < 0 || write(fd, text.ptr, text.len) != (ssize_t)text.len)
        die("%s: %s", path, strerror(errno));
    close(fd);
}

/* Adds the words of a line; 'quotes' and "quotes" hold blanks, $ROOT and $CAPFUL are replaced. */
static int split(char *line, char **words, int n)
{
    for (char *p = line; p && *p;) {
        struct buf word = BUF_INIT(65536);
        char quote = 0;
        while (*p == ' ')
            p++;
        if (!*p)
            break;
        buf_add(&word, "", 0);
        for (; *p && (quote || *p != ' '); p++) {
            if (quote ? *p == quote : *p == '\'' || *p == '"')
                quote = quote ? 0 : *p;
            else if (quote != '\'' && strncmp(p, "$ROOT", 5) == 0 && buf_add_text(&word, spec.root))
                p += 4;
            else if (quote != '\'' && strncmp(p, "$CAPFUL", 7) == 0 &&
                     buf_add_text(&word, spec.capful))
                p += 6;
            else
                buf_add_char(&word, *p);
        }
        if (n >= WORDS - 4)
            die("too many words: %s", line);
        if (!word.data)
            buf_add_text(&word, "");
        words[n++] = need(word.data ? buf_steal(&word) : mem_strdup(""));
    }
    return n;
}

/* A policy of the repository: tests name it from the root. */
static void resolve_policies(struct run *run, char **words, int n)
{
    for (int i = 0; i < n - 1; i++) {
        char path[4096];
        struct stat st;
        if (strcmp(words[i], "--policy") != 0 || words[i + 1][0] == '/')
            continue;
        snprintf(path, sizeof path, "%s/%s", run->dir, words[i + 1]);
        if (stat(path, &st) == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", spec.root, words[i + 1]);
        if (stat(path, &st) == 0)
            words[i + 1] = need(mem_strdup(path));
    }
}

static bool wants_json(const struct spec_case *c)
{
    for (size_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].kind == JSON_HAS)
            return true;
    return false;
}

static void make_command(struct run *run, char **words)
{
    const struct spec_case *c = run->c;
    const char *file = NULL;
    int n = 0;
    if (strcmp(c->cmd, "sh") == 0) {
        write_file(run->dir, ".script.sh", c->script);
        words[n++] = (char *)"/bin/sh";
        words[n++] = (char *)".script.sh";
        n = split(c->argv, words, n);
        words[n] = NULL;
        return;
    }
    words[n++] = (char *)spec.capful;
    words[n++] = c->cmd;
    if (strcmp(c->cmd, "check") != 0 && wants_json(c))
        words[n++] = (char *)"--json";
    n = split(c->args, words, n);
    if (strcmp(c->cmd, "run") == 0)
        file = "case.js";
    else if (strcmp(c->cmd, "check") == 0 && c->script.len > 0)
        file = "policy.json";
    if (file) {
        write_file(run->dir, file, c->script);
        words[n++] = (char *)file;
    }
    resolve_policies(run, words, n);
    n = split(c->argv, words, n);
    words[n] = NULL;
}

static void set_environment(const struct run *run)
{
    char cache[96];
    static const char *const gone[] = {"NO_COLOR", "XDG_CACHE_HOME", "MAKEFLAGS", "ENV",
                                       "BASH_ENV"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        unsetenv(gone[i]);
    snprintf(cache, sizeof cache, "%s/cache", spec.base);
    setenv("XDG_CACHE_HOME", cache, 1);
    setenv("HOME", run->dir, 1);
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("ROOT", spec.root, 1);
    setenv("CAPFUL", spec.capful, 1);
}

_Noreturn static void become(const struct run *run, char **words)
{
    int in;
    char input[128] = "/dev/null";
    setpgid(0, 0);
    if (run->c->input)
        snprintf(input, sizeof input, "%.100s.in", run->dir);
    in = open(input, O_RDONLY);
    int out = open(run->out[0], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    int err = open(run->out[1], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (in < 0 || out < 0 || err < 0 || chdir(run->dir) != 0)
        _exit(99);
    set_environment(run);
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    execv(words[0], words);
    _exit(98);
}

/* Waits for the child, or kills its group when its time is up. Returns a wait status. */
static int wait_for(struct run *run, pid_t child)
{
    int status = 0;
    for (int tenth = 0;; tenth++) {
        struct timespec short_while = {0, tenth < 20 ? 5000000 : 50000000};
        pid_t got = waitpid(child, &status, WNOHANG);
        if (got == child)
            break;
        if (tenth > SECONDS * 20) {
            complain(run, "  it took more than %d seconds\n", SECONDS);
            kill(-child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
        nanosleep(&short_while, NULL);
    }
    kill(-child, SIGKILL); /* whatever it left behind */
    return status;
}

static int execute(struct run *run)
{
    char *words[WORDS];
    for (size_t i = 0; i < run->c->n_files; i++)
        write_file(run->dir, run->c->files[i].name, run->c->files[i].text);
    if (run->c->input) {
        char name[128];
        const char *slash = strrchr(run->dir, '/');
        snprintf(name, sizeof name, "%.60s.in", slash + 1);
        write_file(spec.base, name, (struct str){run->c->input, run->c->input_len});
    }
    make_command(run, words);
    pid_t child = fork();
    if (child < 0)
        die("fork: %s", strerror(errno));
    if (child == 0)
        become(run, words);
    setpgid(child, child);
    int status = wait_for(run, child);
    run->got[1] = read_file(run->out[0]);
    run->got[2] = read_file(run->out[1]);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ------------------------------------------------------------------ comparing */

static void show_line(FILE *to, char mark, struct str line)
{
    fprintf(to, "  %c ", mark);
    for (size_t i = 0; i < line.len && i < 400; i++) {
        unsigned char byte = (unsigned char)line.ptr[i];
        if (byte == '\n')
            continue;
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            fprintf(to, "\\x%02x", byte);
        else
            fputc(byte, to);
    }
    if (line.len == 0 || line.ptr[line.len - 1] != '\n')
        fputs(line.len > 400 ? " …" : "  (no newline)", to);
    fputc('\n', to);
}

static void show_lines(FILE *to, char mark, struct str text)
{
    struct reader reader = {NULL, text, 0};
    struct str line;
    for (int i = 0; next_line(&reader, &line); i++) {
        if (i == SHOWN_LINES) {
            fprintf(to, "  %c … %zu bytes in all\n", mark, text.len);
            return;
        }
        show_line(to, mark, line);
    }
}

/* Both texts without the lines that they share at the start and at the end. */
static void show_difference(FILE *to, struct str wanted, struct str got)
{
    struct reader a = {NULL, wanted, 0}, b = {NULL, got, 0}, before_a = a, before_b = b;
    struct str x, y;
    int same = -1;
    do {
        before_a = a;
        before_b = b;
        same++;
    } while (next_line(&a, &x) && next_line(&b, &y) && str_equal(x, y));
    wanted = before_a.rest;
    got = before_b.rest;
    for (;;) { /* from the end, line by line */
        size_t n = 1;
        while (n < wanted.len && n < got.len &&
               wanted.ptr[wanted.len - n] == got.ptr[got.len - n] &&
               (n == 1 || wanted.ptr[wanted.len - n] != '\n'))
            n++;
        n--;
        if (n == 0 || n >= wanted.len || n >= got.len || wanted.ptr[wanted.len - n - 1] != '\n' ||
            got.ptr[got.len - n - 1] != '\n')
            break;
        wanted.len -= n;
        got.len -= n;
    }
    if (same > 0)
        fprintf(to, "    (%d lines are the same)\n", same);
    show_lines(to, '-', wanted);
    show_lines(to, '+', got);
}

static const char *stream_name(int stream)
{
    return stream == 1 ? "stdout" : "stderr";
}

static bool matches(struct run *run, const char *pattern, struct str text)
{
    regex_t regex;
    char why[200];
    int e = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);
    if (e != 0) {
        regerror(e, &regex, why, sizeof why);
        complain(run, "  the pattern \"%s\": %s\n", pattern, why);
        return true;
    }
    bool found = regexec(&regex, text.ptr, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static void check_json(struct run *run, const char *text)
{
    struct json got, wanted;
    struct json_problem problem;
    const char *space = strchr(text, ' ');
    char pointer[200];
    if (!space) {
        complain(run, "  json-has is \"/pointer JSON\", not \"%s\"\n", text);
        return;
    }
    snprintf(pointer, sizeof pointer, "%.*s", (int)(space - text), text);
    if (!json_parse(run->got[1], JSON_STRICT, 200, &got, &problem)) {
        complain(run, "  stdout is not JSON: %s\n", problem.text);
        show_lines(run->report, '+', run->got[1]);
        return;
    }
    yyjson_val *value = strcmp(pointer, "/") == 0 ? got.root : yyjson_ptr_get(got.root, pointer);
    bool any = strcmp(space + 1, "*") == 0;
    if (!any && !json_parse(str_of(space + 1), JSON_STRICT, 200, &wanted, &problem)) {
        complain(run, "  json-has %s: what is wanted is not JSON: %s\n", pointer, problem.text);
        return;
    }
    size_t len;
    char *have = value ? json_write(value, &len) : NULL;
    char *want = any ? NULL : json_write(wanted.root, &len);
    if (!have || (want && strcmp(have, want) != 0))
        complain(run, "  %s is %s, not %s\n", pointer, have ? have : "not there",
                 want ? want : "anything");
    mem_free(have);
    mem_free(want);
    if (!any)
        json_release(&wanted);
    json_release(&got);
}

static void compare(struct run *run, int status)
{
    const struct spec_case *c = run->c;
    if (status != c->status) {
        if (status > 1000)
            complain(run, "  ended by signal %d (%s), not with status %d\n", status - 1000,
                     strsignal(status - 1000), c->status);
        else
            complain(run, "  status %d, not %d\n", status, c->status);
    }
    for (int s = 1; s <= 2; s++)
        if (c->wanted[s].ptr && !str_equal(c->wanted[s], run->got[s])) {
            complain(run, "  %s differs (- wanted, + got):\n", stream_name(s));
            show_difference(run->report, c->wanted[s], run->got[s]);
        }
    for (size_t i = 0; i < c->n_checks; i++) {
        const struct check *check = &c->checks[i];
        struct str got = run->got[check->stream];
        if (check->kind == JSON_HAS) {
            check_json(run, check->text);
            continue;
        }
        bool found = check->kind == MATCHES
                         ? matches(run, check->text, got)
                         : memmem(got.ptr, got.len, check->text, strlen(check->text)) != NULL;
        if (found != (check->kind != LACKS)) {
            complain(run, "  %s %s \"%s\":\n", stream_name(check->stream),
                     check->kind == LACKS     ? "has"
                     : check->kind == MATCHES ? "does not match"
                                              : "does not have",
                     check->text);
            show_lines(run->report, '+', got);
        }
    }
    if (run->failed && !c->wanted[2].ptr && run->got[2].len > 0) {
        fprintf(run->report, "  stderr was:\n");
        show_lines(run->report, '+', run->got[2]);
    }
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st;
    (void)flag;
    (void)walk;
    return remove(path);
}

/* In a process of its own: 0 passed, 1 failed; what there is to say is in the report. */
static int run_case(const struct spec_case *c, size_t index, const char *report)
{
    struct run run = {.c = c, .report = fopen(report, "we")};
    if (!run.report)
        die("%s: %s", report, strerror(errno));
    snprintf(run.dir, sizeof run.dir, "%s/%zu", spec.base, index);
    snprintf(run.out[0], sizeof run.out[0], "%s.out", run.dir);
    snprintf(run.out[1], sizeof run.out[1], "%s.err", run.dir);
    if (mkdir(run.dir, 0755) != 0)
        die("%s: %s", run.dir, strerror(errno));
    compare(&run, execute(&run));
    fclose(run.report);
    nftw(run.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return run.failed;
}

/* ------------------------------------------------------------------ all of them */

struct tally {
    size_t passed, failed, todo;
};

static void conclude(struct tally *tally, size_t index, int status, const char *report)
{
    const struct spec_case *c = &spec.cases[index];
    struct str text = read_file(report);
    bool failed = status != 0;
    unlink(report);
    if (WIFSIGNALED(status) || WEXITSTATUS(status) > 1) {
        tally->failed++;
        printf("FAIL %s:%d: %s\n  the case could not be judged (wait status %d)\n", c->path,
               c->line, c->name, status);
    } else if (c->todo && failed) {
        tally->todo++;
        if (spec.verbose)
            printf("todo %s: %s (%s)\n", c->path, c->name, c->todo);
    } else if (failed || c->todo) {
        tally->failed++;
        printf("FAIL %s:%d: %s\n%.*s", c->path, c->line, c->name, (int)text.len, text.ptr);
        if (c->todo)
            printf("  it passes, but is marked todo: %s\n", c->todo);
    } else {
        tally->passed++;
        if (spec.verbose)
            printf("ok   %s: %s\n", c->path, c->name);
    }
    fflush(stdout);
    mem_free((char *)text.ptr);
}

static void run_all(struct tally *tally)
{
    struct {
        pid_t pid;
        size_t index;
        char report[128];
    } slots[AT_A_TIME] = {{0}};
    size_t next = 0, running = 0;
    while (next < spec.n_cases || running > 0) {
        for (int i = 0; i < AT_A_TIME && next < spec.n_cases; i++) {
            if (slots[i].pid)
                continue;
            slots[i].index = next;
            snprintf(slots[i].report, sizeof slots[i].report, "%s/%zu.report", spec.base, next);
            fflush(stdout);
            slots[i].pid = fork();
            if (slots[i].pid < 0)
                die("fork: %s", strerror(errno));
            if (slots[i].pid == 0)
                _exit(run_case(&spec.cases[next], next, slots[i].report));
            next++;
            running++;
        }
        int status;
        pid_t ended = waitpid(-1, &status, 0);
        for (int i = 0; i < AT_A_TIME && ended > 0; i++)
            if (slots[i].pid == ended) {
                conclude(tally, slots[i].index, status, slots[i].report);
                slots[i].pid = 0;
                running--;
            }
    }
}

static char *absolute(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (!resolved)
        die("%s: %s", path, strerror(errno));
    return resolved;
}

int main(int argc, char **argv)
{
    struct tally tally = {0};
    const char **trees = need(mem_array((size_t)argc, sizeof *trees));
    size_t n_trees = 0;
    spec.filters = need(mem_array((size_t)argc, sizeof *spec.filters));
    spec.capful = "build/capful";
    spec.root = ".";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--capful") == 0 && i + 1 < argc)
            spec.capful = argv[++i];
        else if (strcmp(argv[i], "--root") == 0 && i + 1 < argc)
            spec.root = argv[++i];
        else if (strcmp(argv[i], "-v") == 0)
            spec.verbose = true;
        else if (access(argv[i], F_OK) == 0)
            trees[n_trees++] = argv[i];
        else if (n_trees > 0)
            spec.filters[spec.n_filters++] = argv[i];
        else
            die("%s: no such directory", argv[i]);
    }
    if (n_trees == 0)
        die("usage: spec_runner [--capful PATH] [--root DIR] [-v] DIR-OR-FILE… [FILTER…]");
    spec.capful = absolute(spec.capful);
    spec.root = absolute(spec.root);
    snprintf(spec.base, sizeof spec.base, "%.30s/capful-spec.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(spec.base))
        die("%s: %s", spec.base, strerror(errno));
    for (size_t i = 0; i < n_trees; i++)
        load_tree(trees[i]);
    run_all(&tally);
    nftw(spec.base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    printf("%zu passed, %zu failed, %zu todo\n", tally.passed, tally.failed, tally.todo);
    return tally.failed > 0 || tally.passed == 0;
}
