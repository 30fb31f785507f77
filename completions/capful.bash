# Completion of capful's command line in bash. Options come before the program; what follows it is the program's.

_capful_files() # PATTERN…
{
    local word pattern
    COMPREPLY=()
    while IFS= read -r word; do
        if [[ -d $word ]]; then
            COMPREPLY+=("$word/")
            continue
        fi
        for pattern in "$@"; do
            # shellcheck disable=SC2053
            if [[ $word == $pattern ]]; then
                COMPREPLY+=("$word")
                break
            fi
        done
    done < <(compgen -f -- "$cur")
    compopt -o filenames -o nospace 2> /dev/null
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} != */ ]]; then
        compopt +o nospace 2> /dev/null
    fi
}

_capful_words() # WORD…
{
    COMPREPLY=($(compgen -W "$*" -- "$cur"))
}

_capful_value() # OPTION: completes its value; false if it takes none
{
    case $1 in
    --policy) _capful_files '*.json' '*.jsonc' ;;
    --result) _capful_files '*' ;;
    --dry-run)
        _capful_files '*.json'
        COMPREPLY+=($(compgen -W none -- "$cur"))
        ;;
    --mount)
        if [[ $cur == *:* ]]; then
            _capful_words ro rw overlay
        else
            COMPREPLY=($(compgen -d -- "$cur"))
            compopt -o nospace 2> /dev/null
        fi
        ;;
    --clock) _capful_words real fixed: ;;
    --cwd | --dir) _capful_words /workspace /tmp ;;
    -e | --eval | --timeout | --memory | --max-output | --max-calls | --env | --seed | --account | --facts) COMPREPLY=() ;;
    *) return 1 ;;
    esac
}

_capful_audit() # PREVIOUS
{
    if ((COMP_CWORD == 2)); then
        _capful_words verify show html keygen
        return
    fi
    case $1 in
    --verdict) _capful_words allow deny ask ;;
    --expect-head | --run | --tool) COMPREPLY=() ;;
    *)
        if [[ $cur != -* ]]; then
            _capful_files '*'
            return
        fi
        case ${COMP_WORDS[2]} in
        verify) _capful_words --key --expect-head --help ;;
        show) _capful_words --run --tool --verdict --json --help ;;
        html) _capful_words --output --help ;;
        *) _capful_words --help ;;
        esac
        ;;
    esac
}

_capful()
{
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local options='--policy --mount --timeout --memory --max-output --max-calls --env --cwd --seed --clock --account --facts
        --dry-run --json --result --trace --diff --help'
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _capful_words run exec check audit help --version --help --licenses
        return
    fi
    case ${COMP_WORDS[1]} in
    help) ((COMP_CWORD == 2)) && _capful_words run exec check audit policy tools limits mounts result trace exit ;;
    check) _capful_files '*.json' '*.jsonc' ;;
    audit) _capful_audit "$previous" ;;
    run | exec)
        _capful_value "$previous" && return
        if [[ $cur == -* ]]; then
            if [[ ${COMP_WORDS[1]} == run ]]; then options="--eval $options"; else options="--dir $options"; fi
            _capful_words "$options"
        elif [[ ${COMP_WORDS[1]} == run ]]; then
            _capful_files '*.js' '*.mjs' '*.cjs'
        else
            _capful_files '*.wasm'
        fi
        ;;
    esac
}

complete -F _capful capful
