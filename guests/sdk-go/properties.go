package flumepolicy

import (
	"fmt"
	"slices"
	"strconv"
)

// Properties are keys and values as they were written, asked for one by one.
//
// A bad value does not stop Configure: it is noted, the default is used, and the host shows
// all notes. Keys that were never read are noted too, so a misspelt key never goes unnoticed.
type Properties struct {
	pairs    []Pair
	asked    []string
	problems []Problem
}

// Pair is one property.
type Pair struct{ Key, Value string }

// ProblemKind is the kind of a problem, in the contract's numbers.
type ProblemKind uint8

// What can be wrong with properties.
const (
	MissingKey ProblemKind = iota
	BadValue
	UnknownKey
	Other
)

// Problem is one problem with the properties.
type Problem struct {
	Kind ProblemKind
	// Key is the property's key; for Other, the text.
	Key string
	// Expected is what a BadValue should have been.
	Expected string
}

// NewProperties makes properties from pairs.
func NewProperties(pairs ...Pair) *Properties { return &Properties{pairs: pairs} }

// Optional is text that may be absent.
func (p *Properties) Optional(key string) (string, bool) {
	p.asked = append(p.asked, key)
	for _, pair := range p.pairs {
		if pair.Key == key {
			return pair.Value, true
		}
	}
	return "", false
}

// Text is text with a default.
func (p *Properties) Text(key, fallback string) string {
	if value, found := p.Optional(key); found {
		return value
	}
	return fallback
}

// Required is required text; empty, with a problem noted, if it is missing.
func (p *Properties) Required(key string) string {
	value, found := p.Optional(key)
	if !found {
		p.note(Problem{Kind: MissingKey, Key: key})
	}
	return value
}

// Number is a whole number within bounds; otherwise notes a problem and returns the default.
func (p *Properties) Number(key string, fallback, least, most int64) int64 {
	text, found := p.Optional(key)
	if !found {
		return fallback
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < least || number > most {
		p.Bad(key, fmt.Sprintf("a number from %d to %d", least, most))
		return fallback
	}
	return number
}

// Flag is `true` or `false`.
func (p *Properties) Flag(key string, fallback bool) bool {
	switch text, found := p.Optional(key); {
	case !found:
		return fallback
	case text == "true" || text == "false":
		return text == "true"
	default:
		p.Bad(key, "`true` or `false`")
		return fallback
	}
}

// Bad notes that a value is not valid.
func (p *Properties) Bad(key, expected string) {
	p.note(Problem{Kind: BadValue, Key: key, Expected: expected})
}

// Problem notes any other problem: lower case, no full stop.
func (p *Properties) Problem(words string) { p.note(Problem{Kind: Other, Key: words}) }

// Problems are those noted so far.
func (p *Properties) Problems() []Problem { return p.problems }

// Finish is everything that was noted, with the keys that were never read.
func (p *Properties) Finish() []Problem {
	problems := p.problems
	for _, pair := range p.pairs {
		if !slices.Contains(p.asked, pair.Key) {
			problems = append(problems, Problem{Kind: UnknownKey, Key: pair.Key})
		}
	}
	return problems
}

func (p *Properties) note(problem Problem) { p.problems = append(p.problems, problem) }

// OfSink is a problem with a sink's own property, reported with the sink's name.
func (problem Problem) OfSink(sink string) Problem {
	words := fmt.Sprintf("sink `%s`: %s", sink, problem.Key)
	switch problem.Kind {
	case MissingKey:
		words = fmt.Sprintf("sink `%s` needs the key `%s`", sink, problem.Key)
	case BadValue:
		words = fmt.Sprintf("`%s` of sink `%s` must be %s", problem.Key, sink, problem.Expected)
	}
	return Problem{Kind: Other, Key: words}
}
