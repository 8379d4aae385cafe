//go:build wasip1

package flumepolicy

import (
	"unsafe"

	"flumepolicy/internal/abi"
)

// The types and functions of this file are for the sibling packages, not for authors.

// Lift makes properties from the host's.
func Lift(list []abi.Property) *Properties {
	properties := &Properties{}
	for at := range list {
		pair := Pair{list[at].Key(), list[at].Value()}
		properties.pairs = append(properties.pairs, pair)
	}
	return properties
}

// LiftColumn makes a column from the host's without copying it.
func LiftColumn(c abi.Column) Column {
	bytes := abi.List[byte](c.Bytes, c.BytesLen)
	return Column{bytes, abi.List[uint32](c.Ends, c.EndsLen)}
}

// LowerColumn makes a column of an answer.
func LowerColumn(c Column) (lowered abi.Column) {
	lowered.Bytes, lowered.BytesLen = abi.Lower(c.Bytes)
	lowered.Ends, lowered.EndsLen = abi.Lower(c.Ends)
	return lowered
}

// refusal is the contract's `config-error`.
type refusal struct {
	kind                               uint32
	key, keyLen, expected, expectedLen uint32
}

// Refuse is the error of `configure`, as a result whose error is a list.
func Refuse(problems []Problem) abi.Address {
	list := make([]refusal, len(problems))
	for at, problem := range problems {
		of := &list[at]
		of.kind = uint32(problem.Kind)
		of.key, of.keyLen = abi.LowerText(problem.Key)
		of.expected, of.expectedLen = abi.LowerText(problem.Expected)
	}
	result := new(struct{ isError, at, length uint32 })
	result.isError = 1
	result.at, result.length = abi.Lower(list)
	return abi.Keep(unsafe.Pointer(result))
}
