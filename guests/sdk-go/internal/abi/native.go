//go:build !wasip1

package abi

import (
	"fmt"
	"os"
)

// Log writes to standard error, where there is no host.
func Log(level Level, line string) { fmt.Fprintf(os.Stderr, "%s: %s\n", level, line) }
