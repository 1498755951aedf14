#include "edge/ops/findings.h"

#include <stdio.h>

void findings_init(struct config_errors *errors, const char *file)
{
    memset(errors, 0, sizeof(*errors));
    (void)snprintf(errors->file, sizeof(errors->file), "%s", file);
}

static void clean(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

static bool is_before(struct finding_place a, const struct config_finding *b)
{
    return a.line < b->line || (a.line == b->line && a.column < b->column);
}

void finding_add(struct config_errors *errors, bool warning, struct finding_place place, const char *path,
                 const char *format, va_list args)
{
    uint32_t at = errors->count;

    errors->num_errors += !warning;
    errors->num_warnings += warning;
    if (errors->count == CONFIG_FINDINGS_MAX) {
        return;
    }
    while (at > 0 && is_before(place, &errors->v[at - 1])) {
        errors->v[at] = errors->v[at - 1];
        at--;
    }
    errors->count++;
    struct config_finding *finding = &errors->v[at];
    *finding = (struct config_finding){.warning = warning, .line = place.line, .column = place.column};
    (void)snprintf(finding->path, sizeof(finding->path), "%s", path);
    (void)vsnprintf(finding->reason, sizeof(finding->reason), format, args);
    clean(finding->path);
    clean(finding->reason);
}

const char *config_finding_format(const struct config_errors *errors, const struct config_finding *finding,
                                  char ret_line[CONFIG_LINE_MAX])
{
    char place[32] = "";

    if (finding->line > 0) {
        (void)snprintf(place, sizeof(place), ":%u:%u", finding->line, finding->column);
    }
    (void)snprintf(ret_line, CONFIG_LINE_MAX, "%s%s: %s%s%s%s", errors->file, place,
                   finding->warning ? "warning: " : "", finding->path, finding->path[0] != '\0' ? ": " : "",
                   finding->reason);
    return ret_line;
}

static struct finding_place place_of(const struct yaml_index *index, const char *path)
{
    uint32_t node;

    if (index == NULL) {
        return (struct finding_place){0};
    }
    bool whole = yaml_find(index, path, &node);
    if (node == YAML_NONE) {
        return (struct finding_place){.line = 1, .column = 1};
    }
    const struct yaml_node *n = &index->nodes[node];
    /* A key that is missing is shown at the key of the group that lacks it. */
    return whole ? (struct finding_place){.line = n->line, .column = n->column}
                 : (struct finding_place){.line = n->key_line, .column = n->key_column};
}

void config_find(const struct config *config, struct config_errors *errors, bool warning, const char *path,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    finding_add(errors, warning, place_of(config->index, path), path, format, args);
    va_end(args);
}

void check_fail(const struct check *check, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    finding_add(check->errors, false, place_of(check->index, path), path, format, args);
    va_end(args);
}

void finding_at(const struct check *check, struct finding_place place, const char *path, const char *format,
                ...)
{
    va_list args;
    va_start(args, format);
    finding_add(check->errors, false, place, path, format, args);
    va_end(args);
}

void check_warn(const struct check *check, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    finding_add(check->errors, true, place_of(check->index, path), path, format, args);
    va_end(args);
}

struct check_path check_path_of(const char *format, ...)
{
    struct check_path path;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(path.text, sizeof(path.text), format, args);
    va_end(args);
    return path;
}

bool check_has(const struct check *check, const char *path)
{
    uint32_t node;
    return yaml_find(check->index, path, &node);
}
