// Command policy writes the value of the header `header` in capital letters (A to Z).
package main

import (
	"flumepolicy"
	"flumepolicy/interceptor"
)

type upperCase struct{ header string }

func (p *upperCase) Configure(setup *interceptor.Setup) interceptor.Projection {
	p.header = setup.Properties.Required("header")
	flumepolicy.Info("upper-case edits the header " + p.header)
	return interceptor.Projection{Headers: []string{p.header}}
}

func (p *upperCase) Intercept(_ flumepolicy.Moment, batch *flumepolicy.Batch) {
	for event := range batch.Events() {
		if value, found := event.Header(p.header); found {
			event.SetHeader(p.header, capitals(value))
		}
	}
}

func capitals(text []byte) []byte {
	made := make([]byte, len(text))
	for at, letter := range text {
		if 'a' <= letter && letter <= 'z' {
			letter -= 'a' - 'A'
		}
		made[at] = letter
	}
	return made
}

func init() { interceptor.Export(&upperCase{}) }

func main() {}
