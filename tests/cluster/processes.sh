# Sourced by the scripts that start and stop processes, after lib.sh. All of a
# cluster is in the folder $dir: pids/NAME, logs/NAME.log, args/NAME.

limit=120   # seconds that a cluster on a busy machine may take to become ready

# The pid file may outlive its process and the number come back, so a process is
# ours only if its command line names our folder. That of a zombie is empty.
alive() {
	local pid
	pid=$(cat "$dir/pids/$1" 2>/dev/null) && grep -qF -- "$dir/" "/proc/$pid/cmdline" 2>/dev/null
}

# launch NAME ARG…: starts the program of that name, and remembers how, for relaunch.
launch() { launch_as "$1" "$@"; }

# launch_as NAME PROGRAM ARG…: the same where the program is called otherwise.
launch_as() {
	local name=$1
	printf '%s\n' "$(program_path "$2")" "${@:3}" >"$dir/args/$name"
	relaunch "$name"
}

relaunch() {
	local command
	mapfile -t command <"$dir/args/$1"
	spawn "$1" "${command[@]}"
}

started=()   # what this script has started

# In a session of its own, so that a Ctrl-C in a test run ends no server midway.
# Waits until the child has become the command: before, it doesn't look alive.
spawn() {
	local name=$1
	started+=("$name")
	shift
	setsid "$@" </dev/null >>"$dir/logs/$name.log" 2>&1 &
	echo $! >"$dir/pids/$name"
	disown   # or bash would say "Killed" whenever one is stopped
	until alive "$name" || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
}

# SIGKILL: what they hold is thrown away, and a server that drains takes a minute.
stop() {
	local name deadline=$((SECONDS + 10))
	for name; do
		! alive "$name" || kill -KILL -- "-$(cat "$dir/pids/$name")" 2>/dev/null || true
	done
	for name; do
		while alive "$name"; do
			((SECONDS < deadline)) || die "$name does not end (pid $(cat "$dir/pids/$name"))"
			sleep 0.02
		done
		rm -f "$dir/pids/$name"
	done
}

# Fails if something that this script started has ended.
all_alive() {
	local name
	for name in "${started[@]}"; do
		alive "$name" || fail "$name ended" "$name"
	done
}

# Waits until the rest of the line succeeds. $1 says what for, $2 whose log tells why not.
wait_for() {
	local what=$1 culprit=$2 said
	shift 2
	until ("$@") >"$dir/logs/wait.log" 2>&1; do
		all_alive
		if ((SECONDS >= limit)); then
			said=$(tail -n 1 "$dir/logs/wait.log")
			fail "not there after $limit s: $what${said:+ ($said)}" "$culprit"
		fi
		sleep 0.1
	done
}

fail() {
	say "$1; $dir/logs/$2.log ends with:"
	tail -n 15 "$dir/logs/$2.log" >&2
	exit 1
}

kubectl() {
	"$(program_path kubectl)" --kubeconfig="$dir/kubeconfig" --cache-dir="$dir/cache" --request-timeout=10s "$@"
}

apiserver_ready() { wait_for "the API server" kube-apiserver kubectl get --raw /readyz; }

# Sets `dir` to the cluster in $1, which must be one.
enter() {
	dir=$(cd "${1:-}" 2>/dev/null && pwd) && [[ -n ${1:-} && -d $dir/pids ]] || die "no cluster in \"${1:-}\""
}
