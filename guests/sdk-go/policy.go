// Package flumepolicy is for writing policies for flume-host in Go.
//
// A policy is a type with two methods, and a line that exports it:
//
//   - package selector for a sink selector (Configure, Order),
//   - package interceptor for an interceptor (Configure, Intercept),
//   - package state, for either, for state that survives a hot swap,
//   - package policytest for tests with `go test`, without any WebAssembly.
//
// Each of these packages exports the functions of one interface of the contract, so a policy
// exports those of the packages that it imports. Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o policy.wasm .
package flumepolicy

import "flumepolicy/internal/abi"

// Moment says when a call is made. A policy has no running clock of its own.
type Moment struct {
	// Now is in nanoseconds on a clock that never goes back. Its zero has no meaning.
	Now uint64
	// UnixMs is in milliseconds since 1970.
	UnixMs uint64
}

// Debug logs a line for the author.
func Debug(line string) { abi.Log(abi.Debug, line) }

// Info logs a line for the operator.
func Info(line string) { abi.Log(abi.Info, line) }

// Warn logs a line about something that is not as it should be.
func Warn(line string) { abi.Log(abi.Warn, line) }

// Error logs a line about work that could not be done.
func Error(line string) { abi.Log(abi.Error, line) }
