# SPDX-License-Identifier: GPL-3.0-or-later
# Completion of debxcross for fish: the program itself says what could stand next.
# The package installs it; in a checkout: source completion/debxcross.fish

function __debxcross_complete
    set -l typed (commandline -op)
    set -l program $typed[1]
    set -l before (commandline -opc)
    set -l word (commandline -ct)
    # Of --option=value the answers are values.
    set -l option (string match -r -- '^--[^=]+=' $word)
    for line in (env _DEBXCROSS_COMPLETE=fish_complete COMP_WORDS="$before" COMP_CWORD="$word" $program 2>/dev/null)
        set -l answer (string split -m 1 "," -- $line)
        switch $answer[1]
            case plain
                echo "$option$answer[2]"
            case dir
                __fish_complete_directories $word
            case file
                __fish_complete_path $word
        end
    end
end

complete --no-files --command debxcross --arguments "(__debxcross_complete)"
