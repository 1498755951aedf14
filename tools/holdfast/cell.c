#include "tools/holdfast/cell.h"

#include <stdio.h>
#include <string.h>

const char *cell_text(yyjson_val *row, const char *key, char ret_text[CELL_MAX])
{
    yyjson_val *value = yyjson_obj_get(row, key);
    snprintf(ret_text, CELL_MAX, "%s", yyjson_is_str(value) ? yyjson_get_str(value) : "");
    return ret_text;
}

const char *cell_join(yyjson_val *row, const char *key, char ret_text[CELL_MAX])
{
    size_t i, max, len = 0;
    yyjson_val *item;
    ret_text[0] = '\0';
    yyjson_arr_foreach(yyjson_obj_get(row, key), i, max, item)
    {
        int more = snprintf(ret_text + len, CELL_MAX - len, "%s%s", i == 0 ? "" : " ", yyjson_get_str(item));
        if (more < 0 || len + (size_t)more >= CELL_MAX) {
            break;
        }
        len += (size_t)more;
    }
    return ret_text;
}

const char *cell_duration(yyjson_val *row, const char *key, char ret_text[CELL_MAX])
{
    unsigned long s = (unsigned long)yyjson_get_num(yyjson_obj_get(row, key));
    if (s < 60) {
        snprintf(ret_text, CELL_MAX, "%lus", s);
    } else if (s < 3600) {
        snprintf(ret_text, CELL_MAX, "%lum%02lus", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(ret_text, CELL_MAX, "%luh%02lum", s / 3600, s / 60 % 60);
    } else {
        snprintf(ret_text, CELL_MAX, "%lud%02luh", s / 86400, s / 3600 % 24);
    }
    return ret_text;
}

const char *cell_bytes(yyjson_val *row, const char *key, char ret_text[CELL_MAX])
{
    static const char units[] = " kMGTPE";
    double value = yyjson_get_num(yyjson_obj_get(row, key));
    size_t unit = 0;
    while (value >= 1000 && unit + 2 < sizeof(units)) {
        value /= 1000;
        unit++;
    }
    if (unit == 0) {
        snprintf(ret_text, CELL_MAX, "%.0f", value);
    } else {
        snprintf(ret_text, CELL_MAX, "%.1f%c", value, units[unit]);
    }
    return ret_text;
}
