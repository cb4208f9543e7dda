//go:build programs

// Package old names what ../build builds from this module, so that
// `go mod tidy -e` keeps it. Never compiled: no package can import a main package.
package old

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
