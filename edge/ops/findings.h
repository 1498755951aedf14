/* Collecting what is wrong with a config. Private to edge/ops. */
#pragma once

#include "edge/ops/config.h"
#include "edge/ops/yaml_index.h"

#include <stdarg.h>

struct finding_place {
    uint32_t line, column;
};

void findings_init(struct config_errors *errors, const char *file);
/* Kept in the order of the file. Control characters become '?'. */
void finding_add(struct config_errors *errors, bool warning, struct finding_place place, const char *path,
                 const char *format, va_list args);

/* What checks of one file share. */
struct check {
    struct config *config;
    const struct yaml_index *index;
    struct config_errors *errors;
};

void check_fail(const struct check *check, const char *path, const char *format, ...) HF_PRINTF(3, 4);
void check_warn(const struct check *check, const char *path, const char *format, ...) HF_PRINTF(3, 4);
/* An error at a place that is no value: a key. */
void finding_at(const struct check *check, struct finding_place place, const char *path, const char *format,
                ...) HF_PRINTF(4, 5);

/* A path, made where it is needed: PATH("pools[%u].ipv4", i). Valid to the end of the block. */
#define CHECK_PATH_MAX 96
struct check_path {
    char text[CHECK_PATH_MAX];
};
struct check_path check_path_of(const char *format, ...) HF_PRINTF(1, 2);
#define PATH(...) (check_path_of(__VA_ARGS__).text)
/* Is the key in the file? */
bool check_has(const struct check *check, const char *path);
