//go:build programs

// Package kubernetes names what ../build builds from this module, so that
// `go mod tidy -e` keeps it. Never compiled: no package can import a main package.
package kubernetes

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
