# SPDX-License-Identifier: GPL-3.0-or-later
# Completion of debxcross for bash: the program itself says what could stand next.
# The package installs it; in a checkout: . completion/debxcross.bash

_debxcross() {
    local line kind
    COMPREPLY=()
    while IFS= read -r line; do
        kind=${line%%,*}
        case $kind in
            plain) COMPREPLY+=("${line#*,}") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(IFS=$'\n'; COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
        _DEBXCROSS_COMPLETE=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F _debxcross debxcross
