/* os/maps.c - what lies at an address: read from /proc/self/maps, line by line.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "os/os.h"

#include <link.h>
#include <string.h>

enum { CHUNK_BYTES = 1024, LINE_BYTES = 512 };

struct line {
    uintptr_t start, end, file_offset;
    bool may_read, may_run;
    const char *name; /* "" for anonymous memory */
};

struct reading {
    struct jsm_os_place *places;
    size_t n;
    char *names;            /* those that places point to, one after the other */
    size_t names_left;
    uintptr_t object;       /* where the file of the lines before begins, 0: no file */
    uintptr_t last_end;
    bool has_code;          /* in the lines of it up to now */
    const char *kept;       /* that file's name, in `names`; NULL: not there yet */
    char file[LINE_BYTES];
};

/* ---- Lines ---- */

static const char *
hex(const char *s, uintptr_t *n)
{
    for (*n = 0; (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f'); s++)
        *n = *n << 4 | (uintptr_t)(*s <= '9' ? *s - '0' : *s - 'a' + 10);
    return s;
}

/* "start-end rwxp offset device inode   name" */
static bool
parse(const char *s, struct line *line)
{
    s = hex(s, &line->start);
    if (*s++ != '-')
        return false;
    s = hex(s, &line->end);
    if (strlen(s) < 6)
        return false;
    line->may_read = s[1] == 'r';
    line->may_run = s[3] == 'x';
    s = hex(s + 6, &line->file_offset);
    for (int word = 0; word < 2; word++) {
        s += strspn(s, " ");
        s += strcspn(s, " ");
    }
    line->name = s + strspn(s, " ");
    return true;
}

static const char *
keep_name(struct reading *r, const char *name)
{
    size_t bytes = strlen(name) + 1;

    if (bytes > r->names_left)
        return "?";
    char *kept = memcpy(r->names, name, bytes);
    r->names += bytes;
    r->names_left -= bytes;
    return kept;
}

/* Of which file the line is: of the same as the lines before, or of one that begins here.  Memory of an object that no
 * file fills (.bss) is anonymous, and follows at once. */
static void
follow(struct reading *r, const struct line *line)
{
    if (line->name[0] == '\0' && r->object != 0 && line->start == r->last_end)
        return;
    if (line->name[0] == '/' && r->object != 0 && strcmp(line->name, r->file) == 0 && line->file_offset != 0)
        return;
    r->object = line->name[0] == '/' && line->file_offset == 0 && line->may_read ? line->start : 0;
    r->kept = NULL;
    r->has_code = false;
    strcpy(r->file, line->name);
}

static void
note(struct reading *r, struct jsm_os_place *place, const struct line *line)
{
    place->start = line->start;
    place->end = line->end;
    place->is_code = line->may_run;
    place->object = r->object;
    place->offset = place->address - line->start + line->file_offset;
    place->what = line->name[0] == '/' ? JSM_OS_FILE : line->name[0] == '[' ? JSM_OS_NAMED : JSM_OS_ANONYMOUS;
    if (r->object == 0 && line->name[0] == '\0')
        return;
    if (r->kept == NULL)
        r->kept = keep_name(r, r->file);
    place->name = r->kept;
}

static void
take_line(struct reading *r, const char *text)
{
    struct line line;

    if (!parse(text, &line))
        return;
    follow(r, &line);
    r->has_code = r->has_code || line.may_run;
    for (size_t i = 0; i < r->n; i++) {
        struct jsm_os_place *place = &r->places[i];
        if (place->address - line.start < line.end - line.start)
            note(r, place, &line);
        if (r->has_code && r->object != 0 && place->object == r->object)
            place->is_object = true;
    }
    r->last_end = line.end;
}

/* ---- Objects ---- */

/* A file of which a part is code, or that has more parts behind the first, has been loaded: its headers are there.
 * Whether the address is in it, and where, as its symbols count. */
static bool
locate(struct jsm_os_place *place)
{
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)place->object;

    if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_phentsize != sizeof(ElfW(Phdr)))
        return false;
    const ElfW(Phdr) *ph = (const ElfW(Phdr) *)(place->object + head->e_phoff);
    uintptr_t bias = head->e_type == ET_DYN ? place->object : 0;
    for (unsigned i = 0; i < head->e_phnum; i++) {
        if (ph[i].p_type != PT_LOAD)
            continue;
        if (ph[i].p_offset == 0 && head->e_type == ET_DYN)
            bias = place->object - ph[i].p_vaddr;
        if (place->address - bias - ph[i].p_vaddr < ph[i].p_memsz) {
            place->offset = place->address - bias;
            /* Some linkers put all that is not written to into one segment, from the headers on. */
            place->is_mixed = ph[i].p_offset == 0 && (ph[i].p_flags & PF_X) != 0;
            return true;
        }
    }
    return false;
}

static void
conclude(struct jsm_os_place *place)
{
    if (place->object == 0)
        return;
    if (place->is_object && locate(place))
        place->what = JSM_OS_OBJECT;
    else if (place->what == JSM_OS_ANONYMOUS)
        place->name = "";
}

bool
jsm_os_places(struct jsm_os_place *places, size_t n, char *names, size_t names_bytes)
{
    struct reading r = { .places = places, .n = n, .names = names, .names_left = names_bytes };
    char chunk[CHUNK_BYTES], line[LINE_BYTES];
    size_t len = 0;
    ptrdiff_t got;
    int fd = jsm_os_open_read("/proc/self/maps");

    for (size_t i = 0; i < n; i++)
        places[i] = (struct jsm_os_place){ .address = places[i].address, .name = "" };
    if (fd < 0)
        return false;
    while ((got = jsm_os_read(fd, chunk, sizeof chunk)) > 0) {
        for (ptrdiff_t i = 0; i < got; i++) {
            if (chunk[i] != '\n') {
                line[len] = chunk[i];
                len += len < sizeof line - 1; /* the end of a longer one is left out */
                continue;
            }
            line[len] = '\0';
            len = 0;
            take_line(&r, line);
        }
    }
    jsm_os_close(fd);
    for (size_t i = 0; i < n; i++)
        conclude(&places[i]);
    return r.last_end != 0;
}
