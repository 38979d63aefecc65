#!/bin/sh
# Measures affectd on a board and writes a report: affectd-report.json and affectd-report.md. Requires only a
# POSIX shell with awk and sed (busybox is enough), installs nothing and removes its temporary files.
#
#     tests/target/run.sh user@board      from another machine, over ssh
#     tests/target/run.sh                 on the board itself
#
#   --affectd FILE   the program [the one installed on the board]; over ssh a local file, copied for the test
#   --models DIR     the folder of models [the configured one]; over ssh a local folder
#   --config FILE    the configuration [/etc/affectd/affectd.toml on the board]; over ssh a local file
#   --seconds N      duration of each measurement, per pixel format [10]
#   --camera N       duration with the configured camera and broker, 1 to 120; 0: skip [30]
#   --soak N         duration under full load, to detect thermal throttling; 0: skip [600]
#   --out DIR        folder for the report [.]
#
# Exit code: 0 if no measured budget is missed, 1 if one is missed, 2 if nothing was measured.
set -u

usage() {
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
	exit 2
}
fail() {
	echo "run.sh: $*" >&2
	exit 2
}
say() { echo "== $*" >&2; }

board='' program='' models='' config='' out=.
seconds=10 camera=30 soak=600
while [ $# -gt 0 ]; do
	case $1 in
	--affectd | --models | --config | --seconds | --camera | --soak | --out)
		[ $# -ge 2 ] || usage
		case $1 in
		--affectd) program=$2 ;;
		--models) models=$2 ;;
		--config) config=$2 ;;
		--seconds) seconds=$2 ;;
		--camera) camera=$2 ;;
		--soak) soak=$2 ;;
		--out) out=$2 ;;
		esac
		shift 2
		;;
	-* | '') usage ;;
	*)
		[ -z "$board" ] || usage
		board=$1
		shift
		;;
	esac
done
for number in "$seconds" "$camera" "$soak"; do
	case $number in '' | *[!0-9]*) fail "found $number; allowed: whole seconds" ;; esac
done
[ -d "$out" ] || fail "--out $out is no folder"

work=$(mktemp -d) || fail "cannot make a folder in ${TMPDIR:-/tmp}"
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

# --- over ssh: one connection transfers the files to the board and the report back ---

if [ -n "$board" ]; then
	mkdir "$work/there"
	cp "$0" "$work/there/run.sh"
	remote="--seconds $seconds --camera $camera --soak $soak --out ."
	if [ -n "$program" ]; then
		cp "$program" "$work/there/affectd" || fail "cannot copy $program"
		chmod 755 "$work/there/affectd"
		remote="$remote --affectd ./affectd"
	fi
	if [ -n "$models" ]; then
		mkdir "$work/there/models"
		for file in "$models"/*.toml "$models"/*.onnx "$models"/*.golden; do
			[ ! -e "$file" ] || cp "$file" "$work/there/models" || fail "cannot copy $file"
		done
		remote="$remote --models ./models"
	fi
	if [ -n "$config" ]; then
		cp "$config" "$work/there/affectd.toml" || fail "cannot copy $config"
		remote="$remote --config ./affectd.toml"
	fi
	there="folder=\$(mktemp -d) && cd \"\$folder\" && tar xf - && { sh run.sh $remote < /dev/null >&2; code=\$?; "
	there="$there tar cf - affectd-report.json affectd-report.md; cd /; rm -rf \"\$folder\"; exit \$code; }"
	tar -C "$work/there" -cf - . | ${SSH:-ssh} "$board" "$there" > "$work/report.tar"
	code=$?
	[ $code -le 1 ] || fail "nothing was measured on $board"
	tar -C "$out" -xf "$work/report.tar" || fail "the report of $board did not arrive"
	say "$out/affectd-report.md"
	exit $code
fi

# --- on the board ---

if [ -z "$program" ]; then
	program=$(command -v affectd) || fail "affectd is not installed here: give the program with --affectd FILE"
fi
case $program in */*) ;; *) program=./$program ;; esac
if command -v systemctl > /dev/null && systemctl is-active --quiet 'affectd*' 2> /dev/null; then
	fail "the daemon holds the camera and the cores: sudo systemctl stop 'affectd*', and start it again afterwards"
