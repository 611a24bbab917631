/* Feeds every file of a corpus to a fuzz target, where libFuzzer is not linked in: corpora are
 * regression tests. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    static uint8_t buffer[4 << 20];
    FILE *file = fopen(path, "rb");
    uint8_t *exact;
    size_t size;

    if (!file) {
        return -1;
    }
    size = fread(buffer, 1, sizeof buffer, file);
    (void)fclose(file);
    /* An allocation of the exact size lets a sanitizer see the first byte that is read too far. */
    exact = malloc(size ? size : 1);
    if (!exact) {
        return -1;
    }
    memcpy(exact, buffer, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *target = slash ? slash + 1 : argv[0];
    char folder[512], path[1024];
    struct dirent *entry;
    unsigned count = 0;
    DIR *corpus;

    if (argc > 1) {
        (void)snprintf(folder, sizeof folder, "%s", argv[1]);
    } else {
        const char *top = getenv("TOP_SRCDIR");

        (void)snprintf(folder, sizeof folder, "%s/fuzz/corpus/%s", top ? top : ".", target);
    }
    corpus = opendir(folder);
    if (!corpus) {
        printf("1..1\nnot ok 1 - %s: no corpus at %s\n", target, folder);
        return 1;
    }
    while ((entry = readdir(corpus))) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (replay_file(path) != 0) {
            printf("1..1\nnot ok 1 - %s: cannot read %s\n", target, path);
            return 1;
        }
        count++;
    }
    (void)closedir(corpus);
    printf("1..1\n%s 1 - %s survives its corpus of %u inputs\n", count ? "ok" : "not ok", target,
           count);
    return count ? 0 : 1;
}
