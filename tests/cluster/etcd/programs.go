//go:build programs

// Package etcd names what ../build builds from this module, so that
// `go mod tidy -e` keeps it. Never compiled: no package can import a main package.
package etcd

import _ "go.etcd.io/etcd/server/v3"