fi

# Runs the program with the given configuration and models.
affectd() {
	set -- ${config:+--config "$config"} ${models:+--set "models=$models"} "$@"
	"$program" "$@"
}
# The last line on standard error, for the report.
reason() { tail -n 1 "$work/error" | tr -d '\000-\037' | sed 's/^affectd: //'; }
# Quotes a string as JSON.
quoted() { printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g')"; }
# Prints a setting in effect.
setting() { sed -n "/^\[$1\]/,/^\[/s/^$2 = \"\{0,1\}\([^\"#]*[^\"# ]\).*/\1/p" "$work/settings" | head -n 1; }
joined() { paste -s -d, "$1" 2> /dev/null || tr '\n' ',' < "$1" | sed 's/,$//'; }

version=$("$program" --version) || fail "$program does not run on this machine"
affectd check --print > "$work/settings" 2> "$work/error" || fail "$(reason)"
# shellcheck disable=SC2002  # the shell would report a missing file itself
say "$version on $(cat /proc/device-tree/model 2> /dev/null | tr -d '\000') $(uname -m)"

# Verify and measure each model. A damaged model invalidates the rest.
affectd model verify > "$work/models" 2> "$work/error" || fail "$(reason)"
cat "$work/models" >&2
sed -n 's/^\([^ ]*\) [^:]*: SHA-256 .*/\1/p' "$work/models" > "$work/names"
sed -n 's/^\([^ ]*\) \([^:]*\): SHA-256 \([0-9a-f]*\) .*; \([0-9.]*\) ms a run.*/{"name":"\1","version":"\2","sha256":"\3","run_ms":\4}/p' \
	"$work/models" > "$work/models.json"

# The whole pipeline: the configured models by number of threads, then each other model in turn.
threads=
if affectd bench --help | grep -q -e '--threads'; then
	cores=$(getconf _NPROCESSORS_ONLN 2> /dev/null || grep -c '^processor' /proc/cpuinfo)
	threads=$(awk -v cores="$cores" 'BEGIN { for (n = 1; n < cores; n *= 2) printf "%d ", n; print cores }')
fi
: > "$work/bench"
: > "$work/bench.names"
measure() { # WHAT THREADS [OPTION...]
	what="$1${2:+, threads: $2}"
	count=$2
	shift 2
	affectd "$@" bench ${count:+--threads "$count"} --seconds "$seconds" --json > "$work/line" 2> "$work/error" || return 1
	cat "$work/line" >> "$work/bench"
	echo "$what" >> "$work/bench.names"
	say "measured: $what"
}
for count in ${threads:-''}; do
	measure "the configured models" "$count" || fail "$(reason)"
done
used=" $(setting detect model) $(setting detect follow_model) $(setting expression model) "
while read -r name; do
	case $used in *" $name "*) continue ;; esac
	# The manifest states the task of a model; the program refuses it for another one.
	measure "expression.model $name" '' --set "expression.model=$name" \
		|| measure "detect.model $name" '' --set "detect.model=$name" \
		|| say "not measured: $name: $(reason)"
done < "$work/names"

# Latency from the camera to a subscriber.
skipped() { printf '{"skipped":%s}\n' "$(quoted "$1")" > "$work/latency"; say "camera: skipped, $1"; }
if [ "$camera" = 0 ]; then
	skipped "as asked"
else
	affectd latency --seconds "$camera" --json > "$work/latency" 2> "$work/error"
	case $? in
	0) say "camera and broker: measured" ;;
	69)
		# Without the broker, measure the camera alone.
		why=$(reason)
		if affectd --set mqtt.host= latency --seconds "$camera" --json > "$work/latency" 2> "$work/error"; then
			say "camera: measured; broker: skipped, $why"
			echo "$why" > "$work/no-broker"
		else
			skipped "$(reason); broker: $why"
		fi
		;;
	*) skipped "$(reason)" ;;
	esac
