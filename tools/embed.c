/*
 * Compiles the Lua files of the program and writes them as C arrays: embed [--strip] lua/reaper/x.lua … > lua_files.c
 *
 * It is linked with the Lua that the program gets, whose bytecode no other one reads. Compiling at every start would
 * cost milliseconds. --strip leaves out what only tracebacks need: the numbers of lines and the names of variables.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_A_LINE = 24 };

static int write_bytes(lua_State *L, const void *bytes, size_t size, void *column)
{
    int *at = column;

    (void)L;
    for (size_t i = 0; i < size; i++)
        printf("%u,%s", ((const unsigned char *)bytes)[i], ++*at % NUMBERS_A_LINE ? "" : "\n");
    return 0;
}

enum { NAME_SIZE = 64 };

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

static char *read_file(const char *path, size_t *size)
{
    enum { SIZE_MAX_EMBEDDED = 1 << 20 };
    char *text = malloc(SIZE_MAX_EMBEDDED);
    FILE *file = fopen(path, "rb");

    if (!text || !file) {
        perror(path);
        exit(1);
    }
    *size = fread(text, 1, SIZE_MAX_EMBEDDED, file);
    fclose(file);
    return text;
}

static void embed(lua_State *L, const char *path, int number, int strip)
{
    char chunk[NAME_SIZE];
    size_t size;
    char *text = read_file(path, &size);
    int column = 0;

    snprintf(chunk, sizeof chunk, "=%s", place_of(path));
    if (luaL_loadbufferx(L, text, size, chunk, "t") != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
    printf("static const unsigned char file_%d[] = {\n", number);
    lua_dump(L, write_bytes, &column, strip);
    printf("};\n");
    lua_pop(L, 1);
    free(text);
}

int main(int argc, char **argv)
{
    const int strip = argc > 1 && strcmp(argv[1], "--strip") == 0;
    lua_State *L = luaL_newstate();
    char name[NAME_SIZE];

    if (!L)
        return 1;
    printf("#include \"script/lua_embed.h\"\n");
    for (int i = 1 + strip; i < argc; i++)
        embed(L, argv[i], i, strip);
    printf("const struct embedded_file embedded_files[] = {\n");
    for (int i = 1 + strip; i < argc; i++)
        printf("    { \"%s\", file_%d, sizeof file_%d },\n", module_of(argv[i], name), i, i);
    printf("    { 0, 0, 0 },\n};\n");
    lua_close(L);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
