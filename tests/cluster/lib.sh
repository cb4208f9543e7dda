# Sourced by the scripts beside it: where programs are cached, how faults are said.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/moonsail-cluster

# name, folder of the module that pins it, package
programs='etcd                    etcd       go.etcd.io/etcd/server/v3
kube-apiserver          kubernetes k8s.io/kubernetes/cmd/kube-apiserver
kube-controller-manager kubernetes k8s.io/kubernetes/cmd/kube-controller-manager
kube-scheduler          kubernetes k8s.io/kubernetes/cmd/kube-scheduler
kubectl                 kubernetes k8s.io/kubernetes/cmd/kubectl
kwok                    kwok       sigs.k8s.io/kwok/cmd/kwok
kube-apiserver-old      kubernetes-1.24 k8s.io/kubernetes/cmd/kube-apiserver
yaml-oracle             ../oracle  .
strangers               strangers  .'

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

# The module folder (field 2) or the package (field 3) of program $1; fails for an unknown one.
program_field() {
	awk -v name="$1" -v field="$2" '$1 == name { print $field; found = 1 } END { exit !found }' <<<"$programs"
}

# The version that the module folder $1 pins. Of a module whose program is its
# own, the oracle, it is what its files contain; so too of the strangers' manifests.
module_version() {
	case $1 in
	strangers) cat "$here"/{strangers/manifests,kubernetes/go.mod,kwok/go.mod} | sha256sum | cut -c1-12 ;;
	../oracle) cat "$here/$1"/{go.mod,go.sum,main.go} | sha256sum | cut -c1-12 ;;
	*) awk '$1 == "require" && $2 != "(" { print $3; exit }' "$here/$1/go.mod" ;;
	esac
}

# Where program $1 is once it is built.
program_path() {
	local module
	module=$(program_field "$1" 2)
	printf '%s/%s-%s\n' "$cache" "$1" "$(module_version "$module")"
}

# kwok's rules of how fake nodes and Pods live, joined from its module by build.
stages_path() { printf '%s/kwok-stages-%s.yaml\n' "$cache" "$(module_version kwok)"; }
