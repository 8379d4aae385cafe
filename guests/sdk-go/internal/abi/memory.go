//go:build wasip1

package abi

import (
	"runtime"
	"unsafe"
)

// Address is an address in the guest's memory. Go's own pointers have 64 bits here, those of the
// contract 32.
type Address = uint32

// given are the buffers that the host asked for and wrote to in this call. Without a reference from
// Go, the collector would free them before they are read.
var given []unsafe.Pointer

// answer has the parts of the last answer; the host reads them after the call has returned.
var answer []unsafe.Pointer

// empty is the address of lists without elements.
var empty uint64

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	// Words instead of bytes, because they are aligned to 8, the most that the contract needs.
	words := make([]uint64, max(1, (size+7)/8))
	at := unsafe.Pointer(unsafe.SliceData(words))
	copy(unsafe.Slice((*byte)(at), size), unsafe.Slice((*byte)(old), min(oldSize, size)))
	given = append(given, at)
	return at
}

// Begin begins a call: the answer to the previous one has been read.
func Begin() {
	clear(answer)
	answer = answer[:0]
}

// End ends a call: code that still needs the host's data holds a reference to it.
func End() {
	clear(given)
	given = given[:0]
}

// Keep keeps what an answer points to until the next call, and returns its address.
func Keep(at unsafe.Pointer) Address {
	answer = append(answer, at)
	return Address(uintptr(at))
}

// Text is text that the host wrote; it may be kept.
func Text(at, length Address) string {
	return unsafe.String((*byte)(pointer(at)), length)
}

// List is a list that the host wrote.
func List[T any](at, length Address) []T {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*T)(pointer(at)), length)
}

// Lower is the address and length of a list of an answer.
func Lower[T any](list []T) (Address, Address) {
	if len(list) == 0 {
		return Keep(unsafe.Pointer(&empty)), 0
	}
	return Keep(unsafe.Pointer(unsafe.SliceData(list))), Address(len(list))
}

// LowerText is the same for text.
func LowerText(text string) (Address, Address) {
	if text == "" {
		return Keep(unsafe.Pointer(&empty)), 0
	}
	return Keep(unsafe.Pointer(unsafe.StringData(text))), Address(len(text))
}

//go:wasmimport flume:policy/log@0.1.0 write
func write(level uint32, at unsafe.Pointer, length uint32)

// Log writes a line to the host's log.
func Log(level Level, line string) {
	at := unsafe.Pointer(&empty)
	if line != "" {
		at = unsafe.Pointer(unsafe.StringData(line))
	}
	write(uint32(level), at, uint32(len(line)))
	runtime.KeepAlive(line)
}

// The address is one that Go itself gave out, and its memory does not move.
func pointer(at Address) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&[1]uintptr{uintptr(at)}))
}
