#!/bin/sh
# Prints the glibc version that a program needs, and fails if it is newer than allowed.
# usage: glibc.sh OBJDUMP PROGRAM NEWEST-ALLOWED
set -eu
needed=$("$1" -T "$2" | grep -o 'GLIBC_[0-9.]*' | cut -d_ -f2 | sort -Vu | tail -n 1)
echo "$2 needs glibc $needed; allowed: $3"
[ "$(printf '%s\n' "$needed" "$3" | sort -V | tail -n 1)" = "$3" ]
