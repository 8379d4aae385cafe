// Command policy prints to both streams, and then fails at its first order.
package main

import (
	"fmt"
	"os"

	"flumepolicy/selector"
)

type faulty struct{}

func (faulty) Configure(*selector.Setup) {
	fmt.Println("said on standard output")
	fmt.Fprintln(os.Stderr, "said on standard error")
}

func (faulty) Order(*selector.Ask) []int { panic("no order today") }

func init() { selector.Export(faulty{}) }

func main() {}
