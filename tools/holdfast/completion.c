/* holdfast completion: written from the same tables that dispatch, so it cannot fall behind. */
#include "tools/holdfast/command.h"

#include <stdio.h>
#include <string.h>

static void print_names(const struct command *commands)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        printf("%s%s", c == commands ? "" : " ", c->name);
    }
}

int cmd_completion(const struct cli *cli, int argc, char **argv)
{
    (void)cli;
    if (argc != 2 || strcmp(argv[1], "bash") != 0) {
        return cli_error(CLI_USAGE, "only bash is known: holdfast completion bash");
    }
    printf("_holdfast() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} words='");
    print_names(cli_commands);
    printf("'\n    case ${COMP_WORDS[1]} in\n");
    for (const struct command *c = cli_commands; c->name != NULL; c++) {
        if (c->subcommands != NULL) {
            printf("    %s) words='", c->name);
            print_names(c->subcommands);
            printf("' ;;\n");
        }
    }
    printf("    check) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
           "    esac\n"
           "    case $cur in -*) words='--json --help --socket --config --version' ;; esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "}\n"
           "complete -F _holdfast holdfast\n");
    return CLI_OK;
}
