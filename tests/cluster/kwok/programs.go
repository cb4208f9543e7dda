//go:build programs

// Package kwok names what ../build builds from this module, so that
// `go mod tidy -e` keeps it. Never compiled: no package can import a main package.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
