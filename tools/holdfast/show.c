#include "tools/holdfast/show.h"

#include <stdio.h>

#define INDENT 2
#define KEY_WIDTH 18

static void show_value(yyjson_val *value, int depth);

static void show_scalar(yyjson_val *value)
{
    if (yyjson_is_str(value)) {
        fputs(yyjson_get_str(value), stdout);
    } else if (yyjson_is_null(value)) {
        putchar('-');
    } else if (yyjson_is_bool(value)) {
        fputs(yyjson_get_bool(value) ? "yes" : "no", stdout);
    } else {
        yyjson_val_write_fp(stdout, value, YYJSON_WRITE_NOFLAG, NULL, NULL);
    }
}

static void show_array(yyjson_val *array, int depth)
{
    size_t i, max;
    yyjson_val *item;
    if (yyjson_arr_size(array) == 0) {
        puts("-");
        return;
    }
    bool objects = yyjson_is_obj(yyjson_arr_get_first(array));
    if (objects) {
        putchar('\n');
    }
    yyjson_arr_foreach(array, i, max, item)
    {
        if (objects) {
            show_object(item, depth + 1);
            fputs(i + 1 < max ? "\n" : "", stdout);
        } else {
            fputs(i == 0 ? "" : ", ", stdout);
            show_scalar(item);
        }
    }
    fputs(objects ? "" : "\n", stdout);
}

static void show_value(yyjson_val *value, int depth)
{
    if (yyjson_is_arr(value)) {
        show_array(value, depth);
    } else if (yyjson_is_obj(value)) {
        putchar('\n');
        show_object(value, depth + 1);
    } else {
        show_scalar(value);
        putchar('\n');
    }
}

void show_object(yyjson_val *object, int depth)
{
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, max, key, value)
    {
        printf("%*s%-*s", depth * INDENT, "", KEY_WIDTH, yyjson_get_str(key));
        show_value(value, depth);
    }
}
