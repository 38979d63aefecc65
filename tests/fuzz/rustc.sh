#!/bin/sh
# RUSTC_WRAPPER of `make fuzz`: instruments the crates that cargo.toml beside this file compiles with debug assertions,
# and selects libFuzzer as bolero's engine. The flags are stable; cargo-bolero passes the same for every crate, which
# would compile tract a second time.
set -eu
engine="--cfg fuzzing --cfg fuzzing_libfuzzer"
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-stack-depth"
case "$*" in
# Build scripts are not linked with libFuzzer.
*"--crate-name build_script_"*) exec "$@" ;;
# bolero depends on its engine under a cfg condition, which cargo queries from the compiler.
*--print=cfg* | *"--crate-name bolero"*) exec "$@" $engine ;;
*debug-assertions=on*) exec "$@" $engine $coverage ;;
esac
exec "$@"
