/*
 * Compiles the Lua files of the program and writes them as C arrays: embed [--small] lua/reaper/x.lua … > lua_files.c
 *
 * It is linked with the Lua that the program gets, whose bytecode no other one reads. Compiling at every start would
 * cost milliseconds. src/script/lua_embed.h describes what is written. --small leaves out what only tracebacks need,
 * the numbers of lines and the names of variables, keeps the text of what runs seldom, and compresses with zopfli(1).
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if __has_include(<lobject.h>) // it is Lua's own source, which a package leaves out
#include <lobject.h>
#endif

enum { NUMBERS_A_LINE = 24, NAME_SIZE = 64, SIZE_MAX_EMBEDDED = 1 << 20 };

struct bytes {
    size_t size;
    char data[SIZE_MAX_EMBEDDED];
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void append(struct bytes *bytes, const void *data, size_t size)
{
    if (size > sizeof bytes->data - bytes->size) {
        fprintf(stderr, "embed: SIZE_MAX_EMBEDDED is too small\n");
        exit(1);
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static void append_all(struct bytes *bytes, FILE *file)
{
    char part[4096];
    size_t size;

    while ((size = fread(part, 1, sizeof part, file)) > 0)
        append(bytes, part, size);
}

/* ---- Names. ---- */

/* "reaper/runtime/x.lua" of "lua/reaper/runtime/x.lua". */
static const char *place_of(const char *path)
{
    return strncmp(path, "lua/", 4) == 0 ? path + 4 : path;
}

/* The module's name: "reaper.runtime.x"; of an init.lua that of its directory. */
static const char *module_of(const char *path, char name[NAME_SIZE])
{
    size_t length;

    snprintf(name, NAME_SIZE, "%s", place_of(path));
    length = strcspn(name, ".");
    if (length > 5 && strncmp(name + length - 5, "/init", 5) == 0)
        length -= 5;
    name[length] = '\0';
    for (char *at = name; *at; at++)
        if (*at == '/')
            *at = '.';
    return name;
}

/* The group's name: "reaper.supervisor" of all in lua/reaper/supervisor/; "reaper" of what every script loads. */
static const char *group_of(const char *path, char name[NAME_SIZE])
{
    const char *directory = place_of(path) + strlen("reaper/");
    const size_t length = strcspn(directory, "/");

    if (directory[length] == '\0' || strncmp(directory, "process/", 8) == 0 || strncmp(directory, "runtime/", 8) == 0)
        strcpy(name, "reaper");
    else
        snprintf(name, NAME_SIZE, "reaper.%.*s", (int)length, directory);
    return name;
}

/* ---- One group. ---- */

static int append_dumped(lua_State *L, const void *data, size_t size, void *bytes)
{
    (void)L;
    append(bytes, data, size);
    return 0;
}

/* Where a function begins and ends stays when Lua strips: 3 kB that do not compress. 0 would mean a main chunk. */
#ifdef getproto
static void forget_lines(Proto *function)
{
    for (int i = 0; i < function->sizep; i++) {
        function->p[i]->linedefined = function->p[i]->lastlinedefined = 1;
        forget_lines(function->p[i]);
    }
}
#endif

static void read_file(const char *path, struct bytes *text)
{
    FILE *const file = fopen(path, "rb");

    if (!file)
        fail(path);
    text->size = 0;
    append_all(text, file);
    fclose(file);
}

/*
 * A text needs half the room of its bytecode when both are compressed, and some milliseconds to be compiled: worth it
 * for reaperctl, which runs seldom, and not for what each start of a script waits for.
 */
static int stays_text(const char *path)
{
    return strncmp(place_of(path), "reaper/control/", strlen("reaper/control/")) == 0;
}

/* Leaves out what begins a line: blanks, and comments, of which nothing but the line stays. */
static void append_without_comments(struct bytes *code, const struct bytes *text)
{
    const char *const end = text->data + text->size;
    const char *line = text->data;

    while (line < end) {
        const char *const newline = memchr(line, '\n', (size_t)(end - line));
        const char *const next = newline ? newline + 1 : end;

        while (line < next && (*line == ' ' || *line == '\t'))
            line++;
        if (next - line > 2 && line[0] == '-' && line[1] == '-')
            line = next - 1;
        append(code, line, (size_t)(next - line));
        line = next;
    }
}

