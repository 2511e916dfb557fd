/* os/group.c - what a control group lets its processes have of memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "os/os.h"

#include <string.h>

enum { PATH_BYTES = 512, GROUPS_BYTES = 2048 };

/* Appends to a path of PATH_BYTES; false if it does not fit. */
static bool
append(char *path, size_t *len, const char *s, size_t s_len)
{
    if (s_len >= PATH_BYTES - *len)
        return false;
    memcpy(path + *len, s, s_len);
    *len += s_len;
    path[*len] = '\0';
    return true;
}

/* The least limit of the group and of those around it, up to the root of what is mounted: in a
 * container without a view of its own the group's path may not be there, and the root is the group. */
static size_t
least_limit(const char *root, const char *controller, const char *group, size_t group_len, const char *file)
{
    char path[PATH_BYTES];
    size_t limit = SIZE_MAX, base_len = 0, len;

    if (!append(path, &base_len, root, strlen(root)) || !append(path, &base_len, controller, strlen(controller)))
        return limit;
    len = base_len;
    if (!append(path, &len, group, group_len))
        return limit;
    for (;;) {
        while (len > base_len && path[len - 1] == '/')
            len--;
        size_t end = len;
        if (append(path, &end, file, strlen(file)))
            limit = jsm_min(limit, jsm_os_read_number(path));
        if (len == base_len)
            return limit;
        while (len > base_len && path[len - 1] != '/')
            len--;
    }
}

size_t
jsm_os_group_limit_bytes(const char *file, const char *root)
{
    char text[GROUPS_BYTES];
    size_t limit = SIZE_MAX;

    if (jsm_os_read_file(file, text, sizeof text) <= 0)
        return limit;
    for (const char *s = text; *s != '\0'; s += *s == '\n') { /* "number:controllers:path" */
        size_t len = strcspn(s, "\n");
        const char *names = memchr(s, ':', len), *end = s + len;
        const char *path = names != NULL ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;
        if (path != NULL && path == names + 1)
            limit = jsm_min(limit, least_limit(root, "", path + 1, (size_t)(end - path - 1), "/memory.max"));
        else if (path != NULL && path - names == 7 && memcmp(names + 1, "memory", 6) == 0)
            limit = jsm_min(limit, least_limit(root, "/memory", path + 1, (size_t)(end - path - 1),
                                               "/memory.limit_in_bytes"));
        s = end;
    }
    return limit;
}
