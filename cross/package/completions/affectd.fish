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
complete -c affectd -n "__fish_affectd_needs_command" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_needs_command" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_needs_command" -s V -l version -d 'Print version'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "run" -d 'Runs the daemon'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "check" -d 'Checks everything that `run` needs'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "probe" -d 'Lists the cameras, their modes, and which would be chosen and why'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "analyze" -d 'Analyzes the faces in photographs'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "bench" -d 'Measures the cost of each processing stage on this machine'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "latency" -d 'Measures the age of results, from the camera to a subscriber'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "forget" -d 'Removes the retained messages of a device from the broker'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "top" -d 'Shows in the terminal what the running daemon sees'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "model" -d 'Verifies models and measures their accuracy'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "demo" -d 'Runs the bundled clip through the whole pipeline'
complete -c affectd -n "__fish_affectd_needs_command" -f -a "aim" -d 'Opens the live page of the running daemon for ten minutes, to aim the camera'
complete -c affectd -n "__fish_affectd_using_subcommand run" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand run" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand run" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand check" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand check" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand check" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand check" -l print -d 'Prints the settings in force as TOML, each with its origin, and checks nothing else'
complete -c affectd -n "__fish_affectd_using_subcommand check" -l defaults -d 'Prints the built-in configuration, which documents every setting, and checks nothing'
complete -c affectd -n "__fish_affectd_using_subcommand check" -l running -d 'Asks the running daemon whether it makes progress and whether its results reach the broker, and checks nothing else; needs http.listen'
complete -c affectd -n "__fish_affectd_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand probe" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand probe" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand probe" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand probe" -l json -d 'Prints one JSON object'
complete -c affectd -n "__fish_affectd_using_subcommand probe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l annotate -d 'Draws boxes, landmarks and results into copies of the pictures' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -l force -d 'Lets --annotate overwrite existing files, but never the pictures themselves'
complete -c affectd -n "__fish_affectd_using_subcommand analyze" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l seconds -d 'Measures each format for this many seconds' -r
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l frames -d 'Measures exactly this many frames of each format instead, without a first pass that fills the caches' -r
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l recording -d 'Plays this file of concatenated JPEG pictures instead of the bundled clip' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l format -d 'Measures only this pixel format, YUYV or MJPG' -r
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l threads -d 'Number of inference threads, as in expression.threads' -r
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l profile -d 'Profiles the networks instead: time, operations and share of peak throughput by kind of operator'
complete -c affectd -n "__fish_affectd_using_subcommand bench" -l json -d 'Prints one JSON object'
complete -c affectd -n "__fish_affectd_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l seconds -d 'Measures for this many seconds, 1 to 120' -r
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand latency" -l json -d 'Prints one JSON object'
complete -c affectd -n "__fish_affectd_using_subcommand latency" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand forget" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand forget" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand forget" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand forget" -l force -d 'Removes them even if the broker reports the device as online'
complete -c affectd -n "__fish_affectd_using_subcommand forget" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand top" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand top" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand top" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -f -a "verify" -d 'Verifies models by checksum and golden vectors, and times them'
complete -c affectd -n "__fish_affectd_using_subcommand model; and not __fish_seen_subcommand_from verify eval" -f -a "eval" -d 'Evaluates a model on pictures of cropped faces'
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from verify" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from verify" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from verify" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -l json -d 'Prints one JSON object with all metrics, intervals and categories'
complete -c affectd -n "__fish_affectd_using_subcommand model; and __fish_seen_subcommand_from eval" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand demo" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand demo" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand demo" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c affectd -n "__fish_affectd_using_subcommand aim" -l socket -d 'The daemon\'s control socket (default: /run/affectd/control, or the only one of /run/affectd@*/control)' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand aim" -l config -d 'Configuration file [default: /etc/affectd/affectd.toml, if it exists]' -r -F
complete -c affectd -n "__fish_affectd_using_subcommand aim" -l set -d 'Overrides one setting; can be repeated' -r
complete -c affectd -n "__fish_affectd_using_subcommand aim" -l log-level -d 'Least severe messages to log [default: AFFECTD_LOG, or info]' -r -f -a "error\t'Failures that end the process'
warn\t'Also problems'
info\t'Also changes of state'
debug\t'Also decisions'
trace\t'Everything, including the libraries'"
complete -c affectd -n "__fish_affectd_using_subcommand aim" -l preview -d 'Shows the camera\'s picture too: twice a second, at most 480 pixels wide'
complete -c affectd -n "__fish_affectd_using_subcommand aim" -s h -l help -d 'Print help (see more with \'--help\')'
