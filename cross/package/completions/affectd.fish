# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_affectd_global_optspecs
    string join \n config= set= log-level= h/help V/version
end

function __fish_affectd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_affectd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_affectd_using_subcommand
    set -l cmd (__fish_affectd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c affectd -n "__fish_affectd_needs_command" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_needs_command" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_needs_command" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_needs_command" -s V -l version -d 'Print version'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "run" -d 'Runs the daemon'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "check" -d 'Checks what `run` needs and says what it finds'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "probe" -d 'Lists cameras, what they offer, and what would be chosen and why'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "analyze" -d 'Tells what the faces of photographs show'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "bench" -d 'Measures what each stage of a frame\'s way takes on this machine'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "latency" -d 'Measures how old the results are: from the camera to a subscriber'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "model" -d 'Proves models and measures their accuracy'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "demo" -d 'Plays the bundled clip through the whole line'
complete -c affectd -n "__fish_affectd_using_subcommand run" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand run" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand run" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand check" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand check" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand check" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand check" -l print -d 'Prints the settings in force as TOML, each with where it comes from, and checks nothing but them'
complete -c affectd -n "__fish_affectd_using_subcommand check" -l defaults -d 'Prints the built-in configuration, which describes every setting, and checks nothing'
complete -c affectd -n "__fish_affectd_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand probe" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand probe" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand probe" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand probe" -l json -d 'Prints one JSON object'
complete -c affectd -n "__fish_affectd_using_subcommand probe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l annotate -d 'Draws boxes, landmarks and results: a .png or .jpg file for one picture, or a folder' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l seconds -d 'Measures each layout for so many seconds' -r
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l threads -d 'Reads so many faces at the same time, as expression.threads does' -r
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l profile -d 'Shows instead where the networks\' time goes: time, operations and share of the machine\'s peak by kind of operator'
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l json -d 'Prints one JSON object'
complete -c affectd -n "__fish_affectd_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l seconds -d 'Measures for so many seconds, 1 to 120' -r
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l json -d 'Prints one JSON object'
complete -c affectd -n "__fish_affectd_using_subcommand latency" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -f -a "verify" -d 'Proves models by checksum and golden vectors and times them'
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -f -a "eval" -d 'Measures a model on pictures of cropped faces'
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from verify" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from verify" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from verify" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -l json -d 'Prints one JSON object: accuracy, macro_f1, ece, ece_unscaled, va_rmse, va_ccc, n and categories'
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand demo" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand demo" -l set -d 'Sets one setting, before file and environment; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand demo" -l log-level -d 'What is logged to standard error [default: AFFECTD_LOG, or info]' -r -f -a "error\t'What ends the process'
warn\t'And what goes wrong'
info\t'And what changes'
debug\t'And what is decided'
trace\t'And every step, also of the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