fi

# Thermal behaviour: the whole pipeline at full load.
soaked=null
if [ "$soak" -gt 0 ]; then
	say "$soak s under load"
	# Divide the time between bench's two pixel formats.
	# shellcheck disable=SC2086
	set -- $threads
	while [ $# -gt 1 ]; do shift; done
	affectd bench ${1:+--threads "$1"} --seconds $(((soak + 1) / 2)) --json > "$work/soak" 2> "$work/error" || fail "$(reason)"
	soaked=$(cat "$work/soak")
fi

os=$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2> /dev/null)
memory=$(awk '/^MemTotal:/ { print $2 * 1024 }' /proc/meminfo)
sum=$(sha256sum "$program" 2> /dev/null | cut -d ' ' -f 1)
time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
missed=none
if cat "$work"/bench "$work"/latency "$work"/soak 2> /dev/null | grep -q '"met":false'; then
	missed='an estimate'
	if cat "$work"/bench "$work"/latency "$work"/soak 2> /dev/null | grep '"met":false' | grep -q '"source":"measured"'; then
		missed='a budget'
	fi
fi
{
	printf '{"format":1,"time":"%s","version":%s,"program_sha256":"%s",' "$time" "$(quoted "$version")" "$sum"
	printf '"os":%s,"memory_bytes":%s,' "$(quoted "$os")" "${memory:-null}"
	printf '"missed":"%s","models":[%s],' "$missed" "$(joined "$work/models.json")"
	printf '"bench":[%s],"latency":%s,"soak":%s}\n' "$(joined "$work/bench")" "$(cat "$work/latency")" "$soaked"
} > "$out/affectd-report.json"

# --- the report as Markdown ---

