/* capful exec: any WASI program. It is compiled by another process, once; this one never holds a
 * compiler. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cache.h"
#include "cli/commands.h"
#include "cli/compile.h"
#include "cli/launch.h"
#include "cli/term.h"

static const char *not_a_module(const char *bytes, size_t len)
{
    if (len >= 4 && memcmp(bytes, "\177ELF", 4) == 0)
        return "not WebAssembly: give the .wasm file that it was made from (compiled images are "
               "not taken, they would "
               "run outside the sandbox)";
    if (len < 8 || memcmp(bytes, "\0asm", 4) != 0)
        return "not a WebAssembly program: it does not begin with \\0asm";
    if (memcmp(bytes + 4, "\1\0\0\0", 4) != 0)
        return bytes[6] == 1
                   ? "a WebAssembly component; only core modules for WASI preview 1 are run"
                   : "WebAssembly of a version that is not known";
    return NULL;
}

/* Everything that an image depends on. */
static void make_key(struct str module, const struct compiler *compiler, const char *kind,
                     char key[2 * SHA256_SIZE + 1])
{
    struct sha256 sum;
    uint8_t digest[SHA256_SIZE];
    char made_by[200];
    int n = snprintf(made_by, sizeof made_by, "\n%s\n%s\n%lld.%09ld\n%lld", CAPFUL_VERSION, kind,
                     (long long)compiler->stat.st_mtim.tv_sec, compiler->stat.st_mtim.tv_nsec,
                     (long long)compiler->stat.st_size);
    sha256_init(&sum);
    sha256_add(&sum, module.ptr, module.len);
    sha256_add(&sum, made_by, (size_t)n);
    sha256_end(&sum, digest);
    sha256_hex(digest, key);
}

/* 0, or the exit code after a message. */
static int get_image(const char *name, struct str module, struct buf *image)
{
    struct compiler compiler;
    struct cache cache;
    struct capful_error err;
    char key[2 * SHA256_SIZE + 1];
    if (!compiler_find(&compiler) || !cache_open(&cache))
        return EXIT_USAGE;
    const char *kind = capful_engine_kind(&err);
    if (!kind)
        return launch_failed(&err);
    make_key(module, &compiler, kind, key);
    int found = cache_load(&cache, key, image);
    if (found == 0) {
        term_progress("compiling…");
        bool ok = compiler_run(&compiler, name, module, kind, image);
        term_progress(NULL);
        if (ok)
            cache_store(&cache, key, buf_str(image));
        else
            found = -1;
    }
    cache_close(&cache);
    return found < 0 ? EXIT_USAGE : 0;
}

static int exec_file(const struct options *options)
{
    struct program program = {CAPFUL_WASM, NULL, 0, options->file, options->arguments, true};
    struct buf image = BUF_INIT(0);
    size_t len;
    struct launch *launch;
    int failed = launch_new(options, &launch);
    if (failed)
        return failed;
    char *module = launch_read_file(options->file, &len);
    if (!module)
        return EXIT_USAGE;
    const char *wrong = not_a_module(module, len);
    failed = wrong ? term_fail(EXIT_USAGE, "%s is %s", options->file, wrong)
                   : get_image(options->file, (struct str){module, len}, &image);
    mem_free(module);
    if (failed)
        return failed;
    program.source = image.data;
    program.len = image.len;
    return launch_run(launch, &program);
}

int command_exec(int count, char **words)
{
    struct options options;
    if (!options_parse(&options, COMMAND_EXEC, count, words))
        return EXIT_USAGE;
    if (options.help)
        return help_topic("exec");
    return exec_file(&options);
}
