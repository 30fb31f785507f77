/* Guest programs: those inside the binary, and those of the user. */
#include "engine/internal.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define IMAGES(X) X(js)
#define FEW_SLOTS 32u

#define X(name)                                                                                    \
    extern uint8_t image_##name##_fast_start[], image_##name##_fast_end[];                         \
    extern uint8_t image_##name##_plain_start[], image_##name##_plain_end[];
IMAGES(X)
#undef X

static struct built_in {
    const char *name;
    uint8_t *start[2], *end[2]; /* fast, plain */
    struct image *image;
    bool failed;
} built_ins[] = {
#define X(name)                                                                                    \
    {#name,                                                                                        \
     {image_##name##_fast_start, image_##name##_plain_start},                                      \
     {image_##name##_fast_end, image_##name##_plain_end},                                          \
     NULL,                                                                                         \
     false},
    IMAGES(X)
#undef X
};
enum { BUILT_INS = sizeof built_ins / sizeof built_ins[0] };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Behind each image stands what the compiler found out (rust/compile/src/trailer.rs). */
struct trailer {
    uint8_t magic[8];
    uint8_t flags[8]; /* little endian */
};
#define TRAILER_REUSABLE 1u

static bool take_trailer(struct image *image, const uint8_t *bytes, size_t *len)
{
    static const uint8_t magic[8] = {'c', 'a', 'p', 'f', 'u', 'l', 1, '\n'};
    struct trailer trailer;
    if (*len < sizeof trailer)
        return false;
    memcpy(&trailer, bytes + *len - sizeof trailer, sizeof trailer);
    if (memcmp(trailer.magic, magic, sizeof magic) != 0)
        return false;
    *len -= sizeof trailer;
    image->reusable = (trailer.flags[0] & TRAILER_REUSABLE) != 0;
    return true;
}

static void find_initial_memory(struct image *image)
{
    const uint8_t *bytes;
    size_t len;
    uint64_t at;
    if (rt_module_memory(image->module, &bytes, &len, &at) && at % IMAGE_PAGE == 0 &&
        len % IMAGE_PAGE == 0) {
        image->initial = len > 0 ? bytes : image_page(image, 0);
        image->initial_at = (size_t)at;
        image->initial_len = len;
    }
}

static int image_finish(struct image *image, struct capful_error *err)
{
    int result = link_module(engine_get(), image->module, &image->pre, err);
    if (result != 0)
        return result;
    find_initial_memory(image);
    image->reusable = image->reusable && image->initial && image->own;
    void *start, *end;
    wasmtime_module_image_range(image->module, &start, &end);
    signals_add_code(start, (size_t)((char *)end - (char *)start));
    return 0;
}

void engine_image_free(struct image *image)
{
    if (!image)
        return;
    warm_drop_image(image);
    if (image->pre) {
        void *start, *end;
        wasmtime_module_image_range(image->module, &start, &end);
        signals_remove_code(start);
        wasmtime_instance_pre_delete(image->pre);
    }
    if (image->module)
        wasmtime_module_delete(image->module);
    mem_free(image);
}

/* The main program's file cannot change while it runs (ETXTBSY), so the memory of images in it can
 * be mapped from there, which saves the start a copy. Only where few processes will run, though:
 * the page cache holds files in large pieces, one read maps all of a piece, and each page that is
 * mapped is looked at when the memory is reset. A shared library may be replaced at any time: there
 * the memory is always copied once.
 */
static int find_file(struct dl_phdr_info *info, size_t size, void *context)
{
    uintptr_t at = (uintptr_t)built_ins[0].start[0];
    (void)size, (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD || at < start || at - start >= segment->p_filesz)
            continue;
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            // NOLINTNEXTLINE(performance-no-int-to-ptr): the linker gives numbers
            rt_image_file((const void *)start, segment->p_filesz, fd, segment->p_offset);
        break;
    }
    return 1; /* the first object is the main program */
}

static void name_file(void)
{
    dl_iterate_phdr(find_file, NULL);
}

static struct image *load_built_in(struct built_in *b, struct capful_error *err)
{
    char text[256] = "";
    int kind = engine_is_fast() ? 0 : 1;
    struct image *image = mem_zalloc(sizeof *image);
    if (!image) {
        err_nomem(err);
        return NULL;
    }
    snprintf(image->name, sizeof image->name, "%s", b->name);
    image->own = true;
    size_t len = (size_t)(b->end[kind] - b->start[kind]);
    bool whole = take_trailer(image, b->start[kind], &len);
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (engine_slots() <= FEW_SLOTS)
        pthread_once(&once, name_file);
    if (whole)
        image->module = rt_module_in_place(engine_get(), b->start[kind], len, text, sizeof text);
    else
        snprintf(text, sizeof text, "its end is missing");
    if (!image->module)
        err_set(err, CAPFUL_EENGINE, "the image of %s cannot be used on this machine: %s", b->name,
                text);
    if (!image->module || image_finish(image, err) != 0) {
        engine_image_free(image);
        return NULL;
    }
    return image;
}

struct image *engine_image(struct str name, struct capful_error *err)
{
    for (int i = 0; i < BUILT_INS; i++) {
        struct built_in *b = &built_ins[i];
        if (!str_equal(name, str_of(b->name)))
            continue;
        struct image *image = __atomic_load_n(&b->image, __ATOMIC_ACQUIRE);
        if (image)
            return image;
        /* An in-place image can be loaded once only, so a failure is not tried again with the same
         * bytes. */
        pthread_mutex_lock(&mutex);
        image = b->image;
        if (!image && b->failed) {
            err_set(err, CAPFUL_EENGINE, "the image of %s could not be loaded before", b->name);
        } else if (!image) {
            image = load_built_in(b, err);
            b->failed = !image;
            __atomic_store_n(&b->image, image, __ATOMIC_RELEASE);
        }
        pthread_mutex_unlock(&mutex);
        return image;
    }
    err_set(err, CAPFUL_EINVAL, "there is no program \"%.*s\"", (int)name.len, name.ptr);
    return NULL;
}

/* A program of a user that speaks our own calls says so by exporting "entry" where others export
 * "_start". */
static bool speaks_own(const wasmtime_module_t *module)
{
    wasm_exporttype_vec_t exports;
    bool found = false;
    wasmtime_module_exports(module, &exports);
    for (size_t i = 0; i < exports.size && !found; i++) {
        const wasm_name_t *name = wasm_exporttype_name(exports.data[i]);
        found = name->size == 5 && memcmp(name->data, "entry", 5) == 0;
    }
    wasm_exporttype_vec_delete(&exports);
    return found;
}

bool engine_image_is_own(const struct image *image)
{
    return image->own;
}

int engine_image_load(const void *bytes, size_t len, struct image **ret, struct capful_error *err)
{
    char text[256] = "";
    struct image *image = mem_zalloc(sizeof *image);
    if (!image)
        return err_nomem(err);
    snprintf(image->name, sizeof image->name, "program");
    if (take_trailer(image, bytes, &len))
        image->module = rt_module_from_bytes(engine_get(), bytes, len, text, sizeof text);
    else
        snprintf(text, sizeof text, "its end is missing");
    int result = 0;
    if (!image->module) {
        result = err_set(err, CAPFUL_EINVAL,
                         "not an image made by this version's capful-compile: %s", text);
    } else {
        image->own = speaks_own(image->module);
        result = image_finish(image, err);
    }
    if (result != 0) {
        engine_image_free(image);
        return result;
    }
    *ret = image;
    return 0;
}
