package main

import (
	"testing"

	"flumepolicy/policytest"
)

func TestValuesGetCapitalLetters(t *testing.T) {
	own := policytest.Pairs{"header": "h"}
	small := policytest.Event{Headers: policytest.Pairs{"h": "Straße 1"}}
	left, problems := policytest.Intercept(&upperCase{}, own, small, policytest.Event{})
	if problems != nil || len(left) != 2 {
		t.Fatal(left, problems)
	}
	if value := left[0].Headers["h"]; value != "STRAßE 1" || len(left[1].Headers) != 0 {
		t.Error(left)
	}
}

func TestTheHeaderMustBeNamed(t *testing.T) {
	if _, problems := policytest.Intercept(&upperCase{}, nil); len(problems) != 1 {
		t.Error(problems)
	}
}
