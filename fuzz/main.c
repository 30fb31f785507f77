/* Runs a fuzz target without a fuzzer: over files and folders given, and over mutations of them.
 *
 *     fuzz_x corpus/x              replays every file
 *     fuzz_x -n 10000 corpus/x     then 10,000 mutations, the same ones each time
 *     fuzz_x -n 10000 -s 7 …       another sequence of them
 *
 * Built with clang -fsanitize=fuzzer the targets need no main and this file is left out.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1u << 16)
#define SEEDS_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct seed {
    uint8_t *data;
    size_t size;
} seeds[SEEDS_MAX];
static size_t seed_count;
static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Each run gets a block of exactly its size, so that a sanitizer sees a read past the end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        exit(2);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static bool take_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    if (!file || !data || seed_count == SEEDS_MAX) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    seeds[seed_count++] = (struct seed){data, fread(data, 1, INPUT_MAX, file)};
    fclose(file);
    return true;
}

static bool take(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool ok = true;
    if (!dir)
        return take_file(path);
    while (ok && (entry = readdir(dir))) {
        char name[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        ok = take_file(name);
    }
    closedir(dir);
    return ok;
}

/* A few bytes changed, a piece removed, or the beginning of one seed before the end of another. */
static size_t mutate(uint8_t *out)
{
    const struct seed *a = &seeds[next_random() % seed_count],
                      *b = &seeds[next_random() % seed_count];
    size_t size = a->size;
    memcpy(out, a->data, size);
    if (next_random() % 3 == 0 && size > 0 && b->size > 0) {
        size_t at = next_random() % size, from = next_random() % b->size, n = b->size - from;
        n = n < INPUT_MAX - at ? n : INPUT_MAX - at;
        memcpy(out + at, b->data + from, n);
        size = at + n;
    }
    for (uint64_t i = next_random() % 8; i > 0 && size > 0; i--) {
        uint64_t r = next_random();
        size_t at = r % size;
        if (r >> 61 == 0) {
            memmove(out + at, out + at + 1, size - at - 1);
            size--;
        } else {
            out[at] = r >> 60 & 1 ? (uint8_t)(r >> 40) : (uint8_t)(out[at] ^ 1u << (r >> 50 & 7));
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_MAX];
    long mutations = 0;
    state = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            mutations = atol(argv[++i]);
        else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
            state = (uint64_t)atol(argv[++i]) * 2 + 1;
        else if (!take(argv[i]))
            return 2;
    }
    for (size_t i = 0; i < seed_count; i++)
        run(seeds[i].data, seeds[i].size);
    for (long i = 0; i < mutations && seed_count > 0; i++) {
        size_t size = mutate(input);
        run(input, size);
    }
    printf("%zu inputs, %ld mutations\n", seed_count, seed_count ? mutations : 0);
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].data);
    return seed_count == 0;
}