cat > "$work/awk" <<- 'END'
	# Returns the value at a path of keys, each searched for after the previous one.
	function get(text, path,    keys, count, i, at) {
		count = split(path, keys, " ")
		for (i = 1; i <= count; i++) {
			at = index(text, "\"" keys[i] "\":")
			if (!at) return ""
			text = substr(text, at + length(keys[i]) + 3)
		}
		if (text ~ /^"/) { text = substr(text, 2); sub(/".*/, "", text) } else sub(/[],}].*/, "", text)
		return text == "null" ? "" : text
	}
	function or_dash(value) { return value == "" ? "-" : value }
	function ms(text, path,    value) { value = get(text, path); return value == "" ? "-" : sprintf("%.1f", value) }
	# Prints a row for each pixel format of a line of `bench --json`.
	function rows(name, line,    runs, count, i, run) {
		count = split(line, runs, "\"format\":\"")
		for (i = 2; i <= count; i++) {
			run = "\"format\":\"" runs[i]
			printf "| %s | %s | %.1f | %s | %s | %s | %s | %s | %s | %.0f |\n", name, get(run, "format"), get(run, "fps"), \
				ms(run, "decode p50_ms"), ms(run, "detect p50_ms"), ms(run, "follow p50_ms"), ms(run, "classify p50_ms"), \
				ms(run, "total p50_ms"), ms(run, "total p95_ms"), get(line, "peak_rss_bytes") / 1e6
		}
	}
	function assessments(name, line,    parts, count, i) {
		count = split(line, parts, /[{]"allowed":/)
		for (i = 2; i <= count; i++) {
			parts[i] = "\"allowed\":" parts[i]
			printf "| %s | %s | %.2f | %.2f | %s |\n", name, get(parts[i], "metric"), get(parts[i], "measured"), get(parts[i], "allowed"), \
				get(parts[i], "met") == "true" ? "met" : "**missed**"
		}
	}
END
table() { # FUNCTION NAMES LINES
	paste -d '\t' "$2" "$3" | awk -F '\t' "$(cat "$work/awk") { $1(\$1, \$2) }"
}
first=$(head -n 1 "$work/bench")
value() { printf '%s\n' "$1" | awk -v path="$2" "$(cat "$work/awk")"' { print get($0, path) }'; }
known() { # PATH
	known=$(value "$first" "$1")
	echo "${known:-unknown}"
}
# A value of the camera's line, with one decimal.
ms() { printf '%s\n' "$line" | awk -v path="$1" "$(cat "$work/awk")"' { print ms($0, path) }'; }
{
	echo "# affectd on $(known "machine model")"
	echo
	echo "$time, $version, program SHA-256 $(printf %.12s "$sum")"
	echo
	echo "- System: ${os:-unknown}, kernel $(known "machine kernel"), $(known "machine arch")," \
		"$(known "machine cores") cores, ${memory:-?} bytes of memory"
	echo "- Governor: $(known "machine governor"); after the first measurement $(known "board temperature_c") °C," \
		"throttle bits $(known "board throttled")"
	echo "- Missed budgets: $missed"
	echo
	echo "## Models by themselves"
	echo
	echo '```'
	cat "$work/models"
	echo '```'
	echo
	echo "## The whole line, 640x480, milliseconds"
	echo
	echo "| models | format | frames/s | decode | detect | follow | classify | frame p50 | frame p95 | peak RSS MB |"
	echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
	table rows "$work/bench.names" "$work/bench"
	echo
	echo "## From the camera to a subscriber"
	echo
	line=$(cat "$work/latency")
	case $line in
	'{"skipped"'*) echo "Skipped: $(value "$line" skipped)" ;;
	*)
		echo "$(value "$line" camera): $(value "$line" frames) frames with $(value "$line" faces) faces in $(ms seconds) s; from capture to" \
			"report p50 $(ms "total p50_ms") ms, p95 $(ms "total p95_ms") ms"
		echo
		if [ -z "$(value "$line" subscriber)" ]; then
			echo "No broker: $(cat "$work/no-broker" 2> /dev/null || echo "mqtt.host is empty")"
		else
			echo "At a subscriber: $(value "$line" "subscriber messages") messages, p50 $(ms "subscriber p50_ms") ms," \
				"p95 $(ms "subscriber p95_ms") ms, at most $(ms "subscriber max_ms") ms, $(value "$line" "subscriber lost") lost"
		fi
		;;
	esac
	echo
	echo "## Under load"
	echo
	if [ -s "$work/soak" ]; then
		echo "$soak s, half of it with each format. A sample is ten seconds or a little more."
		echo
		echo "| format | seconds | frames/s | °C | throttle bits | MHz |"
		echo "| --- | --- | --- | --- | --- | --- |"
		awk "$(cat "$work/awk")"' {
			runs = split($0, run, "\"format\":")
			for (i = 2; i <= runs; i++) {
				name = get("\"format\":" run[i], "format"); timeline = run[i]
				sub(/.*"timeline":/, "", timeline); sub(/\].*/, "", timeline)
				count = split(timeline, sample, "{")
				for (j = 2; j <= count; j++) printf "| %s | %.0f | %.1f | %s | %s | %s |\n", name, get(sample[j], "seconds"), \
					get(sample[j], "fps"), or_dash(get(sample[j], "temperature_c")), or_dash(get(sample[j], "throttled")), or_dash(get(sample[j], "clock_mhz"))
			}
		}' "$work/soak"
	else
		echo "Skipped, as asked"
	fi
	echo
	echo "## Budgets"
	echo
	if [ -n "$(value "$first" "budget source")" ]; then
		echo "$(value "$first" "budget board"), source: $(value "$first" "budget source")"
		echo
		echo "| run | metric | measured | allowed | |"
		echo "| --- | --- | --- | --- | --- |"
		table assessments "$work/bench.names" "$work/bench"
		for part in latency soak; do
			[ ! -s "$work/$part" ] || awk "$(cat "$work/awk")"" { assessments(\"$part\", \$0) }" "$work/$part"
		done
	else
		echo "None: $(value "$first" no_budget)"
	fi
} > "$out/affectd-report.md"
say "$out/affectd-report.md; missed: $missed"
[ "$missed" != 'a budget' ]