static void keep_text(const char *path, struct bytes *code)
{
    static struct bytes text;

    read_file(path, &text);
    append(&text, "", 1);
    text.size--;
    if (strstr(text.data, "[[") || strstr(text.data, "[=")) { /* blanks may mean something */
        fprintf(stderr, "embed: %s may not have a long string or comment\n", path);
        exit(1);
    }
    code->size = 0;
    append_without_comments(code, &text);
}

static void compile(lua_State *L, const char *path, struct bytes *code, int small)
{
    static struct bytes text;
    char chunk[NAME_SIZE];

    read_file(path, &text);
    snprintf(chunk, sizeof chunk, "=%s", place_of(path));
    if (luaL_loadbufferx(L, text.data, text.size, chunk, "t") != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
#ifdef getproto
    if (small)
        forget_lines(((const LClosure *)lua_topointer(L, -1))->p);
#endif
    code->size = 0;
    lua_dump(L, append_dumped, code, small);
    lua_pop(L, 1);
}

static void append_module(lua_State *L, const char *path, struct bytes *group, int small)
{
    static struct bytes code;
    char name[NAME_SIZE];
    char size[24];

    if (small && stays_text(path))
        keep_text(path, &code);
    else
        compile(L, path, &code, small);
    module_of(path, name);
    snprintf(size, sizeof size, "%zu", code.size);
    append(group, name, strlen(name) + 1);
    append(group, size, strlen(size) + 1);
    append(group, code.data, code.size);
}

/* zopfli reads no standard input. */
static void deflate(struct bytes *bytes)
{
    char path[] = "/tmp/reaper-lua-embed-XXXXXX";
    char command[128];
    FILE *file = fdopen(mkstemp(path), "wb");

    if (!file || fwrite(bytes->data, 1, bytes->size, file) != bytes->size || fclose(file) != 0)
        fail(path);
    snprintf(command, sizeof command, "zopfli --deflate -c %s", path);
    file = popen(command, "r");
    bytes->size = 0;
    if (file)
        append_all(bytes, file);
    if (!file || pclose(file) != 0 || bytes->size == 0)
        fail(command);
    unlink(path);
}

static void write_array(const struct bytes *bytes, const char *name)
{
    printf("static const unsigned char %s[] = {\n", name);
    for (size_t i = 0; i < bytes->size; i++)
        printf("%u,%s", (unsigned char)bytes->data[i], (i + 1) % NUMBERS_A_LINE ? "" : "\n");
    printf("};\n");
}

/* Writes the bytes of one group, and appends its row of the table. */
static void embed_group(lua_State *L, char **paths, const char *group, struct bytes *table, int small)
{
    static struct bytes bytes;
    char array[NAME_SIZE];
    char name[NAME_SIZE];
    char row[256];
    size_t size;

    bytes.size = 0;
    for (; *paths; paths++)
        if (strcmp(group_of(*paths, name), group) == 0)
            append_module(L, *paths, &bytes, small);
    size = bytes.size;
    if (small)
        deflate(&bytes);
    snprintf(array, sizeof array, "group_%zu", table->size); /* which no other has */
    write_array(&bytes, array);
    snprintf(row, sizeof row, "    { \"%s\", %s, sizeof %s, %zu, %s },\n", group, array, array, size,
             small ? "embed_inflate" : "0");
    append(table, row, strlen(row));
}

static int is_first_of_group(char **paths, int index)
{
    char group[NAME_SIZE];
    char other[NAME_SIZE];

    group_of(paths[index], group);
    for (int i = 0; i < index; i++)
        if (strcmp(group_of(paths[i], other), group) == 0)
            return 0;
    return 1;
}

int main(int argc, char **argv)
{
    static struct bytes table;
    const int small = argc > 1 && strcmp(argv[1], "--small") == 0;
    char **const paths = argv + 1 + small;
    lua_State *L = luaL_newstate();
    char group[NAME_SIZE];

    if (!L)
        return 1;
    printf("#include \"script/%s.h\"\n", small ? "lua_inflate" : "lua_embed");
    for (int i = 0; paths[i]; i++)
        if (is_first_of_group(paths, i) && strcmp(group_of(paths[i], group), "reaper") != 0)
            embed_group(L, paths, group, &table, small);
    embed_group(L, paths, "reaper", &table, small); /* last, since its name begins all others */
    printf("const struct embedded_group embedded_groups[] = {\n%.*s    { 0, 0, 0, 0, 0 },\n};\n", (int)table.size,
           table.data);
    lua_close(L);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
